//! The part of a batch that deletes groups of records that keep each other: lock all of them, see once more that nobody else keeps any, delete them
//! in the order that foreign keys allow.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::along::{Above, Along, Deletion};
use super::batch::{Failure, Transaction, macs};
use super::circles;
use super::error::EnforceError;
use super::graph::{self, Group, Row};
use super::watch::Point;
use crate::journal::{Name, Related, RelatedAction};
use crate::plan::action::ActionKind;
use crate::plan::key::RecordKey;
use crate::plan::knot::{Knot, Under};
use crate::plan::schema::Engine;

/// Groups of records that keep each other.
#[derive(Debug, Clone, Copy)]
pub struct Together<'b> {
    /// The data sets that they are of.
    pub knot: &'b Knot,
    /// The groups.
    pub groups: &'b [Group],
}

/// The rows of one member that are deleted in one step, and what goes with them.
struct Part<'t> {
    member: usize,
    keys: Vec<RecordKey>,
    companions: Vec<Along<'t>>,
}

impl<'t> Transaction<'t, '_> {
    /// Deletes groups; the keys of those of its records that are of the action's data set, or of those that stay when the action deletes none.
    pub(super) async fn together(&mut self, with: Together<'t>) -> Result<Vec<RecordKey>, Failure> {
        let Together { knot, groups } = with;
        let d = self.cx.dialect;
        let mut rows: BTreeMap<usize, Vec<RecordKey>> = BTreeMap::new();
        for (member, key) in groups.iter().flat_map(Group::rows) {
            rows.entry(*member).or_default().push(key.clone());
        }
        for (member, keys) in &rows {
            let locks = knot.lock(d, *member, keys);
            let answers = self.session.script(&locks.iter().map(String::as_str).collect::<Vec<_>>()).await?;
            if answers.first().is_none_or(|a| a.rows.len() != keys.len()) {
                return Err(Failure::Moved);
            }
        }
        if let Some(statement) = d.wait_no_more() {
            self.session.rows(statement).await?;
        }
        // What goes with them is locked before it is asked who keeps them: nobody can begin to refer to it any more.
        let mut room = self.asked.most_rows.saturating_sub(rows.values().map(Vec::len).sum());
        let mut seen = BTreeSet::new();
        let mut steps: Vec<Vec<Part<'t>>> = Vec::new();
        for step in graph::steps(groups) {
            let mut of_step: BTreeMap<usize, Vec<RecordKey>> = BTreeMap::new();
            for (member, key) in step {
                of_step.entry(*member).or_default().push(key.clone());
            }
            let mut parts = Vec::new();
            for (member, keys) in of_step {
                let m = &knot.members[member];
                let above = Above { table: &m.table, key: &m.key, keys: &keys };
                let companions = self.companions(&m.companions, above, &mut room, &mut seen).await?;
                parts.push(Part { member, keys, companions });
            }
            steps.push(parts);
        }
        let reads: Vec<String> = steps.iter().flatten().flat_map(|p| &p.companions).flat_map(|c| c.lock_read_rows(d)).collect();
        if !reads.is_empty() {
            self.session.script(&reads.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        }
        self.still(knot, groups).await?;
        self.cx.watch.at(Point::Locked, &self.asked.action.id).await;

        // A row that follows another of its group goes with that.
        for part in steps.iter_mut().flatten() {
            let table = &knot.members[part.member].table;
            part.keys.retain(|key| !seen.contains(&(table, key.clone())));
        }
        for part in steps.iter().flatten() {
            self.still_unneeded(knot.members[part.member].people.as_ref(), &part.keys).await?;
            self.still_unneeded_along(&part.companions).await?;
        }
        for part in steps.iter().flatten() {
            self.point(knot.members[part.member].files.as_ref(), &part.keys).await?;
            self.point_along(&part.companions).await?;
        }
        for part in steps.iter().flatten() {
            if let Some(archiving) = &knot.members[part.member].archiving {
                self.archive(archiving, &part.keys).await?;
            }
            self.archive_along(&part.companions).await?;
        }
        if d.engine == Engine::Postgres {
            // At the end of one statement, foreign keys are looked at when all are gone.
            steps = vec![steps.into_iter().flatten().collect()];
        }
        let mut changed = Vec::new();
        for parts in steps {
            changed.extend(self.delete_together(knot, parts).await?);
        }
        if self.asked.action.kind != ActionKind::Delete {
            changed = self.asked.keys.to_vec();
        }
        Ok(changed)
    }

    /// Whether nobody outside keeps any of them, now that all are locked.
    async fn still(&mut self, knot: &Knot, groups: &[Group]) -> Result<(), Failure> {
        let rows: HashSet<&Row> = groups.iter().flat_map(Group::rows).collect();
        let asked = rows.iter().map(|row| (*row).clone());
        // What follows them and refers to them counts, too: as much as was looked at when they were found.
        let most = circles::MOST + rows.len();
        let graph = circles::read(self.session, self.cx.dialect, knot, asked, Under::Locks, most).await?;
        let now = graph.map(|g| g.groups()).unwrap_or_default();
        let beside = |groups: &[Group]| groups.iter().flat_map(|g| g.beside.clone()).collect::<BTreeMap<Row, Row>>();
        let same_records = beside(&now) == beside(groups);
        let now: HashSet<&Row> = now.iter().flat_map(Group::rows).collect();
        // Who goes only with somebody who was not locked has to be looked at again.
        if now == rows && same_records { Ok(()) } else { Err(Failure::Moved) }
    }

    /// Deletes the rows of one step, what follows them first; the keys of the action's own data set.
    async fn delete_together(&mut self, knot: &Knot, mut parts: Vec<Part<'t>>) -> Result<Vec<RecordKey>, Failure> {
        let d = self.cx.dialect;
        parts.sort_by_key(|part| knot.members[part.member].rank);
        let (mut companions, mut deletions, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for Part { member, keys, companions: below } in parts {
            companions.extend(below);
            if keys.is_empty() {
                continue;
            }
            let m = &knot.members[member];
            for step in self.steps(&m.key, m.refer_to_each_other(d, &keys), &keys).await? {
                let rows = Above { table: &m.table, key: &m.key, keys: &step };
                deletions.push(Deletion::new(d, m.delete(d, &step), &rows, true));
            }
            let data_set = &knot.members[member].data_set;
            if *data_set == self.asked.action.data_set && self.asked.action.kind == ActionKind::Delete {
                own.extend(keys);
                continue;
            }
            let macs = macs(self.cx, data_set, &keys)?;
            let data_set = Name::parse(data_set).map_err(EnforceError::from)?;
            self.related.push(Related { data_set, action: RelatedAction::Deleted, rows: keys.len() as u64, macs });
        }
        self.change(companions, deletions, true, 0).await?;
        Ok(own)
    }
}
