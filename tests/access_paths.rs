//! How each engine reaches the rows of every statement that the shipped policies lead to, as golden files: a lost index shows here.
//!
//! The tables are empty, so the planners are told to prefer indexes (PostgreSQL) or do so anyway; what is left of a sequential scan has no index to go by.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "support/enforcement.rs"]
mod enforcement;
#[path = "support/mod.rs"]
mod support;

use std::fmt::Write as _;

use chrono::{TimeZone as _, Utc};
use enforcement::{Fixture, rules};
use retentiond::plan::listing::{Listed, listing};
use retentiond::plan::schema::Engine;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use support::{TestDatabase, database};

fn shipped(organisation: &str, file: &str) -> String {
    std::fs::read_to_string(format!("{}/config/examples/{organisation}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// PostgreSQL's plan without costs: the nodes that read tables.
async fn postgres(fixture: &Fixture<'_>, statements: &[Listed]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for s in statements {
        let mut session = fixture.source.session().await.unwrap();
        let explain = format!("EXPLAIN (COSTS OFF) {}", s.sql);
        let answers = session.script(&["BEGIN", "SET LOCAL enable_seqscan = off", &explain]).await.unwrap();
        let lines = answers[2].rows.iter().filter_map(|r| r[0].clone());
        all.push(lines.map(|l| l.trim().trim_start_matches("->").trim().to_owned()).filter(|l| l.contains("Scan")).collect());
        session.done().await.unwrap();
    }
    all
}

/// MariaDB's and MySQL's: the table, how it is reached, by which index.
async fn mysql(fixture: &Fixture<'_>, statements: &[Listed]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for s in statements {
        let mut session = fixture.source.session().await.unwrap();
        let rows = session.rows(&format!("EXPLAIN {}", s.sql)).await.unwrap();
        let cell = |row: &[Option<String>], i: usize| row[i].clone().unwrap_or_else(|| "-".to_owned());
        all.push(rows.iter().map(|r| format!("{} {} by {}", cell(r, 2), cell(r, 3), cell(r, 5))).collect());
        session.done().await.unwrap();
    }
    all
}

async fn sqlite(db: &TestDatabase, statements: &[Listed]) -> Vec<Vec<String>> {
    let mut connection = SqliteConnection::connect(&db.url).await.unwrap();
    let mut all = Vec::new();
    for s in statements {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", s.sql));
        let rows = sqlx::raw_sql(explain).fetch_all(&mut connection).await.unwrap();
        all.push(rows.iter().map(|r| r.get::<String, _>(3)).collect());
    }
    all
}

async fn all(engine: Engine, schema: &str) {
    let now = Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap();
    for organisation in ["sofraco", "secufor", "bsoft", "bsoft-customers", "seveane", "capassurances", "generic"] {
        let Some(db) = database(engine).await else { return };
        db.run_sql(&shipped(organisation, schema)).await;
        let rules = rules(&shipped(organisation, "map.toml"), &[&shipped(organisation, "policy.toml")]);
        let fixture = Fixture::new(engine, &db, &rules.map.source, now).await;
        let prepared = fixture.prepare(&rules).await;
        let statements = listing(&prepared.plan);
        let paths = match engine {
            Engine::Postgres => postgres(&fixture, &statements).await,
            Engine::MariaDb | Engine::MySql => mysql(&fixture, &statements).await,
            Engine::Sqlite => sqlite(&db, &statements).await,
        };
        let mut text = String::new();
        for (s, paths) in statements.iter().zip(paths) {
            let _ = writeln!(text, "{}: {}", s.action, s.step.word());
            for path in paths {
                let _ = writeln!(text, "    {}", path.replace(&db.name, "DATABASE"));
            }
        }
        insta::assert_snapshot!(format!("{organisation}_{}", engine.name().to_lowercase()), text);
    }
}

#[tokio::test]
async fn the_ways_on_postgresql_are_the_golden_ones() {
    all(Engine::Postgres, "schema.postgres.sql").await;
}

#[tokio::test]
async fn the_ways_on_mariadb_are_the_golden_ones() {
    all(Engine::MariaDb, "schema.mariadb.sql").await;
}

#[tokio::test]
async fn the_ways_on_sqlite_are_the_golden_ones() {
    all(Engine::Sqlite, "schema.sqlite.sql").await;
}
