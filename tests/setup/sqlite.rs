//! The script on SQLite.

use retentiond::{
    plan::{
        own_tables::OwnTable,
        quote::{identifier, text_literal},
        schema::Engine::Sqlite,
    },
    source::setup::{SetupRequest, own_table, script},
};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use crate::fixture::{HOSTILE, request};

async fn run(connection: &mut SqliteConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

async fn texts(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn the_script_can_be_run_twice_and_keeps_the_fence() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let request = SetupRequest { source: HOSTILE.into(), ..request(HOSTILE, "main", HOSTILE) };
    run(&mut connection, &script(Sqlite, &request).unwrap()).await.unwrap();
    run(&mut connection, "UPDATE retentiond_fence SET epoch = 7").await.unwrap();
    run(&mut connection, &script(Sqlite, &SetupRequest { slots: 3, ..request }).unwrap()).await.unwrap();
    let rows = texts(&mut connection, "SELECT source || slot || ':' || epoch FROM retentiond_fence ORDER BY slot").await;
    assert_eq!(rows, [format!("{HOSTILE}0:7"), format!("{HOSTILE}1:7"), format!("{HOSTILE}2:0")]);
    for own in OwnTable::ALL {
        run(&mut connection, &format!("SELECT * FROM {}", own_table(Sqlite, own))).await.unwrap();
    }
}

#[tokio::test]
async fn an_order_needs_a_known_kind_and_real_dates() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    run(&mut connection, &script(Sqlite, &request("x", "main", "")).unwrap()).await.unwrap();
    let order = "INSERT INTO retentiond_hold VALUES ('o', 'crm', 'person', 'hold', 'record', '1', '2026-01-01', NULL, NULL)";
    for (right, wrong) in
        [("NULL, NULL", "'31/12/2026', NULL"), ("2026-01-01", "2026-1-1"), ("'hold'", "'legal'"), ("'record'", "'table'")]
    {
        assert!(run(&mut connection, &order.replace(right, wrong)).await.is_err(), "{wrong}");
    }
    run(&mut connection, order).await.unwrap();
}

#[tokio::test]
async fn text_literals_mean_themselves() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    for text in ["", "ANONYME", HOSTILE, "\\", "'", "é\u{202e}\u{1f600}\n", "a\0b"] {
        let literal = text_literal(Sqlite, text).unwrap();
        let back = texts(&mut connection, &format!("SELECT typeof({literal}) || ' ' || hex({literal})")).await;
        assert_eq!(back, [format!("text {}", hex_upper(text))]);
    }
}

fn hex_upper(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02X}")).collect()
}

#[tokio::test]
async fn a_name_that_no_column_has_is_an_error_and_not_a_constant() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let (table, column) = (identifier(Sqlite, HOSTILE), identifier(Sqlite, "gone"));
    run(&mut connection, &format!("CREATE TABLE {table} (id INTEGER); INSERT INTO {table} VALUES (1)")).await.unwrap();
    assert_eq!(texts(&mut connection, &format!("SELECT \"gone\" FROM {table}")).await, ["gone"], "why backticks are used");
    assert!(run(&mut connection, &format!("SELECT {column} FROM {table}")).await.is_err());
}
