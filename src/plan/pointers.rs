//! Columns that point to files: what they hold of rows that go, and whether rows that stay point to the same.

use std::collections::BTreeMap;

use super::action::ROW;
use super::boolean::B;
use super::dialect::Dialect;
use super::key::RecordKey;
use super::resolve::Resolved;
use super::schema::{Column, TableName};
use super::writer::Writer;
use crate::policy::map::DataSet;

/// The columns of one table that point to files, as far as an operation clears them.
#[derive(Debug, Clone)]
pub struct Pointers {
    /// The table.
    pub table: TableName,
    /// Its key.
    pub key: Vec<Column>,
    /// The columns.
    pub columns: Vec<Pointer>,
}

/// A column that points to files.
#[derive(Debug, Clone)]
pub struct Pointer {
    /// The store of the settings that its values are paths in.
    pub store: String,
    /// The column.
    column: Column,
    /// Whether it holds something else than its mask.
    todo: B,
    /// All columns of the source that point into that store.
    all: Pointing,
}

/// All columns of a source that point into one store.
#[derive(Debug, Clone, Default)]
pub struct Pointing(Vec<(TableName, String)>);

impl Pointers {
    /// What each column holds in these rows, one row of texts for each; NULL where it is masked already.
    #[must_use]
    pub fn read(&self, d: Dialect, keys: &[RecordKey]) -> String {
        let values = self.columns.iter().map(|p| {
            let value = d.column(ROW, &p.column.name);
            d.as_text(&format!("CASE WHEN {} THEN {value} END", p.todo.render()))
        });
        format!(
            "SELECT {} FROM {} AS {ROW} WHERE {}",
            values.collect::<Vec<_>>().join(", "),
            d.table(&self.table),
            d.key_in(ROW, &self.key, keys)
        )
    }
}

impl Pointer {
    /// As of [`Pointing::still`].
    #[must_use]
    pub fn still(&self, d: Dialect, values: &[&str]) -> Vec<String> {
        self.all.still(d, values)
    }
}

/// The columns of a source that point into each store.
#[must_use]
pub fn pointing(resolved: &Resolved<'_>) -> BTreeMap<String, Pointing> {
    let mut all: BTreeMap<String, Pointing> = BTreeMap::new();
    for data in &resolved.map.data_sets {
        let Some(table) = resolved.table(data) else { continue };
        for file in &data.files {
            all.entry(file.store.value.clone()).or_default().0.push((table.name.clone(), file.column.value.clone()));
        }
    }
    all
}

impl Pointing {
    /// Which of these values some row of the source still holds: one statement for each column that points into the store. A collation may find more.
    #[must_use]
    pub fn still(&self, d: Dialect, values: &[&str]) -> Vec<String> {
        let list: Vec<String> = values.iter().map(|v| d.text(v)).collect();
        let of = |(table, column): &(TableName, String)| {
            let value = d.column(ROW, column);
            let (text, table) = (d.as_text(&value), d.table(table));
            format!("SELECT DISTINCT {text} FROM {table} AS {ROW} WHERE {value} IN ({})", list.join(", "))
        };
        self.0.iter().map(of).collect()
    }
}

impl Writer<'_, '_> {
    /// The columns of a data set that point to files and that an operation clears.
    pub(super) fn pointers(&self, data: &DataSet, cleared: &dyn Fn(&str) -> bool) -> Option<Pointers> {
        let (resolved, d) = (&self.resolved, self.resolved.dialect);
        let table = resolved.table(data)?;
        let all = pointing(resolved);
        let pointer = |file: &crate::policy::map::FileColumn| {
            let column = table.column(&file.column)?;
            let personal = data.categories.iter().flat_map(|c| &c.columns).find(|c| c.name.value == file.column.value)?;
            let todo = d.mask(ROW, column, &personal.mask)?.todo;
            Some(Pointer {
                store: file.store.value.clone(),
                column: column.clone(),
                todo,
                all: all.get(&file.store.value)?.clone(),
            })
        };
        let columns: Vec<Pointer> = data.files.iter().filter(|f| cleared(&f.column)).filter_map(pointer).collect();
        (!columns.is_empty()).then(|| Pointers { table: table.name.clone(), key: resolved.key_columns(data), columns })
    }
}
