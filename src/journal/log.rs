//! Writing the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use signed_note::Signer;
use tokio::sync::Mutex;

use super::append::{Append, Effect, check_caller_may_write, effect};
use super::entry::{Entry, Event};
use super::error::JournalError;
use super::keys::{MacKeys, SigningKey};
use super::note;
use super::reader::{PAGE, Reader};
use super::tree::Growing;
use super::value::{Hash, Id128, Instant, InvalidValue, KeyId, Name, Origin, VerifierKey, Version};
use crate::clock::Clock;
use crate::state::{Class, Commit, LogStore, NewEntry, SqliteLog, State, StateError, StoredCheckpoint, private_dir};

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
struct Tip {
    tree: Growing,
    last_time: i64,
}

struct Inner {
    tip: Option<Tip>,
    signing: SigningKey,
    /// MAC keys that the log knows; whether they are destroyed.
    mac_keys: BTreeMap<KeyId, bool>,
}

/// The journal, open for writing. Appends are serialised; two journals over one store never fork the log, because the
/// store compares the size.
pub struct Journal {
    store: Arc<dyn LogStore>,
    clock: Arc<dyn Clock>,
    key_dir: PathBuf,
    origin: Origin,
    macs: MacKeys,
    inner: Mutex<Inner>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({})", self.origin)
    }
}

impl Journal {
    /// Creates the log in an empty state: makes the signing key, writes entry 0, signs the first checkpoint. A creation
    /// that was interrupted is completed with the key that it had made.
    ///
    /// # Errors
    /// [`JournalError::AlreadyCreated`]; [`JournalError::State`].
    pub async fn create(state: &State, clock: Arc<dyn Clock>, origin: Origin) -> Result<Self, JournalError> {
        let store: Arc<dyn LogStore> = Arc::new(SqliteLog::new(state));
        if store.head().await?.size != 0 {
            return Err(JournalError::AlreadyCreated);
        }
        let key_dir = state.key_dir();
        private_dir(&key_dir)?;
        let path = key_dir.join("signing.key");
        let signing = match SigningKey::load(&path)? {
            Some(key) if key.verifier().name() == origin.as_str() => key,
            Some(_) => return Err(JournalError::ForeignSigningKey),
            None => SigningKey::create(&path, &origin)?,
        };
        let event = Event::LogCreated { origin: origin.clone(), key: signing.verifier().clone(), version: program_version()? };
        let macs = MacKeys::load(&key_dir)?;
        let inner = Mutex::new(Inner { tip: None, signing, mac_keys: BTreeMap::new() });
        let journal = Self { store, clock, key_dir, origin, macs, inner };
        journal.write(&mut *journal.inner.lock().await, Append::from(event).sign(), None).await?;
        Ok(journal)
    }

    /// Opens an existing log for writing, and completes what an interruption left half done: a rotation of the signing
    /// key that is announced but not put in place, a MAC key whose destruction is logged but not done.
    ///
    /// # Errors
    /// [`JournalError::NotCreated`]; [`JournalError::ForeignSigningKey`] when the key on disk is not the one in the log.
    pub async fn open(state: &State, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let store: Arc<dyn LogStore> = Arc::new(SqliteLog::new(state));
        let reader = Reader::over(store.clone());
        let Some(Entry { event: Event::LogCreated { origin, key, .. }, .. }) = reader.entries(0, 1).await?.pop() else {
            return Err(JournalError::NotCreated);
        };
        let key = match reader.newest_of("signing_key_rotated").await? {
            Some(Entry { event: Event::SigningKeyRotated { key }, .. }) => key,
            _ => key,
        };
        let key_dir = state.key_dir();
        private_dir(&key_dir)?;
        let signing = settle_signing_key(&key_dir, &key)?;
        let macs = MacKeys::load(&key_dir)?;
        let mut mac_keys = BTreeMap::new();
        for (kind, destroyed) in [("mac_key_created", false), ("mac_key_destroyed", true)] {
            let mut from = 0;
            loop {
                let page = reader.entries_of(kind, from, PAGE).await?;
                let Some(last) = page.last() else { break };
                from = last.seq + 1;
                for entry in &page {
                    if let Event::MacKeyCreated { key_id } | Event::MacKeyDestroyed { key_id } = entry.event {
                        mac_keys.insert(key_id, destroyed);
                    }
                }
            }
        }
        for (&id, _) in mac_keys.iter().filter(|(_, destroyed)| **destroyed) {
            macs.destroy(id)?;
        }
        let inner = Mutex::new(Inner { tip: None, signing, mac_keys });
        Ok(Self { store, clock, key_dir, origin, macs, inner })
    }

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
    /// is written; [`StateError::Conflict`] when another writer was faster; [`StateError::NotOpen`] when an entry
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

    /// Replaces the signing key: announces the new one in the log, has the old one and the new one sign that, and
    /// destroys the old one.
    ///
    /// # Errors
    /// [`JournalError::State`]. An interruption is completed by [`Self::open`].
    pub async fn rotate_signing_key(&self) -> Result<VerifierKey, JournalError> {
        let mut inner = self.inner.lock().await;
        let next_path = self.key_dir.join("signing.next");
        let next = match SigningKey::load(&next_path)? {
            Some(key) => key,
            None => SigningKey::create(&next_path, &self.origin)?,
        };
        let event = Event::SigningKeyRotated { key: next.verifier().clone() };
        self.write(&mut inner, Append::from(event).sign(), Some(&next)).await?;
        inner.signing = settle_signing_key(&self.key_dir, next.verifier())?;
        Ok(inner.signing.verifier().clone())
    }

    /// The MAC key of this month (UTC); made and logged when the month is new. Take it once a run.
    ///
    /// # Errors
    /// [`JournalError::MissingMacKey`] when the log knows this month's key and its file is gone: a second key under the
    /// same name would make proofs false.
    pub async fn current_mac_key(&self) -> Result<KeyId, JournalError> {
        let mut inner = self.inner.lock().await;
        let id = KeyId::of(self.clock.now());
        match (inner.mac_keys.get(&id), self.macs.contains(id)) {
            (Some(false), true) => return Ok(id),
            (Some(_), _) => return Err(JournalError::MissingMacKey(id)),
            (None, true) => {}
            (None, false) => self.macs.create(id)?,
        }
        self.write(&mut inner, Event::MacKeyCreated { key_id: id }.into(), None).await?;
        inner.mac_keys.insert(id, false);
        Ok(id)
    }

    /// Destroys a MAC key, which ends every answer about the records named with it. Logged first, then done.
    ///
    /// # Errors
    /// [`JournalError::MacKeyInUse`] while an open order or an open batch needs it, and for this month's key.
    pub async fn destroy_mac_key(&self, id: KeyId) -> Result<(), JournalError> {
        let mut inner = self.inner.lock().await;
        if inner.mac_keys.get(&id) != Some(&false) {
            return Err(JournalError::MissingMacKey(id));
        }
        let reader = self.reader();
        let ordered = reader.open_orders().await?;
        let needed = ordered.iter().any(|e| matches!(e.event, Event::OrderPlaced { key_id, .. } if key_id == id));
        if needed || id >= KeyId::of(self.clock.now()) || !reader.open_batches().await?.is_empty() {
            return Err(JournalError::MacKeyInUse(id));
        }
        self.write(&mut inner, Event::MacKeyDestroyed { key_id: id }.into(), None).await?;
        inner.mac_keys.insert(id, true);
        self.macs.destroy(id)
    }

    /// Accepts, by an operator's decision, that the clock is behind the newest entry: the log goes on from there.
    ///
    /// # Errors
    /// [`JournalError::Refused`] when the clock is not behind.
    pub async fn confirm_clock_set_back(&self, actor: Name) -> Result<Appended, JournalError> {
        let mut inner = self.inner.lock().await;
        let last = instant(self.store.head().await?.last_time)?;
        if self.clock.now() >= last.utc() {
            return Err(JournalError::Refused("the clock is not behind the journal"));
        }
        self.write(&mut inner, Event::ClockSetBack { from: last, actor }.into(), None).await
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
    async fn write(&self, inner: &mut Inner, append: Append, also: Option<&SigningKey>) -> Result<Appended, JournalError> {
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
                Effect::None => {}
            }
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

fn instant(seconds: i64) -> Result<Instant, JournalError> {
    let at = chrono::DateTime::from_timestamp(seconds, 0).ok_or(InvalidValue("instant"))?;
    Ok(Instant::try_from(at)?)
}

/// This program's version as entries carry it.
///
/// # Errors
/// Never in a build by Cargo, whose versions are valid.
pub fn program_version() -> Result<Version, InvalidValue> {
    Version::parse(env!("CARGO_PKG_VERSION"))
}

/// A new random origin, `retentiond/<16 hexadecimal digits>`, for logs that are given none.
///
/// # Errors
/// [`InvalidValue`] when the operating system gives no random bytes.
pub fn random_origin() -> Result<Origin, InvalidValue> {
    let id = Id128::random()?.to_string();
    Origin::parse(&format!("retentiond/{}", &id[..16]))
}

/// The signing key that the log names, put in its place if a rotation was interrupted before.
fn settle_signing_key(key_dir: &std::path::Path, named: &VerifierKey) -> Result<SigningKey, JournalError> {
    let (now, next) = (key_dir.join("signing.key"), key_dir.join("signing.next"));
    if let Some(key) = SigningKey::load(&now)?
        && key.verifier() == named
    {
        return Ok(key);
    }
    match SigningKey::load(&next)? {
        Some(key) if key.verifier() == named => {
            let failed = |source| StateError::Io { doing: "replacing", path: now.clone(), source };
            std::fs::rename(&next, &now).map_err(failed)?;
            std::fs::File::open(key_dir).and_then(|d| d.sync_all()).map_err(failed)?;
            Ok(key)
        }
        _ => Err(JournalError::ForeignSigningKey),
    }
}
