//! Opening a state directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::{StateError, private_dir, refuse_open_dir};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// Whether the state may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// This process holds the lock and writes.
    Write,
    /// Reading only, perhaps beside a writer.
    Read,
}

/// An open state directory. Dropping it gives the lock back.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    pool: SqlitePool,
    access: Access,
    /// Held, never read: closing it unlocks.
    _lock: Option<File>,
}

impl State {
    /// Creates the directory (mode 0700) with an empty database (mode 0600) and opens it for writing. A creation that
    /// was interrupted is completed by [`State::open`].
    ///
    /// # Errors
    /// [`StateError::Exists`] when there is a database already; otherwise as [`State::open`].
    pub async fn create(dir: &Path) -> Result<Self, StateError> {
        private_dir(dir)?;
        let lock = lock(dir)?;
        let path = dir.join("state.sqlite");
        if path.exists() {
            return Err(StateError::Exists(dir.to_owned()));
        }
        drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|source| StateError::Io {
            doing: "creating",
            path: path.clone(),
            source,
        })?);
        super::directory::sync_parent(&path)?;
        Self::writer(dir, lock).await
    }

    /// Opens an existing state directory for writing, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StateError::Missing`], [`StateError::Locked`] while another process writes it, [`StateError::Exposed`] when
    /// others may access it, [`StateError::Schema`] when a newer program has written it.
    pub async fn open(dir: &Path) -> Result<Self, StateError> {
        if !dir.join("state.sqlite").exists() {
            return Err(StateError::Missing(dir.to_owned()));
        }
        refuse_open_dir(dir)?;
        let lock = lock(dir)?;
        Self::writer(dir, lock).await
    }

    /// Opens an existing state directory for reading, without the lock: for showing, exporting and verifying beside a
    /// running enforcer.
    ///
    /// # Errors
    /// [`StateError::Missing`], [`StateError::Exposed`], and [`StateError::Schema`] unless the tables are exactly those
    /// that this program knows.
    pub async fn open_read_only(dir: &Path) -> Result<Self, StateError> {
        if !dir.join("state.sqlite").exists() {
            return Err(StateError::Missing(dir.to_owned()));
        }
        refuse_open_dir(dir)?;
        let options = options(dir).read_only(true);
        let pool = pool_options().connect_with(options).await?;
        let found = schema_version(&pool).await?;
        if found != known_version() {
            return Err(StateError::Schema { found, known: known_version() });
        }
        Ok(Self { dir: dir.to_owned(), pool, access: Access::Read, _lock: None })
    }

    async fn writer(dir: &Path, lock: File) -> Result<Self, StateError> {
        let options = options(dir).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let pool = pool_options().connect_with(options).await?;
        MIGRATIONS.run(&pool).await.map_err(|_| StateError::Migration)?;
        Ok(Self { dir: dir.to_owned(), pool, access: Access::Write, _lock: Some(lock) })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where keys are kept; created with them.
    #[must_use]
    pub fn key_dir(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// Whether this may be changed.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The database. Writers begin with `BEGIN IMMEDIATE`.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Closes all connections, which folds the write-ahead log into the database, and gives the lock back.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

fn lock(dir: &Path) -> Result<File, StateError> {
    let path = dir.join("lock");
    let io = |source| StateError::Io { doing: "locking", path: path.clone(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::Locked(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn options(dir: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(dir.join("state.sqlite"))
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging()
}

fn pool_options() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(4).test_before_acquire(false).idle_timeout(None).max_lifetime(None)
}

fn known_version() -> i64 {
    MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0)
}

async fn schema_version(pool: &SqlitePool) -> Result<i64, StateError> {
    let version: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(pool).await?;
    Ok(version.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn one_process_writes_and_others_may_read() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        let state = State::create(&dir).await.unwrap();
        assert!(matches!(State::open(&dir).await, Err(StateError::Locked(_))));
        let reader = State::open_read_only(&dir).await.unwrap();
        let refused = sqlx::query("UPDATE log_head SET size = 1").execute(reader.pool()).await;
        assert!(refused.is_err(), "a reader must not be able to write");
        reader.close().await;
        state.close().await;
        State::open(&dir).await.unwrap().close().await;
    }

    #[tokio::test]
    async fn state_is_closed_to_others_and_refused_when_opened_up() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        State::create(&dir).await.unwrap().close().await;
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join("state.sqlite"))), (0o700, 0o600));
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(State::open(&dir).await, Err(StateError::Exposed { mode: 0o755, .. })));
        assert!(matches!(State::open_read_only(&dir).await, Err(StateError::Exposed { .. })));
    }

    #[tokio::test]
    async fn every_commit_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::create(&dir.path().join("state")).await.unwrap();
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(state.pool()).await.unwrap();
        let sync: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(state.pool()).await.unwrap();
        assert_eq!((mode.as_str(), sync), ("wal", 2));
    }

    #[tokio::test]
    async fn a_state_written_by_a_newer_program_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        let state = State::create(&dir).await.unwrap();
        sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").execute(state.pool()).await.unwrap();
        state.close().await;
        assert!(matches!(State::open_read_only(&dir).await, Err(StateError::Schema { found: 9999, .. })));
        assert!(matches!(State::open(&dir).await, Err(StateError::Migration)));
    }

    #[tokio::test]
    async fn state_is_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        assert!(matches!(State::open(&dir).await, Err(StateError::Missing(_))));
        State::create(&dir).await.unwrap().close().await;
        assert!(matches!(State::create(&dir).await, Err(StateError::Exists(_))));
    }
}
