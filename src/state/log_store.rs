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
    /// From `destruction_intended` to `destroyed`.
    Destruction,
    /// From `undo_intended` to `undone` or `undo_aborted`.
    Undo,
    /// From `archive_erasure_intended` to `archive_resealed` or `archive_erasure_aborted`.
    Erasure,
    /// From `archive_resealed` to `archive_erased`.
    Resealed,
}

impl Class {
    /// Its name in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Batch => "batch",
            Self::Order => "order",
            Self::Destruction => "destruction",
            Self::Undo => "undo",
            Self::Erasure => "erasure",
            Self::Resealed => "resealed",
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

/// An object of an archive that an entry sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// The batch that sealed it.
    pub batch: [u8; 16],
    /// Its number among the objects of the batch.
    pub part: u32,
    /// The entry that says so.
    pub seq: u64,
    /// The source that its records came from.
    pub source: String,
    /// The data set.
    pub data_set: String,
    /// The archive.
    pub archive: String,
    /// The purpose that keeps it.
    pub purpose: String,
    /// The last day on which it is kept, `YYYY-MM-DD`, where it is known.
    pub until: Option<String>,
    /// Whether it was not known when it was sealed.
    pub open: bool,
    /// Records in it.
    pub records: u64,
    /// The key of their MACs.
    pub key_id: String,
}

/// Which objects of archives are asked for; `None` is any.
#[derive(Debug, Clone, Default)]
pub struct SealedQuery {
    /// Of this source.
    pub source: Option<String>,
    /// Of this data set.
    pub data_set: Option<String>,
    /// In this archive.
    pub archive: Option<String>,
    /// Of this purpose.
    pub purpose: Option<String>,
    /// Whose last day is before this one, `YYYY-MM-DD`.
    pub ended_before: Option<String>,
    /// Whose last day is not known.
    pub without_end: bool,
    /// Of this batch.
    pub batch: Option<[u8; 16]>,
    /// Behind this one, in the order of batch and part.
    pub after: Option<([u8; 16], u32)>,
}

/// The objects of one archive purpose, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedGroup {
    /// The source that their records came from.
    pub source: String,
    /// The archive.
    pub archive: String,
    /// The data set.
    pub data_set: String,
    /// The purpose.
    pub purpose: String,
    /// Objects.
    pub objects: u64,
    /// Records.
    pub records: u64,
    /// Records whose last day is past.
    pub due: u64,
    /// Records whose last day is not known.
    pub open: u64,
    /// The next last day that is not past.
    pub next_end: Option<String>,
    /// The oldest last day that is past.
    pub oldest_overdue: Option<String>,
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
    /// Objects of archives that these entries sealed.
    pub sealed: Vec<SealedRow>,
    /// Objects of which these entries say the last day: batch, part, `YYYY-MM-DD`.
    pub dated: Vec<([u8; 16], u32, String)>,
    /// Objects that these entries destroyed: batch and part.
    pub unsealed: Vec<([u8; 16], u32)>,
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
    /// Up to `limit` batches of one source that were intended before sequence number `before` and neither aborted nor reverted, newest first: the
    /// sequence number of the intent, and the batch.
    fn batches_back(&self, source: String, before: u64, limit: u32) -> Pending<'_, Vec<(u64, String)>>;
    /// The newest entry of one kind.
    fn newest_of(&self, kind: &'static str) -> Pending<'_, Option<StoredEntry>>;
    /// The entries that opened what is still open, oldest first.
    fn open(&self, class: Class) -> Pending<'_, Vec<StoredEntry>>;
    /// The entry that opened this, while it is open.
    fn opened_by(&self, class: Class, id: [u8; 16]) -> Pending<'_, Option<StoredEntry>>;
    /// Up to `limit` objects of archives, in the order of batch and part.
    fn sealed(&self, query: SealedQuery, limit: u32) -> Pending<'_, Vec<SealedRow>>;
    /// The objects of archives by source, archive, data set and purpose, counted as of a day, `YYYY-MM-DD`.
    fn sealed_groups(&self, today: String) -> Pending<'_, Vec<SealedGroup>>;
    /// Whether the MACs of some object in an archive are under this key.
    fn sealed_under(&self, key_id: String) -> Pending<'_, bool>;
    /// All checkpoints, smallest first; those of one size in the order of their making.
    fn checkpoints(&self) -> Pending<'_, Vec<StoredCheckpoint>>;
    /// The checkpoint that covers most, the newest of them.
    fn newest_checkpoint(&self) -> Pending<'_, Option<StoredCheckpoint>>;
    /// One document.
    fn document(&self, hash: [u8; 32]) -> Pending<'_, Option<StoredDocument>>;
    /// The hashes of all documents, ascending.
    fn document_hashes(&self) -> Pending<'_, Vec<[u8; 32]>>;
}
