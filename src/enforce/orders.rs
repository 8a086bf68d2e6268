//! Placing, lifting and listing orders. An order stands in the customer's database, where every batch sees it, and in the journal.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::catalogue;
use super::error::EnforceError;
use super::keys::keys_of;
use super::prepare::Prepared;
pub use super::restore::restore;
use super::subjects::{spelled_person, subject_at, text_of};
use crate::journal::{
    Append, Day, Event, Id128, Journal, KeyId, Mac, MacOf, Name, OrderKind as Kind, OrderReason, OrderScope, Reader, Reference,
};
use crate::plan::action::ROW;
use crate::plan::dialect::Dialect;
use crate::plan::key::{KeyKind, KeyPart, RecordKey};
use crate::plan::lookup;
use crate::plan::own_statements::OrderRow;
use crate::plan::own_tables::OwnTable;
use crate::plan::resolve::Resolved;
use crate::policy::map::DataSet;
use crate::policy::purpose::OrderKind;
use crate::source::{Class, Session, Source};

/// What an order is placed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One record, by its key.
    Record(RecordKey),
    /// Everything whose tenant column has this value.
    Tenant(String),
    /// Everything about one person: what the identifier is called in the map, and the identifier.
    Subject(String, RecordKey),
}

/// An order to be placed.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// What it demands.
    pub kind: OrderKind,
    /// On what.
    pub target: Target,
    /// Who.
    pub actor: Name,
    /// Why.
    pub reason: OrderReason,
    /// The file outside.
    pub reference: Reference,
    /// Its last day.
    pub until: Option<NaiveDate>,
    /// Nothing is placed where an order of this kind stands on the same target already under the same reference.
    pub once: bool,
}

/// An order that was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its id.
    pub order: Id128,
    /// The data set of the record: of the one that is followed, for a row that follows.
    pub data_set: Name,
    /// How many orders of the same kind stood on the same target already: lifting this one leaves those.
    pub others: usize,
    /// Whether this one stood there already, and nothing was placed.
    pub stood: bool,
    /// Of an order on a tenant, how many records of that tenant the data set has now: names are compared exactly, and a wrong one reaches none.
    pub records: Option<u64>,
}

/// An order as it stands in the customer's database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// Its id.
    pub order: String,
    /// The data set.
    pub data_set: String,
    /// What it demands.
    pub kind: String,
    /// `record`, `tenant` or `subject`.
    pub scope: String,
    /// When it was placed.
    pub placed_on: String,
    /// Its last day.
    pub until: Option<String>,
    /// When it was lifted.
    pub lifted_on: Option<String>,
}

pub(super) fn kind_word(kind: OrderKind) -> Kind {
    match kind {
        OrderKind::Hold => Kind::Hold,
        OrderKind::Restriction => Kind::Restriction,
        OrderKind::Objection => Kind::Objection,
        OrderKind::Erasure => Kind::Erasure,
        OrderKind::Instruction => Kind::Instruction,
    }
}

pub(super) fn tenant_key(value: &str) -> RecordKey {
    RecordKey(vec![KeyPart { kind: KeyKind::Text, text: value.to_owned() }])
}

/// A person as orders and archives name them: by the word and the identifier as the database spells it.
pub(super) fn subject_key(subject: &str, identifier: &str) -> RecordKey {
    let part = |text: &str| KeyPart { kind: KeyKind::Text, text: text.to_owned() };
    RecordKey(vec![part(subject), part(identifier)])
}

/// Places an order: journalled first, so that no order stands that the journal does not know, then written under all fence slots, so that no
/// batch runs beside it. When the database refuses, the order is lifted in the journal again.
///
/// # Errors
/// [`EnforceError::NoSuchRecord`]; of database and journal.
pub async fn place(
    source: &Source,
    journal: &Journal,
    prepared: &Prepared,
    resolved: &Resolved<'_>,
    data: &DataSet,
    order: NewOrder,
    today: NaiveDate,
) -> Result<Placed, EnforceError> {
    let root = resolved.map.root_of(data);
    let (name, data_set) = (Name::parse(&prepared.plan.source)?, Name::parse(&root.id)?);
    let mut session = source.session().await?;
    let mut archived = false;
    let target = match order.target {
        // The root's key as the database stores it: an order on a row that follows is an order on its record, and a collation may have matched
        // another spelling.
        Target::Record(key) => match root_key(&mut session, resolved, data, &key).await? {
            Some(root) => Target::Record(root),
            // It has left, and what an archive keeps of it can be held there.
            None => {
                let key = spelled(&mut session, resolved, data, &key).await?;
                archived = root.id == data.id && !catalogue::find(journal, &name, &data_set, &key).await?.is_empty();
                if !archived {
                    return Err(EnforceError::NoSuchRecord);
                }
                Target::Record(key)
            }
        },
        Target::Subject(subject, typed) => {
            let at = subject_at(prepared, root, &subject)?;
            let spelled = spelled_person(&mut session, at, &typed).await?;
            Target::Subject(subject, spelled)
        }
        tenant @ Target::Tenant(_) => tenant,
    };
    let id = Id128::random()?;
    let key_id = journal.current_mac_key().await?;
    let (of, scope, key) = match &target {
        Target::Record(key) => (MacOf::Record, OrderScope::Record, key.clone()),
        Target::Tenant(value) => (MacOf::Tenant, OrderScope::Tenant, tenant_key(value)),
        Target::Subject(subject, person) => (MacOf::Subject, OrderScope::Subject, subject_key(subject, text_of(person))),
    };
    let mac = journal
        .mac_keys()
        .mac_of(of, key_id, &name, &data_set, &key)
        .ok_or(EnforceError::Journal(crate::journal::JournalError::MissingMacKey(key_id)))?;
    let mut others = 0;
    for entry in journal.reader().open_orders().await? {
        let Event::OrderPlaced { order: stands, source, order_kind, key_id, mac, reference, .. } = entry.event else { continue };
        let same = source == name && order_kind == kind_word(order.kind);
        if !same || journal.mac_keys().mac_of(of, key_id, &name, &data_set, &key) != Some(mac) {
            continue;
        }
        if order.once && reference == order.reference {
            session.done().await?;
            return Ok(Placed { order: stands, data_set, others, stood: true, records: None });
        }
        others += 1;
    }
    journal
        .append(Event::OrderPlaced {
            order: id,
            source: name.clone(),
            order_kind: kind_word(order.kind),
            scope,
            data_set: data_set.clone(),
            key_id,
            mac,
            actor: order.actor.clone(),
            reason: order.reason,
            reference: order.reference.clone(),
            until: order.until.map(Day::try_from).transpose()?,
            undo: None,
        })
        .await?;
    let row = OrderRow {
        order_id: id.to_string(),
        source: prepared.plan.source.clone(),
        data_set: root.id.value.clone(),
        kind: order.kind.word().to_owned(),
        scope: scope.as_str(),
        placed_on: today.to_string(),
        until: order.until.map(|d| d.to_string()),
    };
    match insert(&mut session, (prepared, resolved), root, &row, &target, archived).await {
        Ok(()) => {
            let records = match &target {
                Target::Tenant(_) => reached(&mut session, resolved, root, &row.order_id).await,
                Target::Record(_) | Target::Subject(..) => None,
            };
            // It stands, whatever became of the count.
            if let Err(e) = session.done().await {
                tracing::warn!(error = %e, "a connection could not be given back");
            }
            Ok(Placed { order: id, data_set, others, stood: false, records })
        }
        Err(e) => {
            session.discard().await;
            journal
                .append(Event::OrderLifted {
                    order: id,
                    actor: order.actor,
                    reason: OrderReason::ErrorCorrection,
                    reference: order.reference,
                    person_informed: None,
                })
                .await?;
            Err(e)
        }
    }
}

async fn insert(
    session: &mut Session,
    (prepared, resolved): (&Prepared, &Resolved<'_>),
    data: &DataSet,
    row: &OrderRow,
    target: &Target,
    archived: bool,
) -> Result<(), EnforceError> {
    let d = resolved.dialect;
    let key = resolved.key_columns(data);
    let table = resolved.table(data).ok_or(EnforceError::Unknown("table"))?;
    let sql = match target {
        Target::Tenant(value) => d.insert_order(row, &d.text(value), None),
        Target::Subject(subject, person) => {
            let (target, from) = subject_at(prepared, data, subject)?.target(d, person);
            d.insert_order(row, &target, Some(&from))
        }
        Target::Record(record) if archived => {
            let from = format!("FROM {}", d.as_row(&key, record));
            d.insert_order(row, &d.target_text(ROW, &key), Some(&from))
        }
        Target::Record(record) => {
            let from =
                format!("FROM {} AS {ROW} WHERE {}", d.table(&table.name), d.key_in(ROW, &key, std::slice::from_ref(record)));
            d.insert_order(row, &d.target_text(ROW, &key), Some(&from))
        }
    };
    let mut begin = d.begin_patiently();
    let lock = d.lock_all_slots(&row.source);
    begin.push(&lock);
    if session.script(&begin).await?.last().is_none_or(|a| a.rows.is_empty()) {
        return Err(EnforceError::NotSetUp);
    }
    let inserted = session.execute(&sql).await?;
    if inserted != 1 {
        return Err(EnforceError::NoSuchRecord);
    }
    session.rows(d.commit()).await?;
    Ok(())
}

/// How many records a tenant's order reaches, compared as every batch compares them; `None` when that cannot be told.
async fn reached(session: &mut Session, resolved: &Resolved<'_>, root: &DataSet, order: &str) -> Option<u64> {
    let d = resolved.dialect;
    let (table, tenant) = (resolved.table(root)?, root.tenant.as_ref()?);
    let (count, hold, order, named) = (d.as_text("COUNT(*)"), d.own(OwnTable::Hold), d.word(order), d.names_tenant(ROW, tenant));
    let sql = format!(
        "SELECT {count} FROM {} AS {ROW} WHERE EXISTS (SELECT 1 FROM {hold} AS h WHERE h.order_id = {order} AND {named})",
        d.table(&table.name)
    );
    match session.rows(&sql).await {
        Ok(rows) => rows.first()?.first()?.as_deref()?.parse().ok(),
        Err(e) => {
            tracing::warn!(error = %e, "the records of a tenant could not be counted");
            None
        }
    }
}

/// The key of a record exactly as stored, if the record exists.
///
/// # Errors
/// [`EnforceError::NotAKey`]; of the database.
pub async fn stored_key(
    session: &mut Session,
    resolved: &Resolved<'_>,
    data: &DataSet,
    key: &RecordKey,
) -> Result<Option<RecordKey>, EnforceError> {
    let sql = lookup::stored_key(resolved, data, key).ok_or(EnforceError::Unknown("table"))?;
    read_keys(session, resolved, data, &sql).await
}

/// The key of the root record that a row follows; the row's own key for a root.
///
/// # Errors
/// [`EnforceError::NotAKey`]; of the database.
pub async fn root_key(
    session: &mut Session,
    resolved: &Resolved<'_>,
    data: &DataSet,
    key: &RecordKey,
) -> Result<Option<RecordKey>, EnforceError> {
    let sql = lookup::root_keys(resolved, data, key).ok_or(EnforceError::Unknown("table"))?;
    read_keys(session, resolved, resolved.map.root_of(data), &sql).await
}

/// A key in the spelling that the database gives to its own, whether a row has it or not.
///
/// # Errors
/// [`EnforceError::NotAKey`]; of the database.
pub async fn spelled(
    session: &mut Session,
    resolved: &Resolved<'_>,
    data: &DataSet,
    key: &RecordKey,
) -> Result<RecordKey, EnforceError> {
    let sql = resolved.dialect.spelled(&resolved.key_columns(data), key);
    read_keys(session, resolved, data, &sql).await?.ok_or(EnforceError::NotAKey)
}

async fn read_keys(
    session: &mut Session,
    resolved: &Resolved<'_>,
    of: &DataSet,
    sql: &str,
) -> Result<Option<RecordKey>, EnforceError> {
    let d = resolved.dialect;
    let rows = session.rows(sql).await.map_err(|e| match e.class() {
        // Nothing is changed here: what the database takes offence at is the key.
        Class::Row => EnforceError::NotAKey,
        _ => EnforceError::Source(e),
    })?;
    if d.engine.is_mysql_family() {
        session.rows("COMMIT").await?;
    }
    Ok(keys_of(d, &resolved.key_columns(of), &rows)?.into_iter().next())
}

/// Whether an order, as the journal names its target, stands on a person or on one of these records that are about them.
#[must_use]
pub fn is_on(
    journal: &Journal,
    (source, data_set, key_id, mac): (&Name, &Name, KeyId, Mac),
    (subject, person): (&str, &RecordKey),
    records: &[RecordKey],
) -> bool {
    let named = |of: MacOf, key: &RecordKey| journal.mac_keys().mac_of(of, key_id, source, data_set, key) == Some(mac);
    named(MacOf::Subject, &subject_key(subject, text_of(person))) || records.iter().any(|key| named(MacOf::Record, key))
}

/// Lifts an order.
///
/// # Errors
/// [`EnforceError::NoSuchOrder`]; of database and journal.
#[expect(clippy::too_many_arguments, reason = "who, why and of what: each is a fact of the entry")]
pub async fn lift(
    source: &Source,
    journal: &Journal,
    id: &str,
    order: Id128,
    actor: Name,
    reason: OrderReason,
    reference: Reference,
    person_informed: Option<bool>,
    today: NaiveDate,
) -> Result<(), EnforceError> {
    let d = Dialect { engine: source.engine() };
    if journal.reader().open_order(order).await?.is_none() {
        return Err(EnforceError::NoSuchOrder);
    }
    let mut session = source.session().await?;
    let mut begin = d.begin_patiently();
    let lock = d.lock_all_slots(id);
    begin.push(&lock);
    session.script(&begin).await?;
    session.execute(&d.lift_order(id, &order.to_string(), &today.to_string())).await?;
    // Journalled while the slots are held: no batch can act on the lifted order before the journal knows of it.
    journal.append(Append::from(Event::OrderLifted { order, actor, reason, reference, person_informed })).await?;
    session.rows(d.commit()).await?;
    session.done().await?;
    Ok(())
}

/// What the journal says of an order: who placed it, why, and the file outside.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Case {
    /// The file or decision outside.
    pub reference: Reference,
    /// Why.
    pub reason: OrderReason,
    /// Who.
    pub actor: Name,
}

/// The cases of all orders of a source that the journal knows, by the orders' ids.
///
/// # Errors
/// [`EnforceError::Journal`].
pub async fn cases(journal: &Reader, id: &str) -> Result<BTreeMap<String, Case>, EnforceError> {
    const PAGE: u32 = 1_000;
    let (mut all, mut from) = (BTreeMap::new(), 0);
    loop {
        let page = journal.entries_of("order_placed", from, PAGE).await?;
        let Some(last) = page.last().map(|e| e.seq) else { return Ok(all) };
        for entry in page {
            let Event::OrderPlaced { order, source, actor, reason, reference, .. } = entry.event else { continue };
            if source.as_str() == id {
                all.insert(order.to_string(), Case { reference, reason, actor });
            }
        }
        from = last + 1;
    }
}

/// All orders of a source, lifted ones included, as the customer's database has them.
///
/// # Errors
/// Of the database.
pub async fn list(source: &Source, id: &str) -> Result<Vec<Standing>, EnforceError> {
    let d = Dialect { engine: source.engine() };
    let mut session = source.session().await?;
    let rows = session.rows(&d.list_orders(id)).await?;
    session.done().await?;
    Ok(rows
        .into_iter()
        .map(|r| {
            let text = |i: usize| r.get(i).cloned().flatten();
            Standing {
                order: text(0).unwrap_or_default(),
                data_set: text(1).unwrap_or_default(),
                kind: text(2).unwrap_or_default(),
                scope: text(3).unwrap_or_default(),
                placed_on: text(4).unwrap_or_default(),
                until: text(5),
                lifted_on: text(6),
            }
        })
        .collect())
}
