//! One enforcer for each source: taking the fence, and finding out on the way what happened to database and journal since.

use crate::journal::{Adoption, Append, Event, Hash, Id128, Journal, Name};
use crate::plan::dialect::Dialect;
use crate::source::{Session, Source};
use crate::state::State;

use super::error::EnforceError;

/// The right to act on a source, until somebody takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The source.
    pub source: String,
    /// Raised by each takeover.
    pub epoch: u64,
    /// Random; compared in each batch.
    pub token: String,
    /// The next position in the source's ledger.
    pub next_seq: u64,
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
/// The token is remembered before it is set, so that a crash in between leaves a fence that the next run still owns.
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
    let token = Id128::random()?.to_string();
    let mut session = source.session().await?;
    let mut begin: Vec<&str> = d.begin_patiently();
    let lock = d.lock_all_slots(id);
    begin.push(&lock);
    let slots = session.script(&begin).await?.pop().map(|a| a.rows).unwrap_or_default();
    if slots.is_empty() {
        session.discard().await;
        return Err(EnforceError::NotSetUp);
    }
    let mut first_contact = known.is_none();
    for slot in &slots {
        let text = |i: usize| slot.get(i).and_then(Option::as_deref).unwrap_or_default();
        let (held, server) = (text(2), text(3));
        let ours = known.as_ref().is_some_and(|k| held == k.token || k.pending.as_deref() == Some(held));
        let fresh = held.is_empty();
        if !ours && !fresh && adopt.is_none() {
            // The same server, but a token and a ledger from after this state: an old backup of the state, not a foreign database.
            let newest = match &known {
                Some(k) if !k.token.is_empty() && k.server_id == server_id && server == server_id => {
                    session.rows(&d.newest_ledger_row(id)).await?.pop()
                }
                _ => None,
            };
            session.discard().await;
            if let Some(row) = newest {
                check_journal(journal, id, number(&row, 1), row.get(2).and_then(Option::as_deref).unwrap_or_default()).await?;
            }
            return Err(EnforceError::ForeignFence);
        }
        let known_server = known.as_ref().filter(|k| !k.token.is_empty()).map(|k| k.server_id.as_str());
        let other = (!fresh && server != server_id) || known_server.is_some_and(|k| k != server_id);
        if other && adopt.is_none() {
            session.discard().await;
            return Err(EnforceError::OtherServer);
        }
        first_contact |= fresh && known.as_ref().is_some_and(|k| k.token.is_empty());
    }
    let ledger = session.rows(&d.newest_ledger_row(id)).await?;
    let newest = ledger.first().map(|r| (number(r, 0), number(r, 1), r.get(2).cloned().flatten().unwrap_or_default()));
    if let Some((_, log_size, log_root)) = &newest {
        match (check_journal(journal, id, *log_size, log_root).await, adopt) {
            // Whoever adopts a ledger that this journal does not know answers for it, once.
            (Err(EnforceError::JournalBehind { .. }), Some(a)) => {
                let event = Event::JournalRecovered { source: Name::parse(id)?, ledger_size: *log_size, actor: a.actor.clone() };
                journal.append(Append::from(event)).await?;
            }
            (checked, _) => checked?,
        }
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
    Ok(Fence { source: id.to_owned(), epoch, token, next_seq: newest.map_or(1, |(seq, ..)| seq + 1) })
}

/// The ledger carries the journal's size and root at each batch: a journal that does not contain that state was set back, unless somebody
/// answered for exactly this ledger by `journal recover` or by adopting it.
async fn check_journal(journal: &Journal, id: &str, size: u64, root: &str) -> Result<(), EnforceError> {
    let (have, _) = journal.head().await?;
    let known = size <= have && (size == 0 || journal.reader().root(size).await?.to_string() == root);
    if known {
        return Ok(());
    }
    let recovered = journal.reader().entries_of("journal_recovered", 0, u32::MAX).await?;
    let answered = recovered.iter().any(|entry| {
        matches!(&entry.event, Event::JournalRecovered { source, ledger_size, .. } if source.as_str() == id && *ledger_size == size)
    });
    if answered { Ok(()) } else { Err(EnforceError::JournalBehind { ledger: size, journal: have }) }
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
