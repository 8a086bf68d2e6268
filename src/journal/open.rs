//! Creating and opening a log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::append::Append;
use super::entry::Entry;
use super::error::JournalError;
use super::event::Event;
use super::keys::{MacKeys, SigningKey};
use super::log::{Inner, Journal};
use super::reader::{PAGE, Reader};
use super::value::{Id128, InvalidValue, Origin, VerifierKey, Version};
use crate::clock::Clock;
use crate::state::{LogStore, SqliteLog, State, StateError, private_dir, refuse_open_dir};

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
    /// [`JournalError::NotCreated`]; [`JournalError::MissingSigningKey`]; [`JournalError::ForeignSigningKey`] when the key on disk is not the
    /// one in the log.
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
        let signing = settle_signing_key(&key_dir, &key)?;
        refuse_open_dir(&key_dir)?;
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
pub(super) fn settle_signing_key(key_dir: &Path, named: &VerifierKey) -> Result<SigningKey, JournalError> {
    let (now, next) = (key_dir.join("signing.key"), key_dir.join("signing.next"));
    let found = match SigningKey::load(&now)? {
        Some(key) if key.verifier() == named => return Ok(key),
        found => found,
    };
    match SigningKey::load(&next)? {
        Some(key) if key.verifier() == named => {
            let failed = |source| StateError::Io { doing: "replacing", path: now.clone(), source };
            std::fs::rename(&next, &now).map_err(failed)?;
            std::fs::File::open(key_dir).and_then(|d| d.sync_all()).map_err(failed)?;
            Ok(key)
        }
        next if next.is_none() && found.is_none() => Err(JournalError::MissingSigningKey(now)),
        _ => Err(JournalError::ForeignSigningKey),
    }
}
