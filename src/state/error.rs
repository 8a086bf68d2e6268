//! What can go wrong with our own database and its directory.

use std::path::PathBuf;

/// An error of the state directory or its database. Never carries the text of a database message.
#[derive(Debug)]
#[non_exhaustive]
pub enum StateError {
    /// A file or directory operation failed.
    Io {
        /// What was being done, a verb phrase.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The directory holds no state.
    Missing(PathBuf),
    /// The directory already holds state.
    Exists(PathBuf),
    /// Another process is writing this state directory.
    Locked(PathBuf),
    /// A file or directory that must be private can be read or written by others.
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The state was opened for reading only.
    ReadOnly,
    /// The database's tables do not have the form that this program knows.
    Schema {
        /// The newest migration that the database has.
        found: i64,
        /// The newest migration that this program has.
        known: i64,
    },
    /// A migration failed or differs from the one that was applied.
    Migration,
    /// The log has another size than the writer believed: somebody else appended. Nothing was written.
    Conflict {
        /// The size that the writer expected, in entries.
        expected: u64,
        /// The size found.
        found: u64,
    },
    /// An entry closes a run, batch or order that is not open. Nothing was written.
    NotOpen(&'static str),
    /// Stored data contradicts itself; the words say what.
    Damaged(&'static str),
    /// The database refused; the engine's result code, if it gave one.
    Database {
        /// SQLite's extended result code, in decimal.
        code: Option<String>,
    },
}

impl std::fmt::Display for StateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io { doing, path, source } => write!(f, "{doing} {}: {source}", path.display()),
            Self::Missing(path) => write!(f, "no state in {}", path.display()),
            Self::Exists(path) => write!(f, "{} already holds state", path.display()),
            Self::Locked(path) => write!(f, "another process is writing {}", path.display()),
            Self::Exposed { path, mode } => {
                write!(f, "{} is open to others (mode {mode:04o}, expected no group or other access)", path.display())
            }
            Self::ReadOnly => f.write_str("the state is open for reading only"),
            Self::Schema { found, known } => {
                write!(f, "the state's tables have version {found}, this program knows {known}")
            }
            Self::Migration => f.write_str("a migration of the state failed or was changed after it was applied"),
            Self::Conflict { expected, found } => {
                write!(f, "the journal has {found} entries where {expected} were expected: another writer appended")
            }
            Self::NotOpen(class) => write!(f, "the entry closes a {class} that is not open"),
            Self::Damaged(what) => write!(f, "the state is damaged: {what}"),
            Self::Database { code: Some(code) } => {
                let meaning = code.parse().map_or("", |code| crate::source::sqlite_class(code).1);
                let meaning = if meaning.is_empty() { String::new() } else { format!(", {meaning}") };
                write!(f, "the state database refused with SQLite code {code}{meaning}")
            }
            Self::Database { code: None } => f.write_str("the state database could not be used"),
        }
    }
}

impl std::error::Error for StateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for StateError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).map(std::borrow::Cow::into_owned);
        Self::Database { code }
    }
}
