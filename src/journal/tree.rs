//! The Merkle tree: growing it at its right edge, and proving from stored hashes. The mathematics are `tlog_tiles`'.

use std::cell::RefCell;
use std::collections::HashMap;

use tlog_tiles::{Error, Hash, HashReader};

use super::error::JournalError;
use crate::state::LogStore;

/// A tree that grows in memory: the complete subtrees at its right edge, and what was added since.
#[derive(Debug, Clone)]
pub(crate) struct Growing {
    size: u64,
    /// Index and hash of each complete subtree when `added` was empty, largest subtree first.
    edge: Vec<(u64, Hash)>,
    /// Index of the first of `added`.
    first: u64,
    added: Vec<Hash>,
}

impl HashReader for Growing {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes
            .iter()
            .map(|&index| {
                let at = index.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
                match at {
                    Some(at) => self.added.get(at).copied(),
                    None => self.edge.iter().find(|(i, _)| *i == index).map(|(_, hash)| *hash),
                }
                .ok_or(Error::IndexesNotInTree)
            })
            .collect()
    }
}

impl Growing {
    /// The empty tree.
    pub(crate) fn new() -> Self {
        Self { size: 0, edge: Vec::new(), first: 0, added: Vec::new() }
    }

    /// The tree of the first `size` stored entries.
    pub(crate) async fn load(store: &dyn LogStore, size: u64) -> Result<Self, JournalError> {
        let indexes = edge_indexes(size);
        let hashes = store.hashes(indexes.clone()).await?;
        let edge = indexes.into_iter().zip(hashes.into_iter().map(Hash)).collect();
        Ok(Self { size, edge, first: tlog_tiles::stored_hash_count(size), added: Vec::new() })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf by its data.
    pub(crate) fn push(&mut self, data: &[u8]) -> Result<(), Error> {
        self.push_leaf(tlog_tiles::record_hash(data))
    }

    /// Adds one leaf by its hash.
    pub(crate) fn push_leaf(&mut self, leaf: Hash) -> Result<(), Error> {
        let mut hashes = tlog_tiles::stored_hashes_for_record_hash(self.size, leaf, self)?;
        self.added.append(&mut hashes);
        self.size += 1;
        Ok(())
    }

    /// The root, as RFC 6962 defines it.
    pub(crate) fn root(&self) -> Result<Hash, Error> {
        tlog_tiles::tree_hash(self.size, self)
    }

    /// Index of the first hash added since the last [`Self::settle`], and these hashes.
    pub(crate) fn added(&self) -> (u64, &[Hash]) {
        (self.first, &self.added)
    }

    /// Forgets the added hashes that later leaves do not need, and counts from here.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        let indexes = edge_indexes(self.size);
        let hashes = self.read_hashes(&indexes)?;
        self.edge = indexes.into_iter().zip(hashes).collect();
        self.first = tlog_tiles::stored_hash_count(self.size);
        self.added.clear();
        Ok(())
    }
}

fn edge_indexes(size: u64) -> Vec<u64> {
    if size == 0 { Vec::new() } else { tlog_tiles::sub_tree_index(0, size, Vec::new()) }
}

/// The reader of `tlog_tiles` cannot wait for a store, so a computation runs twice: asking, which answers with zeros
/// and remembers the questions, and answering, with what the store said.
enum Stored {
    Asking(RefCell<Vec<u64>>),
    Answering(HashMap<u64, Hash>),
}

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        match self {
            Self::Asking(asked) => {
                asked.borrow_mut().extend(indexes);
                Ok(vec![Hash::default(); indexes.len()])
            }
            Self::Answering(known) => {
                indexes.iter().map(|index| known.get(index).copied().ok_or(Error::IndexesNotInTree)).collect()
            }
        }
    }
}

/// Computes over the stored tree.
async fn with_hashes<T>(store: &dyn LogStore, compute: impl Fn(&Stored) -> Result<T, Error>) -> Result<T, JournalError> {
    let asking = Stored::Asking(RefCell::default());
    compute(&asking)?;
    let Stored::Asking(asked) = asking else { return Err(JournalError::Tree) };
    let asked = asked.into_inner();
    let hashes = store.hashes(asked.clone()).await?;
    let answering = Stored::Answering(asked.into_iter().zip(hashes.into_iter().map(Hash)).collect());
    Ok(compute(&answering)?)
}

/// Proof that entry `seq` is in the tree of `size` entries.
pub(crate) async fn inclusion(store: &dyn LogStore, size: u64, seq: u64) -> Result<Vec<Hash>, JournalError> {
    with_hashes(store, |read| tlog_tiles::prove_record(size, seq, read)).await
}

/// Proof that the tree of `old` entries is a prefix of the tree of `size` entries.
pub(crate) async fn consistency(store: &dyn LogStore, size: u64, old: u64) -> Result<Vec<Hash>, JournalError> {
    with_hashes(store, |read| tlog_tiles::prove_tree(size, old, read)).await
}

/// Root of the tree of `size` stored entries.
pub(crate) async fn root(store: &dyn LogStore, size: u64) -> Result<Hash, JournalError> {
    with_hashes(store, |read| tlog_tiles::tree_hash(size, read)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962, section 2.1, written from the text: the largest power of two splits the list.
    fn rfc6962(leaves: &[Vec<u8>]) -> Vec<u8> {
        use sha2::{Digest as _, Sha256};
        match leaves {
            [] => Sha256::digest(b"").to_vec(),
            [leaf] => Sha256::new().chain_update([0]).chain_update(leaf).finalize().to_vec(),
            _ => {
                let mut k = 1;
                while k * 2 < leaves.len() {
                    k *= 2;
                }
                let (left, right) = (rfc6962(&leaves[..k]), rfc6962(&leaves[k..]));
                Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().to_vec()
            }
        }
    }

    #[test]
    fn the_root_is_the_one_of_rfc_6962_however_often_the_tree_settles() {
        let leaves: Vec<Vec<u8>> = (0..130u32).map(|i| i.to_be_bytes().to_vec()).collect();
        for step in [1, 3, 64, 1000] {
            let mut tree = Growing::new();
            for (i, leaf) in leaves.iter().enumerate() {
                assert_eq!(tree.root().unwrap().0.to_vec(), rfc6962(&leaves[..i]), "{i} leaves, settled every {step}");
                tree.push(leaf).unwrap();
                if i % step == 0 {
                    tree.settle().unwrap();
                }
            }
        }
    }
}
