//! The lists of facts about columns, and their types as classes.

use std::collections::BTreeMap;

use retentiond::plan::schema::TypeClass;

/// A column of somebody else's schema and a human's judgement of it.
pub struct Fact {
    pub table: String,
    pub column: String,
    pub class: TypeClass,
    pub max_length: Option<u64>,
    /// The category, `None` when it is not personal.
    pub category: Option<String>,
}

/// Columns of a schema that the recogniser was developed with.
pub const DEVELOPED_WITH: &str = include_str!("columns.txt");

/// Columns that nothing was adjusted to.
pub const HELD_OUT: &str = include_str!("held_out.txt");

/// Reads a list, by table.
pub fn read(text: &str) -> BTreeMap<String, Vec<Fact>> {
    let mut tables: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [table, column, sql_type, category] = parts[..] else { panic!("{line}") };
        let (class, max_length) = class_of(sql_type);
        tables.entry(table.to_owned()).or_default().push(Fact {
            table: table.to_owned(),
            column: column.to_owned(),
            class,
            max_length,
            category: (category != "-").then(|| category.to_owned()),
        });
    }
    tables
}

fn class_of(sql_type: &str) -> (TypeClass, Option<u64>) {
    let (base, length) = sql_type.split_once('(').unwrap_or((sql_type, ""));
    let length = length.trim_end_matches(')').parse().ok();
    let class = match base {
        "integer" | "tinyint" | "smallint" | "bigint" => TypeClass::Integer,
        "double" | "float" => TypeClass::Float,
        "numeric" | "decimal" => TypeClass::Decimal,
        "boolean" => TypeClass::Boolean,
        "date" => TypeClass::Date,
        "datetime" => TypeClass::DateTime,
        "timestamp" | "timestamptz" => TypeClass::Instant,
        "varchar" | "char" | "text" | "tinytext" | "mediumtext" | "longtext" => TypeClass::Text,
        other => panic!("{other}"),
    };
    let length = if base == "tinytext" { Some(255) } else { length };
    (class, if class == TypeClass::Text { length } else { None })
}
