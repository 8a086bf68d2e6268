//! A connected source: a pool of like-minded connections to one database.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor as _, MySqlConnection, MySqlPool, PgConnection, PgPool, Row as _};
use sqlx::{Database, SqliteConnection, SqlitePool};

use super::error::{ConfigFault, SourceError};
use super::fault;
use super::names::Names;
use super::session::{FAREWELL, Session, Wire, in_time};
use super::target::{Options, Reach, Target};
use crate::plan::schema::Engine;

#[derive(Debug, Clone)]
enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

/// A connected source. Clones share the same connections.
#[derive(Debug, Clone)]
pub struct Source {
    pool: Pool,
    engine: Engine,
    pub(super) names: Names,
    pub(super) reach: Reach,
    patience: Duration,
}

/// PostgreSQL settings that decide what statements mean, with the value that this program's SQL is written for, and whether
/// they are asked for when connecting. Notices can carry values and the driver logs them: they are not sent at all.
const POSTGRES_SETTINGS: [(&str, &str, bool); 11] = [
    ("standard_conforming_strings", "on", true),
    ("transform_null_equals", "off", true),
    ("IntervalStyle", "postgres", true),
    ("bytea_output", "hex", true),
    ("extra_float_digits", "1", true),
    ("client_min_messages", "error", true),
    // Predicates with many sub-queries look expensive to the planner; compiling each statement anew costs more than it ever saves.
    ("jit", "off", true),
    // What reads by an index is done before a helper process has started, and the application has a better use for them.
    ("max_parallel_workers_per_gather", "0", true),
    // What counts waits for whoever has locked a whole table, and others wait for what counts. Transactions that act say themselves how long.
    ("lock_timeout", "1min", true),
    ("client_encoding", "UTF8", false),
    // Only a superuser may set it, and only to do harm.
    ("session_replication_role", "origin", false),
];

impl Source {
    /// Connects once, finds out who answers, and opens a pool of connections that are all set up alike.
    ///
    /// # Errors
    /// [`SourceError::Config`] when the target is described wrongly, too old, or a setting cannot be given its value;
    /// [`SourceError::ConnectTimeout`]; whatever else the server reports.
    pub async fn connect(target: &Target) -> Result<Self, SourceError> {
        let names = Names::default();
        let options = target.options()?;
        let mut reach = target.reach(&options);
        let (pool, engine) = match options {
            Options::Postgres(options) => {
                let (pool, refused) = postgres(target, options, &names).await?;
                reach.pooler = refused;
                (Pool::Postgres(pool), Engine::Postgres)
            }
            Options::MySql(options) => {
                let (pool, engine) = mysql(target, options, &names).await?;
                (Pool::MySql(pool), engine)
            }
            Options::Sqlite(options) => (Pool::Sqlite(sqlite(target, options, &names).await?), Engine::Sqlite),
        };
        Ok(Self { pool, engine, names, reach, patience: target.answer_timeout })
    }

    /// The engine that answered.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Takes one connection for the caller alone, in a clean state.
    ///
    /// # Errors
    /// [`SourceError::ConnectTimeout`] when none is free or can be opened in time; whatever the server reports.
    pub async fn session(&self) -> Result<Session, SourceError> {
        let reduce = |e: sqlx::Error| fault::reduce(&e, self.engine, &self.names);
        let wire = match &self.pool {
            Pool::Postgres(pool) => Wire::Postgres(pool.acquire().await.map_err(reduce)?),
            Pool::MySql(pool) => Wire::MySql(pool.acquire().await.map_err(reduce)?),
            Pool::Sqlite(pool) => Wire::Sqlite(pool.acquire().await.map_err(reduce)?),
        };
        Ok(Session::new(wire, self.engine, self.names.clone(), self.patience))
    }

    /// Closes all connections, waiting for those that are still in use, though not for servers that have gone silent.
    pub async fn close(self) {
        match self.pool {
            Pool::Postgres(pool) => drop(tokio::time::timeout(FAREWELL, pool.close()).await),
            Pool::MySql(pool) => drop(tokio::time::timeout(FAREWELL, pool.close()).await),
            Pool::Sqlite(pool) => pool.close().await,
        }
    }
}

fn pool_options<DB: Database>(target: &Target) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(target.connections.max(1))
        .acquire_timeout(target.connect_timeout)
        .idle_timeout(Duration::from_secs(300))
        // `before_acquire` below speaks to the server anyway.
        .test_before_acquire(false)
}

/// Opens one connection, outside the pool, whose retries would hide why it fails.
async fn first<C: Connection>(limit: Duration, options: &C::Options, engine: Engine, names: &Names) -> Result<C, SourceError> {
    match tokio::time::timeout(limit, C::connect_with(options)).await {
        Ok(connected) => connected.map_err(|e| fault::reduce(&e, engine, names)),
        Err(_) => Err(SourceError::ConnectTimeout),
    }
}

/// The pool, and whether something in between refused or ignored start-up options, as PgBouncer does.
async fn postgres(target: &Target, bare: PgConnectOptions, names: &Names) -> Result<(PgPool, bool), SourceError> {
    let reduce = |e: sqlx::Error| fault::reduce(&e, Engine::Postgres, names);
    let asked = POSTGRES_SETTINGS.iter().filter(|(_, _, ask)| *ask).map(|(name, value, _)| (name, value));
    let full = bare.clone().options(asked);
    let (mut connection, options, mut refused): (PgConnection, _, _) =
        match first(target.connect_timeout, &full, Engine::Postgres, names).await {
            Ok(connection) => (connection, full, false),
            Err(error) if error.code() == Some("08P01") => {
                (first(target.connect_timeout, &bare, Engine::Postgres, names).await?, bare, true)
            }
            Err(error) => return Err(error),
        };
    let values: Vec<String> = POSTGRES_SETTINGS.iter().map(|(name, _, _)| format!("current_setting('{name}')")).collect();
    let probe = format!("SELECT current_setting('server_version_num'), {}", values.join(", "));
    let asked = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(probe)));
    let row = in_time(target.connect_timeout, asked).await?.map_err(reduce)?;
    let value = |i: usize| row.try_get_unchecked::<String, _>(i).unwrap_or_default();
    if value(0).parse::<u32>().unwrap_or(0) < 130_000 {
        return Err(SourceError::Config(ConfigFault::TooOld));
    }
    for (i, (name, wanted, _)) in POSTGRES_SETTINGS.iter().enumerate() {
        let right = match *name {
            // Every value from 1 on prints the shortest exact form.
            "extra_float_digits" => value(i + 1).parse::<i8>().is_ok_and(|digits| digits >= 1),
            // Only a pooler that ignores options leaves them as they were; nothing can be done about it.
            "client_min_messages" | "jit" | "lock_timeout" | "max_parallel_workers_per_gather" => {
                refused |= value(i + 1) != *wanted;
                true
            }
            _ => value(i + 1) == *wanted,
        };
        if !right {
            return Err(SourceError::Config(ConfigFault::Setting(name)));
        }
    }
    let _ = tokio::time::timeout(FAREWELL, connection.close()).await;
    let options_of_pool: PgPoolOptions = pool_options(target);
    let pool = options_of_pool
        .before_acquire(|connection, _| {
            Box::pin(async move {
                // Heals a connection with an open transaction; refuses one whose transaction failed.
                connection.execute(sqlx::raw_sql("BEGIN; ROLLBACK")).await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    Ok((pool, refused))
}

async fn mysql(target: &Target, options: MySqlConnectOptions, names: &Names) -> Result<(MySqlPool, Engine), SourceError> {
    let mut connection: MySqlConnection = first(target.connect_timeout, &options, Engine::MySql, names).await?;
    let asked = connection.fetch_one(sqlx::raw_sql("SELECT VERSION()"));
    let row = in_time(target.connect_timeout, asked).await?.map_err(|e| fault::reduce(&e, Engine::MySql, names))?;
    let version = row.try_get_unchecked::<String, _>(0).unwrap_or_default();
    let mariadb = version.contains("MariaDB");
    let engine = if mariadb { Engine::MariaDb } else { Engine::MySql };
    if version_pair(&version) < if mariadb { (10, 6) } else { (8, 0) } {
        return Err(SourceError::Config(ConfigFault::TooOld));
    }
    let setup = target.mysql_setup(mariadb);
    let tried = connection.execute(sqlx::raw_sql(AssertSqlSafe(setup.as_str())));
    in_time(target.connect_timeout, tried).await?.map_err(|e| fault::reduce(&e, engine, names))?;
    let _ = tokio::time::timeout(FAREWELL, connection.close()).await;
    let options_of_pool: MySqlPoolOptions = pool_options(target);
    let pool = options_of_pool
        .after_connect(move |connection, _| {
            let setup = setup.clone();
            Box::pin(async move { connection.execute(sqlx::raw_sql(AssertSqlSafe(setup))).await.map(drop) })
        })
        .before_acquire(|connection, _| {
            Box::pin(async move {
                connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    Ok((pool, engine))
}

async fn sqlite(target: &Target, options: SqliteConnectOptions, names: &Names) -> Result<SqlitePool, SourceError> {
    let mut connection: SqliteConnection = first(target.connect_timeout, &options, Engine::Sqlite, names).await?;
    let read = connection.fetch_one(sqlx::raw_sql("SELECT count(*) FROM sqlite_master")).await;
    read.map_err(|e| fault::reduce(&e, Engine::Sqlite, names))?;
    let _ = tokio::time::timeout(FAREWELL, connection.close()).await;
    let options_of_pool: SqlitePoolOptions = pool_options(target);
    Ok(options_of_pool.connect_lazy_with(options))
}

/// Major and minor version at the start of a version text.
fn version_pair(version: &str) -> (u32, u32) {
    // Old MariaDB servers put `5.5.5-` in front, for the sake of old replicas.
    let mut parts = version.trim_start_matches("5.5.5-").split(['.', '-']).map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
