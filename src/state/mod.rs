//! Our own database: one directory that holds `state.sqlite`, the keys and a lock.
//!
//! One process at a time may write a state directory ([`State::open`] takes an exclusive lock and keeps it);
//! any number may read it beside that one ([`State::open_read_only`]). This room is the only user of `migrations/`.
//! What the journal needs of a database is the trait [`LogStore`]; [`SqliteLog`] is its SQLite form.

mod directory;
mod error;
mod log_store;
mod source_store;
mod sqlite;
mod sqlite_log;
mod sqlite_sealed;

pub use directory::{private_dir, read_private, refuse_open_dir, write_private};
pub use error::StateError;
pub use log_store::{
    Class, Commit, Head, LogStore, NewDocument, NewEntry, Pending, SealedGroup, SealedQuery, SealedRow, StoredCheckpoint,
    StoredDocument, StoredEntry,
};
pub use source_store::KnownSource;
pub use sqlite::{Access, State};
pub use sqlite_log::SqliteLog;
