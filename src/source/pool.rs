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
use super::session::{Session, Wire};
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
}

/// PostgreSQL settings that decide what statements mean, with the value that this program's SQL is written for.
const POSTGRES_SETTINGS: [(&str, &str); 7] = [
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("session_replication_role", "origin"),
    ("client_encoding", "UTF8"),
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
        let reach = target.reach(&options);
        let (pool, engine) = match options {
            Options::Postgres(options) => (Pool::Postgres(postgres(target, options, &names).await?), Engine::Postgres),
            Options::MySql(options) => {
                let (pool, engine) = mysql(target, options, &names).await?;
                (Pool::MySql(pool), engine)
            }
            Options::Sqlite(options) => (Pool::Sqlite(sqlite(target, options, &names).await?), Engine::Sqlite),
        };
        Ok(Self { pool, engine, names, reach })
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
        Ok(Session::new(wire, self.engine, self.names.clone()))
    }

    /// Closes all connections, waiting for those that are still in use.
    pub async fn close(self) {
        match self.pool {
            Pool::Postgres(pool) => pool.close().await,
            Pool::MySql(pool) => pool.close().await,
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

async fn postgres(target: &Target, mut options: PgConnectOptions, names: &Names) -> Result<PgPool, SourceError> {
    let reduce = |e: sqlx::Error| fault::reduce(&e, Engine::Postgres, names);
    let asked: Vec<String> = POSTGRES_SETTINGS.iter().map(|(name, _)| format!("current_setting('{name}')")).collect();
    let probe = format!("SELECT current_setting('server_version_num'), {}", asked.join(", "));
    let mut corrected = false;
    loop {
        let mut connection: PgConnection = first(target.connect_timeout, &options, Engine::Postgres, names).await?;
        let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(probe.as_str()))).await.map_err(reduce)?;
        let value = |i: usize| row.try_get_unchecked::<String, _>(i).unwrap_or_default();
        if value(0).parse::<u32>().unwrap_or(0) < 130_000 {
            return Err(SourceError::Config(ConfigFault::TooOld));
        }
        // extra_float_digits is right from 1 on: every such value prints the shortest exact form.
        let wrong = |i: usize, name: &str, wanted: &str| match name {
            "extra_float_digits" => value(i + 1).parse::<i8>().unwrap_or(0) < 1,
            _ => value(i + 1) != wanted,
        };
        let settings = POSTGRES_SETTINGS.iter().enumerate();
        let wrong: Vec<_> = settings.filter(|(i, (name, wanted))| wrong(*i, name, wanted)).map(|(_, s)| *s).collect();
        let _ = connection.close().await;
        match wrong.first() {
            None => break,
            Some((name, _)) if corrected => return Err(SourceError::Config(ConfigFault::Setting(name))),
            // Only where the server deviates: PgBouncer refuses start-up options.
            Some(_) => options = options.options(wrong),
        }
        corrected = true;
    }
    let options_of_pool: PgPoolOptions = pool_options(target);
    Ok(options_of_pool
        .before_acquire(|connection, _| {
            Box::pin(async move {
                // Heals a connection with an open transaction; refuses one whose transaction failed.
                connection.execute(sqlx::raw_sql("BEGIN; ROLLBACK")).await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

async fn mysql(target: &Target, options: MySqlConnectOptions, names: &Names) -> Result<(MySqlPool, Engine), SourceError> {
    let mut connection: MySqlConnection = first(target.connect_timeout, &options, Engine::MySql, names).await?;
    let row = connection.fetch_one(sqlx::raw_sql("SELECT VERSION()")).await;
    let row = row.map_err(|e| fault::reduce(&e, Engine::MySql, names))?;
    let version = row.try_get_unchecked::<String, _>(0).unwrap_or_default();
    let mariadb = version.contains("MariaDB");
    let engine = if mariadb { Engine::MariaDb } else { Engine::MySql };
    if version_pair(&version) < if mariadb { (10, 6) } else { (8, 0) } {
        return Err(SourceError::Config(ConfigFault::TooOld));
    }
    let setup = target.mysql_setup(mariadb);
    let tried = connection.execute(sqlx::raw_sql(AssertSqlSafe(setup.as_str()))).await;
    tried.map_err(|e| fault::reduce(&e, engine, names))?;
    let _ = connection.close().await;
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
    let _ = connection.close().await;
    let options_of_pool: SqlitePoolOptions = pool_options(target);
    Ok(options_of_pool.connect_lazy_with(options))
}

/// Major and minor version at the start of a version text.
fn version_pair(version: &str) -> (u32, u32) {
    // Old MariaDB servers put `5.5.5-` in front, for the sake of old replicas.
    let mut parts = version.trim_start_matches("5.5.5-").split(['.', '-']).map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
