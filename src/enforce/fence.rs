//! One enforcer for each source: taking the fence, and finding out on the way what happened to database and journal since.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use crate::journal::{Adoption, Append, Entry, Event, Hash, Id128, InvalidValue, Journal, Name, Origin};
use crate::plan::dialect::Dialect;
use crate::source::{Row, Session, Source};
use crate::state::{KnownSource, State};

use super::error::EnforceError;

/// The right to act on a source, until somebody takes it.
#[derive(Debug, Clone)]
pub struct Fence {
    /// The source.
    pub source: String,
    /// Raised by each takeover.
    pub epoch: u64,
    /// Random; compared in each batch.
    pub token: String,
    /// The slots that it was taken with: so many workers may act at once.
    pub slots: Vec<u32>,
    /// The next position in the source's ledger, for all workers.
    seq: Arc<AtomicU64>,
}

impl Fence {
    /// A position in the source's ledger that no other batch has.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.seq.fetch_add(1, Ordering::Relaxed)
    }

    /// Gives a position back whose row was certainly not committed. Where another worker has taken the next one meanwhile, a gap stays.
    pub fn give_back(&self, seq: u64) {
        // Failing is that gap.
        let _ = self.seq.compare_exchange(seq + 1, seq, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Why a fence may be taken although its token or server is not the known one.
#[derive(Debug, Clone)]
pub struct Adopt {
    /// Why.
    pub reason: Adoption,
    /// Who decided it.
    pub actor: Name,
}

/// Takes the fence under all slots: compares token and server with what this state knows, raises the epoch, sets a new token.
///
/// The token is remembered before it is set, so that a crash in between leaves a fence that the next run still owns. A ledger that is ahead of
/// this journal is refused even by an adoption, if it was this journal's own: only [`Event::JournalRecovered`] goes on from there.
///
/// # Errors
/// [`EnforceError::NotSetUp`], [`EnforceError::ForeignFence`], [`EnforceError::OtherServer`], [`EnforceError::JournalBehind`]; of database, state and journal.
pub async fn take(
    source: &Source,
    state: &State,
    journal: &Journal,
    id: &str,
    server_id: &str,
    adopt: Option<&Adopt>,
) -> Result<Fence, EnforceError> {
    let d = Dialect { engine: source.engine() };
    let known = state.known_source(id).await?;
    let token = new_token(journal.origin())?;
    let mut session = source.session().await?;
    let mut begin: Vec<&str> = d.begin_patiently();
    let lock = d.lock_all_slots(id);
    begin.push(&lock);
    let slots = session.script(&begin).await?.pop().map(|a| a.rows).unwrap_or_default();
    if slots.is_empty() {
        session.discard().await;
        return Err(EnforceError::NotSetUp);
    }
    let ledger = session.rows(&d.newest_ledger_row(id)).await?;
    let newest = ledger.first().map(|r| (number(r, 0), number(r, 1), r.get(2).cloned().flatten().unwrap_or_default()));
    let verdict =
        examine(journal, known.as_ref(), id, server_id, &slots, newest.as_ref().map(|(_, n, root)| (*n, root.as_str())), adopt);
    let first_contact = match verdict.await {
        Ok(first_contact) => first_contact,
        Err(e) => {
            session.discard().await;
            return Err(e);
        }
    };
    // A takeover that was committed but never confirmed is confirmed first: another crash between here and the commit must not lose it.
    if let Some(held) = slots.first().map(|slot| text(slot, 2)).filter(|held| is_pending(known.as_ref(), held)) {
        state.confirm_token(id, server_id, held).await?;
    }
    state.announce_token(id, server_id, &token).await?;
    session.script(&[&d.take_over(id, &token, server_id), d.commit()]).await?;
    session.done().await?;
    state.confirm_token(id, server_id, &token).await?;
    let adoption = match (adopt, first_contact) {
        (Some(a), _) => Some((a.reason, a.actor.clone())),
        (None, true) => Some((Adoption::Initial, Name::parse("retentiond")?)),
        (None, false) => None,
    };
    if let Some((reason, actor)) = adoption {
        let event = Event::SourceAdopted { source: Name::parse(id)?, server_id: Hash::parse(server_id)?, reason, actor };
        journal.append(Append::from(event)).await?;
    }
    let epoch = slots.iter().map(|s| number(s, 1)).max().unwrap_or(0) + 1;
    let seq = Arc::new(AtomicU64::new(newest.map_or(1, |(seq, ..)| seq + 1)));
    let slots = slots.iter().filter_map(|s| text(s, 0).parse().ok()).collect();
    Ok(Fence { source: id.to_owned(), epoch, token, slots, seq })
}

/// Whether the fence may be taken; the answer says whether this is the first contact with the source.
async fn examine(
    journal: &Journal,
    known: Option<&KnownSource>,
    id: &str,
    server_id: &str,
    slots: &[Row],
    newest: Option<(u64, &str)>,
    adopt: Option<&Adopt>,
) -> Result<bool, EnforceError> {
    let known_server = known.filter(|k| !k.token.is_empty()).map(|k| k.server_id.as_str());
    let mut first_contact = known.is_none();
    for slot in slots {
        let (held, server) = (text(slot, 2), text(slot, 3));
        let fresh = held.is_empty();
        let ours = known.is_some_and(|k| held == k.token) || is_pending(known, held);
        if !fresh && (ours || is_kin(journal.origin(), held)) {
            check_journal(journal, id, newest, ours).await?;
        }
        if !ours && !fresh && adopt.is_none() {
            return Err(EnforceError::ForeignFence);
        }
        let other = (!fresh && server != server_id) || known_server.is_some_and(|k| k != server_id);
        if other && adopt.is_none() {
            return Err(EnforceError::OtherServer);
        }
        first_contact |= fresh && known.is_some_and(|k| k.token.is_empty());
    }
    Ok(first_contact)
}

fn is_pending(known: Option<&KnownSource>, held: &str) -> bool {
    !held.is_empty() && known.is_some_and(|k| k.pending.as_deref() == Some(held))
}

/// A random token, whose second half tells the state that made it from every other: an old backup of that state recognises what it has forgotten.
fn new_token(origin: &Origin) -> Result<String, InvalidValue> {
    let mut bytes = Id128::random()?.0;
    let mark = mark(origin, &bytes[..8]);
    bytes[8..].copy_from_slice(&mark);
    Ok(Id128(bytes).to_string())
}

fn mark(origin: &Origin, nonce: &[u8]) -> [u8; 8] {
    let hash = Sha256::new().chain_update(origin.as_str()).chain_update([0]).chain_update(nonce).finalize();
    let mut mark = [0; 8];
    mark.copy_from_slice(&hash[..8]);
    mark
}

/// Whether a token was made by this journal's enforcer, although it may not remember it.
fn is_kin(origin: &Origin, token: &str) -> bool {
    Id128::parse(token).is_ok_and(|id| mark(origin, &id.0[..8]) == id.0[8..])
}

/// The ledger carries the journal's size and root at each batch: a journal that does not contain that state was set back. `remembered` says
/// that the fence carries the token of this state's last takeover.
async fn check_journal(journal: &Journal, id: &str, newest: Option<(u64, &str)>, remembered: bool) -> Result<(), EnforceError> {
    let Some((size, root)) = newest.filter(|(size, _)| *size > 0) else { return Ok(()) };
    let (have, _) = journal.head().await?;
    if size <= have && journal.reader().root(size).await?.to_string() == root {
        return Ok(());
    }
    let adopted = remembered && newest_decision(journal, id, "source_adopted", size).await?;
    if adopted || newest_decision(journal, id, "journal_recovered", size).await? {
        return Ok(());
    }
    Err(EnforceError::JournalBehind { ledger: size, journal: have })
}

/// Whether somebody decided to go on with a ledger that this journal does not contain (up to `size`), and nothing was applied since: the newest
/// row is still the one that was there then.
async fn newest_decision(journal: &Journal, id: &str, kind: &'static str, size: u64) -> Result<bool, EnforceError> {
    let mine = entries_of(journal, kind, 0).await?.into_iter().filter(|e| match &e.event {
        Event::SourceAdopted { source, reason, .. } => source.as_str() == id && *reason != Adoption::Initial,
        Event::JournalRecovered { source, ledger_size, .. } => source.as_str() == id && size <= *ledger_size,
        _ => false,
    });
    let Some(since) = mine.map(|e| e.seq).max() else { return Ok(false) };
    let mut of_source = std::collections::HashSet::new();
    for entry in entries_of(journal, "intent", since).await? {
        if let Event::Intent { batch, source, .. } = entry.event
            && source.as_str() == id
        {
            of_source.insert(batch);
        }
    }
    let applied = entries_of(journal, "applied", since).await?;
    Ok(!applied.iter().any(|e| matches!(&e.event, Event::Applied { batch, .. } if of_source.contains(batch))))
}

/// All entries of one kind from a position on.
pub(super) async fn entries_of(journal: &Journal, kind: &'static str, from: u64) -> Result<Vec<Entry>, EnforceError> {
    let reader = journal.reader();
    let (mut all, mut from) = (Vec::new(), from);
    loop {
        let page = reader.entries_of(kind, from, 5_000).await?;
        let Some(last) = page.last() else { return Ok(all) };
        from = last.seq + 1;
        all.extend(page);
    }
}

/// The journal's size that the newest ledger row of a source names; 0 without one.
///
/// # Errors
/// Of the database.
pub async fn ledger_size(source: &Source, id: &str) -> Result<u64, EnforceError> {
    let d = Dialect { engine: source.engine() };
    let mut session = source.session().await?;
    let rows = session.rows(&d.newest_ledger_row(id)).await?;
    session.done().await?;
    Ok(rows.first().map_or(0, |r| number(r, 1)))
}

fn text(row: &Row, i: usize) -> &str {
    row.get(i).and_then(Option::as_deref).unwrap_or_default()
}

fn number(row: &[Option<String>], i: usize) -> u64 {
    row.get(i).and_then(|t| t.as_deref()?.parse().ok()).unwrap_or(0)
}

/// Locks this worker's slot inside an open transaction and compares epoch and token.
///
/// # Errors
/// [`EnforceError::FencedOff`] when somebody else took the source; of the database.
pub fn check_slot(rows: &[Vec<Option<String>>], fence: &Fence) -> Result<(), EnforceError> {
    let row = rows.first().ok_or(EnforceError::NotSetUp)?;
    let token = row.get(1).and_then(Option::as_deref).unwrap_or_default();
    // Slots differ in epoch when some were added later; the token alone is unique to this takeover, the epoch must not have moved past it.
    if token != fence.token || number(row, 0) > fence.epoch {
        return Err(EnforceError::FencedOff);
    }
    Ok(())
}

/// Gives a session what a batch on this engine expects beyond its transaction.
///
/// # Errors
/// Of the database.
pub async fn ready(session: &mut Session) -> Result<(), EnforceError> {
    if session.engine().is_mysql_family() {
        session.execute("SET SESSION innodb_lock_wait_timeout = 1").await?;
    }
    Ok(())
}
