//! What ends a run, or keeps it from beginning.

use crate::archive::{OpenError, SealError, StoreError};
use crate::files::FileError;
use crate::journal::{InvalidValue, JournalError};
use crate::source::SourceError;
use crate::state::StateError;

/// An error of enforcement.
#[derive(Debug)]
#[non_exhaustive]
pub enum EnforceError {
    /// The customer's database.
    Source(SourceError),
    /// The journal; nothing more is destroyed once it cannot be written.
    Journal(JournalError),
    /// Our own state.
    State(StateError),
    /// The source's database has no fence row: the setup script has not run there.
    NotSetUp,
    /// The fence carries a token that this state does not know: another enforcer owns the source, or the database is a copy.
    ForeignFence,
    /// The database says that it is another one than the source was adopted with.
    OtherServer,
    /// Another enforcer took the source over while this run was working.
    FencedOff,
    /// The source's ledger names a journal that ours is not: an old backup of the state was restored.
    JournalBehind {
        /// Entries that the ledger knows of.
        ledger: u64,
        /// Entries that the journal has.
        journal: u64,
    },
    /// The plan is not the one that was approved.
    PlanChanged {
        /// The hash that was approved.
        approved: String,
        /// The hash of what would run now.
        found: String,
    },
    /// The plan writes pseudonyms, and the source's database has no key for them.
    NoPseudonymKey,
    /// The policy keeps something in an archive that the settings do not have.
    NoArchive(String),
    /// The map names a store of files that the settings do not have.
    NoFiles(String),
    /// An archive cannot be written or read; nothing more is destroyed then.
    Store(StoreError),
    /// An object cannot be sealed.
    Seal(SealError),
    /// An object cannot be opened.
    Open(OpenError),
    /// A file that an archive kept cannot be written.
    File(FileError),
    /// A key of the database cannot be read back exactly.
    Key,
    /// A key that was typed cannot be read by the database as one of the data set.
    NotAKey,
    /// A run that this source never had.
    NoSuchRun,
    /// A run that has not ended, or of which nobody knows yet what some batches came to.
    RunOpen,
    /// An order names a record that does not exist.
    NoSuchRecord,
    /// An order that is neither placed nor standing.
    NoSuchOrder,
    /// An order whose record cannot be found again after a restore.
    OrderUnmatched,
    /// A name that does not belong to the map; the words say which.
    Unknown(&'static str),
}

impl std::fmt::Display for EnforceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source(e) => write!(f, "{e}"),
            Self::Journal(e) => write!(f, "{e}"),
            Self::State(e) => write!(f, "{e}"),
            Self::NotSetUp => f.write_str("the database has no fence for this source: run the script that `retentiond setup` prints"),
            Self::ForeignFence => {
                f.write_str("the source's fence carries a token that this state does not know: another enforcer owns it, or the database is a copy (`retentiond adopt`)")
            }
            Self::OtherServer => f.write_str("another database answers under this source's name (`retentiond adopt` accepts it)"),
            Self::FencedOff => f.write_str("another enforcer took the source over"),
            Self::JournalBehind { ledger, journal } => write!(
                f,
                "the source's ledger knows a journal of {ledger} entries, this one has {journal} or other ones: an old state was restored (`retentiond journal recover`)"
            ),
            Self::PlanChanged { approved, found } => write!(f, "the plan is now {found}, not {approved} as approved"),
            Self::NoPseudonymKey => {
                f.write_str("the source's database has no key for pseudonyms: run the script that `retentiond setup` prints, or restore the key")
            }
            Self::NoArchive(name) => write!(f, "the settings have no archive `{name}`"),
            Self::NoFiles(name) => write!(f, "the settings have no store of files `{name}`"),
            Self::Store(e) => write!(f, "{e}"),
            Self::Seal(e) => write!(f, "{e}"),
            Self::Open(e) => write!(f, "{e}"),
            Self::File(e) => write!(f, "{e}"),
            Self::Key => f.write_str("a primary key of the database cannot be read back exactly"),
            Self::NotAKey => f.write_str("the database cannot read this key"),
            Self::NoSuchRun => f.write_str("the journal has no such run of this source"),
            Self::RunOpen => f.write_str("the run is under way, or was interrupted: the next run closes it, or `retentiond archive destroy`"),
            Self::NoSuchRecord => f.write_str("no such record"),
            Self::NoSuchOrder => f.write_str("no such order stands"),
            Self::OrderUnmatched => f.write_str("an order of the journal names a record that the restored database does not have: nothing runs until somebody decides"),
            Self::Unknown(what) => write!(f, "unknown {what}"),
        }
    }
}

impl std::error::Error for EnforceError {}

impl From<SourceError> for EnforceError {
    fn from(e: SourceError) -> Self {
        Self::Source(e)
    }
}

impl From<JournalError> for EnforceError {
    fn from(e: JournalError) -> Self {
        Self::Journal(e)
    }
}

impl From<StateError> for EnforceError {
    fn from(e: StateError) -> Self {
        Self::State(e)
    }
}

impl From<StoreError> for EnforceError {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

impl From<SealError> for EnforceError {
    fn from(e: SealError) -> Self {
        Self::Seal(e)
    }
}

impl From<InvalidValue> for EnforceError {
    fn from(e: InvalidValue) -> Self {
        Self::Journal(JournalError::Value(e))
    }
}
