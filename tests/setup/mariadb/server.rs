//! A prepared MariaDB or MySQL database for one test.

use std::str::FromStr as _;

use retentiond::{
    plan::{quote::identifier, schema::Engine},
    source::setup::{SetupRequest, script},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlDatabaseError},
};

use crate::fixture::{admin_url, request, unique, with_key};

pub const TABLES: &str = "
    CREATE TABLE person (id integer PRIMARY KEY, name text, email text, note text) ENGINE = InnoDB;
    CREATE TABLE visit (id integer PRIMARY KEY, person_id integer NOT NULL REFERENCES person (id), day date) ENGINE = InnoDB;
    CREATE TABLE secret (id integer PRIMARY KEY) ENGINE = InnoDB;
    INSERT INTO person VALUES (1, 'A', 'a@x', ''), (2, 'B', 'b@x', '');
    INSERT INTO visit VALUES (1, 1, '2020-01-01');";

/// A database of its own with the mapped tables, prepared by the script, and its user with a password.
pub struct Server {
    engine: Engine,
    pub options: MySqlConnectOptions,
    pub request: SetupRequest,
}

impl Server {
    pub async fn start(engine: Engine) -> Option<Self> {
        let database = unique("setup");
        Self::with(engine, with_key(engine, request(&database, &database, &unique("setup_user"))), TABLES).await
    }

    pub async fn with(engine: Engine, request: SetupRequest, tables: &str) -> Option<Self> {
        let server = Self::without_script(engine, request, tables).await?;
        let mut admin = server.admin().await;
        run(&mut admin, &server.script()).await.unwrap();
        run(&mut admin, &format!("ALTER USER {} IDENTIFIED BY 'p' ACCOUNT UNLOCK", server.user())).await.unwrap();
        Some(server)
    }

    pub async fn without_script(engine: Engine, request: SetupRequest, tables: &str) -> Option<Self> {
        let variable = if engine == Engine::MySql { "RETENTIOND_TEST_MYSQL" } else { "RETENTIOND_TEST_MARIADB" };
        let options = MySqlConnectOptions::from_str(&admin_url(variable)?).unwrap().disable_statement_logging();
        let server = Self { engine, options, request };
        let mut root = server.options.connect().await.unwrap();
        run(&mut root, &format!("CREATE DATABASE {}", identifier(engine, &server.request.database))).await.unwrap();
        run(&mut server.admin().await, tables).await.unwrap();
        Some(server)
    }

    pub fn script(&self) -> String {
        script(self.engine, &self.request).unwrap()
    }

    pub fn user(&self) -> String {
        format!("{}@`%`", identifier(self.engine, &self.request.role))
    }

    pub async fn admin(&self) -> MySqlConnection {
        self.options.clone().database(&self.request.database).connect().await.unwrap()
    }

    pub async fn enforcer(&self) -> MySqlConnection {
        self.login("p").await.unwrap()
    }

    pub async fn login(&self, password: &str) -> Result<MySqlConnection, sqlx::Error> {
        let options = self.options.clone().database(&self.request.database).username(&self.request.role).password(password);
        options.connect().await
    }

    pub async fn stop(self) {
        let mut root = self.options.connect().await.unwrap();
        run(&mut root, &format!("DROP DATABASE {}", identifier(self.engine, &self.request.database))).await.unwrap();
        run(&mut root, &format!("DROP USER {}", self.user())).await.unwrap();
    }
}

/// Runs statements; the error is its number.
pub async fn run(connection: &mut MySqlConnection, sql: &str) -> Result<(), u16> {
    let result = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    result.map(drop).map_err(|error| match error.as_database_error() {
        Some(error) => error.downcast_ref::<MySqlDatabaseError>().number(),
        None => panic!("{error}"),
    })
}

/// Runs one statement in a transaction that is rolled back.
pub async fn attempt(connection: &mut MySqlConnection, sql: &str) -> Result<(), u16> {
    run(connection, "START TRANSACTION").await.unwrap();
    let result = run(connection, sql).await;
    run(connection, "ROLLBACK").await.unwrap();
    result
}
