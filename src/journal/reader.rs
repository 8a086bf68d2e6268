//! Reading the journal: entries, what is open, proofs. Works beside a running writer.

use std::sync::Arc;

use super::entry::Entry;
use super::error::JournalError;
use super::tree;
use super::value::{Day, Hash, Id128, Name};
use crate::state::{
    Class, LogStore, SealedGroup, SealedQuery, SealedRow, SqliteLog, State, StoredCheckpoint, StoredDocument, StoredEntry,
};

/// How many entries are read at once.
pub(crate) const PAGE: u32 = 1000;

/// A view of the journal that cannot write.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn LogStore>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

/// Decodes a stored entry and checks that it stands where it says.
pub(crate) fn decode(stored: &StoredEntry) -> Result<Entry, JournalError> {
    let entry = Entry::from_bytes(&stored.data).map_err(|error| JournalError::Entry { seq: stored.seq, error })?;
    if entry.seq == stored.seq { Ok(entry) } else { Err(JournalError::Tree) }
}

fn decode_all(stored: &[StoredEntry]) -> Result<Vec<Entry>, JournalError> {
    stored.iter().map(decode).collect()
}

impl Reader {
    /// The journal of this state.
    #[must_use]
    pub fn new(state: &State) -> Self {
        Self::over(Arc::new(SqliteLog::new(state)))
    }

    /// The journal in this store.
    #[must_use]
    pub fn over(store: Arc<dyn LogStore>) -> Self {
        Self { store }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn LogStore {
        &*self.store
    }

    /// Number of entries.
    ///
    /// # Errors
    /// [`JournalError::State`].
    pub async fn size(&self) -> Result<u64, JournalError> {
        Ok(self.store.head().await?.size)
    }

    /// Root hash over the first `size` entries.
    ///
    /// # Errors
    /// [`JournalError::State`].
    pub async fn root(&self, size: u64) -> Result<Hash, JournalError> {
        Ok(Hash(tree::root(&*self.store, size).await?.0))
    }

    /// Up to `limit` entries from position `from`, in order.
    ///
    /// # Errors
    /// [`JournalError::State`]; [`JournalError::Entry`] when a stored entry cannot be read.
    pub async fn entries(&self, from: u64, limit: u32) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.entries(from, limit).await?)
    }

    /// Up to `limit` entries of one kind (see [`super::Event::kind`]) from position `from`, in order.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn entries_of(&self, kind: &'static str, from: u64, limit: u32) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.entries_of(kind, from, limit).await?)
    }

    /// Up to `limit` entries of one kind before position `before`, newest first.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn entries_back(&self, kind: &'static str, before: u64, limit: u32) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.entries_back(kind, before, limit).await?)
    }

    /// Up to `limit` batches of a source whose intents stand before position `before` and that were neither aborted nor reverted, newest first: the
    /// position of the intent, and the batch.
    ///
    /// # Errors
    /// [`JournalError::State`].
    pub async fn batches_back(&self, source: &Name, before: u64, limit: u32) -> Result<Vec<(u64, Id128)>, JournalError> {
        let found = self.store.batches_back(source.to_string(), before, limit).await?;
        found.into_iter().map(|(seq, batch)| Ok((seq, Id128::parse(&batch)?))).collect()
    }

    /// The newest entry of one kind.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn newest_of(&self, kind: &'static str) -> Result<Option<Entry>, JournalError> {
        self.store.newest_of(kind).await?.as_ref().map(decode).transpose()
    }

    /// The `run_started` entries of runs that have not finished, oldest first.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn open_runs(&self) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.open(Class::Run).await?)
    }

    /// The `intent` entries of batches that are neither applied nor aborted, oldest first: what recovery closes.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn open_batches(&self) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.open(Class::Batch).await?)
    }

    /// The `order_placed` entries of orders that are not lifted, oldest first.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn open_orders(&self) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.open(Class::Order).await?)
    }

    /// The `order_placed` entry of an order, while it is not lifted.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn open_order(&self, order: Id128) -> Result<Option<Entry>, JournalError> {
        self.store.opened_by(Class::Order, order.0).await?.as_ref().map(decode).transpose()
    }

    /// The `destruction_intended` entries of destructions of which nobody knows whether they happened.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn open_destructions(&self) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.open(Class::Destruction).await?)
    }

    /// The `undo_intended` entries of attempts to put records back of which nobody knows whether they happened, oldest first.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn open_undos(&self) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.open(Class::Undo).await?)
    }

    /// The `archive_erasure_intended` entries of erasures for which no rest stands yet, oldest first.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn open_erasures(&self) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.open(Class::Erasure).await?)
    }

    /// The `archive_resealed` entries of erasures whose objects are not gone for certain yet, oldest first.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn open_resealed(&self) -> Result<Vec<Entry>, JournalError> {
        decode_all(&self.store.open(Class::Resealed).await?)
    }

    /// Up to `limit` objects of archives that were sealed and not destroyed, in the order of batch and part.
    ///
    /// # Errors
    /// [`JournalError::State`].
    pub async fn sealed(&self, query: SealedQuery, limit: u32) -> Result<Vec<SealedRow>, JournalError> {
        Ok(self.store.sealed(query, limit).await?)
    }

    /// What archives keep as of a day, by source, archive, data set and purpose.
    ///
    /// # Errors
    /// [`JournalError::State`].
    pub async fn sealed_groups(&self, today: Day) -> Result<Vec<SealedGroup>, JournalError> {
        Ok(self.store.sealed_groups(today.to_string()).await?)
    }

    /// The entry of this number.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn entry(&self, seq: u64) -> Result<Option<Entry>, JournalError> {
        Ok(self.entries(seq, 1).await?.pop().filter(|e| e.seq == seq))
    }

    /// All checkpoints, smallest first.
    ///
    /// # Errors
    /// [`JournalError::State`].
    pub async fn checkpoints(&self) -> Result<Vec<StoredCheckpoint>, JournalError> {
        Ok(self.store.checkpoints().await?)
    }

    /// The checkpoint that covers most.
    ///
    /// # Errors
    /// [`JournalError::State`].
    pub async fn newest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, JournalError> {
        Ok(self.store.newest_checkpoint().await?)
    }

    /// A policy, map or schema by its hash.
    ///
    /// # Errors
    /// [`JournalError::State`].
    pub async fn document(&self, hash: Hash) -> Result<Option<StoredDocument>, JournalError> {
        Ok(self.store.document(hash.0).await?)
    }

    /// Proof (RFC 6962, section 2.1.1) that entry `seq` is in the log of `size` entries.
    ///
    /// # Errors
    /// [`JournalError::Tree`] unless `seq < size` and `size` entries exist.
    pub async fn inclusion_proof(&self, size: u64, seq: u64) -> Result<Vec<Hash>, JournalError> {
        Ok(tree::inclusion(&*self.store, size, seq).await?.into_iter().map(|h| Hash(h.0)).collect())
    }

    /// Proof (RFC 6962, section 2.1.2) that the log of `old` entries is a prefix of the log of `size` entries.
    ///
    /// # Errors
    /// [`JournalError::Tree`] unless `1 <= old <= size` and `size` entries exist.
    pub async fn consistency_proof(&self, size: u64, old: u64) -> Result<Vec<Hash>, JournalError> {
        Ok(tree::consistency(&*self.store, size, old).await?.into_iter().map(|h| Hash(h.0)).collect())
    }
}
