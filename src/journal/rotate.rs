//! Changing keys, and confirming a clock: what the journal writes about itself.

use super::append::Append;
use super::error::JournalError;
use super::event::Event;
use super::keys::SigningKey;
use super::log::{Appended, Journal, instant};
use super::open::settle_signing_key;
use super::value::{KeyId, Name, VerifierKey};

impl Journal {
    /// Replaces the signing key: announces the new one in the log, has the old one and the new one sign that, and
    /// replaces the old one's file.
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
    /// [`JournalError::MacKeyInUse`] while an open order, an open batch or a record in an archive needs it, and for this month's key.
    pub async fn destroy_mac_key(&self, id: KeyId) -> Result<(), JournalError> {
        let mut inner = self.inner.lock().await;
        if inner.mac_keys.get(&id) != Some(&false) {
            return Err(JournalError::MissingMacKey(id));
        }
        let reader = self.reader();
        let ordered = reader.open_orders().await?;
        let needed = ordered.iter().any(|e| matches!(e.event, Event::OrderPlaced { key_id, .. } if key_id == id));
        let archived = self.store.sealed_under(id.to_string()).await?;
        if needed || archived || id >= KeyId::of(self.clock.now()) || !reader.open_batches().await?.is_empty() {
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
}
