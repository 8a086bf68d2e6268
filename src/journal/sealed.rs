//! Objects of intermediate archives, and counts of files, as entries and ledger rows name them.

use serde::{Deserialize, Serialize};

use super::value::{Day, Hash, Id128, Macs, Name};

/// An object that took fields of a batch's records before they changed. Its name in the archive follows from source, batch, `until` and `part`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The source that its records came from.
    pub source: Name,
    /// Their data set.
    pub data_set: Name,
    /// The archive.
    pub archive: Name,
    /// The purpose that keeps it.
    pub purpose: Name,
    /// The last day on which it is kept; `None` when that was not known yet, and an `archive_dated` says it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
    /// Its number among the objects of the batch.
    pub part: u32,
    /// SHA-256 of the object as it is stored.
    pub sha256: Hash,
    /// Its size.
    pub bytes: u64,
    /// Rows in it, those that follow the records included.
    pub rows: u64,
    /// Its records, one MAC for each, under the entry's key.
    pub macs: Macs,
    /// The tenants of its records, each once; empty where the data set has no tenant column.
    pub tenants: Macs,
    /// The persons whom its records are about, each once; empty where the data set names no subject.
    #[serde(default, skip_serializing_if = "Macs::is_empty")]
    pub subjects: Macs,
    /// The files that were sealed beside it, in the order of their numbers: their names follow from its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SealedFile>,
}

/// A file that a row pointed to, sealed as an object of its own. Says nothing of what it was before: its hash would say whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedFile {
    /// SHA-256 of the object as it is stored.
    pub sha256: Hash,
    /// Its size.
    pub bytes: u64,
}

/// Rests of objects, of which records were erased, are numbered from here on: above all objects that a batch seals.
pub const RESTS_FROM: u32 = 1_000_000;

/// An object, by the batch that sealed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectRef {
    /// The batch.
    pub batch: Id128,
    /// Its number among the objects of the batch.
    pub part: u32,
}

/// What became of the files of one store that a batch's rows pointed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCount {
    /// The store.
    pub store: Name,
    /// Files removed.
    pub removed: u64,
    /// Files that were not there.
    pub missing: u64,
    /// Files that a row which stays points to as well, and which stay with it.
    pub shared: u64,
    /// Files that were sealed into archives, and that leave the store when the batch is committed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sealed: u64,
    /// Files of that kind that stay, because they are not what was sealed any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changed: u64,
}

/// Whether a number says nothing.
pub(super) fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl FileCount {
    /// Of a store of which nothing has become yet.
    #[must_use]
    pub fn of(store: Name) -> Self {
        Self { store, removed: 0, missing: 0, shared: 0, sealed: 0, changed: 0 }
    }

    /// Adds another count of the same store.
    pub fn add(&mut self, other: &Self) {
        self.removed += other.removed;
        self.missing += other.missing;
        self.shared += other.shared;
        self.sealed += other.sealed;
        self.changed += other.changed;
    }
}
