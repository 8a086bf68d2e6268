//! What verification can find, and its report.

use crate::journal::entry::EntryError;
use crate::journal::value::{Hash, VerifierKey};

/// Where a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// Exactly this entry, by its position from 0.
    Entry(u64),
    /// An entry of `from..to`: nothing trustworthy tells which.
    Between {
        /// The first entry that may be bad.
        from: u64,
        /// The first entry after those that may be bad.
        to: u64,
    },
    /// The checkpoint over this many entries.
    Checkpoint(u64),
    /// The file as a whole.
    File,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// The file does not have the form of an export; the words say where.
    Malformed(&'static str),
    /// An entry cannot be read.
    Undecodable(EntryError),
    /// An entry was changed after it was signed.
    Edited,
    /// The export's column of leaf hashes was changed; the entry itself is as signed.
    LeafHashEdited,
    /// Entries stand in another order than they were written in.
    Reordered,
    /// One or more entries are missing here, later ones are there.
    Removed,
    /// An entry stands here that is not of this place.
    Inserted,
    /// The log ends before what was signed.
    Truncated {
        /// How many entries a valid checkpoint covers.
        expected: u64,
    },
    /// The export ends before the entries that its own header announces.
    Short {
        /// How many it announces.
        announced: u64,
    },
    /// The log ends before what was signed, and no checkpoint that fits covers these entries either: they may differ too.
    Unconfirmed,
    /// A validly signed checkpoint belongs to another history than this log.
    Fork,
    /// A checkpoint is not signed by a key that this log and the given key vouch for.
    ForeignKey,
    /// The key that the verifier trusts is none of the log's keys.
    UnknownKey,
    /// A checkpoint bears the right key's name and a wrong signature.
    BadSignature,
    /// A checkpoint of another log.
    ForeignOrigin,
    /// A rotation of the signing key that the key before did not sign.
    UnconfirmedRotation,
    /// No valid checkpoint covers anything.
    Unsigned,
    /// A run names a document that the export does not have.
    MissingDocument(Hash),
    /// A document's bytes do not have the hash that names it.
    DocumentEdited(Hash),
    /// The entry contradicts earlier ones; the words say the rule.
    Rule(&'static str),
}

/// One fault and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: At,
    /// What.
    pub kind: FaultKind,
}

impl Fault {
    /// Sorts by place, and at one place causes before consequences.
    pub(super) fn rank(&self) -> (u64, u8) {
        let place = match self.at {
            At::Between { to, .. } if self.kind == FaultKind::Unconfirmed => to,
            At::Entry(seq) => seq,
            At::Between { from, .. } => from,
            At::Checkpoint(size) => size,
            At::File => u64::MAX,
        };
        let weight = match self.kind {
            FaultKind::Reordered => 0,
            FaultKind::Undecodable(_) => 1,
            FaultKind::Removed | FaultKind::Inserted | FaultKind::Edited => 2,
            FaultKind::Truncated { .. } | FaultKind::Short { .. } | FaultKind::Fork => 3,
            FaultKind::ForeignKey | FaultKind::UnknownKey | FaultKind::BadSignature | FaultKind::ForeignOrigin => 4,
            FaultKind::Rule(_) => 6,
            _ => 5,
        };
        (place, weight)
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Entry(seq) => write!(f, "entry {seq}"),
            Self::Between { from, to } if from + 1 == *to => write!(f, "entry {from}"),
            Self::Between { from, to } => write!(f, "one of the entries {from} to {}", to.saturating_sub(1)),
            Self::Checkpoint(size) => write!(f, "checkpoint over {size} entries"),
            Self::File => f.write_str("export"),
        }
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "not in the form of an export: {what}"),
            Self::Undecodable(error) => write!(f, "{error}"),
            Self::Edited => f.write_str("changed after it was signed"),
            Self::LeafHashEdited => f.write_str("the leaf hash beside it was changed, the entry is as signed"),
            Self::Reordered => f.write_str("not in the order in which the log was written"),
            Self::Removed => f.write_str("missing, later entries are there"),
            Self::Inserted => f.write_str("does not belong here"),
            Self::Truncated { expected } => write!(f, "the log ends here, a checkpoint is signed over {expected} entries"),
            Self::Short { announced } => write!(f, "the export ends here, its header announces {announced} entries"),
            Self::Unconfirmed => f.write_str("covered by no checkpoint that fits; may differ from what was signed"),
            Self::Fork => f.write_str("a valid signature exists for another history: the log was forked"),
            Self::ForeignKey => f.write_str("not signed by a key of this log"),
            Self::UnknownKey => f.write_str("the given key is not among this log's keys: another log, or another key"),
            Self::BadSignature => f.write_str("the signature is wrong"),
            Self::ForeignOrigin => f.write_str("belongs to another log"),
            Self::UnconfirmedRotation => f.write_str("a new signing key that the one before did not sign"),
            Self::Unsigned => f.write_str("no valid checkpoint covers anything"),
            Self::MissingDocument(hash) => write!(f, "names document {hash}, which is missing"),
            Self::DocumentEdited(hash) => write!(f, "document {hash} was changed"),
            Self::Rule(rule) => write!(f, "breaks the rule that {rule}"),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.kind)
    }
}

/// What verification found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// Entries read.
    pub entries: u64,
    /// How many of them a valid, fitting checkpoint covers. Later ones are not signed yet and can still be changed unseen.
    pub signed: u64,
    /// Root hash over the `signed` entries.
    pub root: Option<Hash>,
    /// Valid, fitting checkpoints in the export.
    pub checkpoints: u64,
    /// Valid, fitting checkpoints from elsewhere, and the largest of them.
    pub witnesses: u64,
    /// The number of entries that a witness outside the export vouches for.
    pub witnessed: u64,
    /// Checkpoints from elsewhere that belong to other logs.
    pub other_logs: u64,
    /// The signing keys in the order of their use.
    pub keys: Vec<VerifierKey>,
    /// Batches that were begun and neither applied nor aborted.
    pub open_batches: u64,
    /// Positions at which the log says itself that it continues from an older state.
    pub recovered_at: Vec<u64>,
    /// All faults, the first bad place first; at most [`MAX_FAULTS`].
    pub faults: Vec<Fault>,
}

/// How many faults a report lists.
pub const MAX_FAULTS: usize = 1000;

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// The first fault.
    #[must_use]
    pub fn first(&self) -> Option<&Fault> {
        self.faults.first()
    }
}
