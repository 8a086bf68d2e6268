//! Closing what an interrupted run left open, and noticing a database that was set back: by the ledger, under the fence.

use super::error::EnforceError;
use super::fence::entries_of;
use crate::journal::{Append, Code, Event, Id128, Journal, KeyId, Macs, Name, Outcome, Related};
use crate::plan::dialect::Dialect;
use crate::source::Session;

/// What recovery found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Batches that were open and are closed now.
    pub closed: u64,
    /// Applied batches that the database no longer knows.
    pub reverted: u64,
}

/// How many ledger rows are asked for at once.
const PAGE: usize = 500;

/// Closes every batch of this source that the journal has open: `applied` when the ledger has its row, `aborted` when not; closes the runs that
/// did not end themselves; and reports applied batches that the ledger no longer has.
///
/// Must run after the fence was taken: no batch of an earlier epoch can commit any more.
///
/// # Errors
/// Of database and journal.
pub async fn recover(session: &mut Session, journal: &Journal, source: &Name, run: Id128) -> Result<Recovered, EnforceError> {
    let d = Dialect { engine: session.engine() };
    let reader = journal.reader();
    let mut found = Recovered::default();
    let mut append = Append::new();
    let open: Vec<Id128> = reader
        .open_batches()
        .await?
        .into_iter()
        .filter_map(|e| match e.event {
            Event::Intent { batch, source: of, .. } if of == *source => Some(batch),
            _ => None,
        })
        .collect();
    for page in open.chunks(PAGE) {
        let rows = ledger(session, d, page).await?;
        for batch in page {
            found.closed += 1;
            append = append.event(match rows.iter().find(|r| r.batch == *batch) {
                Some(row) => Event::Applied {
                    run,
                    batch: *batch,
                    rows: row.n,
                    related: row.related.clone(),
                    key_id: row.key_id,
                    macs: row.macs.clone(),
                    recovered: true,
                },
                None => Event::Aborted { run, batch: *batch, code: Code::parse("interrupted")? },
            });
        }
    }
    for entry in reader.open_runs().await? {
        if let Event::RunStarted { run: open, source: of, .. } = entry.event
            && of == *source
            && open != run
        {
            append =
                append.event(Event::RunFinished { run: open, outcome: Outcome::Interrupted, changed: 0, failed: 0, busy: 0 });
        }
    }
    journal.append(append).await?;
    found.reverted = reverted(session, d, journal, source, run).await?;
    Ok(found)
}

/// Applied batches that are missing from the ledger: the database was set back to a state before them. A restore loses the newest, so the
/// search goes back from the newest until it meets one that is there.
async fn reverted(session: &mut Session, d: Dialect, journal: &Journal, source: &Name, run: Id128) -> Result<u64, EnforceError> {
    let applied = applied_batches(journal, source).await?;
    let mut missing = Vec::new();
    'pages: for page in applied.rchunks(PAGE) {
        let rows = ledger(session, d, page).await?;
        for batch in page.iter().rev() {
            if rows.iter().any(|r| r.batch == *batch) {
                break 'pages;
            }
            missing.push(*batch);
        }
    }
    missing.reverse();
    let events = missing.iter().map(|batch| Event::Reverted { run, batch: *batch });
    if !missing.is_empty() {
        journal.append(Append::new().events(events)).await?;
    }
    Ok(missing.len() as u64)
}

/// The batches of a source that were applied and not reverted, oldest first.
async fn applied_batches(journal: &Journal, source: &Name) -> Result<Vec<Id128>, EnforceError> {
    let mut of_source = std::collections::HashSet::new();
    for entry in entries_of(journal, "intent", 0).await? {
        if let Event::Intent { batch, source: of, .. } = entry.event
            && of == *source
        {
            of_source.insert(batch);
        }
    }
    let mut gone = std::collections::HashSet::new();
    for entry in entries_of(journal, "reverted", 0).await? {
        if let Event::Reverted { batch, .. } = entry.event {
            gone.insert(batch);
        }
    }
    let applied = entries_of(journal, "applied", 0).await?;
    Ok(applied
        .into_iter()
        .filter_map(|e| match e.event {
            Event::Applied { batch, .. } if of_source.contains(&batch) && !gone.contains(&batch) => Some(batch),
            _ => None,
        })
        .collect())
}

struct LedgerEntry {
    batch: Id128,
    n: u64,
    related: Vec<Related>,
    key_id: KeyId,
    macs: Macs,
}

async fn ledger(session: &mut Session, d: Dialect, batches: &[Id128]) -> Result<Vec<LedgerEntry>, EnforceError> {
    let names: Vec<String> = batches.iter().map(ToString::to_string).collect();
    let mut all = Vec::new();
    for row in session.rows(&d.ledger_rows(&names)).await? {
        let text = |i: usize| row.get(i).and_then(Option::as_deref).unwrap_or_default();
        all.push(LedgerEntry {
            batch: Id128::parse(text(0))?,
            n: text(1).parse().unwrap_or(0),
            related: serde_json::from_str(text(2)).map_err(|_| EnforceError::Unknown("form of a ledger row"))?,
            key_id: KeyId::parse(text(3))?,
            macs: Macs::from_bytes(hex::decode(text(4)).map_err(|_| EnforceError::Unknown("form of a ledger row"))?)?,
        });
    }
    Ok(all)
}

/// Settles one batch whose COMMIT was not answered: takes the slots first, so that it cannot still commit, then reads the ledger.
///
/// # Errors
/// Of database and journal.
pub async fn settle(session: &mut Session, d: Dialect, source: &str, batch: Id128, run: Id128) -> Result<Event, EnforceError> {
    let mut begin = d.begin_patiently();
    let lock = d.lock_all_slots(source);
    begin.push(&lock);
    session.script(&begin).await?;
    let found = ledger(session, d, &[batch]).await?.into_iter().next();
    session.rows("ROLLBACK").await?;
    Ok(match found {
        Some(row) => {
            Event::Applied { run, batch, rows: row.n, related: row.related, key_id: row.key_id, macs: row.macs, recovered: true }
        }
        None => Event::Aborted { run, batch, code: Code::parse("interrupted")? },
    })
}
