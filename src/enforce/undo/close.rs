//! Attempts to undo of which nobody knows whether they came about: the ledger does, under the fence.

use std::collections::HashMap;

use super::attempt::{Counts, undone};
use crate::enforce::error::EnforceError;
use crate::journal::{Append, Code, Event, Id128, Journal, KeyId, Macs, Name, OrderReason};
use crate::plan::dialect::Dialect;
use crate::source::Session;

/// Closes every attempt of this source that the journal has open: `undone` when the ledger has its row; when not, it is given up, and the holds that it
/// would have placed are lifted. Returns how many there were.
///
/// Must run after the fence was taken: no attempt under an earlier token can commit any more.
///
/// # Errors
/// Of database and journal.
pub(in crate::enforce) async fn close(session: &mut Session, journal: &Journal, source: &Name) -> Result<u64, EnforceError> {
    let d = Dialect { engine: session.engine() };
    let mut closed = 0;
    for entry in journal.reader().open_undos().await? {
        let Event::UndoIntended { undo, source: of, actor, reference, .. } = entry.event else { continue };
        if of != *source {
            continue;
        }
        closed += 1;
        let mut rows = session.rows(&d.ledger_rows(&[undo.to_string()])).await?;
        let Some(row) = rows.pop() else {
            let mut append = Append::new();
            for order in orders_of(journal, undo).await? {
                let (actor, reference) = (actor.clone(), reference.clone());
                append = append.event(Event::OrderLifted {
                    order,
                    actor,
                    reason: OrderReason::ErrorCorrection,
                    reference,
                    person_informed: None,
                });
            }
            journal.append(append.event(Event::UndoAborted { undo, code: Code::parse("interrupted")? })).await?;
            continue;
        };
        let text = |i: usize| row.get(i).and_then(Option::as_deref).unwrap_or_default();
        let broken = || EnforceError::Unknown("form of a ledger row");
        let counts: Counts = serde_json::from_str(text(2)).map_err(|_| broken())?;
        let macs = Macs::from_bytes(hex::decode(text(4)).map_err(|_| broken())?)?;
        journal.append(undone(undo, KeyId::parse(text(3))?, macs, counts, true)).await?;
    }
    if closed > 0 && d.engine.is_mysql_family() {
        session.rows("COMMIT").await?;
    }
    Ok(closed)
}

/// The standing orders that an attempt placed.
async fn orders_of(journal: &Journal, undo: Id128) -> Result<Vec<Id128>, EnforceError> {
    let open = journal.reader().open_orders().await?.into_iter();
    let placed = open.filter_map(|entry| match entry.event {
        Event::OrderPlaced { order, undo: Some(by), .. } => Some((by, order)),
        _ => None,
    });
    let mut by: HashMap<Id128, Vec<Id128>> = HashMap::new();
    placed.for_each(|(of, order)| by.entry(of).or_default().push(order));
    Ok(by.remove(&undo).unwrap_or_default())
}
