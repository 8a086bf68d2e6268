//! Closing what an interrupted run left open, and noticing a database that was set back: by the ledger, under the fence.

use super::destruction::forget;
use super::error::EnforceError;
use super::undo::close::close as close_undos;
use crate::archive::Archives;
use crate::journal::{Append, Code, Event, FileCount, Id128, Journal, KeyId, Macs, Name, Outcome, Related, Sealed};
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
/// After so many batches in succession that the ledger has, it has all that are older: far more than ever are under way at once.
const SURE: usize = 200;

/// Closes every batch of this source that the journal has open: `applied` when the ledger has its row, `aborted` when not; closes the runs that
/// did not end themselves; and reports applied batches that the ledger no longer has.
///
/// Must run after the fence was taken: no batch of an earlier epoch can commit any more.
///
/// # Errors
/// Of database and journal.
pub async fn recover(
    session: &mut Session,
    journal: &Journal,
    archives: &Archives,
    source: &Name,
    run: Id128,
) -> Result<Recovered, EnforceError> {
    // Before orders are restored: an attempt to undo that did not come about has left some that hold nothing.
    close_undos(session, journal, source).await?;
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
                    sealed: row.sealed.clone(),
                    files: row.files.clone(),
                },
                None => {
                    // Before the journal says that it never happened: afterwards nobody would look.
                    forget(archives, source, *batch).await?;
                    Event::Aborted { run, batch: *batch, code: Code::parse("interrupted")? }
                }
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
/// search goes back from the newest until it has met enough in succession that are there; batches of several workers did not commit in the order
/// of their entries. None is open any more: what was neither aborted nor reverted was applied.
async fn reverted(session: &mut Session, d: Dialect, journal: &Journal, source: &Name, run: Id128) -> Result<u64, EnforceError> {
    let reader = journal.reader();
    let (mut missing, mut there, mut before) = (Vec::new(), 0, reader.size().await?);
    while there < SURE {
        let page = reader.batches_back(source, before, PAGE as u32).await?;
        let Some((last, _)) = page.last() else { break };
        before = *last;
        let page: Vec<Id128> = page.into_iter().map(|(_, batch)| batch).collect();
        let rows = ledger(session, d, &page).await?;
        for batch in page {
            if rows.iter().any(|r| r.batch == batch) {
                there += 1;
            } else {
                there = 0;
                missing.push(batch);
            }
        }
    }
    missing.reverse();
    let events = missing.iter().map(|batch| Event::Reverted { run, batch: *batch });
    if !missing.is_empty() {
        journal.append(Append::new().events(events)).await?;
    }
    Ok(missing.len() as u64)
}

struct LedgerEntry {
    batch: Id128,
    n: u64,
    related: Vec<Related>,
    key_id: KeyId,
    macs: Macs,
    sealed: Vec<Sealed>,
    files: Vec<FileCount>,
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
            sealed: serde_json::from_str(text(5)).map_err(|_| EnforceError::Unknown("form of a ledger row"))?,
            files: serde_json::from_str(text(6)).map_err(|_| EnforceError::Unknown("form of a ledger row"))?,
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
        Some(row) => Event::Applied {
            run,
            batch,
            rows: row.n,
            related: row.related,
            key_id: row.key_id,
            macs: row.macs,
            recovered: true,
            sealed: row.sealed,
            files: row.files,
        },
        None => Event::Aborted { run, batch, code: Code::parse("interrupted")? },
    })
}
