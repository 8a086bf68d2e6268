//! A connection of the plain driver: for the generator, the reference statements and the application. Nothing of the product is in it.

use retentiond::plan::schema::Engine;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use sqlx::{MySqlConnection, PgConnection, SqliteConnection};

use super::Outcome;

/// One connection.
pub enum Client {
    /// PostgreSQL.
    Postgres(PgConnection),
    /// MariaDB.
    MariaDb(MySqlConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

impl Client {
    /// Connects. For SQLite, `cache_mb` is the page cache; durability is WAL with synchronous=FULL, and what is deleted is overwritten, as in the product.
    pub async fn connect(engine: Engine, url: &str, cache_mb: u32) -> Outcome<Self> {
        Ok(match engine {
            Engine::Postgres => {
                let options: PgConnectOptions = url.parse()?;
                Self::Postgres(options.options([("TimeZone", "UTC")]).disable_statement_logging().connect().await?)
            }
            Engine::Sqlite => {
                let options: SqliteConnectOptions = url.parse()?;
                let options = options
                    .foreign_keys(true)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(std::time::Duration::from_secs(60))
                    .pragma("secure_delete", "ON")
                    .pragma("cache_size", format!("-{}", u64::from(cache_mb) * 1024))
                    .disable_statement_logging();
                Self::Sqlite(options.connect().await?)
            }
            _ => {
                let options: MySqlConnectOptions = url.parse()?;
                Self::MariaDb(options.disable_statement_logging().connect().await?)
            }
        })
    }

    /// Runs statements and says how many rows they changed.
    pub async fn run(&mut self, sql: &str) -> Outcome<u64> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        Ok(match self {
            Self::Postgres(c) => c.execute(sql).await?.rows_affected(),
            Self::MariaDb(c) => c.execute(sql).await?.rows_affected(),
            Self::Sqlite(c) => c.execute(sql).await?.rows_affected(),
        })
    }

    /// The first column of all rows, as text.
    pub async fn texts(&mut self, sql: &str) -> Outcome<Vec<String>> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let mut all = Vec::new();
        match self {
            Self::Postgres(c) => {
                for row in c.fetch_all(sql).await? {
                    all.push(row.try_get_unchecked(0)?);
                }
            }
            Self::MariaDb(c) => {
                for row in c.fetch_all(sql).await? {
                    all.push(row.try_get_unchecked(0)?);
                }
            }
            Self::Sqlite(c) => {
                for row in c.fetch_all(sql).await? {
                    all.push(row.try_get_unchecked(0)?);
                }
            }
        }
        Ok(all)
    }

    /// The first column of the first row.
    pub async fn text(&mut self, sql: &str) -> Outcome<String> {
        self.texts(sql).await?.into_iter().next().ok_or_else(|| "no row".into())
    }

    /// One number.
    pub async fn number(&mut self, sql: &str) -> Outcome<f64> {
        Ok(self.text(sql).await?.parse()?)
    }

    /// The application's statement: one customer's notes, by key, prepared once. Says whether there was such a customer.
    pub async fn touch(&mut self, id: i64, note: &str) -> Outcome<bool> {
        const NUMBERED: &str = "UPDATE customers SET notes = $1 WHERE id = $2";
        const PLAIN: &str = "UPDATE customers SET notes = ? WHERE id = ?";
        let rows = match self {
            Self::Postgres(c) => sqlx::query(NUMBERED).bind(note).bind(id).execute(c).await?.rows_affected(),
            Self::MariaDb(c) => sqlx::query(PLAIN).bind(note).bind(id).execute(c).await?.rows_affected(),
            Self::Sqlite(c) => sqlx::query(PLAIN).bind(note).bind(id).execute(c).await?.rows_affected(),
        };
        Ok(rows == 1)
    }

    /// Says goodbye.
    pub async fn close(self) -> Outcome<()> {
        match self {
            Self::Postgres(c) => c.close().await?,
            Self::MariaDb(c) => c.close().await?,
            Self::Sqlite(c) => c.close().await?,
        }
        Ok(())
    }
}
