//! Proofs for one record: what the journal says of it, provable without the journal.

use std::collections::HashSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::error::JournalError;
use super::event::Event;
use super::keys::MacKeys;
use super::note::{SignatureState, UncheckedCheckpoint};
use super::reader::{PAGE, Reader};
use super::sealed::ObjectRef;
use super::value::{Id128, KeyId, Mac, Name, VerifierKey};
use crate::plan::key::RecordKey;

/// The record's keyed name under one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordMac {
    /// The key.
    pub key_id: KeyId,
    /// The name.
    pub mac: Mac,
}

/// One entry with the proof that the checkpoint covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenEntry {
    /// Its position.
    pub seq: u64,
    /// The entry's exact bytes, JSON themselves.
    pub entry: String,
    /// The audit path (RFC 6962, section 2.1.1), each hash in base64.
    pub inclusion: Vec<String>,
}

/// What the journal says of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordProof {
    /// The source.
    pub source: Name,
    /// The data set.
    pub data_set: Name,
    /// The record's names under the keys that exist.
    pub macs: Vec<RecordMac>,
    /// Keys that were destroyed: what they named can no longer be found.
    pub destroyed_keys: Vec<KeyId>,
    /// The newest checkpoint, a signed note.
    pub checkpoint: Option<String>,
    /// Entries that name the record, and those of the same batch or order, oldest first.
    pub entries: Vec<ProvenEntry>,
    /// Such entries that no checkpoint covers yet.
    pub not_yet_signed: Vec<u64>,
}

/// Finds every entry that names this record, and proves each against the newest checkpoint. Reads the journal once or twice from end to end.
///
/// # Errors
/// [`JournalError::State`]; [`JournalError::Entry`] when a stored entry cannot be read.
pub async fn prove(
    reader: &Reader,
    keys: &MacKeys,
    source: &Name,
    data_set: &Name,
    record: &RecordKey,
) -> Result<RecordProof, JournalError> {
    let name = |key_id| Some(RecordMac { key_id, mac: keys.mac(key_id, source, data_set, record)? });
    let macs: Vec<RecordMac> = keys.ids().into_iter().filter_map(name).collect();
    let mut found = Vec::new();
    let mut batches: Vec<Id128> = Vec::new();
    let mut orders: Vec<Id128> = Vec::new();
    let mut undos: Vec<Id128> = Vec::new();
    let mut erasures: Vec<Id128> = Vec::new();
    const NAMING: [&str; 7] =
        ["applied", "batch_found", "record_failed", "order_placed", "archive_opened", "undone", "archive_erasure_intended"];
    for kind in NAMING {
        for_each(reader, kind, |entry| {
            if names(&entry.event, &macs) {
                match &entry.event {
                    Event::Applied { batch, .. } | Event::BatchFound { batch, .. } => batches.push(*batch),
                    Event::OrderPlaced { order, .. } => orders.push(*order),
                    Event::Undone { undo, .. } => undos.push(*undo),
                    Event::ArchiveErasureIntended { erasure, .. } => erasures.push(*erasure),
                    _ => {}
                }
                found.push(entry);
            }
        })
        .await?;
    }
    // Whoever opened an object in which the record lies has read it, whomever they looked for.
    let mut objects: HashSet<ObjectRef> = HashSet::new();
    let mut rests: Vec<Entry> = Vec::new();
    for_each(reader, "archive_resealed", |entry| rests.push(entry)).await?;
    for event in found.iter().chain(&rests).map(|entry| &entry.event) {
        objects.extend(holding(event, &macs));
    }
    if !objects.is_empty() {
        for_each(reader, "archive_opened", |entry| {
            if let Event::ArchiveOpened { mac: None, objects: opened, .. } = &entry.event
                && opened.iter().any(|object| objects.contains(object))
            {
                found.push(entry);
            }
        })
        .await?;
    }
    if !batches.is_empty() {
        for kind in ["intent", "reverted"] {
            for_each(reader, kind, |entry| {
                if let Event::Intent { batch, .. } | Event::Reverted { batch, .. } = &entry.event
                    && batches.contains(batch)
                {
                    found.push(entry);
                }
            })
            .await?;
        }
    }
    if !undos.is_empty() {
        for_each(reader, "undo_intended", |entry| {
            if let Event::UndoIntended { undo, .. } = &entry.event
                && undos.contains(undo)
            {
                found.push(entry);
            }
        })
        .await?;
    }
    if !erasures.is_empty() {
        for kind in ["archive_resealed", "archive_erased", "archive_erasure_aborted"] {
            for_each(reader, kind, |entry| {
                if let Event::ArchiveResealed { erasure, .. }
                | Event::ArchiveErased { erasure, .. }
                | Event::ArchiveErasureAborted { erasure, .. } = &entry.event
                    && erasures.contains(erasure)
                {
                    found.push(entry);
                }
            })
            .await?;
        }
    }
    if !orders.is_empty() {
        for_each(reader, "order_lifted", |entry| {
            if let Event::OrderLifted { order, .. } = &entry.event
                && orders.contains(order)
            {
                found.push(entry);
            }
        })
        .await?;
    }
    found.sort_by_key(|entry| entry.seq);
    let mut destroyed_keys = Vec::new();
    for_each(reader, "mac_key_destroyed", |entry| {
        if let Event::MacKeyDestroyed { key_id } = entry.event {
            destroyed_keys.push(key_id);
        }
    })
    .await?;
    let checkpoint = reader.newest_checkpoint().await?;
    let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let (mut entries, mut not_yet_signed) = (Vec::new(), Vec::new());
    for entry in found {
        if entry.seq >= size {
            not_yet_signed.push(entry.seq);
            continue;
        }
        entries.push(proven(reader, size, &entry).await?);
    }
    let (source, data_set) = (source.clone(), data_set.clone());
    let checkpoint = checkpoint.map(|checkpoint| checkpoint.note);
    Ok(RecordProof { source, data_set, macs, destroyed_keys, checkpoint, entries, not_yet_signed })
}

/// An entry with the proof that the log of `size` entries has it.
pub(super) async fn proven(reader: &Reader, size: u64, entry: &Entry) -> Result<ProvenEntry, JournalError> {
    let path = reader.inclusion_proof(size, entry.seq).await?;
    let inclusion = path.iter().map(|hash| BASE64_STANDARD.encode(hash.0)).collect();
    let text = String::from_utf8(entry.to_bytes()).map_err(|_| JournalError::Tree)?;
    Ok(ProvenEntry { seq: entry.seq, entry: text, inclusion })
}

/// Takes every entry of a kind, oldest first.
pub(super) async fn for_each(reader: &Reader, kind: &'static str, mut take: impl FnMut(Entry)) -> Result<(), JournalError> {
    let mut from = 0;
    loop {
        let page = reader.entries_of(kind, from, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        from = last.seq + 1;
        page.into_iter().for_each(&mut take);
    }
}

/// The objects that an entry says were sealed with the record in them.
fn holding(event: &Event, macs: &[RecordMac]) -> Vec<ObjectRef> {
    let (batch, key_id, sealed) = match event {
        Event::Applied { batch, key_id, sealed, .. } | Event::BatchFound { batch, key_id, sealed, .. } => {
            (*batch, *key_id, sealed.as_slice())
        }
        Event::ArchiveResealed { object, key_id, sealed, .. } => (object.batch, *key_id, std::slice::from_ref(sealed)),
        _ => return Vec::new(),
    };
    let Some(mac) = macs.iter().find(|m| m.key_id == key_id).map(|m| m.mac) else { return Vec::new() };
    sealed.iter().filter(|o| o.macs.contains(mac)).map(|o| ObjectRef { batch, part: o.part }).collect()
}

fn names(event: &Event, macs: &[RecordMac]) -> bool {
    let under = |id: KeyId| macs.iter().find(|m| m.key_id == id).map(|m| m.mac);
    match event {
        Event::Applied { key_id, macs, related, .. } => {
            under(*key_id).is_some_and(|mac| macs.contains(mac) || related.iter().any(|r| r.macs.contains(mac)))
        }
        Event::BatchFound { key_id, macs, .. }
        | Event::Undone { key_id, macs, .. }
        | Event::ArchiveErasureIntended { key_id, macs, .. } => under(*key_id).is_some_and(|mac| macs.contains(mac)),
        Event::RecordFailed { key_id, mac, .. } | Event::OrderPlaced { key_id, mac, .. } => under(*key_id) == Some(*mac),
        // Who read it, and why: the person may ask that, too.
        Event::ArchiveOpened { key_id: Some(key_id), mac: Some(mac), .. } => under(*key_id) == Some(*mac),
        _ => false,
    }
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofFault {
    /// There is no checkpoint, or it is no signed note.
    Checkpoint,
    /// The key has not signed the checkpoint.
    Signature,
    /// The entry at this position of the list is not in the log that the checkpoint covers.
    Inclusion(usize),
    /// The entry at this position of the list cannot be read or stands elsewhere than it says.
    Entry(usize),
}

impl std::fmt::Display for ProofFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("the proof has no readable checkpoint"),
            Self::Signature => f.write_str("the checkpoint is not signed by this key"),
            Self::Inclusion(at) => write!(f, "entry number {at} of the proof is not covered by the checkpoint"),
            Self::Entry(at) => write!(f, "entry number {at} of the proof is not a journal entry of that position"),
        }
    }
}

impl std::error::Error for ProofFault {}

/// Checks a proof with nothing but the key that signed its checkpoint. It proves that the entries are in the log, not that there are no others.
///
/// # Errors
/// The first fault.
pub fn verify_proof(proof: &RecordProof, key: &VerifierKey) -> Result<(), ProofFault> {
    let checkpoint = proof.checkpoint.as_deref().and_then(UncheckedCheckpoint::parse).ok_or(ProofFault::Checkpoint)?;
    if checkpoint.signed_by(key) != SignatureState::Valid || checkpoint.origin() != key.name() {
        return Err(ProofFault::Signature);
    }
    for (at, entry) in proof.entries.iter().enumerate() {
        check_entry(at, entry, &checkpoint)?;
    }
    Ok(())
}

/// Checks that the log which a checkpoint covers has an entry at its place, the `at`th of a list.
///
/// # Errors
/// [`ProofFault::Entry`], [`ProofFault::Inclusion`].
pub(super) fn check_entry(at: usize, entry: &ProvenEntry, checkpoint: &UncheckedCheckpoint) -> Result<Entry, ProofFault> {
    let decoded = Entry::from_bytes(entry.entry.as_bytes()).map_err(|_| ProofFault::Entry(at))?;
    if decoded.seq != entry.seq {
        return Err(ProofFault::Entry(at));
    }
    let path: Option<Vec<tlog_tiles::Hash>> =
        entry.inclusion.iter().map(|hash| tlog_tiles::Hash::parse_hash(hash).ok()).collect();
    let path = path.filter(|path| path.len() <= 64 && entry.seq < checkpoint.size()).ok_or(ProofFault::Inclusion(at))?;
    let leaf = tlog_tiles::record_hash(entry.entry.as_bytes());
    tlog_tiles::check_record(&path, checkpoint.size(), tlog_tiles::Hash(checkpoint.root()), entry.seq, leaf)
        .map_err(|_| ProofFault::Inclusion(at))?;
    Ok(decoded)
}
