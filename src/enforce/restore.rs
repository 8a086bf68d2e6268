//! Orders of a database that was set back: the journal knows which ones stand.

use super::error::EnforceError;
use super::keys::keys_of;
use super::orders::{subject_key, tenant_key};
use super::prepare::Prepared;
use super::subjects::text_of;
use crate::journal::{Event, Id128, Journal, MacOf, Name, OrderScope};
use crate::plan::action::{Action, ROW};
use crate::plan::dialect::Dialect;
use crate::plan::key::RecordKey;
use crate::plan::lookup::{keys_after, tenants};
use crate::plan::own_statements::OrderRow;
use crate::plan::subject::SubjectAt;
use crate::source::Session;

/// How many keys are read at once.
const PAGE: u64 = 10_000;

/// Puts back the orders that the journal has and the database lost (a restored backup), and lifts again those that the journal has lifted, before
/// anything is enforced: every record's key, every tenant, every person is read and its MAC compared. Orders that the journal never knew are left alone. Returns
/// how many were put back.
///
/// # Errors
/// [`EnforceError::OrderUnmatched`] when an order's record is not there; of database and journal.
pub async fn restore(session: &mut Session, journal: &Journal, source: &Name, prepared: &Prepared) -> Result<u64, EnforceError> {
    let d = prepared.plan.dialect;
    let mut present = std::collections::HashSet::new();
    for row in session.rows(&d.list_orders(source.as_str())).await? {
        let standing = row.get(6).is_some_and(Option::is_none);
        let Some(id) = row.into_iter().next().flatten() else { continue };
        if standing {
            lift_again(session, d, journal, source, &id).await?;
        }
        present.insert(id);
    }
    let mut restored = 0;
    for entry in journal.reader().open_orders().await? {
        let placed_on = entry.time.utc().date_naive().to_string();
        let Event::OrderPlaced { order, source: of, order_kind, scope, data_set, key_id, mac, until, .. } = entry.event else {
            continue;
        };
        // What is over needs no record any more.
        let over = until.is_some_and(|last| last.date() < prepared.plan.today);
        if of != *source || over || present.contains(&order.to_string()) {
            continue;
        }
        let row = OrderRow {
            order_id: order.to_string(),
            source: source.as_str().to_owned(),
            data_set: data_set.as_str().to_owned(),
            kind: order_kind.as_str().to_owned(),
            scope: scope.as_str(),
            placed_on,
            until: until.map(|d| d.date().to_string()),
        };
        let named = |of: MacOf, key: &RecordKey| journal.mac_keys().mac_of(of, key_id, source, &data_set, key) == Some(mac);
        let sql = match scope {
            OrderScope::Record => {
                let action = prepared.plan.actions.iter().find(|a| a.data_set == data_set.as_str());
                let action = action.ok_or(EnforceError::OrderUnmatched)?;
                let key = record(session, d, action, &|k| named(MacOf::Record, k)).await?.ok_or(EnforceError::OrderUnmatched)?;
                let from = format!("FROM {} AS {ROW} WHERE {}", d.table(&action.table), d.key_in(ROW, &action.key, &[key]));
                d.insert_order(&row, &d.target_text(ROW, &action.key), Some(&from))
            }
            OrderScope::Tenant => {
                let known = prepared.plan.tenants.iter().find(|(id, ..)| id == data_set.as_str());
                let (_, table, column) = known.ok_or(EnforceError::OrderUnmatched)?;
                let values = session.rows(&tenants(d, table, column)).await?.into_iter();
                let mut values = values.filter_map(|r| r.into_iter().next().flatten());
                let value = values.find(|v| named(MacOf::Tenant, &tenant_key(v))).ok_or(EnforceError::OrderUnmatched)?;
                d.insert_order(&row, &d.text(&value), None)
            }
            OrderScope::Subject => {
                let (at, person) = person(session, d, prepared, data_set.as_str(), &|k| named(MacOf::Subject, k)).await?;
                let (target, from) = at.target(d, &person);
                d.insert_order(&row, &target, Some(&from))
            }
        };
        under_the_slots(session, d, source, &sql).await?;
        restored += 1;
    }
    Ok(restored)
}

async fn lift_again(session: &mut Session, d: Dialect, journal: &Journal, source: &Name, id: &str) -> Result<(), EnforceError> {
    let Ok(order) = Id128::parse(id) else { return Ok(()) };
    let lifted = super::fence::entries_of(journal, "order_lifted", 0).await?.into_iter().rev().find_map(|e| match e.event {
        Event::OrderLifted { order: of, .. } if of == order => Some(e.time.utc().date_naive()),
        _ => None,
    });
    let Some(day) = lifted else { return Ok(()) };
    under_the_slots(session, d, source, &d.lift_order(source.as_str(), id, &day.to_string())).await
}

async fn under_the_slots(session: &mut Session, d: Dialect, source: &Name, sql: &str) -> Result<(), EnforceError> {
    if d.engine.is_mysql_family() {
        // What was read until now opened a transaction, whose isolation cannot be chosen any more.
        session.rows("COMMIT").await?;
    }
    let mut statements = d.begin_patiently();
    let lock = d.lock_all_slots(source.as_str());
    statements.extend([lock.as_str(), sql, d.commit()]);
    session.script(&statements).await?;
    Ok(())
}

/// The person whom somebody means, and the column that identifies them.
async fn person<'p>(
    session: &mut Session,
    d: Dialect,
    prepared: &'p Prepared,
    data_set: &str,
    meant: &(dyn Fn(&RecordKey) -> bool + Sync),
) -> Result<(&'p SubjectAt, RecordKey), EnforceError> {
    for at in prepared.plan.subjects.iter().filter(|at| at.data_set == data_set) {
        let rows = session.rows(&at.everybody(d)).await?;
        let all = keys_of(d, std::slice::from_ref(&at.column), &rows)?;
        if let Some(person) = all.into_iter().find(|k| meant(&subject_key(&at.subject, text_of(k)))) {
            return Ok((at, person));
        }
    }
    Err(EnforceError::OrderUnmatched)
}

/// The key of the record that somebody means.
async fn record(
    session: &mut Session,
    d: Dialect,
    action: &Action,
    meant: &(dyn Fn(&RecordKey) -> bool + Sync),
) -> Result<Option<RecordKey>, EnforceError> {
    let mut after: Option<RecordKey> = None;
    loop {
        let rows = session.rows(&keys_after(d, &action.table, &action.key, after.as_ref(), PAGE)).await?;
        let keys = keys_of(d, &action.key, &rows)?;
        if let Some(key) = keys.iter().find(|k| meant(k)) {
            return Ok(Some(key.clone()));
        }
        after = keys.into_iter().next_back();
        if after.is_none() {
            return Ok(None);
        }
    }
}
