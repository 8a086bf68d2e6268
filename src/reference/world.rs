//! A database as plain rows in memory: what the reference model decides about, and what a run leaves of it.

use std::collections::{BTreeMap, BTreeSet};

use super::value::Value;
use crate::policy::map::{DataMap, DataSet, TableRef};

/// A record's or row's key: the key columns in the data set's declared order. Rows of unmapped tables may be numbered instead.
pub type Key = Vec<Value>;

/// Which table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableId {
    /// The table of a data set, by the data set's id.
    DataSet(String),
    /// A table that is no data set, by its stored name.
    Other(String),
}

/// A table with its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Which.
    pub id: TableId,
    /// Names of its columns.
    pub columns: Vec<String>,
    /// Its rows by key, values in the order of `columns`.
    pub rows: BTreeMap<Key, Vec<Value>>,
}

/// A foreign key between two tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The table that refers.
    pub child: TableId,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub parent: TableId,
    /// The columns that they equal, in the same order.
    pub parent_columns: Vec<String>,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    /// Its tables.
    pub tables: Vec<Table>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
}

impl Table {
    /// An empty table.
    pub fn new<C: Into<String>>(id: TableId, columns: impl IntoIterator<Item = C>) -> Self {
        Self { id, columns: columns.into_iter().map(Into::into).collect(), rows: BTreeMap::new() }
    }

    /// Where a column stands.
    #[must_use]
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == column)
    }

    /// Adds a row of a data set; its key is read from its values.
    pub fn insert(&mut self, data: &DataSet, values: Vec<Value>) {
        let at = |name: &str| self.position(name).and_then(|i| values.get(i)).cloned().unwrap_or(Value::Null);
        let key = data.key.iter().map(|k| at(k)).collect();
        self.rows.insert(key, values);
    }

    /// Adds a row of a table that is no data set, numbered.
    pub fn push(&mut self, values: Vec<Value>) {
        let number = i128::try_from(self.rows.len()).unwrap_or(i128::MAX);
        self.rows.insert(vec![Value::Integer(number)], values);
    }
}

impl World {
    /// The table, if the world has it.
    #[must_use]
    pub fn table(&self, id: &TableId) -> Option<&Table> {
        self.tables.iter().find(|t| t.id == *id)
    }

    /// The table, to change it.
    pub fn table_mut(&mut self, id: &TableId) -> Option<&mut Table> {
        self.tables.iter_mut().find(|t| t.id == *id)
    }

    /// The table of a data set.
    #[must_use]
    pub fn data_set(&self, id: &str) -> Option<&Table> {
        self.tables.iter().find(|t| matches!(&t.id, TableId::DataSet(d) if d == id))
    }

    /// One value of one row of a data set.
    #[must_use]
    pub fn value(&self, data_set: &str, key: &[Value], column: &str) -> Option<&Value> {
        let table = self.data_set(data_set)?;
        table.rows.get(key)?.get(table.position(column)?)
    }

    /// Where a stored world differs from this, the expected one: table, key, and the column, or `None` where the row exists in one of them only.
    #[must_use]
    pub fn differences(&self, stored: &Self) -> Vec<(TableId, Key, Option<String>)> {
        let mut found = Vec::new();
        let empty = BTreeMap::new();
        let ids: BTreeSet<&TableId> = self.tables.iter().chain(&stored.tables).map(|t| &t.id).collect();
        for id in ids {
            let (a, b) = (self.table(id), stored.table(id));
            let (rows_a, rows_b) = (a.map_or(&empty, |t| &t.rows), b.map_or(&empty, |t| &t.rows));
            let keys: BTreeSet<&Key> = rows_a.keys().chain(rows_b.keys()).collect();
            for key in keys {
                let (Some(a), Some(b), Some(row_a), Some(row_b)) = (a, b, rows_a.get(key), rows_b.get(key)) else {
                    found.push((id.clone(), key.clone(), None));
                    continue;
                };
                for (at, column) in a.columns.iter().enumerate() {
                    let stored = b.position(column).and_then(|i| row_b.get(i));
                    if !matches!((row_a.get(at), stored), (Some(expected), Some(stored)) if expected.is_stored_as(stored)) {
                        found.push((id.clone(), key.clone(), Some(column.clone())));
                    }
                }
            }
        }
        found
    }
}

/// The table that a map's table name means: a data set's, if one has it.
#[must_use]
pub fn table_id(map: &DataMap, table: &TableRef) -> TableId {
    let same = |d: &&DataSet| {
        d.table.name == table.name && (d.table.schema == table.schema || d.table.schema.is_none() || table.schema.is_none())
    };
    match map.data_sets.iter().find(same) {
        Some(data) => TableId::DataSet(data.id.value.clone()),
        None => TableId::Other(table.name.clone()),
    }
}
