//! Columns that a join compares otherwise than the foreign key over them does, or than anybody would expect.
//!
//! SQLite's foreign keys compare with the collation and the affinity of the column referred to; `=` takes the collation of its left side, and of two
//! affinities the numeric one (<https://www.sqlite.org/foreignkeys.html>, <https://www.sqlite.org/datatype3.html>). Where these differ, rows that the
//! database takes for children would not be found, and others would be taken for them. MariaDB and MySQL compare a number with a text as floating
//! points, for which different keys are the same.

use std::collections::BTreeSet;

use super::{Inspection, tables};
use crate::plan::schema::{Column, Engine, Table, TypeClass};
use crate::policy::located::{Faults, Span};
use crate::policy::map::DataSet;
use crate::policy::reader::shown;

pub(super) fn inspect(cx: &Inspection<'_>, faults: &mut Faults) {
    let engine = cx.resolved.dialect.engine;
    if engine == Engine::Postgres {
        // It refuses to compare types or collations that differ.
        return;
    }
    let mut told = BTreeSet::new();
    for (data, table) in cx.mapped() {
        for (at, child, parent, pairs) in joins(cx, data, table) {
            for (here, there) in pairs {
                let (Some(here), Some(there)) = (child.column(&here), parent.column(&there)) else { continue };
                let differs = if engine == Engine::Sqlite { on_sqlite(here, there) } else { on_mysql(here, there) };
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

fn on_sqlite(child: &Column, parent: &Column) -> Option<String> {
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

fn on_mysql(child: &Column, parent: &Column) -> Option<String> {
    use TypeClass::{Bit, Boolean, Decimal, Enum, Float, Integer, Json, Text};
    let is_number = |c: &Column| matches!(c.class, Integer | Decimal | Float | Boolean | Bit);
    let is_text = |c: &Column| matches!(c.class, Text | Enum | Json);
    let mixed = is_number(child) && is_text(parent) || is_text(child) && is_number(parent);
    mixed.then(|| format!("{} beside {}", shown(&child.sql_type), shown(&parent.sql_type)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(sql_type: &str, collation: Option<&str>) -> Column {
        Column {
            name: "c".into(),
            sql_type: sql_type.into(),
            class: TypeClass::Text,
            max_length: None,
            nullable: true,
            generated: false,
            default: None,
            on_update_now: false,
            collation: collation.map(str::to_owned),
        }
    }

    /// What SQLite itself says: for values of many kinds, whether a foreign key is satisfied exactly where both ways to write a join find the row.
    #[tokio::test]
    async fn what_passes_is_what_sqlite_joins_as_its_foreign_keys_do_whichever_side_is_left() {
        use sqlx::{Connection as _, Executor as _, Row as _};
        const TYPES: [&str; 8] = ["INTEGER", "BIGINT", "REAL", "NUMERIC", "TEXT", "VARCHAR(9)", "BLOB", ""];
        const VALUES: [&str; 10] = ["1", "1.0", "'1'", "'01'", "'1.0'", "'a'", "'A'", "'a '", "x'61'", "x'31'"];
        let mut differing = 0;
        for (there, here) in TYPES.iter().flat_map(|t| TYPES.map(|h| (*t, h))) {
            for (of_parent, of_child) in [("BINARY", "BINARY"), ("NOCASE", "NOCASE"), ("NOCASE", "BINARY"), ("BINARY", "RTRIM")] {
                let mut db = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
                let create = format!(
                    "PRAGMA foreign_keys = ON; CREATE TABLE p (k {there} COLLATE {of_parent} UNIQUE);
                     CREATE TABLE c (k {here} COLLATE {of_child} REFERENCES p (k)); CREATE TABLE v (k {here} COLLATE {of_child})"
                );
                db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(create))).await.unwrap();
                let mut same = true;
                for (of_p, of_c) in VALUES.iter().flat_map(|p| VALUES.map(|c| (*p, c))) {
                    let sql = format!(
                        "DELETE FROM c; DELETE FROM v; DELETE FROM p; INSERT INTO p VALUES ({of_p}); INSERT INTO v VALUES ({of_c})"
                    );
                    db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
                    let sql = format!("INSERT INTO c VALUES ({of_c})");
                    let kept = db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.is_ok();
                    let joined = db.fetch_one(
                        "SELECT (SELECT count(*) FROM v, p WHERE v.k = p.k), (SELECT count(*) FROM v, p WHERE p.k = v.k)",
                    );
                    let joined = joined.await.unwrap();
                    same &= [0, 1].map(|at| joined.get::<i64, _>(at) == 1) == [kept, kept];
                }
                differing += usize::from(!same);
                let told = on_sqlite(&column(here, Some(of_child)), &column(there, Some(of_parent)));
                assert!(same || told.is_some(), "{here} {of_child} -> {there} {of_parent}");
            }
        }
        assert!(differing > 50, "{differing}");
    }

    #[test]
    fn what_people_write_passes() {
        for (child, parent) in
            [("INTEGER", "INTEGER"), ("INT", "INTEGER"), ("VARCHAR(36)", "TEXT"), ("DATE", "INTEGER"), ("TEXT", "BIGINT")]
        {
            assert_eq!(on_sqlite(&column(child, None), &column(parent, None)), None, "{child} {parent}");
        }
        assert!(on_sqlite(&column("TEXT", Some("nocase")), &column("TEXT", Some("NOCASE"))).is_none());
        assert!(on_sqlite(&column("TEXT", None), &column("TEXT", Some("NOCASE"))).is_some());
        assert!(on_sqlite(&column("INTEGER", None), &column("TEXT", None)).is_some());
    }
}
