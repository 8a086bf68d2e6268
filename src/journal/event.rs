//! The closed schema: everything that an entry can say.

use serde::{Deserialize, Serialize};

use super::sealed::{FileCount, ObjectRef, Sealed, is_zero};
use super::value::{Code, Day, Hash, Id128, Instant, KeyId, Mac, Macs, Name, Origin, Reference, VerifierKey, Version};
use super::words::{
    Access, AccessReason, Action, Adoption, Ceiling, DestructionCause, FindingKind, OrderKind, OrderReason, OrderScope, Outcome,
    Phase, RelatedAction, Trigger,
};

/// Rows of another data set that changed in the same transaction as a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Related {
    /// The data set.
    pub data_set: Name,
    /// What happened to them.
    pub action: RelatedAction,
    /// How many.
    pub rows: u64,
    /// Their MACs; empty when the database changed them itself (a declared cascade), otherwise one for each row.
    pub macs: Macs,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The log begins; always entry 0 and only there.
    LogCreated {
        /// The log's name.
        origin: Origin,
        /// The key that signs its checkpoints.
        key: VerifierKey,
        /// The program that created it.
        version: Version,
    },
    /// Checkpoints over more entries than this one are signed by `key`.
    SigningKeyRotated {
        /// The new key.
        key: VerifierKey,
    },
    /// A MAC key exists from now on.
    MacKeyCreated {
        /// The key.
        key_id: KeyId,
    },
    /// A MAC key was destroyed: records named with it can no longer be recognised.
    MacKeyDestroyed {
        /// The key.
        key_id: KeyId,
    },
    /// The machine's clock was found behind the journal by more than the tolerance, and somebody confirmed it.
    ClockSetBack {
        /// The time of the entry before.
        from: Instant,
        /// Who.
        actor: Name,
    },
    /// A database was accepted under a source's name.
    SourceAdopted {
        /// The source.
        source: Name,
        /// The hash that identifies server and database.
        server_id: Hash,
        /// Why.
        reason: Adoption,
        /// Who.
        actor: Name,
    },
    /// A run begins.
    RunStarted {
        /// The run.
        run: Id128,
        /// The source.
        source: Name,
        /// What started it.
        trigger: Trigger,
        /// The instant from which every cut-off was computed.
        now: Instant,
        /// The plan.
        plan_hash: Hash,
        /// The policy, a document.
        policy_hash: Hash,
        /// The data map, a document.
        map_hash: Hash,
        /// The schema, a document.
        schema_hash: Hash,
        /// The program.
        version: Version,
    },
    /// A batch is about to change the source.
    Intent {
        /// The run.
        run: Id128,
        /// The batch, also the key of its ledger row.
        batch: Id128,
        /// The source.
        source: Name,
        /// The data set.
        data_set: Name,
        /// What it will do.
        action: Action,
        /// The rule of the plan that it follows: `data_set.action`, with the categories where it clears some.
        rule: Name,
        /// The run's plan.
        plan_hash: Hash,
        /// The worker's fence slot.
        slot: u32,
        /// The fence's epoch.
        epoch: u64,
    },
    /// The batch committed.
    Applied {
        /// The run that writes this entry: the intent's, or the one that recovered the batch.
        run: Id128,
        /// The batch.
        batch: Id128,
        /// Changed rows of the data set.
        rows: u64,
        /// Changed rows of other data sets.
        related: Vec<Related>,
        /// The key of all MACs in this entry.
        key_id: KeyId,
        /// One MAC for each of `rows`.
        macs: Macs,
        /// Whether this was read from the ledger later.
        recovered: bool,
        /// Objects of intermediate archives that took fields of these rows before they changed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sealed: Vec<Sealed>,
        /// What became of the files that these rows pointed to, by store.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileCount>,
    },
    /// Files that an applied batch sealed have left their stores, or stay for a reason.
    FilesRemoved {
        /// The run that writes this entry.
        run: Id128,
        /// The batch that sealed them.
        batch: Id128,
        /// What became of them, by store.
        files: Vec<FileCount>,
    },
    /// Objects of an archive are about to be destroyed.
    DestructionIntended {
        /// The run.
        run: Id128,
        /// The destruction.
        destruction: Id128,
        /// The source that their records came from.
        source: Name,
        /// The data set.
        data_set: Name,
        /// The archive.
        archive: Name,
        /// The purpose that kept them.
        purpose: Name,
        /// The last day on which they were to be kept; none for what an order has ended while that was not known.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<Day>,
        /// Why.
        cause: DestructionCause,
        /// The objects.
        objects: Vec<ObjectRef>,
    },
    /// Objects of an archive are destroyed.
    Destroyed {
        /// The run that writes this entry: the one that intended it, or the one that recovered it.
        run: Id128,
        /// The destruction.
        destruction: Id128,
        /// The objects that are gone: all that were intended, unless something came between.
        objects: Vec<ObjectRef>,
        /// Records in them.
        records: u64,
        /// Whether this was found out later.
        recovered: bool,
    },
    /// What one archive purpose keeps, counted.
    ArchiveCensus {
        /// The run.
        run: Id128,
        /// The source.
        source: Name,
        /// Before or after the work.
        phase: Phase,
        /// The archive.
        archive: Name,
        /// The data set.
        data_set: Name,
        /// The purpose.
        purpose: Name,
        /// Objects.
        objects: u64,
        /// Records in them.
        records: u64,
        /// Records whose end has passed, held ones among them.
        due: u64,
        /// Records whose end is not known yet.
        #[serde(default, skip_serializing_if = "is_zero")]
        open: u64,
        /// Records whose last day has not passed, and for which an order has ended the purpose.
        #[serde(default, skip_serializing_if = "is_zero")]
        ordered: u64,
        /// The next last day on which something is kept.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_end: Option<Day>,
        /// The oldest last day among the due.
        #[serde(skip_serializing_if = "Option::is_none")]
        oldest_overdue: Option<Day>,
    },
    /// The last day of archived objects is known, which it was not when they were sealed. It is final.
    ArchiveDated {
        /// The run.
        run: Id128,
        /// The source.
        source: Name,
        /// The data set.
        data_set: Name,
        /// The archive.
        archive: Name,
        /// The purpose.
        purpose: Name,
        /// The last day on which they are kept.
        until: Day,
        /// The objects.
        objects: Vec<ObjectRef>,
        /// Records in them.
        records: u64,
    },
    /// Somebody opened objects of an archive: restricted access, of which every one leaves a trace.
    ArchiveOpened {
        /// The source.
        source: Name,
        /// The data set.
        data_set: Name,
        /// What was done with what they hold.
        access: Access,
        /// The key of the MAC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key_id: Option<KeyId>,
        /// The record that was looked for; all that lie in the objects when a run is undone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mac: Option<Mac>,
        /// Objects opened.
        objects: Vec<ObjectRef>,
        /// Who.
        actor: Name,
        /// Why.
        reason: AccessReason,
        /// The file outside.
        reference: Reference,
    },
    /// Records that orders have ended are about to be taken out of an archived object that has others: its rest is sealed anew.
    ArchiveErasureIntended {
        /// This erasure.
        erasure: Id128,
        /// The source that the records came from.
        source: Name,
        /// The data set.
        data_set: Name,
        /// The archive.
        archive: Name,
        /// The purpose that kept them.
        purpose: Name,
        /// The object.
        object: ObjectRef,
        /// The number of its rest among the objects of the same batch, from [`RESTS_FROM`](super::RESTS_FROM).
        part: u32,
        /// The key of the MACs: that of the object.
        key_id: KeyId,
        /// Those that go, one MAC for each.
        macs: Macs,
        /// Who.
        actor: Name,
        /// Why.
        reason: AccessReason,
        /// The file outside.
        reference: Reference,
    },
    /// The rest of an object is sealed and read back; it stands for the object from now on, which is about to be removed.
    ArchiveResealed {
        /// The erasure.
        erasure: Id128,
        /// The object.
        object: ObjectRef,
        /// The entry that said what the object was: that of its batch, or the one that made it a rest itself.
        entry: u64,
        /// Records of it that are not in its rest.
        records: u64,
        /// The key of the MACs: that of the object.
        key_id: KeyId,
        /// Its rest.
        sealed: Sealed,
    },
    /// The object whose rest was sealed is gone, and with it what was to be erased.
    ArchiveErased {
        /// The erasure.
        erasure: Id128,
        /// The records that are gone.
        records: u64,
        /// Whether this was found out, or done, later.
        recovered: bool,
    },
    /// Nothing was taken out of the object, which is as it was.
    ArchiveErasureAborted {
        /// The erasure.
        erasure: Id128,
        /// Why.
        code: Code,
    },
    /// Records that an applied batch changed are about to be put back.
    UndoIntended {
        /// This attempt, also the key of its ledger row.
        undo: Id128,
        /// The source.
        source: Name,
        /// The run that is undone.
        run: Id128,
        /// Its batch.
        batch: Id128,
        /// The data set of the records.
        data_set: Name,
        /// What was approved: the hash of everything that is to be put back.
        plan_hash: Hash,
        /// Records to be put back.
        records: u64,
        /// The objects that hold them.
        objects: Vec<ObjectRef>,
        /// Who.
        actor: Name,
        /// Why.
        reason: AccessReason,
        /// The file outside.
        reference: Reference,
    },
    /// Records are back, each under a hold that was placed in the same transaction.
    Undone {
        /// The attempt.
        undo: Id128,
        /// Records that are back.
        records: u64,
        /// Rows inserted for them.
        inserted: u64,
        /// Rows that were there, and of which masked fields got their values back.
        unmasked: u64,
        /// Fields that stay as they are, because somebody has written to them since.
        newer: u64,
        /// The key of the MACs: that of the batch.
        key_id: KeyId,
        /// One MAC for each of `records`.
        macs: Macs,
        /// Whether this was read from the ledger later.
        recovered: bool,
    },
    /// An attempt to put records back changed nothing.
    UndoAborted {
        /// The attempt.
        undo: Id128,
        /// Why.
        code: Code,
    },
    /// The batch changed nothing.
    Aborted {
        /// The run that writes this entry: the intent's, or the one that recovered the batch.
        run: Id128,
        /// The batch.
        batch: Id128,
        /// Why.
        code: Code,
    },
    /// The source was set back to a state before this applied batch.
    Reverted {
        /// The run that found it.
        run: Id128,
        /// The batch.
        batch: Id128,
    },
    /// A batch found in the source's ledger whose intent was lost with an older state of the journal.
    BatchFound {
        /// The source.
        source: Name,
        /// The batch.
        batch: Id128,
        /// Changed rows by the ledger.
        rows: u64,
        /// The key of the MACs.
        key_id: KeyId,
        /// One MAC for each of `rows`.
        macs: Macs,
        /// Objects of intermediate archives that the ledger names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sealed: Vec<Sealed>,
    },
    /// A record could not be changed.
    RecordFailed {
        /// The run.
        run: Id128,
        /// The source.
        source: Name,
        /// The data set.
        data_set: Name,
        /// What was tried.
        action: Action,
        /// The key of the MAC.
        key_id: KeyId,
        /// The record.
        mac: Mac,
        /// The database's code.
        code: Code,
        /// The constraint that refused it.
        #[serde(skip_serializing_if = "Option::is_none")]
        constraint: Option<Name>,
    },
    /// What one purpose has to do, counted.
    Census {
        /// The run.
        run: Id128,
        /// The source.
        source: Name,
        /// Before or after the work.
        phase: Phase,
        /// The data set.
        data_set: Name,
        /// The purpose.
        purpose: Name,
        /// Records that it covers; a full census only.
        #[serde(skip_serializing_if = "Option::is_none")]
        covered: Option<u64>,
        /// Records for which it still runs; a full census only.
        #[serde(skip_serializing_if = "Option::is_none")]
        running: Option<u64>,
        /// Records for which it ended and something is to be done.
        due: u64,
        /// Under a hold or a restriction: of all covered in a full census, of what would be due otherwise.
        held: u64,
        /// Kept by `kept_while`: all in a full census, those whose time is over otherwise.
        kept_while: u64,
        /// Without a start date. Only a full census counts where related rows date a record, and values that break their format.
        #[serde(skip_serializing_if = "Option::is_none")]
        undated: Option<u64>,
        /// With an undecidable condition; a full census only.
        #[serde(skip_serializing_if = "Option::is_none")]
        undecided: Option<u64>,
        /// The oldest start among the due.
        #[serde(skip_serializing_if = "Option::is_none")]
        oldest_overdue: Option<Day>,
    },
    /// What a run did of what was due, by data set and action.
    Backlog {
        /// The run.
        run: Id128,
        /// The source.
        source: Name,
        /// The data set.
        data_set: Name,
        /// The action.
        action: Action,
        /// Due when the run began.
        due_before: u64,
        /// Changed.
        changed: u64,
        /// Refused by the database.
        failed: u64,
        /// Locked by others.
        busy: u64,
        /// Due when the run ended, counted anew.
        due_after: u64,
    },
    /// A ceiling stopped a purpose's work.
    PurposeStopped {
        /// The run.
        run: Id128,
        /// The source.
        source: Name,
        /// The data set.
        data_set: Name,
        /// The action.
        action: Action,
        /// The ceiling.
        ceiling: Ceiling,
        /// Its value.
        limit: u64,
        /// What was found.
        found: u64,
    },
    /// Values that must never be stored were found.
    Incident {
        /// The run.
        run: Id128,
        /// The source.
        source: Name,
        /// The data set.
        data_set: Name,
        /// The category.
        category: Name,
        /// Records.
        count: u64,
        /// Whether they were cleared (not under a hold).
        cleared: bool,
    },
    /// Something that nobody may act on but somebody must know.
    Finding {
        /// The run.
        run: Id128,
        /// The source.
        source: Name,
        /// The data set, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        data_set: Option<Name>,
        /// What.
        finding: FindingKind,
        /// The purpose, category, table, column or rule that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<Name>,
        /// How many.
        count: u64,
    },
    /// A run ended.
    RunFinished {
        /// The run.
        run: Id128,
        /// How.
        outcome: Outcome,
        /// Rows changed.
        changed: u64,
        /// Rows refused.
        failed: u64,
        /// Rows locked by others.
        busy: u64,
    },
    /// An order was placed.
    OrderPlaced {
        /// The order.
        order: Id128,
        /// The source.
        source: Name,
        /// What it demands.
        order_kind: OrderKind,
        /// What it is about.
        scope: OrderScope,
        /// The data set whose key (or tenant column) the MAC names.
        data_set: Name,
        /// The key of the MAC.
        key_id: KeyId,
        /// The record, tenant or subject.
        mac: Mac,
        /// Who.
        actor: Name,
        /// Why.
        reason: OrderReason,
        /// The file outside.
        reference: Reference,
        /// The last day on which it holds.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<Day>,
        /// The attempt to undo that placed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<Id128>,
    },
    /// An order was lifted.
    OrderLifted {
        /// The order.
        order: Id128,
        /// Who.
        actor: Name,
        /// Why.
        reason: OrderReason,
        /// The file outside.
        reference: Reference,
        /// Whether the person was told before (Art. 18(3)); for restrictions.
        #[serde(skip_serializing_if = "Option::is_none")]
        person_informed: Option<bool>,
    },
    /// The journal was found behind a source's ledger and continues from here by an operator's decision.
    JournalRecovered {
        /// The source.
        source: Name,
        /// The journal's size that the newest ledger row names.
        ledger_size: u64,
        /// Who.
        actor: Name,
    },
    /// A certificate was issued that no personal value is left in a source.
    CertificateIssued {
        /// The source.
        source: Name,
        /// The hash of what it says.
        certificate: Hash,
    },
}
