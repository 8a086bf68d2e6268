//! What the journal asks of a database. Another engine follows by implementing [`LogStore`].

use std::future::Future;
use std::pin::Pin;

use super::StateError;

/// The answer of a store, to be awaited.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StateError>> + Send + 'a>>;

/// How far the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub size: u64,
    /// The newest entry's time in seconds since 1970 (UTC); 0 in an empty log.
    pub last_time: i64,
}

/// What an entry can open and a later one close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// From `run_started` to `run_finished`.
    Run,
    /// From `intent` to `applied` or `aborted`.
    Batch,
    /// From `order_placed` to `order_lifted`.
    Order,
}

impl Class {
    /// Its name in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Batch => "batch",
            Self::Order => "order",
        }
    }
}

/// One entry to append.
#[derive(Debug)]
pub struct NewEntry {
    /// The entry's kind, for look-ups.
    pub kind: &'static str,
    /// The leaf data.
    pub data: Vec<u8>,
}

/// A document to keep.
#[derive(Debug)]
pub struct NewDocument {
    /// SHA-256 of the body.
    pub hash: [u8; 32],
    /// `policy`, `map` or `schema`.
    pub kind: &'static str,
    /// The bytes.
    pub body: Vec<u8>,
}

/// One append: everything in it becomes durable together, or nothing does.
#[derive(Debug, Default)]
pub struct Commit {
    /// The size that the log must have now.
    pub expected: u64,
    /// The entries, the first gets the sequence number `expected`.
    pub entries: Vec<NewEntry>,
    /// The newest entry's time in seconds since 1970 (UTC).
    pub last_time: i64,
    /// The index of the first of `hashes` in the tree's dense order.
    pub first_hash: u64,
    /// The tree hashes that the entries complete, 32 bytes each.
    pub hashes: Vec<u8>,
    /// Opened by these entries and not closed by them: class, id, sequence number.
    pub opened: Vec<(Class, [u8; 16], u64)>,
    /// Closed by these entries and opened by earlier ones.
    pub closed: Vec<(Class, [u8; 16])>,
    /// Documents; those that are there already are left as they are.
    pub documents: Vec<NewDocument>,
    /// Signed notes over the log up to its new size.
    pub checkpoint: Option<StoredCheckpoint>,
}

/// An entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Position in the log, from 0.
    pub seq: u64,
    /// The leaf data.
    pub data: Vec<u8>,
}

/// A checkpoint as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// The number of entries that it covers.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

/// A document as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// SHA-256 of the body.
    pub hash: [u8; 32],
    /// `policy`, `map` or `schema`.
    pub kind: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// Storage of the journal. Appending is atomic, durable when it returns, and refuses a writer whose view is stale.
pub trait LogStore: Send + Sync {
    /// How far the log goes.
    fn head(&self) -> Pending<'_, Head>;
    /// Appends, in one transaction with one sync. [`StateError::Conflict`] when the size is not the expected one.
    fn append(&self, commit: Commit) -> Pending<'_, ()>;
    /// The tree hashes of these indexes, in the same order.
    fn hashes(&self, indexes: Vec<u64>) -> Pending<'_, Vec<[u8; 32]>>;
    /// Up to `limit` entries from sequence number `from`, in order.
    fn entries(&self, from: u64, limit: u32) -> Pending<'_, Vec<StoredEntry>>;
    /// Up to `limit` entries of one kind from sequence number `from`, in order.
    fn entries_of(&self, kind: &'static str, from: u64, limit: u32) -> Pending<'_, Vec<StoredEntry>>;
    /// Up to `limit` entries of one kind before sequence number `before`, newest first.
    fn entries_back(&self, kind: &'static str, before: u64, limit: u32) -> Pending<'_, Vec<StoredEntry>>;
    /// The newest entry of one kind.
    fn newest_of(&self, kind: &'static str) -> Pending<'_, Option<StoredEntry>>;
    /// The entries that opened what is still open, oldest first.
    fn open(&self, class: Class) -> Pending<'_, Vec<StoredEntry>>;
    /// The entry that opened this, while it is open.
    fn opened_by(&self, class: Class, id: [u8; 16]) -> Pending<'_, Option<StoredEntry>>;
    /// All checkpoints, smallest first; those of one size in the order of their making.
    fn checkpoints(&self) -> Pending<'_, Vec<StoredCheckpoint>>;
    /// The checkpoint that covers most, the newest of them.
    fn newest_checkpoint(&self) -> Pending<'_, Option<StoredCheckpoint>>;
    /// One document.
    fn document(&self, hash: [u8; 32]) -> Pending<'_, Option<StoredDocument>>;
    /// The hashes of all documents, ascending.
    fn document_hashes(&self) -> Pending<'_, Vec<[u8; 32]>>;
}
