//! Deletes records that keep each other from going in a circle, when the turn of the last of their data sets has come.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::batch::Failure;
use super::circles;
use super::error::EnforceError;
use super::graph::Group;
use super::guard::guard;
use super::outcome::ActionOutcome;
use super::together::Together;
use super::work::{TRIES, Worker, class_of, ending, pause};
use crate::plan::action::{Action, ActionKind};
use crate::plan::compile::Plan;
use crate::plan::key::RecordKey;
use crate::plan::knot::Knot;
use crate::source::Class;

/// What a run knows of its circles, by the id of the action that deletes such records.
#[derive(Default)]
pub(super) struct Circles {
    /// What could not be deleted.
    pub left: HashMap<String, ActionOutcome>,
    /// Records that went in batches of other actions: they count towards a ceiling as well.
    went: HashMap<String, u64>,
}

/// Deletes what can only go together of one knot; how many records went. What could not be deleted is said anew.
///
/// # Errors
/// What ends the run.
pub(super) async fn release(
    workers: &mut [Worker<'_>],
    knot: &Knot,
    actions: &[Action],
    outcomes: &mut [ActionOutcome],
    circles: &mut Circles,
) -> Result<u64, EnforceError> {
    let actions_of = Actions { knot, actions };
    for at in actions_of.all() {
        circles.left.remove(&actions[at].id);
    }
    let Some(worker) = workers.first_mut().filter(|w| !w.common.stopping()) else { return Ok(0) };
    let d = worker.common.cx.dialect;
    let found = match circles::find(worker.session().await?, d, knot).await {
        // Servers end connections that were idle.
        Err(EnforceError::Source(e)) if e.class() == Class::Lost => {
            worker.drop_session().await;
            circles::find(worker.session().await?, d, knot).await?
        }
        answer => answer?,
    };
    for row in &found.too_large {
        if let Some(at) = actions_of.of_row(row.0) {
            circles.left.entry(actions[at].id.clone()).or_default().too_large += 1;
        }
    }
    // A mistake is stopped before anything is touched.
    let mut due: BTreeMap<usize, u64> = BTreeMap::new();
    for (at, records) in found.groups.iter().flat_map(|g| actions_of.records(g)) {
        *due.entry(at).or_default() += records.len() as u64;
    }
    let mut stopped = HashSet::new();
    for (at, due) in due {
        let out = &mut outcomes[at];
        let so_far = out.changed + circles.went.get(&actions[at].id).copied().unwrap_or_default();
        // What goes beside records that stay goes after these were masked: they were counted.
        let in_all = if actions[at].kind == ActionKind::Delete { so_far + due } else { so_far.max(due) };
        out.due_before = out.due_before.max(in_all);
        if out.stopped.is_some() || guard(workers, &actions[at], out, in_all).await? {
            stopped.insert(at);
        }
    }
    let Some(worker) = workers.first_mut() else { return Ok(0) };
    let mut by_action: BTreeMap<usize, Vec<Group>> = BTreeMap::new();
    for group in found.groups {
        let records = actions_of.records(&group);
        let first = records.first().map(|(at, _)| *at).filter(|_| !records.iter().any(|(at, _)| stopped.contains(at)));
        if let Some(first) = first {
            by_action.entry(first).or_default().push(group);
        }
    }
    let mut went = 0;
    for (at, groups) in by_action {
        let so_far = outcomes[at].changed;
        worker.common.cx.watch.begins(&actions[at].id, groups.iter().map(|g| actions_of.records_of(at, g).len() as u64).sum());
        let mut part = ActionOutcome::default();
        let gone = delete(worker, actions_of, at, groups, &mut outcomes[at], &mut part).await?;
        for (at, n) in gone.into_iter().filter(|(other, _)| *other != at) {
            *circles.went.entry(actions[at].id.clone()).or_default() += n;
        }
        went += outcomes[at].changed - so_far;
        circles.left.entry(actions[at].id.clone()).or_default().add(&part);
    }
    Ok(went)
}

/// The actions to which the records of a knot belong: those that delete them; of those that stay while rows that follow them go, those that make them
/// final.
#[derive(Clone, Copy)]
struct Actions<'k> {
    knot: &'k Knot,
    actions: &'k [Action],
}

impl<'k> Actions<'k> {
    fn place(self, member: usize, kinds: &[ActionKind]) -> Option<usize> {
        let data_set = &self.knot.members[member].data_set;
        self.actions.iter().position(|a| kinds.contains(&a.kind) && a.data_set == *data_set)
    }

    fn deletes(self, member: usize) -> Option<usize> {
        self.place(member, &[ActionKind::Delete])
    }

    fn leaves(self, member: usize) -> Option<usize> {
        self.place(member, &[ActionKind::Anonymise, ActionKind::Pseudonymise])
    }

    fn roots(self) -> impl Iterator<Item = usize> {
        (0..self.knot.members.len()).filter(move |m| self.knot.members[*m].is_root())
    }

    /// All of them, as places among the actions.
    fn all(self) -> impl Iterator<Item = usize> {
        self.roots().flat_map(move |m| [self.deletes(m), self.leaves(m)].into_iter().flatten())
    }

    /// The action to which a row belongs that was found by itself.
    fn of_row(self, member: usize) -> Option<usize> {
        let m = &self.knot.members[member];
        if m.is_root() { self.deletes(member) } else { self.leaves(m.root) }
    }

    /// The records of a group by their actions: first those that go.
    fn records(self, group: &Group) -> Vec<(usize, Vec<RecordKey>)> {
        let going = self.roots().filter_map(|m| Some((self.deletes(m)?, group.keys(m).cloned().collect())));
        let beside = self.roots().filter_map(|m| Some((self.leaves(m)?, group.keys_beside(m).into_iter().cloned().collect())));
        going.chain(beside).filter(|(_, keys): &(usize, Vec<RecordKey>)| !keys.is_empty()).collect()
    }

    /// Those of one action.
    fn records_of(self, at: usize, group: &Group) -> Vec<RecordKey> {
        self.records(group).into_iter().filter(|(of, _)| *of == at).flat_map(|(_, keys)| keys).collect()
    }
}

/// The knots whose turn comes after this action, the last of theirs.
pub(super) fn after<'p>(plan: &'p Plan, actions: &'p [Action], at: usize) -> impl Iterator<Item = &'p Knot> {
    plan.knots.iter().filter(move |knot| Actions { knot, actions }.all().max() == Some(at))
}

/// Deletes groups, as many at once as make a batch; how many records of each action that were. What is in the way of a group is found by halving.
async fn delete(
    worker: &mut Worker<'_>,
    actions_of: Actions<'_>,
    at: usize,
    groups: Vec<Group>,
    out: &mut ActionOutcome,
    left: &mut ActionOutcome,
) -> Result<BTreeMap<usize, u64>, EnforceError> {
    let Actions { knot, actions } = actions_of;
    let action = &actions[at];
    let mut gone = BTreeMap::new();
    let mut pieces: Vec<(Vec<Group>, u32)> = Vec::new();
    let mut rows = usize::MAX;
    for group in groups {
        let more = group.rows().count();
        rows = rows.saturating_add(more);
        match pieces.last_mut().filter(|_| rows <= worker.size) {
            Some((piece, _)) => piece.push(group),
            None => {
                rows = more;
                pieces.push((vec![group], 0));
            }
        }
    }
    while let Some((piece, tries)) = pieces.pop().filter(|_| !worker.common.stopping() && !worker.common.given_up(left)) {
        let mut keys: Vec<RecordKey> = piece.iter().flat_map(|g| actions_of.records_of(at, g)).collect();
        // Of one record that stays, several groups may go.
        keys.sort();
        keys.dedup();
        let failure = match worker.once_together(action, &keys, Together { knot, groups: &piece }).await {
            Ok(done) => {
                worker.credit(action, &done, out);
                for (of, records) in piece.iter().flat_map(|g| actions_of.records(g)) {
                    *gone.entry(of).or_default() += records.len() as u64;
                }
                continue;
            }
            Err(Failure::Fatal(e)) => return Err(e),
            Err(Failure::Unknown(seq)) => {
                // The ledger knows; what is still there is found again.
                worker.settle(seq, out).await?;
                continue;
            }
            Err(Failure::Needed(needed)) => {
                // What nobody else keeps is found again.
                worker.keep_needed(&needed).await?;
                continue;
            }
            Err(failure) => failure,
        };
        let class = class_of(&failure);
        if matches!(class, Class::Retry | Class::Lost) {
            tokio::time::sleep(pause(tries + 1)).await;
        }
        let again = matches!(class, Class::Retry | Class::Lost) && tries < TRIES;
        match (&failure, class) {
            (Failure::TooLarge, _) | (_, Class::Row | Class::Retry) if piece.len() > 1 => {
                let (first, second) = piece.split_at(piece.len() / 2);
                pieces.extend([(second.to_vec(), tries + 1), (first.to_vec(), tries + 1)]);
            }
            _ if again => pieces.push((piece, tries + 1)),
            (Failure::TooLarge, _) => left.too_large += keys.len() as u64,
            (_, Class::Row) => worker.failed(action, &keys, &failure, left)?,
            (_, Class::Retry) => left.busy += keys.len() as u64,
            _ => return Err(ending(failure)),
        }
    }
    Ok(gone)
}
