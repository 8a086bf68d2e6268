//! Writing the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use signed_note::Signer;
use tokio::sync::Mutex;

use super::append::{Append, Effect, check_caller_may_write, effect};
use super::entry::Entry;
use super::error::JournalError;
use super::event::Event;
use super::keys::{MacKeys, SigningKey};
use super::note;
use super::reader::Reader;
use super::sealed::Sealed;
use super::tree::Growing;
use super::value::{Hash, Id128, Instant, InvalidValue, KeyId, Origin, VerifierKey};
use crate::clock::Clock;
use crate::state::{Class, Commit, LogStore, NewEntry, SealedRow, StoredCheckpoint};

/// By how much the clock may be behind the newest entry: small corrections happen; the entry then takes that time.
pub const CLOCK_TOLERANCE_SECONDS: i64 = 300;

/// What an append made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Position of its first entry.
    pub first_seq: u64,
    /// Number of entries after it.
    pub size: u64,
    /// Root hash over these.
    pub root: Hash,
    /// The signed checkpoint, if one was asked for.
    pub checkpoint: Option<String>,
}

/// The writer's view of the log's end; dropped and read anew after every failure.
pub(super) struct Tip {
    tree: Growing,
    last_time: i64,
}

pub(super) struct Inner {
    pub(super) tip: Option<Tip>,
    pub(super) signing: SigningKey,
    /// MAC keys that the log knows; whether they are destroyed.
    pub(super) mac_keys: BTreeMap<KeyId, bool>,
}

/// The journal, open for writing. Appends are serialised; two journals over one store never fork the log, because the
/// store compares the size.
pub struct Journal {
    pub(super) store: Arc<dyn LogStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) key_dir: PathBuf,
    pub(super) origin: Origin,
    pub(super) macs: MacKeys,
    pub(super) inner: Mutex<Inner>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({})", self.origin)
    }
}

impl Journal {
    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The MAC keys.
    #[must_use]
    pub fn mac_keys(&self) -> &MacKeys {
        &self.macs
    }

    /// A view that reads.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::over(self.store.clone())
    }

    /// The public key that checkpoints are signed with now, in the note format.
    pub async fn verifier_key(&self) -> VerifierKey {
        self.inner.lock().await.signing.verifier().clone()
    }

    /// Number of entries and root hash: what a ledger row carries.
    ///
    /// # Errors
    /// [`JournalError::State`].
    pub async fn head(&self) -> Result<(u64, Hash), JournalError> {
        let mut inner = self.inner.lock().await;
        let tip = self.tip(&mut inner).await?;
        let head = (tip.tree.size(), Hash(tip.tree.root()?.0));
        inner.tip = Some(tip);
        Ok(head)
    }

    /// Appends. When this returns, everything in it is durable.
    ///
    /// # Errors
    /// [`JournalError::Refused`], [`JournalError::MissingDocument`] and [`JournalError::ClockWentBack`] before anything
    /// is written; [`StateError::Conflict`](crate::state::StateError::Conflict) when another writer was faster; [`StateError::NotOpen`](crate::state::StateError::NotOpen) when an entry
    /// closes what is not open. Nothing is written then.
    pub async fn append(&self, append: impl Into<Append>) -> Result<Appended, JournalError> {
        let append = append.into();
        for event in &append.events {
            check_caller_may_write(event)?;
            self.check_documents(event, &append).await?;
        }
        self.write(&mut *self.inner.lock().await, append, None).await
    }

    /// Signs a checkpoint over the log as it is.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub async fn checkpoint(&self) -> Result<Appended, JournalError> {
        self.append(Append::new().sign()).await
    }

    async fn check_documents(&self, event: &Event, append: &Append) -> Result<(), JournalError> {
        let Event::RunStarted { policy_hash, map_hash, schema_hash, .. } = event else { return Ok(()) };
        for hash in [policy_hash, map_hash, schema_hash] {
            let here = append.documents.iter().any(|d| d.hash == hash.0);
            if !here && self.store.document(hash.0).await?.is_none() {
                return Err(JournalError::MissingDocument(*hash));
            }
        }
        Ok(())
    }

    /// Takes the tip out of `inner`, or reads it from the store. Whoever succeeds puts it back.
    async fn tip(&self, inner: &mut Inner) -> Result<Tip, JournalError> {
        if let Some(tip) = inner.tip.take() {
            return Ok(tip);
        }
        let head = self.store.head().await?;
        Ok(Tip { tree: Growing::load(&*self.store, head.size).await?, last_time: head.last_time })
    }

    fn time(&self, tip: &Tip, append: &Append) -> Result<Instant, JournalError> {
        let now = Instant::try_from(self.clock.now())?;
        let behind = tip.last_time - now.utc().timestamp();
        if tip.tree.size() == 0 || behind <= 0 || matches!(append.events.as_slice(), [Event::ClockSetBack { .. }]) {
            return Ok(now);
        }
        let last = instant(tip.last_time)?;
        if behind <= CLOCK_TOLERANCE_SECONDS { Ok(last) } else { Err(JournalError::ClockWentBack { last, now }) }
    }

    /// The one place that writes. `also` co-signs the checkpoint.
    pub(super) async fn write(
        &self,
        inner: &mut Inner,
        append: Append,
        also: Option<&SigningKey>,
    ) -> Result<Appended, JournalError> {
        let mut tip = self.tip(inner).await?;
        let time = self.time(&tip, &append)?;
        let first_seq = tip.tree.size();
        let mut commit = Commit { expected: first_seq, documents: append.documents, ..Commit::default() };
        commit.entries.reserve(append.events.len());
        for event in append.events {
            let seq = tip.tree.size();
            match effect(&event) {
                Effect::Opens(class, id) => commit.opened.push((class, id, seq)),
                Effect::Closes(class, id) => close(&mut commit, class, id),
                Effect::Becomes(from, to, id) => {
                    close(&mut commit, from, id);
                    commit.opened.push((to, id, seq));
                }
                Effect::None => {}
            }
            catalogue(&event, seq, &mut commit);
            let kind = event.kind();
            let data = Entry { seq, time, event }.to_bytes();
            tip.tree.push(&data)?;
            commit.entries.push(NewEntry { kind, data });
        }
        let (first_hash, hashes) = tip.tree.added();
        commit.first_hash = first_hash;
        commit.hashes = hashes.iter().flat_map(|hash| hash.0).collect();
        commit.last_time = if commit.entries.is_empty() { tip.last_time } else { time.utc().timestamp() };
        let (size, root) = (tip.tree.size(), tip.tree.root()?);
        let checkpoint = if append.sign {
            let mut signers: Vec<&dyn Signer> = vec![inner.signing.signer()];
            signers.extend(also.map(|key| key.signer() as &dyn Signer));
            Some(note::sign(self.origin.as_str(), size, root, &signers)?)
        } else {
            None
        };
        commit.checkpoint = checkpoint.clone().map(|note| StoredCheckpoint { size, note });
        tip.last_time = commit.last_time;
        tip.tree.settle()?;
        self.store.append(commit).await?;
        inner.tip = Some(tip);
        Ok(Appended { first_seq, size, root: Hash(root.0), checkpoint })
    }
}

/// What this append opened itself is simply not open afterwards.
fn close(commit: &mut Commit, class: Class, id: [u8; 16]) {
    match commit.opened.iter().rposition(|(c, i, _)| (*c, *i) == (class, id)) {
        Some(at) => {
            commit.opened.swap_remove(at);
        }
        None => commit.closed.push((class, id)),
    }
}

pub(super) fn instant(seconds: i64) -> Result<Instant, JournalError> {
    let at = chrono::DateTime::from_timestamp(seconds, 0).ok_or(InvalidValue("instant"))?;
    Ok(Instant::try_from(at)?)
}

/// What an entry does to the catalogue of archives.
fn catalogue(event: &Event, seq: u64, commit: &mut Commit) {
    match event {
        Event::Applied { batch, sealed, key_id, .. } | Event::BatchFound { batch, sealed, key_id, .. } => {
            commit.sealed.extend(sealed.iter().map(|object| row(seq, *batch, object, *key_id)));
        }
        Event::ArchiveResealed { object, key_id, sealed, .. } => {
            commit.sealed.push(row(seq, object.batch, sealed, *key_id));
            commit.unsealed.push((object.batch.0, object.part));
        }
        Event::ArchiveDated { objects, until, .. } => {
            commit.dated.extend(objects.iter().map(|o| (o.batch.0, o.part, until.to_string())));
        }
        Event::Destroyed { objects, .. } => commit.unsealed.extend(objects.iter().map(|o| (o.batch.0, o.part))),
        _ => {}
    }
}

/// An object in the catalogue.
fn row(seq: u64, batch: Id128, object: &Sealed, key_id: KeyId) -> SealedRow {
    SealedRow {
        batch: batch.0,
        part: object.part,
        seq,
        source: object.source.to_string(),
        data_set: object.data_set.to_string(),
        archive: object.archive.to_string(),
        purpose: object.purpose.to_string(),
        until: object.until.map(|day| day.to_string()),
        open: object.until.is_none(),
        records: object.macs.len(),
        key_id: key_id.to_string(),
    }
}
