//! Lifting all orders of a source that were placed under one reference: those of a case that is over, or of a run that was undone.

use chrono::NaiveDate;

use super::error::EnforceError;
use crate::journal::{Append, Event, Id128, Journal, Name, OrderKind, OrderReason, Reference};
use crate::plan::dialect::Dialect;
use crate::source::Source;

/// How many are lifted in one transaction.
const AT_ONCE: usize = 500;

/// Who lifts orders, and why.
#[derive(Debug, Clone)]
pub struct Lifting {
    /// Who.
    pub actor: Name,
    /// Why.
    pub reason: OrderReason,
    /// The file outside.
    pub reference: Reference,
    /// Whether the persons were told before (Art. 18(3)).
    pub person_informed: Option<bool>,
    /// The day.
    pub today: NaiveDate,
}

/// The orders of a source that stand and were placed under one reference.
///
/// # Errors
/// Of the journal.
pub async fn placed_under(journal: &Journal, source: &str, under: &Reference) -> Result<Vec<(Id128, OrderKind)>, EnforceError> {
    let open = journal.reader().open_orders().await?.into_iter();
    Ok(open
        .filter_map(|entry| match entry.event {
            Event::OrderPlaced { order, source: of, order_kind, reference, .. }
                if of.as_str() == source && reference == *under =>
            {
                Some((order, order_kind))
            }
            _ => None,
        })
        .collect())
}

/// Lifts these orders, some at a time. What was lifted before an error stays so, and is not found again.
///
/// # Errors
/// Of database and journal.
pub async fn lift_all(
    source: &Source,
    journal: &Journal,
    id: &str,
    orders: &[(Id128, OrderKind)],
    by: &Lifting,
) -> Result<(), EnforceError> {
    let d = Dialect { engine: source.engine() };
    let day = by.today.to_string();
    for page in orders.chunks(AT_ONCE) {
        let mut session = source.session().await?;
        let lock = d.lock_all_slots(id);
        let mut statements: Vec<String> = d.begin_patiently().into_iter().map(str::to_owned).collect();
        statements.push(lock);
        statements.extend(page.iter().map(|(order, _)| d.lift_order(id, &order.to_string(), &day)));
        session.script(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let lifted = page.iter().map(|(order, _)| Event::OrderLifted {
            order: *order,
            actor: by.actor.clone(),
            reason: by.reason,
            reference: by.reference.clone(),
            person_informed: by.person_informed,
        });
        // Journalled while the slots are held: no batch can act on a lifted order before the journal knows of it.
        journal.append(Append::new().events(lifted)).await?;
        session.rows(d.commit()).await?;
        session.done().await?;
    }
    Ok(())
}
