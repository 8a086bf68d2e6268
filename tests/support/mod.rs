//! A database of its own for every test, on the real engines.
//!
//! `RETENTIOND_TEST_POSTGRES`, `RETENTIOND_TEST_MARIADB` and `RETENTIOND_TEST_MYSQL` hold the URL of an administrator on a private
//! server. A missing one skips the tests of that engine, loudly; under `CI` it fails them (MySQL excepted, which is optional).

use retentiond::plan::schema::Engine;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection, SqliteConnection};

/// A fresh, empty database, dropped with this value.
pub struct TestDatabase {
    /// The URL of the database, with an administrator's rights.
    pub url: String,
    engine: Engine,
    admin: String,
    /// The database's name, different for each.
    pub name: String,
    _folder: Option<tempfile::TempDir>,
}

/// The engines that every test of all engines runs on; MySQL only where a server is there.
pub const ENGINES: [Engine; 4] = [Engine::Postgres, Engine::MariaDb, Engine::MySql, Engine::Sqlite];

/// Creates a database, or says loudly why not.
pub async fn database(engine: Engine) -> Option<TestDatabase> {
    let name = format!("t_{:016x}", u64::from_be_bytes(random()));
    let variable = match engine {
        Engine::Postgres => "RETENTIOND_TEST_POSTGRES",
        Engine::MariaDb => "RETENTIOND_TEST_MARIADB",
        Engine::MySql => "RETENTIOND_TEST_MYSQL",
        Engine::Sqlite => return Some(sqlite(name).await),
    };
    let Ok(admin) = std::env::var(variable) else {
        assert!(engine == Engine::MySql || std::env::var_os("CI").is_none(), "{variable} must be set in CI");
        eprintln!("SKIPPED: {variable} is not set, nothing was tested on {}", engine.name());
        return None;
    };
    Some(database_on(engine, admin, name).await)
}

/// Creates a database on the server of this administrator.
pub async fn database_at(engine: Engine, admin: &str) -> TestDatabase {
    database_on(engine, admin.to_owned(), format!("t_{:016x}", u64::from_be_bytes(random()))).await
}

/// Creates a database of this name on the server of an administrator's URL.
pub async fn database_on(engine: Engine, admin: String, name: String) -> TestDatabase {
    let create = match engine {
        Engine::Postgres => format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"),
        _ => format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"),
    };
    run(engine, &admin, &create).await;
    let (base, _) = admin.rsplit_once('/').expect("a URL with a database");
    TestDatabase { url: format!("{base}/{name}"), engine, admin, name, _folder: None }
}

async fn sqlite(name: String) -> TestDatabase {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(format!("{name}.db"));
    std::fs::File::create(&path).expect("an empty file");
    let url = format!("sqlite:{}", path.display());
    TestDatabase { url, engine: Engine::Sqlite, admin: String::new(), name, _folder: Some(folder) }
}

impl TestDatabase {
    /// The same database for another role, whose password is `pw`.
    pub fn as_user(&self, role: &str) -> String {
        let (scheme, rest) = self.url.split_once("://").expect("a scheme");
        let (_, place) = rest.rsplit_once('@').expect("a user");
        format!("{scheme}://{role}:pw@{place}")
    }

    /// Runs statements separated by `;` on a connection of the driver, not of the program under test.
    pub async fn run_sql(&self, sql: &str) {
        run(self.engine, &self.url, sql).await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (engine, admin) = (self.engine, self.admin.clone());
        let drop = match engine {
            Engine::Sqlite => return,
            Engine::Postgres => format!("DROP DATABASE {} WITH (FORCE)", self.name),
            _ => format!("DROP DATABASE {}", self.name),
        };
        // A thread with its own runtime: this one may be busy or ending.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(engine, &admin, &drop));
        });
        if thread.join().is_err() {
            eprintln!("the test database {} was left behind", self.name);
        }
    }
}

async fn run(engine: Engine, url: &str, sql: &str) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql));
    let ran = match engine {
        Engine::Postgres => PgConnection::connect(url).await.expect("PostgreSQL").execute(sql).await.map(|_| ()),
        Engine::Sqlite => SqliteConnection::connect(url).await.expect("SQLite").execute(sql).await.map(|_| ()),
        _ => MySqlConnection::connect(url).await.expect("MariaDB or MySQL").execute(sql).await.map(|_| ()),
    };
    ran.expect("the statement of the test's setup");
}

/// Eight random bytes.
fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    for engine in ENGINES {
        let (Some(one), Some(two)) = (database(engine).await, database(engine).await) else { continue };
        one.run_sql("CREATE TABLE t (a int)").await;
        two.run_sql("CREATE TABLE t (a int)").await;
        assert_ne!((&one.url, &one.name), (&two.url, &two.name));
        if engine != Engine::Sqlite {
            assert_ne!(database_at(engine, &one.admin).await.name, one.name);
            assert!(one.as_user("someone").contains("://someone:pw@") && one.as_user("x").ends_with(&one.name));
        }
    }
}
