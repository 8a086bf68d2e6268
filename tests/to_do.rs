//! The to-do column of MariaDB and MySQL: advised by `check`, created as advised, named in the map, used to find what is due, and never trusted beyond that.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "support/enforcement.rs"]
mod enforcement;
#[path = "support/mod.rs"]
mod support;

use chrono::{DateTime, TimeZone as _, Utc};
use enforcement::{Fixture, Rules, rules, unlimited};
use retentiond::enforce::{Expecting, Silent, check, take_census, take_due_census};
use retentiond::plan::schema::Engine;
use retentiond::policy::located::{Fault, Faults};
use support::database;

fn shipped(file: &str) -> String {
    std::fs::read_to_string(format!("{}/config/examples/generic/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap()
}

/// The map with a to-do column named.
fn map(to_do: Option<&str>) -> String {
    let line = to_do.map(|name| format!("to_do = \"{name}\"\n")).unwrap_or_default();
    shipped("map.toml").replace("[data.contract]\n", &format!("[data.contract]\n{line}"))
}

async fn faults(fixture: &Fixture<'_>, rules: &Rules) -> Vec<Fault> {
    let mut found = Faults::default();
    check(&fixture.source, &rules.map, &rules.policies, now(), true, &mut found).await.unwrap();
    found.sorted().into_iter().cloned().collect()
}

/// Contracts that ended long ago, masked in earlier years, and a few that ended since.
fn contracts(masked: usize, due: usize) -> String {
    let mut rows: Vec<String> = (1..=masked)
        .map(|i| format!("({i}, 'ctr-{i:024x}', 'Anonyme', 'anon-{i:032x}@example.invalid', NULL, NULL, 'p', '2001-01-01', '2010-01-{:02}')", 1 + i % 28))
        .collect();
    rows.extend((masked + 1..=masked + due).map(|i| {
        format!(
            "({i}, 'C{i}', 'Someone', 'a{i}@example.org', '0102030405', 'Lyon', 'p', '2001-01-01', '2015-01-{:02}')",
            1 + i % 28
        )
    }));
    format!(
        "INSERT INTO contract (id, number, holder_name, holder_email, holder_phone, holder_postal_code, product, started_on, ended_on) VALUES {}",
        rows.join(", ")
    )
}

/// A virtual column over it says something else to a session of another time zone, and an index over that is corrupt (MariaDB 10.11).
#[tokio::test]
async fn where_a_timestamp_is_compared_none_is_advised_and_none_taken() {
    let with = |mask: &str, to_do: &str| {
        let map = format!(
            "[source]\nid = \"crm\"\ntime_zone = \"Europe/Paris\"\n[data.visit]\ntitle = {{ fr = \"Visite\", en = \"Visit\" }}\ntable = \"visit\"\nkey = [\"id\"]\n{to_do}disposition = \"anonymise\"\n\
             categories = {{ visit = {{ columns = [\"seen\"], mask = {mask} }} }}\nevents = {{ last = {{ title = {{ fr = \"Fin\", en = \"End\" }}, column = \"last_on\" }} }}\n"
        );
        let policy = "[policy]\nid = \"crm\"\nauthor = \"dpo\"\ntitle = { fr = \"P\", en = \"P\" }\n[[purpose]]\nid = \"visits\"\ntitle = { fr = \"V\", en = \"V\" }\n\
                      legal_basis = \"contract\"\ndata = \"crm.visit\"\nneeds = \"all\"\nstarts = \"last\"\nkeeps = \"1 year\"\n";
        rules(&map, &[policy])
    };
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(db) = database(engine).await else { continue };
        db.run_sql("CREATE TABLE visit (id integer PRIMARY KEY, seen timestamp NULL, last_on date, INDEX (last_on))").await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let advised = async |rules: &Rules| {
            faults(&fixture, rules).await.iter().any(|f| f.expected.iter().any(|e| e.contains("retentiond_todo_")))
        };
        assert!(advised(&with("\"null\"", "")).await, "{}", engine.name());
        assert!(!advised(&with("\"year\"", "")).await, "{}", engine.name());
        let named = faults(&fixture, &with("\"year\"", "to_do = \"retentiond_todo_00000000\"\n")).await;
        assert!(named.iter().any(|f| f.message.contains("can have no to-do column")), "{}: {named:#?}", engine.name());
    }
}

#[tokio::test]
async fn what_check_advises_is_created_named_and_found_by() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&shipped("schema.mariadb.sql")).await;
        db.run_sql(&contracts(2_000, 3)).await;
        let plain = rules(&map(None), &[&shipped("policy.toml")]);
        let fixture = Fixture::new(engine, &db, "generic", now()).await;

        // `check` wants the column although the start is indexed.
        let advice =
            faults(&fixture, &plain).await.into_iter().find_map(|f| f.help.filter(|h| h.contains("retentiond_todo_"))).unwrap();
        let name = advice.split('`').find(|word| word.starts_with("retentiond_todo_")).unwrap().to_owned();
        // As it is printed, where a line break would be shown as something else.
        assert_eq!(retentiond::policy::reader::inert(&advice), advice);
        db.run_sql(&advice).await;
        let named = rules(&map(Some(&name)), &[&shipped("policy.toml")]);
        let left: Vec<_> = faults(&fixture, &named).await;
        assert!(left.iter().all(|f| !f.message.contains("todo") && !f.message.contains("no index")), "{left:#?}");

        // The statement that finds what is due goes by the column, and reads what is due alone.
        let prepared = fixture.prepare(&named).await;
        let action = prepared.plan.actions.iter().find(|a| a.id == "contract.anonymise").unwrap();
        let mut session = fixture.source.session().await.unwrap();
        let explained = session.rows(&format!("EXPLAIN {}", action.find_all(prepared.plan.dialect))).await.unwrap();
        let shown: Vec<&str> = explained[0].iter().flatten().map(String::as_str).collect();
        assert!(shown.iter().any(|c| c.contains(&name)), "{shown:?}");
        let due = take_due_census(&fixture.source, &prepared.plan, false, Expecting::Anything).await.unwrap();
        let full = take_census(&mut session, &prepared.plan).await.unwrap();
        session.done().await.unwrap();
        assert_eq!(due[0].1.actions, [("contract.anonymise".to_owned(), 3)]);
        assert_eq!(full[0].1.actions, due[0].1.actions, "the full census counts without the column");

        let outcome = fixture.run_prepared(&prepared, unlimited(), &Silent).await.unwrap();
        assert_eq!((outcome.actions[0].changed, outcome.actions[0].due_after), (3, 0), "{}", engine.name());
        let again = fixture.run(&named).await;
        assert_eq!(again.changed(), 0);
    }
}

#[tokio::test]
async fn a_column_that_is_not_the_one_is_refused_and_never_used() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&shipped("schema.mariadb.sql")).await;
        // Says of every row that nothing is left to do.
        db.run_sql(
            "ALTER TABLE contract ADD COLUMN retentiond_todo_00000000 TINYINT(1) GENERATED ALWAYS AS (0) VIRTUAL INVISIBLE",
        )
        .await;
        db.run_sql(&contracts(0, 3)).await;
        let fixture = Fixture::new(engine, &db, "generic", now()).await;
        let stale = rules(&map(Some("retentiond_todo_00000000")), &[&shipped("policy.toml")]);
        let found = faults(&fixture, &stale).await;
        assert!(found.iter().any(|f| f.message.contains("other masks")), "{found:#?}");
        assert_eq!(fixture.run(&stale).await.changed(), 3);
        let absent = rules(&map(Some("elsewhere")), &[&shipped("policy.toml")]);
        assert!(faults(&fixture, &absent).await.iter().any(|f| f.message.contains("other masks")));
    }
}

/// A column of the right name that lies is not seen by what finds rows; the full census counts without it and says what is left.
#[tokio::test]
async fn a_column_that_lies_under_the_right_name_is_told_by_the_full_census() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&shipped("schema.mariadb.sql")).await;
        db.run_sql(&contracts(0, 3)).await;
        let plain = rules(&map(None), &[&shipped("policy.toml")]);
        let fixture = Fixture::new(engine, &db, "generic", now()).await;
        let advice =
            faults(&fixture, &plain).await.into_iter().find_map(|f| f.help.filter(|h| h.contains("retentiond_todo_"))).unwrap();
        let name = advice.split('`').find(|word| word.starts_with("retentiond_todo_")).unwrap().to_owned();
        db.run_sql(&format!("ALTER TABLE contract ADD COLUMN {name} TINYINT(1) GENERATED ALWAYS AS (0) VIRTUAL INVISIBLE")).await;
        let named = rules(&map(Some(&name)), &[&shipped("policy.toml")]);
        let outcome = fixture.run(&named).await;
        assert_eq!((outcome.actions[0].changed, outcome.actions[0].due_after), (0, 3), "{}", engine.name());
    }
}

#[tokio::test]
async fn engines_with_partial_indexes_have_no_such_column() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let Some(db) = database(engine).await else { continue };
        let schema = if engine == Engine::Postgres { "schema.postgres.sql" } else { "schema.sqlite.sql" };
        db.run_sql(&shipped(schema)).await;
        let fixture = Fixture::new(engine, &db, "generic", now()).await;
        let named = rules(&map(Some("done")), &[&shipped("policy.toml")]);
        assert!(faults(&fixture, &named).await.iter().any(|f| f.message.contains("can have no to-do column")));
    }
}
