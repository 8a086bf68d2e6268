//! Files that columns of customers' databases point to: a root for each store, and nothing outside it.
//!
//! A value is a [`FilePath`], plain names with slashes between. A [`Store`] is a directory or an S3 bucket. A [`Root`] enters directories one by one and
//! follows no symbolic link below the root, so that nothing can be put in the way between a look and a removal. A [`Bucket`] removes a file with all versions
//! that are kept of it. Nothing here knows a database.

mod bucket;
mod erase;
mod fetch;
mod path;
mod put;
mod root;
mod stamp;
mod store;
mod upload;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

pub use bucket::Bucket;
pub use path::{FilePath, OutsideRoot};
pub use root::{FileError, Root};
pub use stamp::{Gone, Stamp};
pub use store::{Content, Store};

/// The stores of the settings.
#[derive(Debug, Default)]
pub struct Files {
    stores: BTreeMap<String, Store>,
    /// Held by a batch that removes files, from its beginning to its end: two that each remove one of two rows with one file would each leave it to
    /// the other.
    pub turn: tokio::sync::Mutex<()>,
    /// Removed for batches that did not happen: whoever finds them missing has removed them.
    ours: Mutex<HashSet<(String, FilePath)>>,
}

impl Files {
    /// Adds a store.
    pub fn insert(&mut self, name: String, store: impl Into<Store>) {
        self.stores.insert(name, store.into());
    }

    /// The store of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Store> {
        self.stores.get(name)
    }

    /// All stores, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Store)> {
        self.stores.iter()
    }

    /// Notes that a file was removed before the batch that removes its row is committed.
    pub fn note(&self, store: &str, path: &FilePath) {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner).insert((store.to_owned(), path.clone()));
    }

    /// Whether a file was removed for an earlier batch of this process that did not happen.
    #[must_use]
    pub fn was_ours(&self, store: &str, path: &FilePath) -> bool {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner).contains(&(store.to_owned(), path.clone()))
    }

    /// Forgets what was noted: the batch is committed.
    pub fn forget(&self, store: &str, path: &FilePath) {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner).remove(&(store.to_owned(), path.clone()));
    }
}
