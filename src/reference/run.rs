//! A complete run: data sets in turn, children before parents, again and again until nothing changes.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use chrono::NaiveDate;

use super::decide::{Decision, Fate, Outcome};
use super::masking;
use super::state::State;
use super::view::View;
use super::world::{TableId, World};
use super::{Key, Reference, Value};
use crate::policy::map::{DataMap, DataSet};

/// What a census counts for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Records that it covers; undecided ones too.
    pub covered: usize,
    /// Of these, records on which it goes on: running or not yet due.
    pub running: usize,
    /// Records on which it has ended.
    pub ended: usize,
    /// Records on which it has ended and of which something is cleared or deleted in this run.
    pub due: usize,
    /// Records on which it has ended and which a hold or restriction keeps.
    pub held: usize,
    /// Records on which a condition keeps it from ending.
    pub kept_while: usize,
    /// Records whose start nobody knows.
    pub undated: usize,
    /// Records of which nobody knows whether it covers them.
    pub undecided: usize,
    /// Covered records on which everything is masked already.
    pub done: usize,
}

/// A change of one row: a value, or, without one, its deletion.
struct Change {
    table: usize,
    key: Key,
    value: Option<(usize, Value)>,
}

/// The root data sets in the order of a run: before each stand those that belong to it or refer to it.
pub(super) fn sequence<'w>(map: &'w DataMap, world: &World) -> Vec<&'w str> {
    let root = |data: &'w DataSet| map.root_of(data).id.as_str();
    let roots: Vec<&str> = map.data_sets.iter().filter(|d| root(d) == d.id.value).map(|d| d.id.as_str()).collect();
    let of = |id: &TableId| match id {
        TableId::DataSet(id) => map.data_set(id).map(root),
        TableId::Other(_) => None,
    };
    let belonging: HashSet<(&str, &str)> = map
        .data_sets
        .iter()
        .filter_map(|d| Some((root(d), root(map.data_set(&d.parent.as_ref()?.data)?))))
        .filter(|(child, parent)| child != parent)
        .collect();
    let referring: HashSet<(&str, &str)> =
        world.foreign_keys.iter().filter_map(|k| Some((of(&k.child)?, of(&k.parent)?))).filter(|(c, p)| c != p).collect();
    let mut placed: Vec<&str> = Vec::new();
    while placed.len() < roots.len() {
        let left: Vec<&str> = roots.iter().filter(|r| !placed.contains(r)).copied().collect();
        let free_of = |edges: &HashSet<(&str, &str)>, parent: &str| !left.iter().any(|child| edges.contains(&(*child, parent)));
        let next = left
            .iter()
            .find(|r| free_of(&belonging, r) && free_of(&referring, r))
            .or_else(|| left.iter().find(|r| free_of(&belonging, r)))
            .or(left.first());
        placed.extend(next);
    }
    placed
}

/// A value that went into an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Archived {
    /// The purpose that keeps it there.
    pub purpose: String,
    /// Until the end of which day; `None` for one that is not known yet.
    pub until: Option<NaiveDate>,
    /// The data set of its row.
    pub data_set: String,
    /// The key of its row.
    pub key: Key,
    /// Its column.
    pub column: String,
    /// The value.
    pub value: Value,
}

impl<'a> Reference<'a> {
    /// How each purpose of its data set stands to a record, by purpose id. Empty for a row that is no root row of the world.
    #[must_use]
    pub fn states(&self, world: &World, data_set: &str, key: &[Value]) -> Vec<(String, State)> {
        let view = View::new(self, world);
        let root = view.row(data_set, key);
        root.map(|r| view.states(r)).unwrap_or_default().iter().map(|s| (s.purpose.id.value.clone(), s.state)).collect()
    }

    /// What is decided about the record of a root row, or of a row that follows one, as the world stands; children that go before their
    /// parent's turn are left out. For many records make a [`View`] once.
    #[must_use]
    pub fn decide<'w>(&'w self, world: &'w World, data_set: &str, key: &[Value]) -> Option<Decision<'w>> {
        let view = View::new(self, world);
        let root = view.root(view.row(data_set, key)?)?;
        Some(view.judge(root))
    }

    /// The world after a complete run.
    #[must_use]
    pub fn run(&self, world: &World) -> World {
        self.run_with_archives(world).0
    }

    /// The world after a complete run, and what went into archives.
    #[must_use]
    pub fn run_with_archives(&self, world: &World) -> (World, Vec<Archived>) {
        let (mut world, mut archived) = (world.clone(), Vec::new());
        let sequence = Rc::new(sequence(self.map, &world));
        loop {
            let mut changed = false;
            for position in 0..sequence.len() {
                let changes = self.turn(&world, &sequence, position, &mut archived);
                changed |= !changes.is_empty();
                apply(&mut world, changes);
            }
            if !changed {
                return (world, archived);
            }
        }
    }

    /// What the turn of one data set changes.
    fn turn(&self, world: &World, sequence: &Rc<Vec<&str>>, position: usize, archived: &mut Vec<Archived>) -> Vec<Change> {
        let view = View::within(self, world, Rc::new(sequence.to_vec()), true);
        let roots: Vec<_> = view.rows(sequence[position]).collect();
        let is_due = |d: &Decision<'_>| matches!(d.outcome, Outcome::Delete | Outcome::Anonymise);
        let due: Vec<_> = roots.iter().copied().filter(|r| is_due(&view.decide(*r))).collect();
        let going = view.going(&due, position);
        let mut changes: Vec<Change> =
            going.iter().map(|r| Change { table: r.table, key: view.key(*r).clone(), value: None }).collect();
        for root in roots {
            for field in &view.decide(root).fields {
                let Fate::Archive(to) = &field.fate else { continue };
                let value = view.value(field.row, field.column).cloned().unwrap_or(Value::Null);
                archived.extend(to.iter().map(|(purpose, until)| Archived {
                    purpose: (*purpose).to_owned(),
                    until: *until,
                    data_set: field.data_set.to_owned(),
                    key: field.key.clone(),
                    column: field.column.to_owned(),
                    value: value.clone(),
                }));
            }
            for field in view.decide(root).fields.iter().filter(|f| f.fate.clears() && !going.contains(&f.row)) {
                let data = view.data_set(field.row);
                let column =
                    data.and_then(|d| d.categories.iter().flat_map(|c| &c.columns).find(|c| c.name.value == field.column));
                let at = world.tables[field.row.table].position(field.column);
                if let (Some(column), Some(at), Some(value)) = (column, at, view.value(field.row, field.column)) {
                    let value = masking::masked(value, &column.mask);
                    changes.push(Change { table: field.row.table, key: view.key(field.row).clone(), value: Some((at, value)) });
                }
            }
        }
        changes
    }

    /// Counts, for each purpose, how it stands to the records of its data set.
    #[must_use]
    pub fn census(&self, world: &World) -> BTreeMap<String, Census> {
        let view = View::new(self, world);
        let mut all: BTreeMap<String, Census> = BTreeMap::new();
        for data in self.map.data_sets.iter().filter(|d| self.map.root_of(d).id == d.id) {
            for (_, purpose) in view.purposes(data) {
                all.entry(purpose.id.value.clone()).or_default();
            }
            for root in view.rows(&data.id) {
                let decision = view.judge(root);
                for state in decision.states.iter().filter(|s| s.through.is_none()) {
                    count(all.entry(state.purpose.id.value.clone()).or_default(), state.state, &decision);
                }
            }
        }
        all
    }
}

fn count(census: &mut Census, state: State, decision: &Decision<'_>) {
    census.covered += usize::from(state.covers());
    match state {
        State::NotCovering | State::Held => {}
        _ if decision.outcome == Outcome::Done => census.done += 1,
        State::Running | State::NotYet => census.running += 1,
        State::KeptWhile => census.kept_while += 1,
        State::Undated => census.undated += 1,
        State::Undecided => census.undecided += 1,
        State::Ended(_) => {
            census.ended += 1;
            let something = decision.fields.iter().any(|f| f.fate.clears())
                || matches!(decision.outcome, Outcome::Delete | Outcome::Anonymise);
            match decision.outcome {
                Outcome::Held => census.held += 1,
                _ if something => census.due += 1,
                _ => {}
            }
        }
    }
}

fn apply(world: &mut World, changes: Vec<Change>) {
    for Change { table, key, value } in changes {
        let rows = &mut world.tables[table].rows;
        match value {
            None => {
                rows.remove(&key);
            }
            Some((at, value)) => {
                if let Some(slot) = rows.get_mut(&key).and_then(|row| row.get_mut(at)) {
                    *slot = value;
                }
            }
        }
    }
}
