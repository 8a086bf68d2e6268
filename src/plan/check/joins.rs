//! Columns that a join compares otherwise than the foreign key over them does, or than anybody would expect.
//!
//! SQLite's foreign keys compare with the collation and the affinity of the column referred to; `=` takes the collation of its left side, and of two
//! affinities the numeric one (<https://www.sqlite.org/foreignkeys.html>, <https://www.sqlite.org/datatype3.html>). Where these differ, rows that the
//! database takes for children would not be found, and others would be taken for them. MariaDB and MySQL compare a number with a text as floating
//! points, for which different keys are the same. PostgreSQL refuses other types, but not a padded text beside another one, nor every pair of collations.

use std::collections::BTreeSet;

use super::{Inspection, tables};
use crate::plan::schema::{Column, Engine, Table, TypeClass};
use crate::policy::located::{Faults, Span};
use crate::policy::map::DataSet;
use crate::policy::reader::shown;

pub(super) fn inspect(cx: &Inspection<'_>, faults: &mut Faults) {
    let engine = cx.resolved.dialect.engine;
    let mut told = BTreeSet::new();
    for (data, table) in cx.mapped() {
        for (at, child, parent, pairs) in joins(cx, data, table) {
            for (here, there) in pairs {
                let (Some(here), Some(there)) = (child.column(&here), parent.column(&there)) else { continue };
                let differs = match engine {
                    Engine::Postgres => on_postgres(here, there),
                    Engine::Sqlite => on_sqlite(here, there),
                    Engine::MariaDb | Engine::MySql => on_mysql(here, there),
                };
                if let Some(why) = differs
                    .filter(|_| told.insert([&child.name, &parent.name].map(|t| (t, here.name.as_str(), there.name.as_str()))))
                {
                    let place = |table: &Table, column: &Column| format!("`{}.{}`", cx.name(&table.name), shown(&column.name));
                    faults
                        .error(
                            at,
                            format!(
                                "{} and {} are not compared as one would expect: {why}",
                                place(child, here),
                                place(parent, there)
                            ),
                        )
                        .expected(
                            "columns of the same type and collation on both sides: rows would be missed, or taken for others",
                        );
                }
            }
        }
    }
}

type Join<'a> = (&'a Span, &'a Table, &'a Table, Vec<(String, String)>);

/// All joins that a data set takes part in, each from the side that refers: those of the map, and foreign keys of and to its table.
fn joins<'a>(cx: &Inspection<'a>, data: &'a DataSet, table: &'a Table) -> Vec<Join<'a>> {
    let mut all: Vec<Join<'a>> = Vec::new();
    if let Some(parent) = &data.parent
        && let Some(above) = cx.resolved.map.data_set(&parent.data).and_then(|p| cx.resolved.table(p))
    {
        let pairs = parent.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect();
        all.push((&parent.data.at, table, above, pairs));
    }
    for related in tables::relations(data) {
        if let Some((other, pairs)) = cx.resolved.related(data, &related.to) {
            all.push((&data.table.at, other, table, pairs));
        }
    }
    let schema = cx.resolved.schema;
    let up = table.foreign_keys.iter().filter_map(|key| Some((table, schema.table(&key.parent)?, key)));
    let cascades = data.cascades.iter().filter_map(|c| cx.resolved.find_table(c)).map(|t| &t.name);
    let down = [&table.name].into_iter().chain(cascades);
    let down = down.flat_map(|name| schema.children_of(name).filter_map(|(child, key)| Some((child, schema.table(name)?, key))));
    for (child, parent, key) in up.chain(down) {
        let pairs = key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect();
        all.push((&data.table.at, child, parent, pairs));
    }
    all
}

/// How SQLite converts the values of a column when it compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affinity {
    Numeric,
    Text,
    None,
}

/// By the rules of <https://www.sqlite.org/datatype3.html>, section 3.1; INTEGER, REAL and NUMERIC compare alike.
fn affinity(column: &Column) -> Affinity {
    let declared = column.sql_type.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if has(&["INT"]) {
        Affinity::Numeric
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    // `ANY` converts nothing in a STRICT table, and is a number's elsewhere: like nothing but itself.
    } else if declared.trim().is_empty() || declared.trim() == "ANY" || has(&["BLOB"]) {
        Affinity::None
    } else {
        Affinity::Numeric
    }
}

/// Why SQLite joins these columns otherwise than its foreign key from the first to the second does, whichever of them stands on the left; `None` where it
/// does not.
#[must_use]
pub fn on_sqlite(child: &Column, parent: &Column) -> Option<String> {
    let [here, there] = [child, parent].map(affinity);
    let said = |column: &Column| if column.sql_type.is_empty() { "no type".to_owned() } else { shown(&column.sql_type) };
    // A number converts whatever is compared with it, in a foreign key as well; a text converts only there, and what has no type never does.
    let converted = match there {
        Affinity::Numeric => true,
        Affinity::Text => here == Affinity::Text,
        Affinity::None => here != Affinity::Numeric,
    };
    if !converted {
        return Some(format!("{} beside {}", said(child), said(parent)));
    }
    let collation = |column: &Column| column.collation.as_deref().unwrap_or("BINARY").to_ascii_uppercase();
    // A column of numbers may hold texts as well.
    (collation(child) != collation(parent))
        .then(|| format!("collation {} beside {}", shown(&collation(child)), shown(&collation(parent))))
}

/// PostgreSQL pads `character(n)`: beside another text its blanks count in a foreign key and not in a join. Of two collations one may take for the same what
/// the other tells apart.
fn on_postgres(child: &Column, parent: &Column) -> Option<String> {
    if child.class != TypeClass::Text || parent.class != TypeClass::Text {
        return None;
    }
    let padded = |column: &Column| column.sql_type == "character" || column.sql_type.starts_with("character(");
    if padded(child) != padded(parent) {
        return Some(format!("{} beside {}", shown(&child.sql_type), shown(&parent.sql_type)));
    }
    let [here, there] = [child, parent].map(|column| column.collation.as_deref().unwrap_or("default"));
    (here != there).then(|| format!("collation {} beside {}", shown(here), shown(there)))
}

fn on_mysql(child: &Column, parent: &Column) -> Option<String> {
    use TypeClass::{Bit, Boolean, Decimal, Enum, Float, Integer, Json, Text};
    let is_number = |c: &Column| matches!(c.class, Integer | Decimal | Float | Boolean | Bit);
    let is_text = |c: &Column| matches!(c.class, Text | Enum | Json);
    let mixed = is_number(child) && is_text(parent) || is_text(child) && is_number(parent);
    mixed.then(|| format!("{} beside {}", shown(&child.sql_type), shown(&parent.sql_type)))
}
