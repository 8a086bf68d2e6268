//! Checkpoints against the tree, and the chain of signing keys.

use std::collections::BTreeMap;

use tlog_tiles::Hash;

use super::fault::{At, Fault, FaultKind};
use crate::journal::note::{SignatureState, UncheckedCheckpoint};
use crate::journal::value::VerifierKey;

struct Candidate {
    checkpoint: UncheckedCheckpoint,
    /// From outside the export.
    witness: bool,
    /// Whether it fits the tree of the entries' data, and that of the leaf hashes; once its size was reached.
    fits: Option<(bool, bool)>,
    /// What the key in force at its size says.
    signature: SignatureState,
}

pub(super) struct Chain {
    trusted: VerifierKey,
    /// By the number of entries covered.
    candidates: BTreeMap<u64, Vec<Candidate>>,
    outside: Vec<UncheckedCheckpoint>,
    keys: Vec<VerifierKey>,
    /// A rotation whose confirming checkpoint is to come at this size.
    pending: Option<(u64, VerifierKey)>,
    faults: Vec<Fault>,
    /// Whether a valid, fitting checkpoint is signed by the trusted key.
    trusted_signed: bool,
}

/// What the checkpoints say of the log.
pub(super) struct Verdict {
    pub(super) faults: Vec<Fault>,
    /// Every valid checkpoint that was reached fits the data.
    pub(super) data_covers_all: bool,
    /// The first interval whose end does not fit, unless a fork explains it.
    pub(super) mismatch: Option<(u64, u64)>,
    pub(super) signed: u64,
    pub(super) root: Option<[u8; 32]>,
    pub(super) checkpoints: u64,
    pub(super) witnesses: u64,
    pub(super) witnessed: u64,
    pub(super) keys: Vec<VerifierKey>,
}

impl Chain {
    pub(super) fn new(trusted: VerifierKey, witnesses: &[String]) -> Self {
        let outside = witnesses.iter().filter_map(|note| UncheckedCheckpoint::parse(note)).collect();
        Self {
            trusted,
            candidates: BTreeMap::new(),
            outside,
            keys: Vec::new(),
            pending: None,
            faults: Vec::new(),
            trusted_signed: false,
        }
    }

    /// Takes a checkpoint of the export.
    pub(super) fn own(&mut self, note: &str, origin: &str) -> Option<Fault> {
        match UncheckedCheckpoint::parse(note) {
            None => Some(Fault { at: At::File, kind: FaultKind::Malformed("a checkpoint that is no signed note") }),
            Some(c) if c.origin() != origin => Some(Fault { at: At::Checkpoint(c.size()), kind: FaultKind::ForeignOrigin }),
            Some(checkpoint) => {
                self.add(checkpoint, false);
                None
            }
        }
    }

    /// Takes the checkpoints from outside that are of this log; says how many are not.
    pub(super) fn witnesses_of(&mut self, origin: &str) -> u64 {
        let (ours, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.outside).into_iter().partition(|checkpoint| checkpoint.origin() == origin);
        for checkpoint in ours {
            self.add(checkpoint, true);
        }
        others.len() as u64
    }

    fn add(&mut self, checkpoint: UncheckedCheckpoint, witness: bool) {
        let candidate = Candidate { witness, fits: None, signature: SignatureState::Absent, checkpoint };
        self.candidates.entry(candidate.checkpoint.size()).or_default().push(candidate);
    }

    pub(super) fn first_key(&mut self, key: &VerifierKey) {
        self.keys = vec![key.clone()];
    }

    pub(super) fn rotation(&mut self, position: u64, key: &VerifierKey) {
        self.pending = Some((position + 1, key.clone()));
    }

    /// Whether a checkpoint or a rotation waits for the tree of this size.
    pub(super) fn awaits(&self, size: u64) -> bool {
        self.candidates.contains_key(&size) || self.pending.as_ref().is_some_and(|(at, _)| *at == size)
    }

    /// Compares the checkpoints over `size` entries with the roots there.
    pub(super) fn reached(&mut self, size: u64, data: Hash, claimed: Hash) {
        if let Some(candidates) = self.candidates.get_mut(&size) {
            let key = self.keys.last();
            for candidate in candidates.iter_mut() {
                let root = candidate.checkpoint.root();
                candidate.fits = Some((root == data.0, root == claimed.0));
                candidate.signature = key.map_or(SignatureState::Absent, |key| candidate.checkpoint.signed_by(key));
                let valid = candidate.signature == SignatureState::Valid && root == data.0;
                self.trusted_signed |= valid && candidate.checkpoint.signed_by(&self.trusted) == SignatureState::Valid;
            }
        }
        if let Some((_, key)) = self.pending.take_if(|(at, _)| *at == size) {
            self.confirm_rotation(size, key);
        }
    }

    /// The checkpoint that covers a rotation as its last entry bears both signatures: the old key's, and the new one's,
    /// which shows that it exists. Other checkpoints over this size may bear either.
    fn confirm_rotation(&mut self, size: u64, key: VerifierKey) {
        let mut candidates = self.candidates.get_mut(&size).map(std::mem::take).unwrap_or_default();
        let confirms = |c: &Candidate| {
            c.signature == SignatureState::Valid
                && c.fits.is_some_and(|(data, claimed)| data || claimed)
                && c.checkpoint.signed_by(&key) == SignatureState::Valid
        };
        if candidates.iter().any(confirms) {
            for candidate in candidates.iter_mut().filter(|c| c.signature == SignatureState::Absent) {
                candidate.signature = candidate.checkpoint.signed_by(&key);
                self.trusted_signed |= key == self.trusted
                    && candidate.signature == SignatureState::Valid
                    && candidate.fits.is_some_and(|(data, _)| data);
            }
            self.keys.push(key);
        } else {
            self.faults.push(Fault { at: At::Entry(size - 1), kind: FaultKind::UnconfirmedRotation });
        }
        self.candidates.insert(size, candidates);
    }

    /// Whether every signature of a checkpoint that bears several is one of this log's keys, in the order in which the log took them.
    fn wholly_signed(&self, checkpoint: &UncheckedCheckpoint) -> bool {
        let signers = checkpoint.signers();
        let valid = |key: &&VerifierKey| checkpoint.signed_by(key) == SignatureState::Valid;
        let known = || self.keys.iter().filter(valid).filter_map(UncheckedCheckpoint::id_of);
        signers.len() == 1 || known().eq(signers.iter().copied())
    }

    pub(super) fn finish(mut self, entries: u64) -> Verdict {
        let mut verdict = Verdict {
            faults: std::mem::take(&mut self.faults),
            data_covers_all: true,
            mismatch: None,
            signed: 0,
            root: None,
            checkpoints: 0,
            witnesses: 0,
            witnessed: 0,
            keys: Vec::new(),
        };
        let mut beyond = None;
        // Valid checkpoints that do not fit: size, whether it came from outside, whether it fits the leaf hashes.
        let mut unfitting = Vec::new();
        let mut fitting = vec![0];
        for (&size, candidate) in self.candidates.iter().flat_map(|(size, all)| all.iter().map(move |c| (size, c))) {
            let signature = match candidate.fits {
                Some(_) => candidate.signature,
                None => candidate.checkpoint.signed_by(self.keys.last().unwrap_or(&self.trusted)),
            };
            match signature {
                SignatureState::Absent => {
                    verdict.faults.push(Fault { at: At::Checkpoint(size), kind: FaultKind::ForeignKey });
                    continue;
                }
                SignatureState::Forged => {
                    verdict.faults.push(Fault { at: At::Checkpoint(size), kind: FaultKind::BadSignature });
                    continue;
                }
                SignatureState::Valid => {}
            }
            if !candidate.witness && !self.wholly_signed(&candidate.checkpoint) {
                verdict.faults.push(Fault { at: At::Checkpoint(size), kind: FaultKind::BadSignature });
            }
            match candidate.fits {
                None if size == 0 => {}
                None => beyond = Some(size),
                Some((true, _)) => {
                    fitting.push(size);
                    verdict.signed = size;
                    verdict.root = Some(candidate.checkpoint.root());
                    if candidate.witness {
                        verdict.witnesses += 1;
                        verdict.witnessed = size;
                    } else {
                        verdict.checkpoints += 1;
                    }
                }
                Some((false, claimed)) => unfitting.push((size, claimed)),
            }
        }
        verdict.data_covers_all = unfitting.is_empty();
        for (size, fits_leaves) in unfitting {
            let below = fitting.iter().copied().filter(|fit| *fit < size).max().unwrap_or(0);
            if verdict.signed >= size {
                // A longer history is signed as well: both cannot be prefixes of one log.
                verdict.faults.push(Fault { at: At::Between { from: below, to: size }, kind: FaultKind::Fork });
            } else if !fits_leaves && verdict.mismatch.is_none() {
                verdict.mismatch = Some((below, size));
            }
        }
        if let Some(expected) = beyond {
            verdict.faults.push(Fault { at: At::Entry(entries), kind: FaultKind::Truncated { expected } });
            if verdict.signed < entries && verdict.data_covers_all {
                // What is signed over these entries reaches beyond them and can be compared with nothing.
                let at = At::Between { from: verdict.signed, to: entries };
                verdict.faults.push(Fault { at, kind: FaultKind::Unconfirmed });
            }
        }
        if !self.trusted_signed {
            let kind = if self.keys.is_empty() || self.keys.contains(&self.trusted) {
                FaultKind::Unsigned
            } else {
                FaultKind::UnknownKey
            };
            // Entry 0 names the first of the keys.
            verdict.faults.push(Fault { at: if kind == FaultKind::Unsigned { At::File } else { At::Entry(0) }, kind });
        }
        verdict.keys = self.keys;
        verdict
    }
}
