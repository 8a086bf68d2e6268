//! The orders that stand in a source, by whom they cover: what holds and restrictions keep in archives, and what other orders end there.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDate;

use super::error::EnforceError;
use super::fence::{Fence, check_slot};
use super::orders::{kind_word, subject_key, tenant_key};
use super::prepare::Prepared;
use super::subjects::text_of;
use crate::journal::{Event, Journal, KeyId, Mac, MacOf, Macs, Name, Sealed};
use crate::plan::dialect::Dialect;
use crate::plan::key::RecordKey;
use crate::plan::schema::Column;
use crate::plan::subject::SubjectAt;
use crate::policy::purpose::OrderKind;
use crate::source::{Session, Source};

/// The kinds that freeze.
const FREEZING: [OrderKind; 2] = [OrderKind::Hold, OrderKind::Restriction];

/// The kinds that end purposes.
const ENDING: [OrderKind; 3] = [OrderKind::Objection, OrderKind::Erasure, OrderKind::Instruction];

/// Whom an order covers.
#[derive(Clone)]
enum Whom {
    Record(RecordKey),
    Tenant(RecordKey),
    Subject(RecordKey),
    /// Something that cannot be named.
    Nameless,
}

#[derive(Clone)]
struct Order {
    id: String,
    kind: OrderKind,
    data_set: String,
    whom: Whom,
}

/// Holds and restrictions.
pub(super) struct Frozen(Vec<Order>);

impl Frozen {
    /// Whether no such order stands.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them covers a record of this object, whose MACs are under this key.
    pub fn covers(&self, journal: &Journal, source: &Name, object: &Sealed, key_id: KeyId) -> bool {
        let data_set = &object.data_set;
        // Without the key nobody knows whom the object names: it stays.
        let reaches = |macs: &Macs, of: MacOf, key: &RecordKey| {
            journal.mac_keys().mac_of(of, key_id, source, data_set, key).is_none_or(|mac| macs.contains(mac))
        };
        self.of(data_set).any(|order| match &order.whom {
            Whom::Record(key) => reaches(&object.macs, MacOf::Record, key),
            // Where no tenant could be read, nobody can say that it is another one.
            Whom::Tenant(tenant) => object.tenants.is_empty() || reaches(&object.tenants, MacOf::Tenant, tenant),
            // The same of persons.
            Whom::Subject(person) => object.subjects.is_empty() || reaches(&object.subjects, MacOf::Subject, person),
            Whom::Nameless => true,
        })
    }
}

impl Frozen {
    fn of<'f>(&'f self, data_set: &'f Name) -> impl Iterator<Item = &'f Order> {
        self.0.iter().filter(|order| order.data_set == data_set.as_str())
    }

    /// Whether such an order stands on records of a data set.
    pub fn concerns(&self, data_set: &str) -> bool {
        self.0.iter().any(|order| order.data_set == data_set)
    }

    /// The records of this object, whose MACs are under this key, that are covered one by one; `None` where an order may cover others of it, too.
    pub fn records(&self, journal: &Journal, source: &Name, object: &Sealed, key_id: KeyId) -> Option<HashSet<Mac>> {
        let (by_record, others): (Vec<Order>, Vec<Order>) =
            self.of(&object.data_set).cloned().partition(|order| matches!(order.whom, Whom::Record(_)));
        if Self(others).covers(journal, source, object, key_id) {
            return None;
        }
        let mac = |order: &Order| match &order.whom {
            Whom::Record(key) => journal.mac_keys().mac_of(MacOf::Record, key_id, source, &object.data_set, key),
            _ => None,
        };
        let named: Option<HashSet<Mac>> = by_record.iter().map(mac).collect();
        named.map(|macs| macs.into_iter().filter(|mac| object.macs.contains(*mac)).collect())
    }
}

/// Orders that end purposes, those that the journal knows: nothing is destroyed before its time because of another.
pub(super) struct Ending {
    orders: Vec<Order>,
    /// The keyed names of each, once a key was asked for.
    named: HashMap<KeyId, Vec<Option<Mac>>>,
}

impl Ending {
    /// Whether no order on records of this data set ends a purpose that these kinds end.
    pub fn spares(&self, data_set: &str, kinds: &[OrderKind]) -> bool {
        !self.orders.iter().any(|order| order.data_set == data_set && kinds.contains(&order.kind))
    }

    /// The records of this object, whose MACs are under this key, for which an order of these kinds has ended the purpose.
    pub fn ended(&mut self, journal: &Journal, source: &Name, (object, key_id): (&Sealed, KeyId), kinds: &[OrderKind]) -> Ended {
        let orders = &self.orders;
        let names = self.named.entry(key_id).or_insert_with(|| {
            let name = |order: &Order| {
                let data_set = Name::parse(&order.data_set).ok()?;
                let (of, key) = match &order.whom {
                    Whom::Record(key) => (MacOf::Record, key),
                    Whom::Tenant(tenant) => (MacOf::Tenant, tenant),
                    Whom::Subject(_) | Whom::Nameless => return None,
                };
                journal.mac_keys().mac_of(of, key_id, source, &data_set, key)
            };
            orders.iter().map(name).collect()
        });
        let mut records = HashSet::new();
        for (order, mac) in orders.iter().zip(names) {
            let Some(mac) = *mac else { continue };
            if order.data_set != object.data_set.as_str() || !kinds.contains(&order.kind) {
                continue;
            }
            match order.whom {
                // An object has records of one tenant.
                Whom::Tenant(_) if object.tenants.len() == 1 && object.tenants.contains(mac) => return Ended::All,
                Whom::Record(_) if object.macs.contains(mac) => drop(records.insert(mac)),
                _ => {}
            }
        }
        if records.len() as u64 == object.macs.len() { Ended::All } else { Ended::Of(records) }
    }
}

/// Of which records of an object orders have ended the purpose.
pub(super) enum Ended {
    /// Of all.
    All,
    /// Of those that these MACs name, which are not all; perhaps of none.
    Of(HashSet<Mac>),
}

/// Where orders are read from.
#[derive(Clone, Copy)]
pub(super) struct Orders<'h> {
    /// The source.
    pub source: &'h Source,
    /// Its id.
    pub name: &'h str,
    /// The key columns of each root data set.
    pub keys: &'h BTreeMap<String, Vec<Column>>,
    /// The columns that identify persons.
    pub subjects: &'h [SubjectAt],
    /// The day.
    pub today: NaiveDate,
}

/// How orders are kept from changing.
pub(super) struct Holds<'h> {
    /// Where they are read from.
    pub orders: Orders<'h>,
    /// The right to act, whose first slot is taken.
    pub fence: &'h Fence,
}

impl Holds<'_> {
    /// The holds and restrictions that stand, and the transaction that keeps orders from being placed and lifted: whoever does takes all slots.
    ///
    /// # Errors
    /// Of the database; [`EnforceError::FencedOff`].
    pub async fn keep(&self) -> Result<(Session, Frozen), EnforceError> {
        let mut session = self.orders.source.session().await?;
        let d = Dialect { engine: session.engine() };
        let mut begin = d.begin_patiently();
        let lock = d.lock_slot(&self.fence.source, self.fence.slots.first().copied().unwrap_or_default());
        begin.push(&lock);
        let answer = session.script(&begin).await?.pop().map(|a| a.rows).unwrap_or_default();
        check_slot(&answer, self.fence)?;
        let frozen = self.orders.freezing(&mut session).await?;
        Ok((session, frozen))
    }
}

impl<'h> Orders<'h> {
    /// Those of a source, on the day of a plan.
    pub fn of(source: &'h Source, prepared: &'h Prepared) -> Self {
        let plan = &prepared.plan;
        Self { source, name: &plan.source, keys: &prepared.keys, subjects: &plan.subjects, today: plan.today }
    }

    /// The holds and restrictions that stand now; somebody may place another any time.
    ///
    /// # Errors
    /// Of the database.
    pub async fn freezing(&self, session: &mut Session) -> Result<Frozen, EnforceError> {
        Ok(Frozen(self.read(session, &FREEZING).await?))
    }

    /// The orders that end purposes, of those that stand and that the journal knows.
    ///
    /// # Errors
    /// Of database and journal.
    pub async fn ending(&self, session: &mut Session, journal: &Journal) -> Result<Ending, EnforceError> {
        let mut orders = self.read(session, &ENDING).await?;
        if !orders.is_empty() {
            let mut known = HashMap::new();
            for entry in journal.reader().open_orders().await? {
                if let Event::OrderPlaced { order, source, order_kind, .. } = entry.event
                    && source.as_str() == self.name
                {
                    known.insert(order.to_string(), order_kind);
                }
            }
            orders.retain(|order| known.get(&order.id) == Some(&kind_word(order.kind)));
        }
        Ok(Ending { orders, named: HashMap::new() })
    }

    async fn read(&self, session: &mut Session, kinds: &[OrderKind]) -> Result<Vec<Order>, EnforceError> {
        let d = Dialect { engine: session.engine() };
        let rows = session.rows(&d.standing_orders(self.name, kinds, self.today)).await?;
        let order = |row: &crate::source::Row| {
            let text = |i: usize| row.get(i).and_then(Option::as_deref).unwrap_or_default();
            let (data_set, scope, target) = (text(1), text(3), text(4));
            let kind = kinds.iter().copied().find(|kind| kind.word() == text(2))?;
            let person = |at: &SubjectAt| Some(subject_key(&at.subject, text_of(&at.person(d, target)?)));
            let whom = match scope {
                "tenant" => Some(Whom::Tenant(tenant_key(target))),
                "subject" => {
                    let mut at = self.subjects.iter().filter(|at| at.data_set == data_set);
                    at.find_map(person).map(Whom::Subject)
                }
                _ => self.keys.get(data_set).and_then(|columns| d.key_of_target(columns, target)).map(Whom::Record),
            };
            let (id, data_set) = (text(0).to_owned(), data_set.to_owned());
            Some(Order { id, kind, data_set, whom: whom.unwrap_or(Whom::Nameless) })
        };
        Ok(rows.iter().filter_map(order).collect())
    }
}
