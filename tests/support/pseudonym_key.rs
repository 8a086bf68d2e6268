//! The key of pseudonyms of a test's database: given by the setup script, and read over the driver, which the product never does.

use retentiond::plan::own_tables::OwnTable;
use retentiond::plan::schema::Engine;
use retentiond::reference::PseudonymKey;
use retentiond::source::setup::{SetupRequest, TableGrant, script};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};

use crate::support::TestDatabase;

/// Runs the script for a source whose map has pseudonyms.
pub async fn draw(engine: Engine, database: &TestDatabase, source: &str) {
    let table = OwnTable::PseudonymKey.name(engine, &database.name);
    let request = SetupRequest {
        source: source.to_owned(),
        role: format!("r_{}", &database.name[database.name.len() - 12..]),
        host: None,
        slots: 4,
        database: database.name.clone(),
        tables: vec![TableGrant { table, select: true, update_columns: Vec::new(), delete: false, lock: None }],
    };
    database.run_sql(&script(engine, &request).unwrap()).await;
}

/// The key that the database holds.
pub async fn read(engine: Engine, database: &TestDatabase) -> PseudonymKey {
    let half = |name: &str| match engine {
        Engine::Postgres => format!("encode({name}, 'hex')"),
        _ => format!("LOWER(HEX({name}))"),
    };
    let table = OwnTable::PseudonymKey.sql(engine);
    let sql = AssertSqlSafe(format!("SELECT {}, {} FROM {table}", half("inner_key"), half("outer_key")));
    let (inner, outer): (String, String) = match engine {
        Engine::Postgres => {
            sqlx::query_as(sql).fetch_one(&mut PgConnection::connect(&database.url).await.unwrap()).await.unwrap()
        }
        _ => sqlx::query_as(sql).fetch_one(&mut MySqlConnection::connect(&database.url).await.unwrap()).await.unwrap(),
    };
    PseudonymKey { inner: hex::decode(inner).unwrap(), outer: hex::decode(outer).unwrap() }
}
