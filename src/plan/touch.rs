//! What a plan does to each table, all its actions taken together.

use std::collections::{BTreeMap, BTreeSet};

use super::action::ActionKind;
use super::archiving::Archiving;
use super::companion::{Companion, Operation};
use super::compile::Plan;
use super::resolve::Resolved;
use super::schema::TableName;
use crate::policy::map::DataSet;

/// What happens to the rows of one table in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touch {
    /// Columns that are written, each with the expression that it is set to over the row of alias `r`.
    pub set: BTreeMap<String, String>,
    /// Whether rows are deleted.
    pub delete: bool,
    /// Whether rows are locked (`FOR UPDATE`, `FOR SHARE`), because they change or because a predicate reads them.
    pub locked: bool,
}

/// Every table that the plan changes or locks.
#[must_use]
pub fn touches(plan: &Plan) -> BTreeMap<TableName, Touch> {
    let mut all: BTreeMap<TableName, Touch> = BTreeMap::new();
    for action in &plan.actions {
        let root = all.entry(action.table.clone()).or_default();
        root.locked = true;
        root.delete |= action.kind == ActionKind::Delete;
        root.set.extend(action.set.iter().cloned());
        for (table, _) in &action.reads {
            all.entry(table.clone()).or_default().locked = true;
        }
        companions(&action.companions, &mut all);
        lock_archived(action.archiving.as_ref(), &mut all);
    }
    for member in plan.knots.iter().flat_map(|knot| &knot.members) {
        let own = all.entry(member.table.clone()).or_default();
        (own.locked, own.delete) = (true, true);
        for (table, _) in &member.reads {
            all.entry(table.clone()).or_default().locked = true;
        }
        companions(&member.companions, &mut all);
        lock_archived(member.archiving.as_ref(), &mut all);
    }
    all
}

/// What goes into an archive is locked while it is read.
fn lock_archived(archiving: Option<&Archiving>, all: &mut BTreeMap<TableName, Touch>) {
    for part in archiving.iter().flat_map(|a| &a.parts) {
        all.entry(part.table.clone()).or_default().locked = true;
    }
}

/// Columns that the plan masks by a pseudonym, by data set.
#[must_use]
pub fn pseudonyms(plan: &Plan, resolved: &Resolved<'_>) -> Vec<(String, String)> {
    let touched = touches(plan);
    let written = |data: &DataSet| {
        let set = resolved.table(data).and_then(|t| touched.get(&t.name)).map(|t| &t.set);
        let columns = data.pseudonyms().map(|c| c.name.value.clone());
        columns.filter(|c| set.is_some_and(|s| s.contains_key(c))).map(|c| (data.id.value.clone(), c)).collect::<Vec<_>>()
    };
    resolved.map.data_sets.iter().flat_map(written).collect()
}

fn companions(list: &[Companion], all: &mut BTreeMap<TableName, Touch>) {
    for companion in list {
        let touch = all.entry(companion.table.clone()).or_default();
        touch.locked = true;
        for (table, _) in &companion.reads {
            all.entry(table.clone()).or_default().locked = true;
        }
        let touch = all.entry(companion.table.clone()).or_default();
        match &companion.operation {
            Operation::Delete => touch.delete = true,
            Operation::Mask(set) => touch.set.extend(set.iter().cloned()),
        }
        companions(&companion.companions, all);
        lock_archived(companion.archiving.as_ref(), all);
    }
}

/// A join that statements of the plan look rows up by: the table, and its columns.
pub type Lookup = (TableName, BTreeSet<String>);

/// Every join by which the plan looks for rows of another table.
#[must_use]
pub fn lookups(plan: &Plan) -> BTreeSet<Lookup> {
    let mut all = BTreeSet::new();
    for action in &plan.actions {
        for (table, pairs) in &action.reads {
            all.insert((table.clone(), pairs.iter().map(|(there, _)| there.clone()).collect()));
        }
        companion_lookups(&action.companions, &mut all);
    }
    all
}

fn companion_lookups(list: &[Companion], all: &mut BTreeSet<Lookup>) {
    for companion in list {
        all.insert((companion.table.clone(), companion.on.iter().map(|(here, _)| here.clone()).collect()));
        companion_lookups(&companion.companions, all);
    }
}
