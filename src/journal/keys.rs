//! Key files: the signing key of checkpoints and the monthly MAC keys that name records.
//!
//! `keys/signing.key` holds the key that signs now; `keys/signing.next` exists only while a rotation is under way;
//! `keys/mac-YYYY-MM.key` holds a MAC key. All have mode 0600 and are refused otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey as Ed25519Key;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use signed_note::StandardSigner;

use super::error::JournalError;
use super::value::{InvalidValue, KeyId, Mac, Name, Origin, VerifierKey};
use crate::plan::key::RecordKey;
use crate::state::{StateError, read_private, write_private};

/// The key that signs checkpoints.
pub(crate) struct SigningKey {
    signer: StandardSigner,
    verifier: VerifierKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.verifier)
    }
}

impl SigningKey {
    /// Makes a new key and writes it to `path`, which must not exist.
    pub(crate) fn create(path: &Path, origin: &Origin) -> Result<Self, JournalError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| InvalidValue("source of random bytes"))?;
        let key = Ed25519Key::from_bytes(&seed);
        let public = [&[1], key.verifying_key().as_bytes().as_slice()].concat();
        let private = [&[1], seed.as_slice()].concat();
        let text = format!(
            "PRIVATE+KEY+{origin}+{:08x}+{}\n",
            signed_note::key_id(origin.as_str(), &public),
            BASE64_STANDARD.encode(private)
        );
        write_private(path, text.as_bytes())?;
        Self::parse(&text)
    }

    /// Reads the key at `path`; `None` when there is no such file.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, JournalError> {
        match read_private(path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| JournalError::MalformedKey("signing key"))?;
                Self::parse(&text).map(Some)
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn parse(text: &str) -> Result<Self, JournalError> {
        let malformed = || JournalError::MalformedKey("signing key");
        let text = text.strip_suffix('\n').unwrap_or(text);
        let signer = StandardSigner::new(text).map_err(|_| malformed())?;
        let mut parts = text.splitn(5, '+').skip(2);
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(malformed()) };
        let private = BASE64_STANDARD.decode(key).map_err(|_| malformed())?;
        let seed: [u8; 32] = private.get(1..).and_then(|seed| seed.try_into().ok()).ok_or_else(malformed)?;
        let public = Ed25519Key::from_bytes(&seed).verifying_key();
        let verifier = VerifierKey::parse(&signed_note::new_ed25519_verifier_key(name, &public))?;
        Ok(Self { signer, verifier })
    }

    pub(crate) fn signer(&self) -> &StandardSigner {
        &self.signer
    }

    pub(crate) fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }
}

fn is_missing(error: &StateError) -> bool {
    matches!(error, StateError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// What a MAC names; each kind of thing has its own space of MACs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacOf {
    /// A record, by its primary key.
    Record,
    /// A tenant, by the value of the tenant column.
    Tenant,
    /// A person, by the values that name the person across records.
    Subject,
}

/// The MAC keys that exist, in memory.
pub struct MacKeys {
    dir: PathBuf,
    keys: RwLock<BTreeMap<KeyId, Hmac<Sha256>>>,
}

impl std::fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MacKeys({:?})", self.ids())
    }
}

impl MacKeys {
    /// Loads all MAC keys of this directory.
    ///
    /// # Errors
    /// [`StateError::Exposed`] when others may read one; [`JournalError::MalformedKey`].
    pub fn load(dir: &Path) -> Result<Self, JournalError> {
        let unreadable = |source| StateError::Io { doing: "listing", path: dir.to_owned(), source };
        let mut keys = BTreeMap::new();
        for file in std::fs::read_dir(dir).map_err(unreadable)? {
            let path = file.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let Some(id) = name.strip_prefix("mac-").and_then(|n| n.strip_suffix(".key")) else { continue };
            let id = KeyId::parse(id)?;
            keys.insert(id, parse_mac_key(&read_private(&path)?)?);
        }
        Ok(Self { dir: dir.to_owned(), keys: RwLock::new(keys) })
    }

    /// The ids of the keys that exist, oldest first.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// The keyed name of a record; `None` when the key does not exist (any more).
    #[must_use]
    pub fn mac(&self, key_id: KeyId, source: &Name, data_set: &Name, key: &RecordKey) -> Option<Mac> {
        self.mac_of(MacOf::Record, key_id, source, data_set, key)
    }

    /// The keyed name of a record, tenant or person: HMAC-SHA256 over a label, the source, the data set and the key's
    /// canonical bytes, each after its length (u32, big-endian), cut to 16 bytes. `None` when the key does not exist.
    #[must_use]
    pub fn mac_of(&self, of: MacOf, key_id: KeyId, source: &Name, data_set: &Name, key: &RecordKey) -> Option<Mac> {
        let mut hmac = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&key_id)?.clone();
        let label = match of {
            MacOf::Record => "record",
            MacOf::Tenant => "tenant",
            MacOf::Subject => "subject",
        };
        for part in [label.as_bytes(), source.as_str().as_bytes(), data_set.as_str().as_bytes(), &key.canonical_bytes()] {
            hmac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hmac.update(part);
        }
        let full = hmac.finalize().into_bytes();
        let mut mac = [0; 16];
        mac.copy_from_slice(&full[..16]);
        Some(Mac(mac))
    }

    /// Makes and writes a new key, which must not exist.
    pub(crate) fn create(&self, id: KeyId) -> Result<(), JournalError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| InvalidValue("source of random bytes"))?;
        let text = format!("{}\n", hex::encode(bytes));
        write_private(&self.path(id), text.as_bytes())?;
        let key = parse_mac_key(text.as_bytes())?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(id, key);
        Ok(())
    }

    /// Overwrites and removes a key. Copies in backups and in the medium's spare blocks are beyond its reach.
    pub(crate) fn destroy(&self, id: KeyId) -> Result<(), JournalError> {
        let path = self.path(id);
        let failed = |source| StateError::Io { doing: "destroying", path: path.clone(), source };
        match std::fs::OpenOptions::new().write(true).open(&path) {
            Ok(mut file) => {
                use std::io::Write as _;
                file.write_all(&[b'0'; 65]).and_then(|()| file.sync_all()).map_err(failed)?;
                std::fs::remove_file(&path).map_err(failed)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error).into()),
        }
        self.keys.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(())
    }

    pub(crate) fn contains(&self, id: KeyId) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }

    fn path(&self, id: KeyId) -> PathBuf {
        self.dir.join(format!("mac-{id}.key"))
    }
}

fn parse_mac_key(text: &[u8]) -> Result<Hmac<Sha256>, JournalError> {
    let malformed = || JournalError::MalformedKey("MAC key");
    let mut key = [0; 32];
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    hex::decode_to_slice(text, &mut key).map_err(|_| malformed())?;
    Hmac::<Sha256>::new_from_slice(&key).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::key::{KeyKind, KeyPart};
    use std::os::unix::fs::PermissionsExt as _;

    fn key(kind: KeyKind, text: &str) -> RecordKey {
        RecordKey(vec![KeyPart { kind, text: text.to_owned() }])
    }

    #[test]
    fn a_mac_depends_on_key_source_data_set_type_and_value() {
        let dir = tempfile::tempdir().unwrap();
        let keys = MacKeys::load(dir.path()).unwrap();
        let (a, b) = (KeyId::parse("2026-11").unwrap(), KeyId::parse("2026-12").unwrap());
        keys.create(a).unwrap();
        keys.create(b).unwrap();
        let name = |n| Name::parse(n).unwrap();
        let record = key(KeyKind::Integer, "42");
        let mut seen = std::collections::HashSet::new();
        assert!(seen.insert(keys.mac(a, &name("crm"), &name("person"), &record)));
        assert!(seen.insert(keys.mac(b, &name("crm"), &name("person"), &record)));
        assert!(seen.insert(keys.mac(a, &name("crmp"), &name("erson"), &record)));
        assert!(seen.insert(keys.mac(a, &name("crm"), &name("invoice"), &record)));
        assert!(seen.insert(keys.mac(a, &name("crm"), &name("person"), &key(KeyKind::Text, "42"))));
        assert!(seen.insert(keys.mac_of(MacOf::Tenant, a, &name("crm"), &name("person"), &record)));
        assert!(!seen.contains(&None));
        let again = MacKeys::load(dir.path()).unwrap();
        assert!(seen.contains(&again.mac(a, &name("crm"), &name("person"), &record)), "keys outlive the process");
    }

    #[test]
    fn a_destroyed_key_names_nothing_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let keys = MacKeys::load(dir.path()).unwrap();
        let id = KeyId::parse("2026-11").unwrap();
        keys.create(id).unwrap();
        keys.destroy(id).unwrap();
        let name = Name::parse("crm").unwrap();
        assert_eq!(keys.mac(id, &name, &name, &key(KeyKind::Integer, "1")), None);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn key_files_open_to_others_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.key");
        let made = SigningKey::create(&path, &Origin::parse("retentiond/test").unwrap()).unwrap();
        let read = SigningKey::load(&path).unwrap().unwrap();
        assert_eq!(made.verifier(), read.verifier());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(SigningKey::load(&path), Err(JournalError::State(StateError::Exposed { .. }))));
    }

    #[test]
    fn debug_output_of_keys_holds_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let keys = MacKeys::load(dir.path()).unwrap();
        keys.create(KeyId::parse("2026-11").unwrap()).unwrap();
        let secret = std::fs::read_to_string(dir.path().join("mac-2026-11.key")).unwrap();
        assert!(!format!("{keys:?}").contains(secret.trim()));
    }
}
