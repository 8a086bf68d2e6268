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
    let action = |member: usize| place(knot, member, actions);
    for at in (0..knot.members.len()).filter_map(action) {
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
        if let Some(at) = action(row.0) {
            circles.left.entry(actions[at].id.clone()).or_default().too_large += 1;
        }
    }
    // A mistake is stopped before anything is touched.
    let mut stopped = HashSet::new();
    for member in 0..knot.members.len() {
        let due = found.groups.iter().map(|g| g.keys(member).count() as u64).sum::<u64>();
        let Some(at) = action(member).filter(|_| due > 0) else { continue };
        let out = &mut outcomes[at];
        let so_far = out.changed + circles.went.get(&actions[at].id).copied().unwrap_or_default();
        out.due_before = out.due_before.max(so_far + due);
        if out.stopped.is_some() || guard(workers, &actions[at], out, so_far + due).await? {
            stopped.insert(member);
        }
    }
    let Some(worker) = workers.first_mut() else { return Ok(0) };
    let mut by_action: BTreeMap<(usize, usize), Vec<Group>> = BTreeMap::new();
    for group in found.groups {
        let first = (0..knot.members.len()).filter(|m| group.keys(*m).next().is_some()).find_map(|m| Some((action(m)?, m)));
        let allowed = !group.rows().any(|row| stopped.contains(&row.0));
        if let Some(first) = first.filter(|_| allowed) {
            by_action.entry(first).or_default().push(group);
        }
    }
    let mut went = 0;
    for ((at, first), groups) in by_action {
        let so_far = outcomes[at].changed;
        worker.common.cx.watch.begins(&actions[at].id, groups.iter().map(|g| g.keys(first).count() as u64).sum());
        let mut part = ActionOutcome::default();
        let gone = delete(worker, knot, &actions[at], first, groups, &mut outcomes[at], &mut part).await?;
        for (member, n) in gone.into_iter().filter(|(member, _)| *member != first) {
            if let Some(at) = action(member) {
                *circles.went.entry(actions[at].id.clone()).or_default() += n;
            }
        }
        went += outcomes[at].changed - so_far;
        circles.left.entry(actions[at].id.clone()).or_default().add(&part);
    }
    Ok(went)
}

/// The deletion of a member's records, as a place among the actions. What follows has none of its own.
fn place(knot: &Knot, member: usize, actions: &[Action]) -> Option<usize> {
    let data_set = &knot.members[member].data_set;
    actions.iter().position(|a| a.kind == ActionKind::Delete && a.data_set == *data_set)
}

/// The knots whose turn comes after this action: the deletion of the last of their data sets.
pub(super) fn after<'p>(plan: &'p Plan, actions: &'p [Action], at: usize) -> impl Iterator<Item = &'p Knot> {
    plan.knots.iter().filter(move |knot| (0..knot.members.len()).filter_map(|m| place(knot, m, actions)).max() == Some(at))
}

/// Deletes groups, as many at once as make a batch; how many rows of each member went. What is in the way of a group is found by halving.
async fn delete(
    worker: &mut Worker<'_>,
    knot: &Knot,
    action: &Action,
    first: usize,
    groups: Vec<Group>,
    out: &mut ActionOutcome,
    left: &mut ActionOutcome,
) -> Result<BTreeMap<usize, u64>, EnforceError> {
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
        let keys: Vec<RecordKey> = piece.iter().flat_map(|g| g.keys(first)).cloned().collect();
        let failure = match worker.once_together(action, &keys, Together { knot, groups: &piece }).await {
            Ok(done) => {
                worker.credit(action, &done, out);
                piece.iter().flat_map(Group::rows).for_each(|row| *gone.entry(row.0).or_default() += 1);
                continue;
            }
            Err(Failure::Fatal(e)) => return Err(e),
            Err(Failure::Unknown(seq)) => {
                // The ledger knows; what is still there is found again.
                worker.settle(seq, out).await?;
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
