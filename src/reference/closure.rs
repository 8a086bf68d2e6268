//! Which rows go: those due for deletion that no surviving row refers to or reads. They go together or not at all.

use std::collections::{HashMap, HashSet};

use super::decide::{Decision, Outcome};
use super::view::{RowId, View};
use super::world::{TableId, table_id};
use crate::policy::map::{DataSet, Disposition, Related};
use crate::policy::purpose::{Cap, Policy, Purpose};

/// A purpose whose start, or cap, is an event of rows of another table.
pub(super) struct Reading<'w> {
    /// The table that is read.
    table: usize,
    /// Its joining columns.
    theirs: Vec<&'w str>,
    /// Those of the readers.
    ours: Vec<&'w str>,
    related: &'w Related,
    readers: &'w DataSet,
    policy: &'w Policy,
    purpose: &'w Purpose,
}

/// Rows that are deleted together, and the rows outside that keep them from it unless they go too.
struct Unit {
    rows: Vec<RowId>,
    kept_by: Vec<RowId>,
}

impl<'w> View<'w> {
    /// Decides about the record of a root row, other records considered: whether a row due for deletion goes or is emptied.
    #[must_use]
    pub fn judge(&self, root: RowId) -> Decision<'w> {
        let mut decision = (*self.decide(root)).clone();
        if decision.outcome == Outcome::Delete && !self.going(&[root], self.sequence.len()).contains(&root) {
            decision.outcome = Outcome::Emptied;
        }
        decision
    }

    /// Whether a child's row goes before its parent's turn comes.
    pub(super) fn goes_before(&self, child: RowId) -> bool {
        let Some(root) = self.root(child) else { return false };
        if !self.asking.borrow_mut().insert(root) {
            return false;
        }
        let goes = self.going(&[root], self.position(root)).contains(&child);
        self.asking.borrow_mut().remove(&root);
        goes
    }

    fn position(&self, root: RowId) -> usize {
        let id = self.data_set(root).map(|d| d.id.as_str());
        self.sequence.iter().position(|s| Some(*s) == id).unwrap_or(usize::MAX)
    }

    /// The rows that go when the turn of the data set at `position` has come: of the given records, and of records of earlier data sets
    /// that waited for nothing but these.
    pub(super) fn going(&self, roots: &[RowId], position: usize) -> HashSet<RowId> {
        let mut units: Vec<Unit> = Vec::new();
        let mut unit_of: HashMap<RowId, usize> = HashMap::new();
        let mut seen: HashSet<RowId> = HashSet::new();
        let mut waiting: Vec<RowId> = roots.to_vec();
        while let Some(root) = waiting.pop() {
            if !seen.insert(root) {
                continue;
            }
            for rows in self.rows_due(root) {
                let rows = self.with_cascades(rows);
                let kept_by = self.keepers(&rows);
                for keeper in kept_by.iter().filter_map(|k| self.root(*k)) {
                    if self.position(keeper) <= position && !seen.contains(&keeper) {
                        waiting.push(keeper);
                    }
                }
                // Beside a root that stays, each follower decides about itself: it may go before what it follows.
                let own = if rows.contains(&root) { rows.clone() } else { self.with_cascades(rows[..1].to_vec()) };
                unit_of.extend(own.into_iter().map(|r| (r, units.len())));
                units.push(Unit { rows, kept_by });
            }
        }
        let mut stays = vec![false; units.len()];
        loop {
            let survives = |row: &RowId| unit_of.get(row).is_none_or(|u| stays[*u]);
            let blocked: Vec<usize> = (0..units.len()).filter(|u| !stays[*u] && units[*u].kept_by.iter().any(survives)).collect();
            if blocked.is_empty() {
                break;
            }
            blocked.into_iter().for_each(|u| stays[u] = true);
        }
        units.iter().zip(&stays).filter(|(_, stays)| !**stays).flat_map(|(u, _)| u.rows.iter().copied()).collect()
    }

    /// The rows of a record that are due for deletion, in groups that go together: all of them with their root, or, where the root stays
    /// anonymised, each follower with what follows it; what follows it may go before it.
    fn rows_due(&self, root: RowId) -> Vec<Vec<RowId>> {
        let due = |(row, data): &(RowId, &DataSet)| (data.disposition == Disposition::Delete).then_some(*row);
        match self.decide(root).outcome {
            Outcome::Delete => {
                let record = self.record(root);
                vec![record.iter().take(1).map(|r| r.0).chain(record.iter().skip(1).filter_map(due)).collect()]
            }
            Outcome::Anonymise => {
                let followers = self.record(root).into_iter().skip(1).filter_map(|r| due(&r));
                followers.map(|row| self.record(row).iter().filter_map(due).collect()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The rows, and those of tables that the map declares to go with them.
    fn with_cascades(&self, mut rows: Vec<RowId>) -> Vec<RowId> {
        let mut at = 0;
        while let Some(row) = rows.get(at).copied() {
            let declared: Vec<TableId> = self
                .data_set(row)
                .map(|d| d.cascades.iter().map(|c| table_id(self.reference.map, c)).collect())
                .unwrap_or_default();
            for (child, table) in self.references(row) {
                if declared.contains(table) && matches!(table, TableId::Other(_)) && !rows.contains(&child) {
                    rows.push(child);
                }
            }
            at += 1;
        }
        rows
    }

    /// Rows with a foreign key to a row.
    fn references(&self, row: RowId) -> Vec<(RowId, &'w TableId)> {
        let mut all = Vec::new();
        for key in self.world.foreign_keys.iter().filter(|k| k.parent == self.world.tables[row.table].id) {
            let Some(table) = self.table(&key.child) else { continue };
            let referenced: Vec<&str> = key.parent_columns.iter().map(String::as_str).collect();
            let columns = key.columns.iter().map(String::as_str).collect();
            all.extend(self.find(table, columns, self.joining(row, &referenced)).into_iter().map(|r| (r, &key.child)));
        }
        all
    }

    /// Rows outside that refer to one of these rows or read it.
    fn keepers(&self, rows: &[RowId]) -> Vec<RowId> {
        let mut all = Vec::new();
        for row in rows {
            all.extend(self.references(*row).into_iter().map(|r| r.0).filter(|r| !rows.contains(r)));
            all.extend(self.readers(*row));
        }
        all
    }

    /// Root rows of other records that are not done and of which a covering purpose starts from this row.
    fn readers(&self, row: RowId) -> Vec<RowId> {
        let mut all = Vec::new();
        for reading in self.readings().iter().filter(|r| r.table == row.table) {
            if self.filter(reading.related, row) == Some(false) {
                continue;
            }
            let Some(table) = self.table(&TableId::DataSet(reading.readers.id.value.clone())) else { continue };
            for reader in self.find(table, reading.ours.clone(), self.joining(row, &reading.theirs)) {
                if self.root(row) != Some(reader)
                    && self.state(reading.policy, reading.purpose, reader, reading.readers).covers()
                    && !self.is_done(reader)
                {
                    all.push(reader);
                }
            }
        }
        all
    }

    /// All purposes that start from rows of another table.
    fn readings(&self) -> &[Reading<'w>] {
        self.readings.get_or_init(|| {
            let mut all = Vec::new();
            for readers in &self.reference.map.data_sets {
                for (policy, purpose) in self.purposes(readers) {
                    let mut names: Vec<&str> = purpose.starts.iter().flat_map(|s| &s.events).map(|e| e.as_str()).collect();
                    for cap in &purpose.at_most {
                        match cap {
                            Cap::Named(name) => names.push(name),
                            Cap::Start(start, _) => names.extend(start.events.iter().map(|e| e.as_str())),
                        }
                    }
                    let events = names.into_iter().filter_map(|name| readers.event(name));
                    for related in events.filter_map(|e| e.of.as_ref()) {
                        if let Some((table, theirs, ours)) = self.relation(readers, &related.to) {
                            all.push(Reading { table, theirs, ours, related, readers, policy, purpose });
                        }
                    }
                }
            }
            all
        })
    }
}
