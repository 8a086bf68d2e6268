//! The journal: what was done, to how many, by which rule, in a form that cannot be rewritten unseen.
//!
//! An RFC 6962 Merkle log whose leaves are entries of a closed schema ([`Entry`], [`Event`]): no free text, no personal data.
//! [`Journal`] appends; everything in one [`Append`] becomes durable together, and a signed checkpoint may be part of it.
//! [`Reader`] reads beside it. [`export`] writes one self-contained file, [`verify`] judges such a file offline with a public key and earlier
//! checkpoints ([`notes_in`] finds them in mails), [`prove`] answers for one record, [`issue`] certifies that nothing of a source is left.
//! `docs/journal-format.md` has the formats.

mod append;
mod certificate;
mod entry;
mod error;
mod event;
mod export;
mod keys;
mod kind;
mod log;
mod mail;
mod note;
mod open;
mod prove;
mod reader;
mod rotate;
mod sealed;
mod tree;
mod value;
mod verify;
mod words;

pub use append::{Append, DocumentKind};
pub use certificate::{
    Account, CERTIFICATE_FORM, Certificate, CertificateError, CertificateFault, Claims, Found, FoundIn, LARGEST_CERTIFICATE,
    certificate_in, issue, verify_certificate,
};
pub use entry::{Entry, EntryError};
pub use error::JournalError;
pub use event::{Event, Related};
pub use export::{EXPORT_MAGIC, Exported, export};
pub use keys::{MacKeys, MacOf};
pub use log::{Appended, CLOCK_TOLERANCE_SECONDS, Journal};
pub use mail::{LARGEST_MAILBOX, notes_in};
pub use note::{SignatureState, UncheckedCheckpoint};
pub use open::{program_version, random_origin};
pub use prove::{ProofFault, ProvenEntry, RecordMac, RecordProof, prove, verify_proof};
pub use reader::Reader;
pub use sealed::{FileCount, ObjectRef, RESTS_FROM, Sealed, SealedFile};
pub use value::{Code, Day, Hash, Id128, Instant, InvalidValue, KeyId, Mac, Macs, Name, Origin, Reference, VerifierKey, Version};
pub use verify::{At, Fault, FaultKind, MAX_FAULTS, Report, verify};
pub use words::{
    Access, AccessReason, Action, Adoption, Ceiling, DestructionCause, FindingKind, OrderKind, OrderReason, OrderScope, Outcome,
    Phase, RelatedAction, Trigger,
};
