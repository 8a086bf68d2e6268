//! A prepared PostgreSQL database for one test.

use std::str::FromStr as _;

use retentiond::{
    plan::{quote::identifier, schema::Engine::Postgres},
    source::setup::{SetupRequest, script},
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, postgres::PgConnectOptions};

use crate::fixture::{admin_url, request, unique, with_key};

pub const TABLES: &str = "
    CREATE SCHEMA app;
    CREATE TABLE app.person (id integer PRIMARY KEY, name text, email text, note text);
    CREATE TABLE app.visit (id integer PRIMARY KEY, person_id integer NOT NULL REFERENCES app.person, day date);
    CREATE TABLE app.secret (id integer PRIMARY KEY);
    INSERT INTO app.person VALUES (1, 'A', 'a@x', ''), (2, 'B', 'b@x', '');
    INSERT INTO app.visit VALUES (1, 1, '2020-01-01');";

/// A database of its own with the mapped tables, prepared by the script, and its role with a password.
pub struct Server {
    pub options: PgConnectOptions,
    pub request: SetupRequest,
}

impl Server {
    pub async fn start() -> Option<Self> {
        let (database, role) = (unique("setup"), unique("setup_role"));
        let server = Self::with(with_key(Postgres, request(&database, "app", &role)), TABLES).await?;
        Some(server)
    }

    pub async fn with(request: SetupRequest, tables: &str) -> Option<Self> {
        let options = PgConnectOptions::from_str(&admin_url("RETENTIOND_TEST_POSTGRES")?).unwrap().disable_statement_logging();
        let server = Self { options, request };
        let mut root = server.options.connect().await.unwrap();
        run(&mut root, &format!("CREATE DATABASE {}", identifier(Postgres, &server.request.database))).await.unwrap();
        let mut admin = server.admin().await;
        run(&mut admin, tables).await.unwrap();
        run(&mut admin, &server.script()).await.unwrap();
        run(&mut admin, &format!("ALTER ROLE {} PASSWORD 'p'", server.role())).await.unwrap();
        Some(server)
    }

    pub fn script(&self) -> String {
        script(Postgres, &self.request).unwrap()
    }

    pub fn role(&self) -> String {
        identifier(Postgres, &self.request.role)
    }

    pub async fn admin(&self) -> PgConnection {
        self.options.clone().database(&self.request.database).connect().await.unwrap()
    }

    pub async fn enforcer(&self) -> PgConnection {
        let options = self.options.clone().database(&self.request.database).username(&self.request.role).password("p");
        options.connect().await.unwrap()
    }

    pub async fn stop(self) {
        let mut root = self.options.connect().await.unwrap();
        let database = identifier(Postgres, &self.request.database);
        run(&mut root, &format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
        run(&mut root, &format!("DROP ROLE {}", self.role())).await.unwrap();
    }
}

/// Runs statements; the error is its SQLSTATE.
pub async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), String> {
    let result = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    result.map(drop).map_err(|error| match error.as_database_error().and_then(|e| e.code()) {
        Some(code) => code.into_owned(),
        None => error.to_string(),
    })
}

/// Runs one statement in a transaction that is rolled back.
pub async fn attempt(connection: &mut PgConnection, sql: &str) -> Result<(), String> {
    run(connection, "BEGIN").await.unwrap();
    let result = run(connection, sql).await;
    run(connection, "ROLLBACK").await.unwrap();
    result
}
