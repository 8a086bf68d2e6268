//! One look at a world: its rows by number, what joins what, which rows make up a record, which orders are placed on it.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::closure::Reading;
use super::decide::Decision;
use super::value::Value;
use super::world::{Key, TableId, World, table_id};
use super::{Order, Reference, Target};
use crate::policy::map::{DataSet, Parent, RelatedTo};

/// A row of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId {
    pub(super) table: usize,
    pub(super) row: usize,
}

type Index = HashMap<Vec<Value>, Vec<RowId>>;
/// By table and columns.
type Indexes<'w> = HashMap<(usize, Vec<&'w str>), Rc<Index>>;

/// A world as it stands, with indexes made on demand.
pub struct View<'w> {
    pub(super) reference: &'w Reference<'w>,
    pub(super) world: &'w World,
    rows: Vec<Vec<(&'w Key, &'w Vec<Value>)>>,
    columns: Vec<HashMap<&'w str, usize>>,
    indexes: RefCell<Indexes<'w>>,
    orders: HashMap<RowId, Vec<&'w Order>>,
    tenants: Vec<(Value, &'w Order)>,
    subjects: Vec<(&'w str, Value, &'w Order)>,
    pub(super) decisions: RefCell<HashMap<RowId, Rc<Decision<'w>>>>,
    pub(super) readings: OnceCell<Vec<Reading<'w>>>,
    /// Records about which it is being asked whether they go.
    pub(super) asking: RefCell<HashSet<RowId>>,
    /// The root data sets, children before parents.
    pub(super) sequence: Rc<Vec<&'w str>>,
    /// Whether children that go in this run have gone already.
    pub(super) children_are_gone: bool,
}

impl<'w> View<'w> {
    /// Looks at a world.
    #[must_use]
    pub fn new(reference: &'w Reference<'w>, world: &'w World) -> Self {
        let sequence = Rc::new(super::run::sequence(reference.map, world));
        Self::within(reference, world, sequence, false)
    }

    pub(super) fn within(
        reference: &'w Reference<'w>,
        world: &'w World,
        sequence: Rc<Vec<&'w str>>,
        children_are_gone: bool,
    ) -> Self {
        let mut view = Self {
            reference,
            world,
            rows: world.tables.iter().map(|t| t.rows.iter().collect()).collect(),
            columns: world.tables.iter().map(|t| t.columns.iter().enumerate().map(|(i, c)| (c.as_str(), i)).collect()).collect(),
            indexes: RefCell::default(),
            orders: HashMap::new(),
            tenants: Vec::new(),
            subjects: Vec::new(),
            decisions: RefCell::default(),
            readings: OnceCell::new(),
            asking: RefCell::default(),
            sequence,
            children_are_gone,
        };
        for order in reference.orders {
            match &order.target {
                Target::Tenant(value) => view.tenants.extend(value.join_form().map(|v| (v, order))),
                Target::Subject(subject, value) => {
                    view.subjects.extend(value.join_form().map(|v| (subject.as_str(), v, order)));
                }
                Target::Record { data_set, key } => {
                    let row = view.row(data_set, key);
                    if let Some(root) = row.and_then(|r| view.root(r)) {
                        view.orders.entry(root).or_default().push(order);
                    }
                }
            }
        }
        view
    }

    /// The row of a data set with that key.
    #[must_use]
    pub fn row(&self, data_set: &str, key: &[Value]) -> Option<RowId> {
        let table = self.table(&TableId::DataSet(data_set.to_owned()))?;
        let row = self.rows[table].binary_search_by(|(k, _)| k.as_slice().cmp(key)).ok()?;
        Some(RowId { table, row })
    }

    /// The rows of a data set.
    pub fn rows(&self, data_set: &str) -> impl Iterator<Item = RowId> + use<> {
        let table = self.table(&TableId::DataSet(data_set.to_owned()));
        let count = table.map_or(0, |t| self.rows[t].len());
        (0..count).filter_map(move |row| Some(RowId { table: table?, row }))
    }

    /// The key of a row.
    #[must_use]
    pub fn key(&self, row: RowId) -> &'w Key {
        self.rows[row.table][row.row].0
    }

    /// The data set of a row, unless its table is none.
    #[must_use]
    pub fn data_set(&self, row: RowId) -> Option<&'w DataSet> {
        match &self.world.tables[row.table].id {
            TableId::DataSet(id) => self.reference.map.data_set(id),
            TableId::Other(_) => None,
        }
    }

    pub(super) fn table(&self, id: &TableId) -> Option<usize> {
        self.world.tables.iter().position(|t| t.id == *id)
    }

    /// One value of a row.
    #[must_use]
    pub fn value(&self, row: RowId, column: &str) -> Option<&'w Value> {
        let at = *self.columns[row.table].get(column)?;
        self.rows[row.table][row.row].1.get(at)
    }

    /// The values by which a row joins; `None` if one is NULL.
    pub(super) fn joining(&self, row: RowId, columns: &[&'w str]) -> Option<Vec<Value>> {
        columns.iter().map(|c| self.value(row, c)?.join_form()).collect()
    }

    /// Rows of a table whose columns have these values.
    pub(super) fn find(&self, table: usize, columns: Vec<&'w str>, values: Option<Vec<Value>>) -> Vec<RowId> {
        let Some(values) = values else { return Vec::new() };
        let made = self.indexes.borrow().get(&(table, columns.clone())).cloned();
        let index = made.unwrap_or_else(|| {
            let mut index = Index::new();
            for row in (0..self.rows[table].len()).map(|row| RowId { table, row }) {
                if let Some(values) = self.joining(row, &columns) {
                    index.entry(values).or_default().push(row);
                }
            }
            let index = Rc::new(index);
            self.indexes.borrow_mut().insert((table, columns), Rc::clone(&index));
            index
        });
        index.get(&values).cloned().unwrap_or_default()
    }

    /// Rows of a child data set that belong to, or follow, a row of its parent.
    pub(super) fn below(&self, row: RowId, child: &'w DataSet) -> Vec<RowId> {
        let (Some(parent), Some(table)) = (&child.parent, self.table(&TableId::DataSet(child.id.value.clone()))) else {
            return Vec::new();
        };
        self.find(table, own_side(parent), self.joining(row, &parent_side(parent)))
    }

    /// Rows of the parent data set that a row belongs to or follows.
    fn above(&self, row: RowId, parent: &'w Parent) -> Vec<RowId> {
        let Some(table) = self.table(&TableId::DataSet(parent.data.value.clone())) else { return Vec::new() };
        self.find(table, parent_side(parent), self.joining(row, &own_side(parent)))
    }

    /// The table of related rows of `data`, with the joining columns: theirs, and those of `data`.
    pub(super) fn relation(&self, data: &'w DataSet, to: &'w RelatedTo) -> Option<(usize, Vec<&'w str>, Vec<&'w str>)> {
        match to {
            RelatedTo::Table(table, on) => {
                let table = self.table(&table_id(self.reference.map, table))?;
                Some((table, on.iter().map(|p| p.0.as_str()).collect(), on.iter().map(|p| p.1.as_str()).collect()))
            }
            RelatedTo::DataSet(id) => {
                let table = self.table(&TableId::DataSet(id.value.clone()))?;
                let other = self.reference.map.data_set(id)?;
                match (&other.parent, &data.parent) {
                    (Some(parent), _) if parent.data == data.id => Some((table, own_side(parent), parent_side(parent))),
                    (_, Some(parent)) if parent.data == other.id => Some((table, parent_side(parent), own_side(parent))),
                    _ => None,
                }
            }
        }
    }

    /// Rows related to a row of `data`.
    pub(super) fn related(&self, row: RowId, data: &'w DataSet, to: &'w RelatedTo) -> Vec<RowId> {
        match self.relation(data, to) {
            Some((table, theirs, ours)) => self.find(table, theirs, self.joining(row, &ours)),
            None => Vec::new(),
        }
    }

    /// The root row of the record that a row is part of; `None` for a row whose root is missing, and outside data sets.
    #[must_use]
    pub fn root(&self, row: RowId) -> Option<RowId> {
        let data = self.data_set(row)?;
        match data.parent.as_ref().filter(|p| p.follows) {
            None => Some(row),
            Some(parent) => self.above(row, parent).first().and_then(|above| self.root(*above)),
        }
    }

    /// The rows of a record: its root row, then all that follow it, transitively.
    #[must_use]
    pub fn record(&self, root: RowId) -> Vec<(RowId, &'w DataSet)> {
        let mut all: Vec<(RowId, &'w DataSet)> = self.data_set(root).map(|d| (root, d)).into_iter().collect();
        let mut at = 0;
        while let Some((row, data)) = all.get(at).copied() {
            for follower in self.reference.map.followers_of(data) {
                all.extend(self.below(row, follower).into_iter().map(|r| (r, follower)));
            }
            at += 1;
        }
        all
    }

    /// Orders placed on a record, on its tenant, or on a person whom it is about.
    pub(super) fn orders(&self, root: RowId) -> Vec<&'w Order> {
        let mut all = self.orders.get(&root).cloned().unwrap_or_default();
        let tenant = self.data_set(root).and_then(|d| d.tenant.as_ref()).and_then(|t| self.value(root, t)?.join_form());
        all.extend(self.tenants.iter().filter(|(value, _)| Some(value) == tenant.as_ref()).map(|(_, order)| *order));
        for named in self.data_set(root).into_iter().flat_map(|d| &d.subjects) {
            let Some(person) = self.value(root, &named.column).and_then(Value::join_form) else { continue };
            let of_person =
                self.subjects.iter().filter(|(subject, value, _)| *subject == named.subject.value && *value == person);
            all.extend(of_person.map(|(.., order)| *order));
        }
        all
    }
}

fn own_side(parent: &Parent) -> Vec<&str> {
    parent.on.iter().map(|p| p.0.as_str()).collect()
}

fn parent_side(parent: &Parent) -> Vec<&str> {
    parent.on.iter().map(|p| p.1.as_str()).collect()
}
