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
}

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
}

impl FileCount {
    /// Adds another count of the same store.
    pub fn add(&mut self, other: &Self) {
        self.removed += other.removed;
        self.missing += other.missing;
        self.shared += other.shared;
    }
}
