//! Which companions are deleted in the same step that finds them.
//!
//! Looking rows up, locking and then deleting them touches each three times. Where nothing but the row above decides that they go, and nobody can refer
//! to them, deleting them by their join is exact as well: the row above is locked, so that none can join it any more.

use super::action::key_columns;
use super::boolean::B;
use super::companion::{Companion, Operation};
use super::dialect::Dialect;
use super::gather::returning;
use super::key::RecordKey;
use super::resolve::Resolved;
use super::schema::{Column, Engine, TableName};

impl Companion {
    /// Counts its rows that belong to these rows of the table above, no further than `most`, before they are [swept](Self::sweep).
    #[must_use]
    pub fn count(&self, d: Dialect, above: &[RecordKey], most: usize) -> String {
        let (table, which) = (d.table(&self.table), d.key_in("", &self.by, above));
        format!("SELECT {} FROM (SELECT 1 FROM {table} WHERE {which} LIMIT {most}) AS t", d.as_text("COUNT(*)"))
    }

    /// Deletes its rows that belong to these rows of the table above and answers with their keys; only where [`Companion::by`] says how.
    #[must_use]
    pub fn sweep(&self, d: Dialect, above: &[RecordKey]) -> String {
        let act = format!("DELETE FROM {} WHERE {}", d.table(&self.table), d.key_in("", &self.by, above));
        returning(d, &self.key, &act, &key_columns(d, &self.key, ""))
    }
}

/// Finds out which of the rows that go with those of a table can be swept.
pub(super) fn mark(resolved: &Resolved<'_>, table: &TableName, key: &[Column], companions: &mut [Companion]) {
    let mut tables = vec![table.clone()];
    companions.iter().for_each(|c| all_tables(c, &mut tables));
    mark_below(resolved, key, companions, &tables);
}

fn all_tables(companion: &Companion, tables: &mut Vec<TableName>) {
    tables.push(companion.table.clone());
    companion.companions.iter().for_each(|c| all_tables(c, tables));
}

fn mark_below(resolved: &Resolved<'_>, key: &[Column], companions: &mut [Companion], tables: &[TableName]) {
    for companion in companions {
        // What goes in two ways is told apart by its keys, which have to be known before.
        let once = tables.iter().filter(|t| **t == companion.table).count() == 1;
        if once && may_be_swept(resolved, companion) {
            companion.by = joining(resolved, companion, key).unwrap_or_default();
        }
        let own = companion.key.clone();
        mark_below(resolved, &own, &mut companion.companions, tables);
    }
}

fn may_be_swept(resolved: &Resolved<'_>, companion: &Companion) -> bool {
    let table = resolved.schema.tables.iter().find(|t| t.name == companion.table);
    resolved.dialect.engine != Engine::MySql
        && companion.unconditional()
        && companion.operation == Operation::Delete
        && companion.companions.is_empty()
        && companion.archiving.is_none()
        && companion.people.is_none()
        && companion.files.is_none()
        && companion.reads.is_empty()
        && !companion.key.is_empty()
        && resolved.schema.children_of(&companion.table).next().is_none()
        // A trigger may veto without a word: then the rows that stay are missed among those that were counted.
        && table.is_some_and(|t| t.triggers.is_empty())
}

/// Its columns that hold the key of the row above, in that key's order, where they are of the same types.
fn joining(resolved: &Resolved<'_>, companion: &Companion, key: &[Column]) -> Option<Vec<Column>> {
    let table = resolved.schema.tables.iter().find(|t| t.name == companion.table)?;
    let alike = |a: &Column, b: &Column| a.sql_type == b.sql_type && a.class == b.class && a.collation == b.collation;
    let holds = |part: &Column| {
        let (here, _) = companion.on.iter().find(|(_, there)| *there == part.name)?;
        table.column(here).filter(|column| alike(column, part)).cloned()
    };
    (companion.on.len() == key.len()).then(|| key.iter().map(holds).collect())?
}

impl Companion {
    /// Whether its rows go whatever they say.
    pub(super) fn unconditional(&self) -> bool {
        self.condition == B::True && self.reach == B::True
    }
}
