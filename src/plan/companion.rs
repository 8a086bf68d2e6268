//! Rows of other tables that change in the transaction of the row that they go with.

use super::action::{ABOVE, ROW, key_columns};
use super::archiving::Archiving;
use super::boolean::B;
use super::dialect::Dialect;
use super::elsewhere::People;
use super::key::RecordKey;
use super::pointers::Pointers;
use super::schema::{Column, Engine, TableName};

/// What happens to the rows of a companion table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// They are deleted.
    Delete,
    /// These columns are set, over the row of alias `r`.
    Mask(Vec<(String, String)>),
}

/// Rows of another table that change in the same transaction.
#[derive(Debug, Clone)]
pub struct Companion {
    /// The data set, if the table is one.
    pub data_set: Option<String>,
    /// Its table.
    pub table: TableName,
    /// Its key.
    pub key: Vec<Column>,
    /// Whether that is the table's primary key.
    pub by_primary_key: bool,
    /// Pairs that join it: (its column, column of the table above).
    pub on: Vec<(String, String)>,
    /// Its columns that hold the key of the row above, in that key's order, where its rows are deleted by them and answer with their keys
    /// ([`Companion::sweep`]). Empty where they are looked up and locked first.
    pub by: Vec<Column>,
    /// Rows (alias `r`) on which the operation has something to do.
    pub condition: B,
    /// Rows through which its own companions are reached: all of them, where it has any. May speak of the row [`ABOVE`].
    pub reach: B,
    /// Tables that decide whether they go, with their join: (column there, column of these rows). Of records that would stay for reasons of their own.
    pub reads: Vec<(TableName, Vec<(String, String)>)>,
    /// What happens to them.
    pub operation: Operation,
    /// Its place in the order in which rows can be deleted that refer to each other: who refers comes first.
    pub rank: usize,
    /// Its foreign keys to its own rows: (column of who refers, column of whom it refers to).
    pub itself: Vec<Vec<(String, String)>>,
    /// What goes before them in turn.
    pub companions: Vec<Companion>,
    /// What of them moves into archives. Only of records with purposes of their own.
    pub archiving: Option<Archiving>,
    /// Of whom other sources are asked. Only of records with purposes of their own.
    pub people: Option<People>,
    /// Columns that point to files which go.
    pub files: Option<Pointers>,
}

impl Companion {
    /// What decides what happens to its rows, for the plan's hash: everything but the instant of the run, by which what moves into archives knows its ends.
    #[must_use]
    pub fn rule(&self) -> String {
        let below: Vec<String> = self.companions.iter().map(Self::rule).collect();
        let archiving = self.archiving.as_ref().map(Archiving::rule);
        let rest = Self { archiving: None, companions: Vec::new(), ..self.clone() };
        format!("{rest:?} {archiving:?} {below:?}")
    }

    /// Its table and those of what goes with it, where rows are deleted.
    pub(super) fn deleted_tables<'c>(&'c self, tables: &mut Vec<&'c TableName>) {
        if self.operation == Operation::Delete {
            tables.push(&self.table);
        }
        self.companions.iter().for_each(|c| c.deleted_tables(tables));
    }

    /// The keys of its rows that belong to these rows of the table above, no more than `most`; locked where the engine locks by row.
    #[must_use]
    pub fn find(&self, d: Dialect, above: &TableName, above_key: &[Column], keys: &[RecordKey], most: usize) -> String {
        let on: Vec<String> =
            self.on.iter().map(|(here, there)| format!("{} = {}", d.column(ROW, here), d.column(ABOVE, there))).collect();
        let lock = d.lock_with_others_held(ROW);
        let condition = B::and([B::sql(d.key_in(ABOVE, above_key, keys)), self.reach.clone()]);
        format!(
            "SELECT {} FROM {} AS {ABOVE} JOIN {} AS {ROW} ON {} WHERE {} LIMIT {most}{lock}",
            key_columns(d, &self.key, ROW),
            d.table(above),
            d.table(&self.table),
            on.join(" AND "),
            condition.render()
        )
    }

    /// Which of these rows have something to do themselves.
    #[must_use]
    pub fn narrow(&self, d: Dialect, keys: &[RecordKey]) -> Option<String> {
        (self.condition != self.reach).then(|| {
            let condition = B::and([B::sql(d.key_in(ROW, &self.key, keys)), self.condition.clone()]);
            format!(
                "SELECT {} FROM {} AS {ROW} WHERE {}",
                key_columns(d, &self.key, ROW),
                d.table(&self.table),
                condition.render()
            )
        })
    }

    /// Pairs among these rows: who refers, and to whom. Only where the engine looks at foreign keys row by row.
    #[must_use]
    pub fn refer_to_each_other(&self, d: Dialect, keys: &[RecordKey]) -> Option<String> {
        refer_to_each_other(d, &self.table, &self.key, &self.itself, keys)
    }

    /// The same as [`Action::lock_read_rows`](super::action::Action::lock_read_rows).
    #[must_use]
    pub fn lock_read_rows(&self, d: Dialect, keys: &[RecordKey]) -> Vec<String> {
        lock_reads(d, &self.table, &self.key, &self.reads, keys)
    }

    /// Whether rows of these, or of those that go with them, go or stay by what other tables say of them.
    #[must_use]
    pub fn reads_others(&self) -> bool {
        !self.reads.is_empty() || self.companions.iter().any(Self::reads_others)
    }

    /// Whether its rows, and those that go with them, go whatever other tables say.
    #[must_use]
    pub fn decides_itself(&self) -> bool {
        (self.reads.is_empty() || self.unconditional()) && self.companions.iter().all(Self::decides_itself)
    }

    /// Whether files go with these rows, or with those that go with them.
    #[must_use]
    pub fn takes_files(&self) -> bool {
        self.files.is_some() || self.companions.iter().any(Self::takes_files)
    }

    /// Whether these, or some of those that go with them, are deleted.
    #[must_use]
    pub fn deletes(&self) -> bool {
        matches!(self.operation, Operation::Delete) || self.companions.iter().any(Self::deletes)
    }

    /// Acts on exactly these rows.
    #[must_use]
    pub fn act(&self, d: Dialect, keys: &[RecordKey]) -> String {
        let names = if self.by_primary_key { vec![PRIMARY] } else { Vec::new() };
        statement(d, &rows_by(d, &self.table, &names), &self.operation, &B::sql(d.key_in(ROW, &self.key, keys)))
    }
}

pub(super) fn lock_reads(
    d: Dialect,
    table: &TableName,
    key: &[Column],
    reads: &[(TableName, Vec<(String, String)>)],
    keys: &[RecordKey],
) -> Vec<String> {
    if d.engine != Engine::Postgres {
        return Vec::new();
    }
    let by_table = reads.iter().map(|(read, pairs)| {
        let on: Vec<String> =
            pairs.iter().map(|(there, here)| format!("{} = {}", d.column("c", there), d.column(ROW, here))).collect();
        format!(
            // Counted there: a message for each would cost more than its lock.
            "SELECT count(*)::text FROM (SELECT FROM {} AS {ROW} JOIN {} AS c ON {} WHERE {} FOR SHARE OF c) AS locked",
            d.table(table),
            d.table(read),
            on.join(" AND "),
            d.key_in(ROW, key, keys)
        )
    });
    by_table.collect()
}

/// Pairs among rows of one table, by its foreign keys to its own rows: who refers, and to whom. Only where the engine looks at foreign keys row by row.
pub(super) fn refer_to_each_other(
    d: Dialect,
    table: &TableName,
    key: &[Column],
    itself: &[Vec<(String, String)>],
    keys: &[RecordKey],
) -> Option<String> {
    if !d.engine.is_mysql_family() || itself.is_empty() {
        return None;
    }
    let equal = |by: &str, to: &str| B::sql(format!("{} = {}", d.column("c", by), d.column(ROW, to)));
    let joined = itself.iter().map(|pairs| B::and(pairs.iter().map(|(by, to)| equal(by, to))));
    let other = B::and(key.iter().map(|k| equal(&k.name, &k.name))).negate();
    let name = d.table(table);
    Some(format!(
        "SELECT {}, {} FROM {name} AS {ROW} JOIN {name} AS c WHERE {}",
        key_columns(d, key, "c"),
        key_columns(d, key, ROW),
        B::and([B::sql(d.key_in(ROW, key, keys)), B::or(joined), other]).render()
    ))
}

/// Reads one of these rows that is still there.
#[must_use]
pub fn remains(d: Dialect, table: &TableName, key: &[Column], keys: &[RecordKey]) -> String {
    format!("SELECT {} FROM {} AS {ROW} WHERE {} LIMIT 1", key_columns(d, key, ROW), d.table(table), d.key_in(ROW, key, keys))
}

/// The name that MariaDB and MySQL give to the index of a primary key.
pub(super) const PRIMARY: &str = "PRIMARY";

/// A table (alias `r`) as rows are looked for in it, by these indexes where MariaDB or MySQL would choose others.
pub(super) fn rows_by(d: Dialect, table: &TableName, indexes: &[&str]) -> String {
    let names: Vec<String> = indexes.iter().map(|n| d.ident(n)).collect();
    let hint = match d.engine.is_mysql_family() && !names.is_empty() {
        true => format!(" FORCE INDEX ({})", names.join(", ")),
        false => String::new(),
    };
    format!("{} AS {ROW}{hint}", d.table(table))
}

/// The statement that does an operation on those of these [rows](rows_by) of which a condition holds.
pub(super) fn statement(d: Dialect, rows: &str, operation: &Operation, condition: &B) -> String {
    let condition = condition.render();
    match operation {
        Operation::Delete if d.engine.is_mysql_family() => format!("DELETE {ROW} FROM {rows} WHERE {condition}"),
        Operation::Delete => format!("DELETE FROM {rows} WHERE {condition}"),
        Operation::Mask(set) => {
            let set: Vec<String> = set
                .iter()
                .map(|(column, value)| {
                    let target = if d.engine.is_mysql_family() { d.column(ROW, column) } else { d.ident(column) };
                    format!("{target} = {value}")
                })
                .collect();
            format!("UPDATE {rows} SET {} WHERE {condition}", set.join(", "))
        }
    }
}
