//! Issuing: gathers what the journal says of a source, announces the claims in the log, and proves all of it against the checkpoint over that.

use std::collections::{HashMap, HashSet};

use super::account::{self, is_named};
use super::{CERTIFICATE_FORM, Certificate, Claims, FoundIn};
use crate::journal::append::Append;
use crate::journal::entry::Entry;
use crate::journal::error::JournalError;
use crate::journal::event::Event;
use crate::journal::log::Journal;
use crate::journal::prove::{for_each, proven};
use crate::journal::reader::Reader;
use crate::journal::sealed::Sealed;
use crate::journal::value::{Hash, Id128, Instant, Name};
use crate::journal::words::{Outcome, Phase};
use crate::state::SealedQuery;

/// What was found in the source's database, where no personal value is left.
#[derive(Debug, Clone)]
pub struct Found {
    /// When.
    pub looked_at: Instant,
    /// The map.
    pub map_hash: Hash,
    /// By data set that is a record's root.
    pub data_sets: Vec<FoundIn>,
}

/// Why there is no certificate.
#[derive(Debug)]
pub enum CertificateError {
    /// The journal.
    Journal(JournalError),
    /// Batches or destructions of which nobody knows yet whether they happened: the next run closes them.
    Open(u64),
    /// A run is under way, or was interrupted and not closed.
    Running,
    /// No run has come to its end, or what the last one found due is not nothing.
    NoRun,
    /// Archives hold records of the source.
    Archived(u64),
}

impl From<JournalError> for CertificateError {
    fn from(e: JournalError) -> Self {
        Self::Journal(e)
    }
}

impl std::fmt::Display for CertificateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal(e) => write!(f, "{e}"),
            Self::Open(n) => write!(f, "{n} batches or destructions are open: the next run closes them"),
            Self::Running => f.write_str("a run is under way, or was interrupted: the next run closes it"),
            Self::NoRun => f.write_str("no run has ended with nothing due"),
            Self::Archived(n) => write!(f, "archives hold {n} records of the source"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// Issues the certificate of a source of which nothing is left. Reads the journal several times from end to end, and adds one entry to it.
///
/// # Errors
/// [`CertificateError`].
pub async fn issue(journal: &Journal, source: &Name, found: Found) -> Result<Certificate, CertificateError> {
    let reader = journal.reader();
    refuse_unfinished(&reader, source).await?;
    let entries = gather(&reader, source).await?;
    let account = account::of(source, &entries).ok_or(CertificateError::NoRun)?;
    if account.purposes.is_empty() {
        return Err(CertificateError::NoRun);
    }
    let claims = Claims {
        form: CERTIFICATE_FORM.to_owned(),
        origin: journal.origin().clone(),
        source: source.clone(),
        looked_at: found.looked_at,
        map_hash: found.map_hash,
        found: found.data_sets,
        account,
    };
    let event = Event::CertificateIssued { source: source.clone(), certificate: claims.hash() };
    let appended = journal.append(Append::from(event).sign()).await?;
    let mut list = Vec::with_capacity(entries.len() + 1);
    for entry in &entries {
        list.push(proven(&reader, appended.size, entry).await?);
    }
    let last = reader.entry(appended.first_seq).await?.ok_or(JournalError::Tree)?;
    list.push(proven(&reader, appended.size, &last).await?);
    let checkpoint = appended.checkpoint.ok_or(JournalError::Signing)?;
    Ok(Certificate { claims, checkpoint, entries: list })
}

async fn refuse_unfinished(reader: &Reader, source: &Name) -> Result<(), CertificateError> {
    let own = |e: &Entry| match &e.event {
        Event::Intent { source: of, .. }
        | Event::DestructionIntended { source: of, .. }
        | Event::ArchiveErasureIntended { source: of, .. }
        | Event::ArchiveResealed { sealed: Sealed { source: of, .. }, .. }
        | Event::RunStarted { source: of, .. } => of == source,
        _ => false,
    };
    let open = reader.open_batches().await?.iter().filter(|e| own(e)).count()
        + reader.open_destructions().await?.iter().filter(|e| own(e)).count()
        + reader.open_erasures().await?.iter().filter(|e| own(e)).count()
        + reader.open_resealed().await?.iter().filter(|e| own(e)).count();
    if open > 0 {
        return Err(CertificateError::Open(open as u64));
    }
    if reader.open_runs().await?.iter().any(own) {
        return Err(CertificateError::Running);
    }
    let (mut records, mut query) = (0, SealedQuery { source: Some(source.to_string()), ..SealedQuery::default() });
    loop {
        let page = reader.sealed(query.clone(), 1_000).await?;
        records += page.iter().map(|row| row.records).sum::<u64>();
        let Some(last) = page.last() else { break };
        query.after = Some((last.batch, last.part));
    }
    if records > 0 { Err(CertificateError::Archived(records)) } else { Ok(()) }
}

/// Every entry that the claims rest on, in the order of the log.
async fn gather(reader: &Reader, source: &Name) -> Result<Vec<Entry>, CertificateError> {
    let mut kept: Vec<Entry> = Vec::new();
    let mut runs: HashMap<Id128, Entry> = HashMap::new();
    for_each(reader, "run_started", |e| {
        if let Event::RunStarted { run, source: of, .. } = &e.event
            && of == source
        {
            runs.insert(*run, e);
        }
    })
    .await?;
    let mut ended: Option<Id128> = None;
    for_each(reader, "run_finished", |e| {
        if let Event::RunFinished { run, outcome, .. } = e.event
            && runs.contains_key(&run)
        {
            // The last one counts, whatever came of it.
            ended = (outcome == Outcome::Complete).then_some(run);
        }
    })
    .await?;
    let last = ended.ok_or(CertificateError::NoRun)?;
    let mut intents: HashMap<Id128, Entry> = HashMap::new();
    for_each(reader, "intent", |e| {
        if let Event::Intent { batch, source: of, .. } = &e.event
            && of == source
        {
            intents.insert(*batch, e);
        }
    })
    .await?;
    let (mut batches, mut needed) = (HashSet::new(), HashSet::from([last]));
    for_each(reader, "applied", |e| {
        let Event::Applied { batch, .. } = &e.event else { return };
        let Some(intent) = intents.get(batch) else { return };
        if let Event::Intent { run, .. } = &intent.event {
            needed.insert(*run);
        }
        batches.insert(*batch);
        kept.push(intent.clone());
        kept.push(e);
    })
    .await?;
    kept.extend(runs.into_iter().filter(|(run, _)| needed.contains(run)).map(|(_, e)| e));
    let (mut destructions, mut orders) = (HashSet::new(), HashSet::new());
    let kinds = [
        "batch_found",
        "destruction_intended",
        "archive_erasure_intended",
        "order_placed",
        "reverted",
        "destroyed",
        "archive_erased",
        "order_lifted",
        "census",
    ];
    let aborted = aborted_erasures(reader).await?;
    for kind in kinds {
        for_each(reader, kind, |e| {
            let keep = match &e.event {
                Event::BatchFound { source: of, batch, .. } => of == source && batches.insert(*batch),
                Event::DestructionIntended { source: of, destruction, .. } => of == source && destructions.insert(*destruction),
                Event::OrderPlaced { source: of, order, order_kind, .. } => {
                    of == source && is_named(*order_kind) && orders.insert(*order)
                }
                Event::ArchiveErasureIntended { source: of, erasure, .. } => {
                    of == source && !aborted.contains(erasure) && destructions.insert(*erasure)
                }
                Event::Reverted { batch, .. } => batches.contains(batch),
                Event::Destroyed { destruction, .. } => destructions.contains(destruction),
                Event::ArchiveErased { erasure, .. } => destructions.contains(erasure),
                Event::OrderLifted { order, .. } => orders.contains(order),
                Event::Census { run, phase, .. } => *run == last && *phase == Phase::After,
                _ => false,
            };
            if keep {
                kept.push(e);
            }
        })
        .await?;
    }
    kept.sort_by_key(|e| e.seq);
    Ok(kept)
}

/// Erasures of which nothing came.
async fn aborted_erasures(reader: &Reader) -> Result<HashSet<Id128>, CertificateError> {
    let mut all = HashSet::new();
    for_each(reader, "archive_erasure_aborted", |e| {
        if let Event::ArchiveErasureAborted { erasure, .. } = e.event {
            all.insert(erasure);
        }
    })
    .await?;
    Ok(all)
}
