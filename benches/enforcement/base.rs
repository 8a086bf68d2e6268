//! The state that every measured round begins from: made once, put back before each.
//!
//! PostgreSQL: a template database. MariaDB: a copy of the data directory of a cleanly stopped server. SQLite: a copy of the file. After each return
//! the caches are warm and nothing waits to be written.

use std::path::{Path, PathBuf};
use std::process::Command;

use retentiond::plan::schema::Engine;

use super::Outcome;
use super::args::Args;
use super::client::Client;
use super::data::{self, Shape};
use super::reference;

/// A database of one shape and size on one engine.
pub struct Base {
    /// The engine.
    pub engine: Engine,
    /// What is in it.
    pub shape: Shape,
    /// Customers.
    pub rows: u64,
    dir: PathBuf,
    cache_mb: u32,
}

impl Base {
    /// The base that the arguments ask for; made now unless it is there.
    pub async fn new(args: &Args, shape: Shape, rows: u64) -> Outcome<Self> {
        let dir = args.dir.canonicalize()?;
        let base = Self { engine: args.engine(), shape, rows, dir, cache_mb: args.sqlite_cache_mb };
        let name = base.name();
        eprintln!("bench: {name} on {}", base.engine.name());
        match base.engine {
            Engine::Postgres => base.make_postgres(&name).await?,
            Engine::Sqlite => base.make_sqlite(&name).await?,
            _ => base.make_mariadb(&name).await?,
        }
        Ok(base)
    }

    fn name(&self) -> String {
        format!("{}_{}", self.shape.name(), self.rows)
    }

    /// Where things of this benchmark may be written: on the same disk as the data.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The URL of the database that is worked on.
    pub fn url(&self) -> String {
        self.url_of("run")
    }

    fn url_of(&self, database: &str) -> String {
        let dir = self.dir.display();
        match self.engine {
            Engine::Postgres => format!("postgres://postgres@localhost:5432/{database}?host={dir}/postgres"),
            Engine::Sqlite => format!("sqlite:{dir}/sqlite/{database}.db"),
            _ => format!("mysql://root@localhost/{database}?socket={dir}/mariadb/s"),
        }
    }

    /// A plain connection to the database that is worked on.
    pub async fn client(&self) -> Outcome<Client> {
        self.client_of("run").await
    }

    async fn client_of(&self, database: &str) -> Outcome<Client> {
        Client::connect(self.engine, &self.url_of(database), self.cache_mb).await
    }

    /// Puts the database back to its beginning, warm and at rest.
    pub async fn restore(&self) -> Outcome<()> {
        let name = self.name();
        match self.engine {
            Engine::Postgres => {
                let mut admin = self.client_of("postgres").await?;
                admin.run("DROP DATABASE IF EXISTS run WITH (FORCE)").await?;
                admin.run(&format!("CREATE DATABASE run TEMPLATE {name} STRATEGY file_copy")).await?;
                admin.close().await?;
            }
            Engine::Sqlite => {
                let folder = self.dir.join("sqlite");
                remove_sqlite(&folder, "run");
                std::fs::copy(folder.join(format!("{name}.db")), folder.join("run.db"))?;
                call("sync", &["-f".as_ref(), folder.as_os_str()])?;
            }
            _ => self.servers("restore", &name)?,
        }
        self.rest().await
    }

    /// Reads everything once, and has everything written that waits to be.
    pub async fn rest(&self) -> Outcome<()> {
        let mut client = self.client().await?;
        match self.engine {
            Engine::Postgres => {
                client.run("CREATE EXTENSION IF NOT EXISTS pg_prewarm").await?;
                client
                    .texts("SELECT sum(pg_prewarm(c.oid::regclass)) FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')")
                    .await?;
                client.run("CHECKPOINT").await?;
            }
            Engine::Sqlite => {
                client.texts("PRAGMA wal_checkpoint(TRUNCATE)").await?;
                // The file was just copied, its pages are in the machine's cache.
            }
            _ => {
                for table in self.shape.tables() {
                    let of_table = format!(
                        "SELECT DISTINCT CONCAT(index_name, ' ', column_name) FROM information_schema.statistics \
                         WHERE table_schema = 'run' AND table_name = '{table}' AND seq_in_index = 1"
                    );
                    for index in client.texts(&of_table).await? {
                        let (index, column) = index.split_once(' ').unwrap_or((&index, "id"));
                        let what = if index == "PRIMARY" { "SUM(LENGTH(CONCAT_WS('', t.id)))" } else { "COUNT(*)" };
                        client
                            .texts(&format!(
                                "SELECT {what} FROM {table} AS t FORCE INDEX (`{index}`) WHERE `{column}` IS NOT NULL"
                            ))
                            .await?;
                    }
                }
            }
        }
        client.close().await
    }

    async fn make_postgres(&self, name: &str) -> Outcome<()> {
        let mut admin = self.client_of("postgres").await?;
        if admin.texts(&format!("SELECT datname FROM pg_database WHERE datname = '{name}'")).await?.is_empty() {
            admin.run("DROP DATABASE IF EXISTS making WITH (FORCE)").await?;
            admin.run("CREATE DATABASE making TEMPLATE template0").await?;
            let mut client = self.client_of("making").await?;
            client.run("SET session_replication_role = replica").await?;
            self.fill(&mut client).await?;
            client.run("VACUUM (ANALYZE)").await?;
            client.run("CHECKPOINT").await?;
            client.close().await?;
            admin.run(&format!("ALTER DATABASE making RENAME TO {name}")).await?;
        }
        admin.close().await
    }

    async fn make_mariadb(&self, name: &str) -> Outcome<()> {
        if self.servers("saved", name).is_ok() {
            return Ok(());
        }
        if self.servers("saved", "empty").is_err() {
            self.servers("save", "empty")?;
        } else {
            self.servers("restore", "empty")?;
        }
        let mut client = self.client_of("mysql").await?;
        client.run("CREATE DATABASE run CHARACTER SET utf8mb4").await?;
        client.close().await?;
        let mut client = self.client().await?;
        client.run("SET foreign_key_checks = 0, unique_checks = 0").await?;
        self.fill(&mut client).await?;
        client.texts(&format!("ANALYZE TABLE {}", self.shape.tables().join(", "))).await?;
        client.close().await?;
        self.servers("save", name)
    }

    async fn make_sqlite(&self, name: &str) -> Outcome<()> {
        let folder = self.dir.join("sqlite");
        std::fs::create_dir_all(&folder)?;
        if folder.join(format!("{name}.db")).exists() {
            return Ok(());
        }
        remove_sqlite(&folder, "making");
        std::fs::File::create_new(folder.join("making.db"))?;
        let mut client = self.client_of("making").await?;
        client.run("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF").await?;
        self.fill(&mut client).await?;
        client.run("ANALYZE; PRAGMA journal_mode = WAL").await?;
        client.close().await?;
        std::fs::rename(folder.join("making.db"), folder.join(format!("{name}.db")))?;
        Ok(())
    }

    async fn fill(&self, client: &mut Client) -> Outcome<()> {
        for sql in data::schema(self.engine, self.shape).into_iter().chain(data::rows(self.engine, self.shape, self.rows)) {
            client.run(&sql).await?;
        }
        if self.shape == Shape::Masked {
            client.run(&reference::anonymise(self.engine)).await?;
        }
        for sql in data::indexes(self.shape) {
            client.run(sql).await?;
        }
        Ok(())
    }

    fn servers(&self, verb: &str, name: &str) -> Outcome<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/servers.sh");
        call(&script.display().to_string(), &[verb.as_ref(), "mariadb".as_ref(), self.dir.as_os_str(), name.as_ref()])
    }
}

fn remove_sqlite(folder: &Path, name: &str) {
    for ending in ["", "-wal", "-shm", "-journal"] {
        let _ = std::fs::remove_file(folder.join(format!("{name}.db{ending}")));
    }
}

fn call(program: &str, arguments: &[&std::ffi::OsStr]) -> Outcome<()> {
    let status = Command::new(program).args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed").into()) }
}
