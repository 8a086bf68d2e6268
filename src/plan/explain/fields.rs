//! The rows of one record and their personal fields, counted: what is stored, and what goes with each fate.

use std::collections::BTreeMap;

use super::columns::Columns;
use super::story::Operation;
use crate::plan::action::ROW;
use crate::plan::boolean::B;
use crate::plan::dialect::masks::MaskSql;
use crate::plan::key::RecordKey;
use crate::plan::record::Records;
use crate::plan::terms::{inner_alias, join};
use crate::policy::map::{DataSet, Disposition};

/// A personal column, and in how many rows of the record it still holds a value.
#[derive(Debug, Clone)]
pub struct FieldColumn {
    /// Its data set.
    pub data_set: String,
    /// Its category.
    pub category: String,
    /// Whether that must never be stored.
    pub never_stored: bool,
    /// Its name.
    pub column: String,
    /// Whether a pseudonym replaces its value.
    pub pseudonym: bool,
    /// Whether a part of its value stays, or a coarser one.
    pub coarsened: bool,
    /// The column of the answer.
    pub at: usize,
}

/// A change, and the column of the answer with its number of rows.
#[derive(Debug, Clone)]
pub struct ChangeColumn {
    /// The data set.
    pub data_set: String,
    /// What is done.
    pub operation: Operation,
    /// The column that is masked.
    pub column: Option<String>,
    /// The column of the answer.
    pub at: usize,
}

/// What becomes of the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted.
    Deleted,
    /// Every field of it is masked, and it stays.
    Anonymised,
}

/// The rows of one data set of a record, as they are reached from its root.
pub struct Rows<'a> {
    records: &'a Records<'a>,
    data: &'a DataSet,
    /// What they are selected from; empty for the root itself, whose row the statement is about.
    from: String,
    tied: B,
    alias: String,
    /// Rows that go although others keep them, by data set.
    going: &'a BTreeMap<String, Vec<RecordKey>>,
}

impl<'a> Rows<'a> {
    /// The root row.
    pub fn root(records: &'a Records<'a>, data: &'a DataSet, going: &'a BTreeMap<String, Vec<RecordKey>>) -> Self {
        Self { records, data, from: String::new(), tied: B::True, alias: ROW.to_owned(), going }
    }

    fn follower(&self, follower: &'a DataSet, which: &B) -> Option<Self> {
        let resolved = self.records.terms.resolved;
        let (table, parent) = (resolved.table(follower)?, follower.parent.as_ref()?);
        let alias = inner_alias(&self.alias);
        let pairs: Vec<(String, String)> =
            parent.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect();
        let own = format!("{} AS {alias}", resolved.dialect.table(&table.name));
        Some(Self {
            records: self.records,
            going: self.going,
            data: follower,
            from: if self.from.is_empty() { own } else { format!("{}, {own}", self.from) },
            tied: B::and([self.tied.clone(), which.clone(), join(&resolved, &alias, &self.alias, &pairs)]),
            alias,
        })
    }

    fn followers(&self, which: &B) -> Vec<Self> {
        self.records.terms.resolved.map.followers_of(self.data).filter_map(|f| self.follower(f, which)).collect()
    }

    /// How many of them, as a column.
    fn count(&self, which: &B, columns: &mut Columns) -> usize {
        if self.from.is_empty() {
            return columns.bit(which);
        }
        let count = self.records.terms.resolved.dialect.as_text("COUNT(*)");
        let condition = B::and([self.tied.clone(), which.clone()]);
        columns.text(format!("(SELECT {count} FROM {} WHERE {})", self.from, condition.render()))
    }

    /// Whether a row goes although others keep it: with those.
    fn going_with_others(&self) -> B {
        let resolved = self.records.terms.resolved;
        let keys = self.going.get(&self.data.id.value).map(Vec::as_slice).unwrap_or_default();
        match keys {
            [] => B::False,
            keys => B::sql(resolved.dialect.key_in(&self.alias, &resolved.key_columns(self.data), keys)),
        }
    }

    fn masks(&self) -> Vec<(String, MaskSql)> {
        self.records.masks(self.data, &self.alias, &|_, _, _| true)
    }

    fn is_pseudonym(&self, column: &str) -> bool {
        self.data.pseudonyms().any(|p| p.name.value == column)
    }

    /// Every personal field of these rows and of those that follow.
    pub fn fields(&self, columns: &mut Columns) -> Vec<FieldColumn> {
        let mut all = Vec::new();
        for (column, mask) in self.masks() {
            let of = |c: &&crate::policy::map::Category| c.columns.iter().any(|p| p.name.value == column);
            let Some(category) = self.data.categories.iter().find(of) else { continue };
            all.push(FieldColumn {
                data_set: self.data.id.value.clone(),
                category: category.name.value.clone(),
                never_stored: category.never_stored,
                pseudonym: self.is_pseudonym(&column),
                coarsened: category.columns.iter().any(|c| c.name.value == column && c.mask.leaves_part()),
                at: self.count(&mask.todo, columns),
                column,
            });
        }
        for below in self.followers(&B::True) {
            all.extend(below.fields(columns));
        }
        all
    }

    /// What changes in these rows and in those that follow when this is the fate of their root.
    pub fn changes(&self, fate: Fate, columns: &mut Columns) -> Vec<ChangeColumn> {
        let is_root = self.from.is_empty();
        let goes = match (fate, self.data.disposition) {
            (Fate::Deleted, _) if is_root => B::True,
            (Fate::Anonymised, _) if is_root => B::False,
            (Fate::Deleted, Disposition::Delete) => B::True,
            (Fate::Anonymised, Disposition::Delete) => {
                B::or([self.records.follower_goes(self.data, &self.alias), self.going_with_others()])
            }
            (_, Disposition::Anonymise) => B::False,
        };
        let id = || self.data.id.value.clone();
        let mut all = Vec::new();
        if !goes.is_false() {
            let at = self.count(&goes, columns);
            all.push(ChangeColumn { data_set: id(), operation: Operation::Delete, column: None, at });
            for below in self.followers(&goes) {
                all.extend(below.changes(Fate::Deleted, columns));
            }
        }
        let stays = goes.negate();
        if !stays.is_false() {
            for (column, mask) in self.masks() {
                let at = self.count(&B::and([stays.clone(), mask.todo]), columns);
                let operation = if self.is_pseudonym(&column) { Operation::Pseudonymise } else { Operation::Mask };
                all.push(ChangeColumn { data_set: id(), operation, column: Some(column), at });
            }
            for below in self.followers(&stays) {
                all.extend(below.changes(fate, columns));
            }
        }
        all
    }
}
