//! Every statement that the shipped policies lead to, on each engine, as golden files: a change of the compiler shows here as a change of SQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "support/enforcement.rs"]
mod enforcement;
#[path = "support/mod.rs"]
mod support;

use std::fmt::Write as _;

use chrono::{TimeZone as _, Utc};
use enforcement::{Fixture, rules};
use retentiond::plan::compile::Plan;
use retentiond::plan::listing::listing;
use retentiond::plan::schema::Engine;
use support::database;

fn shipped(organisation: &str, file: &str) -> String {
    std::fs::read_to_string(format!("{}/config/examples/{organisation}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Where the engine would break the line anyway, so that a change shows as few lines.
fn broken(sql: &str) -> String {
    sql.replace(" AND ", "\n    AND ").replace(" OR ", "\n    OR ").replace(" WHERE ", "\n  WHERE ").replace(" SET ", "\n  SET ")
}

fn statements(plan: &Plan) -> String {
    let (mut text, mut action) = (String::new(), String::new());
    for listed in listing(plan) {
        if listed.action != action {
            action = listed.action;
            let _ = writeln!(text, "-- {action}");
        }
        let _ = writeln!(text, "-- {}\n{};\n", listed.step.word(), broken(&listed.sql));
    }
    text
}

async fn all(engine: Engine, schema: &str) {
    let now = Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap();
    for organisation in ["sofraco", "secufor", "bsoft", "bsoft-customers", "seveane", "capassurances", "generic"] {
        let Some(db) = database(engine).await else { return };
        db.run_sql(&shipped(organisation, schema)).await;
        let rules = rules(&shipped(organisation, "map.toml"), &[&shipped(organisation, "policy.toml")]);
        let fixture = Fixture::new(engine, &db, &rules.map.source, now).await;
        let plan = fixture.prepare(&rules).await.plan;
        // The test's database has a random name, which MariaDB's and MySQL's tables carry.
        let name = db.url.rsplit('/').next().unwrap();
        let text = statements(&plan).replace(&format!("`{name}`"), "`db`");
        let engine = if engine == Engine::MySql { Engine::MariaDb } else { engine };
        insta::assert_snapshot!(format!("{organisation}_{}", engine.name().to_lowercase()), text);
    }
}

#[tokio::test]
async fn the_statements_on_sqlite_are_the_golden_ones() {
    all(Engine::Sqlite, "schema.sqlite.sql").await;
}

#[tokio::test]
async fn the_statements_on_postgresql_are_the_golden_ones() {
    all(Engine::Postgres, "schema.postgres.sql").await;
}

#[tokio::test]
async fn the_statements_on_mariadb_are_the_golden_ones() {
    all(Engine::MariaDb, "schema.mariadb.sql").await;
}

const SCHEMA: &str = "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, ended_on TEXT);
     CREATE TABLE visit (id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person (id));
     CREATE TABLE wish (id INTEGER PRIMARY KEY, visit_id INTEGER NOT NULL REFERENCES visit (id), text TEXT)";

const MAP: &str = r#"
[source]
id = "crm"
[data.person]
title = { fr = "Personnes", en = "Persons" }
table = "person"
key = ["id"]
disposition = "anonymise"
plain = ["id", "ended_on"]
[data.person.categories.identity]
columns = ["name"]
mask = "null"
[data.person.events.ended]
title = { fr = "Fin", en = "End" }
column = "ended_on"
format = "iso_date"
[data.visit]
title = { fr = "Visites", en = "Visits" }
table = "visit"
key = ["id"]
disposition = "anonymise"
plain = ["id", "person_id"]
follows = "person"
on = { person_id = "id" }
[data.wish]
title = { fr = "Souhaits", en = "Wishes" }
table = "wish"
key = ["id"]
disposition = "anonymise"
plain = ["id", "visit_id"]
follows = "visit"
on = { visit_id = "id" }
[data.wish.categories.wish]
columns = ["text"]
mask = "null"
"#;

const POLICY: &str = r#"
[policy]
id = "main"
author = "dpo"
title = { fr = "Politique", en = "Policy" }
[[purpose]]
id = "service"
title = { fr = "Service", en = "Service" }
legal_basis = "contract"
data = "crm.person"
needs = ["wish"]
starts = "ended"
keeps = "1 year"
[[purpose]]
id = "accounts"
title = { fr = "Comptes", en = "Accounts" }
legal_basis = "legal_obligation"
data = "crm.person"
needs = ["identity"]
starts = "ended"
keeps = "10 years"
"#;

#[tokio::test]
async fn an_action_that_changes_only_what_follows_its_rows_lists_statements_that_can_be_explained() {
    let db = database(Engine::Sqlite).await.unwrap();
    db.run_sql(SCHEMA).await;
    let rules = rules(MAP, &[POLICY]);
    let now = Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap();
    let fixture = Fixture::new(Engine::Sqlite, &db, "crm", now).await;
    let plan = fixture.prepare(&rules).await.plan;
    assert!(plan.actions.iter().any(|a| a.id == "person.clear.wish" && a.set.is_empty()), "the case is not there");
    let all = listing(&plan);
    assert!(all.iter().any(|s| s.sql.starts_with("UPDATE") && s.sql.contains("wish")), "{all:#?}");
    let mut session = fixture.source.session().await.unwrap();
    for listed in all {
        let explained = session.rows(&format!("EXPLAIN {}", listed.sql)).await;
        assert!(explained.is_ok_and(|rows| !rows.is_empty()), "{listed:?}");
    }
}
