//! Foreign sessions: what an application does beside the engine.

use retentiond::plan::schema::Engine;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection, SqliteConnection};

/// Another program's session, outside the engine's own code.
pub enum Foreign {
    Postgres(PgConnection),
    MySql(MySqlConnection),
    Sqlite(SqliteConnection),
}

impl Foreign {
    pub async fn connect(engine: Engine, url: &str) -> Self {
        match engine {
            Engine::Postgres => Self::Postgres(PgConnection::connect(url).await.unwrap()),
            Engine::Sqlite => Self::Sqlite(SqliteConnection::connect(url).await.unwrap()),
            _ => Self::MySql(MySqlConnection::connect(url).await.unwrap()),
        }
    }

    /// Rows affected, or the error's text.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, String> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Postgres(c) => c.execute(sql).await.map(|d| d.rows_affected()),
            Self::MySql(c) => c.execute(sql).await.map(|d| d.rows_affected()),
            Self::Sqlite(c) => c.execute(sql).await.map(|d| d.rows_affected()),
        }
        .map_err(|e| e.to_string())
    }
}

/// One statement in a session of its own.
pub async fn foreign(engine: Engine, url: &str, sql: &str) -> Result<u64, String> {
    Foreign::connect(engine, url).await.execute(sql).await
}
