//! Certificates: that nothing personal of a source is left, what was done to it, when and under which rules and orders; signed by the log's key.
//!
//! The claims are one canonical JSON document. Its hash stands in a `certificate_issued` entry, the last that the certificate's checkpoint covers;
//! the entries that the claims rest on are in the certificate, each with its audit path. So whoever has the public key alone checks all of it:
//! `docs/journal-format.md` says how.

mod account;
mod issue;
mod verify;

use serde::{Deserialize, Serialize};

use super::prove::ProvenEntry;
use super::value::{Hash, Id128, Instant, Name, Origin, Reference};
use super::words::{Action, OrderKind, OrderReason, OrderScope, RelatedAction};

pub use issue::{CertificateError, Found, issue};
pub use verify::{CertificateFault, LARGEST_CERTIFICATE, certificate_in, verify_certificate};

/// What claims begin with.
pub const CERTIFICATE_FORM: &str = "retentiond certificate 1";

/// A certificate with everything that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// What it says.
    pub claims: Claims,
    /// The checkpoint, a signed note; its last entry is the `certificate_issued` of these claims.
    pub checkpoint: String,
    /// The entries that the claims rest on, in the order of the log, and `certificate_issued` as the last.
    pub entries: Vec<ProvenEntry>,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// [`CERTIFICATE_FORM`].
    pub form: String,
    /// The log's name.
    pub origin: Origin,
    /// The source; a tenant's is `family:tenant`.
    pub source: Name,
    /// When its database was looked at and no personal value was left.
    pub looked_at: Instant,
    /// The map by which it was looked at.
    pub map_hash: Hash,
    /// What was found, by data set that is a record's root, in the order of the map.
    pub found: Vec<FoundIn>,
    /// What the entries say.
    pub account: Account,
}

/// What was found in one data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundIn {
    /// The data set.
    pub data_set: Name,
    /// Rows of which every personal field is masked for good. No other row was there.
    pub anonymised: u64,
}

/// What was done, as the entries of a certificate say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The runs that changed something, and the last one.
    pub runs: Vec<RunDone>,
    /// What was done to rows of data sets, each transaction counted once; a row that was emptied and later deleted is counted for both.
    pub done: Vec<Done>,
    /// What was done in the same transactions to rows that follow those.
    pub along: Vec<Along>,
    /// What was destroyed in archives.
    pub destroyed: Vec<DestroyedIn>,
    /// Rows of transactions of which the journal knows only that they were committed.
    pub unattributed: u64,
    /// Instructions and erasure orders on the source that were not lifted.
    pub orders: Vec<OrderDone>,
    /// What the census at the end of the last run found: nothing due of any of these.
    pub purposes: Vec<PurposeOver>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDone {
    /// The run.
    pub run: Id128,
    /// The instant of its cut-offs.
    pub now: Instant,
    /// Its plan.
    pub plan_hash: Hash,
    /// Its policies.
    pub policy_hash: Hash,
    /// Its map.
    pub map_hash: Hash,
    /// Its schema.
    pub schema_hash: Hash,
}

/// One kind of change of one data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The data set.
    pub data_set: Name,
    /// What was done.
    pub action: Action,
    /// Rows.
    pub rows: u64,
    /// The first time.
    pub first: Instant,
    /// The last time.
    pub last: Instant,
}

/// One kind of change of rows that follow others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Along {
    /// Their data set.
    pub data_set: Name,
    /// What was done.
    pub action: RelatedAction,
    /// Rows.
    pub rows: u64,
}

/// What was destroyed in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestroyedIn {
    /// The archive.
    pub archive: Name,
    /// The purpose that had kept it.
    pub purpose: Name,
    /// Records.
    pub records: u64,
}

/// An order on the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderDone {
    /// The order.
    pub order: Id128,
    /// What it demands.
    pub kind: OrderKind,
    /// On what.
    pub scope: OrderScope,
    /// The data set.
    pub data_set: Name,
    /// Who placed it.
    pub actor: Name,
    /// Why.
    pub reason: OrderReason,
    /// The file outside.
    pub reference: Reference,
    /// When.
    pub placed: Instant,
}

/// A purpose of which nothing was due at the end of the last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeOver {
    /// The data set.
    pub data_set: Name,
    /// The purpose.
    pub purpose: Name,
}

impl Claims {
    /// The hash that the log carries: of the canonical bytes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

impl Certificate {
    /// The file: canonical JSON on one line, as in entries, with the line's end.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
