//! Checkpoints: tree heads (C2SP tlog-checkpoint) as signed notes (C2SP signed-note).

use signed_note::{Note, NoteError, Signature, Signer, StandardVerifier, VerificationError, Verifier as _, VerifierList};
use tlog_tiles::{Checkpoint, Hash};

use super::error::JournalError;
use super::value::VerifierKey;

/// Signs the head of a tree.
pub(crate) fn sign(origin: &str, size: u64, root: Hash, signers: &[&dyn Signer]) -> Result<String, JournalError> {
    let failed = |_| JournalError::Signing;
    let checkpoint = Checkpoint::new(origin, size, root, "").map_err(|_| JournalError::Signing)?;
    let mut note = Note::new(&checkpoint.to_bytes(), &[]).map_err(failed)?;
    note.add_sigs(signers).map_err(failed)?;
    String::from_utf8(note.to_bytes()).map_err(|_| JournalError::Signing)
}

/// A note that reads as a checkpoint; its signatures are not checked yet.
#[derive(Debug)]
pub struct UncheckedCheckpoint {
    note: Note,
    checkpoint: Checkpoint,
}

/// What a key says about a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureState {
    /// The key signed it.
    Valid,
    /// It bears this key's name and id, but the signature is not this key's.
    Forged,
    /// The key has not signed it.
    Absent,
}

impl UncheckedCheckpoint {
    /// Reads a note; `None` when it is no signed checkpoint without extension lines.
    #[must_use]
    pub fn parse(note: &str) -> Option<Self> {
        let note = Note::from_bytes(note.as_bytes()).ok()?;
        let checkpoint = Checkpoint::from_bytes(note.text()).ok()?;
        checkpoint.extension().is_empty().then_some(Self { note, checkpoint })
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.checkpoint.origin()
    }

    /// The number of entries that it covers.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.checkpoint.size()
    }

    /// The root hash.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        self.checkpoint.hash().0
    }

    /// The ids of the keys whose signatures it bears, in their order.
    #[must_use]
    pub fn signers(&self) -> Vec<u32> {
        let bytes = self.note.to_bytes();
        let lines = bytes[self.note.text().len()..].split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| Some(Signature::from_bytes(line).ok()?.id())).collect()
    }

    /// The id of a key in signatures.
    #[must_use]
    pub fn id_of(key: &VerifierKey) -> Option<u32> {
        StandardVerifier::new(key.as_str()).ok().map(|verifier| verifier.key_id())
    }

    /// Checks the signature of one key.
    #[must_use]
    pub fn signed_by(&self, key: &VerifierKey) -> SignatureState {
        let Ok(verifier) = StandardVerifier::new(key.as_str()) else { return SignatureState::Absent };
        debug_assert_eq!(verifier.name(), key.name());
        match self.note.verify(&VerifierList::new(vec![Box::new(verifier)])) {
            Ok(_) => SignatureState::Valid,
            Err(NoteError::InvalidSignature { .. }) => SignatureState::Forged,
            Err(NoteError::UnverifiedNote | NoteError::VerificationError(VerificationError::UnknownKey { .. }) | _) => {
                SignatureState::Absent
            }
        }
    }
}
