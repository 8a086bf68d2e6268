//! What can go wrong in writing or reading the journal.

use super::entry::EntryError;
use super::value::{Hash, Instant, InvalidValue, KeyId};
use crate::state::StateError;

/// An error of the journal. When an append returns one, nothing was written, except where the state's commit itself
/// was interrupted: then the next append finds out from the store.
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// The state directory or its database.
    State(StateError),
    /// A value that an entry must not hold.
    Value(InvalidValue),
    /// A stored entry cannot be read.
    Entry {
        /// Its position.
        seq: u64,
        /// Why.
        error: EntryError,
    },
    /// The log is empty: it must be created first.
    NotCreated,
    /// The log exists already.
    AlreadyCreated,
    /// The entry contradicts the journal's rules; the words say which.
    Refused(&'static str),
    /// The machine's clock is behind the newest entry by more than the tolerance.
    ClockWentBack {
        /// Time of the newest entry.
        last: Instant,
        /// What the clock says.
        now: Instant,
    },
    /// A run names a document that the journal does not have.
    MissingDocument(Hash),
    /// A key file does not hold a key.
    MalformedKey(&'static str),
    /// The signing key's file is not there.
    MissingSigningKey(std::path::PathBuf),
    /// The signing key on disk is not the one that the log names.
    ForeignSigningKey,
    /// The log names a MAC key whose file is gone.
    MissingMacKey(KeyId),
    /// The MAC key is needed: by open orders, or because it is this month's.
    MacKeyInUse(KeyId),
    /// Signing failed.
    Signing,
    /// The tree's hashes do not fit together.
    Tree,
    /// Reading or writing an export.
    Io(std::io::Error),
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State(error) => write!(f, "{error}"),
            Self::Value(error) => write!(f, "{error}"),
            Self::Entry { seq, error } => write!(f, "journal entry {seq}: {error}"),
            Self::NotCreated => f.write_str("the journal has not been created"),
            Self::AlreadyCreated => f.write_str("the journal exists already"),
            Self::Refused(rule) => write!(f, "the journal refuses the entry: {rule}"),
            Self::ClockWentBack { last, now } => {
                write!(f, "the clock says {now}, but the newest journal entry is of {last}")
            }
            Self::MissingDocument(hash) => write!(f, "the journal has no document {hash}"),
            Self::MalformedKey(what) => write!(f, "the {what} file does not hold a key"),
            Self::MissingSigningKey(path) => {
                write!(f, "the signing key {} is missing: bring it back from a backup of the state", path.display())
            }
            Self::ForeignSigningKey => f.write_str("the signing key is not the one that the journal names"),
            Self::MissingMacKey(key) => write!(f, "the file of MAC key {key} is gone"),
            Self::MacKeyInUse(key) => write!(f, "MAC key {key} is still in use"),
            Self::Signing => f.write_str("the checkpoint could not be signed"),
            Self::Tree => f.write_str("the journal's tree hashes do not fit together"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::State(error) => Some(error),
            Self::Entry { error, .. } => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StateError> for JournalError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<InvalidValue> for JournalError {
    fn from(error: InvalidValue) -> Self {
        Self::Value(error)
    }
}

impl From<tlog_tiles::Error> for JournalError {
    fn from(_: tlog_tiles::Error) -> Self {
        Self::Tree
    }
}

impl From<std::io::Error> for JournalError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
