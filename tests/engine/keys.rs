//! Keys and names of every kind select exactly the rows meant.

use retentiond::enforce::{Pace, Settings, Silent};
use retentiond::journal::{Event, FindingKind};
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, Rules, rules};
use crate::scene::{ENGINES, LOCKING, batches_of, clean, consistent, entries, now, number, read};
use crate::support::database;

const MYSQL_FAMILY: [Engine; 2] = [Engine::MariaDb, Engine::MySql];

/// Map and policy of one table with these key columns, deleted three years after `seen`.
fn rules_for(table: &str, keys: &[&str], disposition: &str) -> Rules {
    let toml = |t: &str| serde_json::to_string(t).unwrap();
    let keys: Vec<String> = keys.iter().map(|k| toml(k)).collect();
    let map = format!(
        r#"
[source]
id = "k"
time_zone = "Europe/Paris"
[data.thing]
title = {{ fr = "Chose", en = "Thing" }}
table = {{ name = {} }}
key = [{}]
disposition = "{disposition}"
[data.thing.categories]
identity = {{ columns = ["v"], mask = "null" }}
[data.thing.events.seen]
title = {{ fr = "Vu", en = "Seen" }}
column = "seen"
format = "iso_date"
"#,
        toml(table),
        keys.join(", ")
    );
    let policy = r#"
[policy]
id = "k"
author = "dpo"
title = { fr = "Politique", en = "Policy" }
[[purpose]]
id = "things"
title = { fr = "Choses", en = "Things" }
legal_basis = "contract"
data = "k.thing"
needs = "all"
starts = "seen"
keeps = "3 years"
"#;
    rules(&map, &[policy])
}

/// Rows whose `v` is `gone…` are due, the others are not; afterwards exactly the others are there. Deleted and masked, in one batch and one by one.
async fn exact(engine: Engine, table: &str, columns: &str, keys: &[&str], gone: &[&str], kept: &[&str]) {
    for (disposition, n) in [("delete", 1_000), ("delete", 2), ("anonymise", 3)] {
        let Some(db) = database(engine).await else { return };
        let quote = |name: &str| match engine {
            Engine::Postgres | Engine::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
            _ => format!("`{}`", name.replace('`', "``")),
        };
        let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
        let primary: Vec<String> = keys.iter().map(|k| quote(k)).collect();
        let name = quote(table);
        db.run_sql(&format!(
            "CREATE TABLE {name} ({columns}, v varchar(20), seen {date} NOT NULL, PRIMARY KEY ({}))",
            primary.join(", ")
        ))
        .await;
        let rows: Vec<String> = (gone.iter().enumerate().map(|(i, k)| format!("({k}, 'gone{i}', '2020-01-01')")))
            .chain(kept.iter().enumerate().map(|(i, k)| format!("({k}, 'kept{i}', '2026-01-01')")))
            .collect();
        db.run_sql(&format!("INSERT INTO {name} VALUES {}", rows.join(", "))).await;
        let fixture = Fixture::new(engine, &db, "k", now()).await;
        let place = format!("{} {table:?} {columns} {disposition} {n}", engine.name());
        let outcome = fixture.run_with(&rules_for(table, keys, disposition), batches_of(n), &retentiond::enforce::Silent).await;
        let outcome = outcome.unwrap_or_else(|e| panic!("{place}: {e}"));
        clean(&outcome);
        assert_eq!(outcome.changed(), gone.len() as u64, "{place}");
        let left = read(&fixture, &format!("SELECT v FROM {name} WHERE v IS NOT NULL ORDER BY v")).await;
        let expected: Vec<String> = (0..kept.len()).map(|i| format!("kept{i}")).collect();
        assert_eq!(left, expected, "{place}");
        consistent(&fixture).await;
    }
}

#[tokio::test]
async fn numbers_of_any_size_and_sign_select_exactly() {
    for engine in ENGINES {
        let gone = ["-9223372036854775808", "-1", "0", "9223372036854775807"];
        exact(engine, "t", "k bigint NOT NULL", &["k"], &gone, &["-2", "1", "9223372036854775806"]).await;
    }
    for engine in MYSQL_FAMILY {
        let gone = ["18446744073709551615", "9223372036854775808", "0"];
        exact(engine, "t", "k bigint unsigned NOT NULL", &["k"], &gone, &["18446744073709551614", "9223372036854775807"]).await;
        exact(engine, "t", "k bit(64) NOT NULL", &["k"], &["b'1'", "18446744073709551615"], &["b'0'", "9223372036854775808"])
            .await;
    }
    exact(Engine::Postgres, "t", "k bit(8) NOT NULL", &["k"], &["B'00000001'", "B'11111111'"], &["B'00000000'", "B'10000000'"])
        .await;
    for engine in LOCKING {
        exact(engine, "t", "k decimal(30,10) NOT NULL", &["k"], &["1.0000000001", "-0.5"], &["1", "1.0000000002"]).await;
    }
}

#[tokio::test]
async fn texts_bytes_and_identifiers_select_exactly() {
    let tricky = ["''''", "'a'", "'a\"b'", "'%'", "'x -- y'", "'é'", "'\u{202e}abc'", "'🙂'"];
    for engine in ENGINES {
        // MySQL's default collation passes over control characters.
        let kept = ["''", "'b'", "'_'", if engine == Engine::MySql { "'abd'" } else { "'abc'" }, "'ab'"];
        exact(engine, "t", "k varchar(50) NOT NULL", &["k"], &tricky, &kept).await;
        exact(
            engine,
            "t",
            "a integer NOT NULL, b varchar(20) NOT NULL",
            &["b", "a"],
            &["1, 'x'", "2, 'y'", "-3, ''"],
            &["1, 'y'", "2, 'x'", "3, ''"],
        )
        .await;
    }
    // Backslashes are plain characters on PostgreSQL and SQLite, escapes on MariaDB.
    exact(Engine::Postgres, "t", "k text NOT NULL", &["k"], &[r"'a\'", r"'\\'", r"'a ' || chr(10)"], &[r"'\'", "'a'", "'a '"])
        .await;
    exact(Engine::Sqlite, "t", "k TEXT NOT NULL", &["k"], &[r"'a\'", r"'\\'", "'A'", "'a '"], &[r"'\'", "'a'", "'A '"]).await;
    exact(Engine::Sqlite, "t", "k BLOB NOT NULL", &["k"], &["1", "'1'", "x'31'"], &["2", "'2'", "x'32'"]).await;
    exact(Engine::Sqlite, "t", "k TEXT COLLATE NOCASE NOT NULL", &["k"], &["'A'", "'b'"], &["'B '", "'c'"]).await;
    for engine in MYSQL_FAMILY {
        exact(engine, "t", "k varchar(20) NOT NULL", &["k"], &[r"'a\\'", r"'\'\\'", "'B'"], &[r"'\\'", "'a'", "'C'"]).await;
        exact(engine, "t", "k varchar(20) CHARACTER SET latin1 NOT NULL", &["k"], &["'é'", "'A'"], &["'f'", "'b'"]).await;
        exact(engine, "t", "k binary(3) NOT NULL", &["k"], &["x'000000'", "x'ff0020'"], &["x'000020'", "x'ff0000'"]).await;
        // Spaces at the end are padded or not, as the collation says.
        let unpadded = if engine == Engine::MySql { "utf8mb4_0900_bin" } else { "utf8mb4_nopad_bin" };
        let text = format!("k varchar(20) COLLATE {unpadded} NOT NULL");
        exact(engine, "t", &text, &["k"], &["'a '", "'A'"], &["'a'", "'A '"]).await;
        let time = "k datetime(6) NOT NULL";
        exact(engine, "t", time, &["k"], &["'2026-01-01 00:00:00.000001'"], &["'2026-01-01 00:00:00'"]).await;
    }
    exact(
        Engine::MariaDb,
        "t",
        "k uuid NOT NULL",
        &["k"],
        &["'123e4567-e89b-12d3-a456-426614174000'"],
        &["'123e4567-e89b-12d3-a456-426614174001'"],
    )
    .await;
    exact(
        Engine::Postgres,
        "t",
        "k uuid NOT NULL",
        &["k"],
        &["'123e4567-e89b-12d3-a456-426614174000'"],
        &["'123e4567-e89b-12d3-a456-426614174001'"],
    )
    .await;
    exact(Engine::Postgres, "t", "k bytea NOT NULL", &["k"], &[r"'\x00'", r"'\xff27'"], &[r"'\x'", r"'\x0000'"]).await;
    exact(Engine::Postgres, "t", "k char(4) NOT NULL", &["k"], &["'a'", "'b'"], &["'ab'", "'c'"]).await;
    exact(
        Engine::Postgres,
        "t",
        "k timestamptz NOT NULL",
        &["k"],
        &["'2026-01-01 00:00:00.000001+02'"],
        &["'2026-01-01 00:00:00+02'"],
    )
    .await;
    exact(Engine::Postgres, "t", "k date NOT NULL", &["k"], &["'2026-01-01'", "'0044-03-15 BC'"], &["'2026-01-02'"]).await;
}

#[tokio::test]
async fn names_of_tables_and_columns_may_be_anything() {
    let long = "n".repeat(63);
    for engine in ENGINES {
        let names = [
            "select",
            "Mixed Case",
            "a\"b",
            "a`b",
            "it's",
            "semi;colon",
            "dash--dash",
            "back\\slash",
            "\u{202e}rtl\u{202c}",
            long.as_str(),
            "per%cent",
        ];
        for name in names.into_iter().chain((!engine.is_mysql_family()).then_some("🙂")) {
            let quoted = match engine {
                Engine::MariaDb | Engine::MySql => format!("`{}`", name.replace('`', "``")),
                _ => format!("\"{}\"", name.replace('"', "\"\"")),
            };
            exact(engine, name, &format!("{quoted} integer NOT NULL"), &[name], &["1", "3"], &["2"]).await;
        }
    }
}

/// SQLite allows NULL in a primary key, and a character NUL in a text.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_nothing_names_keeps_nobody_else_and_is_told() {
    const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"
[data.p]
title = { fr = "P", en = "P" }
table = "p"
key = ["code"]
disposition = "delete"
categories = { identity = { columns = ["name"], mask = { fixed = "X" } } }
events = { seen = { title = { fr = "Vu", en = "Seen" }, column = "seen", format = "iso_date" } }
[data.note]
title = { fr = "N", en = "N" }
table = "note"
key = ["id"]
follows = "p"
on = { p_code = "code" }
disposition = "delete"
categories = { text = { columns = ["body"], mask = { fixed = "" } } }
[data.q]
title = { fr = "Q", en = "Q" }
table = "q"
key = ["code"]
disposition = "delete"
categories = { identity = { columns = ["name"], mask = { fixed = "X" } } }
events = { seen = { title = { fr = "Vu", en = "Seen" }, column = "seen", format = "iso_date" } }
"#;
    let purpose = |id: &str, data: &str| {
        format!(
            "[[purpose]]\nid = \"{id}\"\ntitle = {{ fr = \"G\", en = \"P\" }}\nlegal_basis = \"contract\"\ndata = \"crm.{data}\"\nneeds = \"all\"\nstarts = \"seen\"\nkeeps = \"1 year\"\n"
        )
    };
    let policy = format!(
        "[policy]\nid = \"crm\"\nauthor = \"dpo\"\ntitle = {{ fr = \"P\", en = \"P\" }}\n{}{}",
        purpose("of-p", "p"),
        purpose("of-q", "q")
    );
    let rules = rules(MAP, &[&policy]);
    let Some(db) = database(Engine::Sqlite).await else { return };
    let rows = |n: usize| (0..n).map(|n| format!("('k{n:03}', 'A', '2010-01-01')")).collect::<Vec<_>>().join(", ");
    db.run_sql(&format!(
        "CREATE TABLE p (code TEXT PRIMARY KEY, name TEXT, seen TEXT); CREATE TABLE q (code TEXT PRIMARY KEY, name TEXT, seen TEXT);
         CREATE TABLE note (id TEXT PRIMARY KEY, p_code TEXT REFERENCES p (code), body TEXT);
         INSERT INTO p VALUES {}, (NULL, 'B', '2010-01-01'), (NULL, 'C', '2010-01-01'), ('kept', 'D', '2026-01-01');
         INSERT INTO q VALUES ('a', 'A', '2026-01-01'), ('a' || char(0) || 'b', 'B', '2010-01-01'), ('b', 'C', '2010-01-01'), ('c', 'D', '2010-01-01');
         INSERT INTO note VALUES ('n1', 'k001', 'x'), (NULL, 'k002', 'y')",
        rows(50)
    ))
    .await;
    // More of them than are looked for at once, before and between those that have names; and one whose name is due to nobody.
    db.run_sql("INSERT INTO q SELECT NULL, 'X', '2010-01-01' FROM p LIMIT 20; INSERT INTO q SELECT 'b' || char(0) || code, 'X', '2010-01-01' FROM p WHERE code LIKE 'k%'").await;
    let fixture = Fixture::new(Engine::Sqlite, &db, "crm", now()).await;
    for pace in [Pace::Gentle, Pace::Full] {
        let settings = Settings { pace, chunk: 7, ..batches_of(5) };
        let outcome = fixture.run_with(&rules, settings, &Silent).await.unwrap();
        let of = |id: &str| outcome.actions.iter().find(|a| a.action == id).unwrap().clone();
        let (p, q) = (of("p.delete"), of("q.delete"));
        assert_eq!((p.nameless, p.failed, p.due_after), (2, 1, 3), "{p:?}");
        assert_eq!((q.nameless, q.failed, q.due_after), (72, 0, 72), "{q:?}");
        assert_eq!(number(&fixture, "FROM p WHERE code IS NULL OR code IN ('k002', 'kept')").await, 4);
        assert_eq!(
            (number(&fixture, "FROM p").await, number(&fixture, "FROM q").await, number(&fixture, "FROM note").await),
            (4, 73, 1)
        );
        assert!(outcome.failed() > 0);
    }
    let told = entries(&fixture).await.into_iter().filter_map(|e| match e.event {
        Event::Finding { finding: FindingKind::Nameless, count, .. } => Some(count),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [2, 72, 2, 72]);
    consistent(&fixture).await;
}
