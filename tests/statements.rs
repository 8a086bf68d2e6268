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
    for organisation in ["sofraco", "secufor", "bsoft", "seveane", "capassurances", "generic"] {
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
