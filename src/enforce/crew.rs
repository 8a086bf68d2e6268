//! One action from the first due row to the last, by one worker or several: each takes the next keys of a common queue, and whoever finds it empty
//! fills it, while the others go on.

use std::collections::HashSet;

use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::batch::Take;
use super::error::EnforceError;
use super::keys::Keys;
use super::outcome::ActionOutcome;
use super::settings::Pace;
use super::stretch;
use super::watch::Point;
use super::work::{Worker, taken};
use crate::plan::action::{Action, Path, Shape};
use crate::plan::key::RecordKey;

/// Candidates that nobody has taken yet, in key order.
#[derive(Default)]
pub(super) struct Queue {
    found: Keys,
    /// How many more were found that wait for a copy.
    waiting: u64,
    /// How more are looked for.
    path: Path,
    /// How many of them were taken.
    taken: usize,
    /// The last key ever found.
    after: Option<RecordKey>,
    /// Nothing more is to be looked for.
    ended: bool,
    /// They were found in the database's own order.
    in_order: bool,
}

impl Queue {
    /// Exactly these, in the database's own order.
    pub(super) fn of(found: Keys) -> Self {
        Self { found, ended: true, in_order: true, ..Self::default() }
    }

    /// The next keys.
    fn take(&mut self, n: usize) -> Vec<RecordKey> {
        let from = self.taken;
        self.taken = (from + n.max(1)).min(self.found.len());
        self.found.part(from..self.taken)
    }
}

/// Does everything of one action that is due now: `due` rows by the last count.
///
/// # Errors
/// What ends the run; what single rows refuse is in the outcome.
pub async fn act(workers: &mut [Worker<'_>], action: &Action, due: u64, out: &mut ActionOutcome) -> Result<(), EnforceError> {
    workers.iter_mut().for_each(Worker::start);
    let before = out.changed;
    let mut missed = match stretch::road(workers, action, due).await? {
        Some(road) => {
            let so_far = out.changed;
            let missed = sum(stretch::act(workers, action, road).await, out)?;
            let changed = out.changed - so_far;
            let given_up = workers.iter().any(|w| w.common.given_up(out));
            // A stretch does not say which rows it left out: a trigger's silent veto is found key by key.
            if given_up || changed + out.left() + missed.len() as u64 >= due {
                missed
            } else {
                out.try_again();
                sum(by_keys(workers, action, due - changed).await?, out)?
            }
        }
        None => sum(by_keys(workers, action, due).await?, out)?,
    };
    missed.sort_unstable();
    let Some(first) = workers.first_mut() else { return Ok(()) };
    first.left_out(action, &missed, out).await?;
    // Whoever was counted, and neither done nor left for a reason, may have no name.
    if out.changed - before + out.left() < due && !first.common.stopping() {
        out.nameless = first.count_nameless(action).await?;
    }
    Ok(())
}

/// Adds up what the workers did; the keys that they left out.
fn sum(parts: Vec<Part>, out: &mut ActionOutcome) -> Result<Vec<RecordKey>, EnforceError> {
    let mut missed = Vec::new();
    for part in parts {
        let (done, left_out) = part?;
        out.add(&done);
        missed.extend(left_out);
    }
    Ok(missed)
}

/// What one worker did, and the keys that its batches left out.
pub(super) type Part = Result<(ActionOutcome, Vec<RecordKey>), EnforceError>;

/// All workers on one queue of keys.
async fn by_keys(workers: &mut [Worker<'_>], action: &Action, due: u64) -> Result<Vec<Part>, EnforceError> {
    let mut queue = Queue::default();
    if let Some(first) = workers.first_mut().filter(|w| !w.common.stopping()) {
        if due < first.chunk(action) {
            let found = first.find_all(action).await?;
            (queue.found, queue.waiting) = first.by_end(action, found).await?;
            queue.ended = true;
            first.common.cx.watch.at(Point::Found, &action.id).await;
        } else {
            queue.path = stretch::path(first, action, due).await?;
        }
    }
    let queue = Mutex::new(queue);
    Ok(join_all(workers.iter_mut().map(|worker| drain(worker, action, &queue))).await)
}

/// One worker's part.
pub(super) async fn drain(worker: &mut Worker<'_>, action: &Action, queue: &Mutex<Queue>) -> Part {
    let (mut out, mut missed) = (ActionOutcome::default(), Vec::new());
    let result = async {
        while !worker.common.stopping() && !worker.common.given_up(&out) {
            let (keys, take) = {
                let mut queue = queue.lock().await;
                let next = next(worker, action, &mut queue).await;
                out.no_copy += std::mem::take(&mut queue.waiting);
                next?
            };
            if keys.is_empty() {
                break;
            }
            let batched = worker.batch(action, &keys, take, &mut out).await?;
            let done: HashSet<&RecordKey> = batched.handled.iter().collect();
            missed.extend(keys.iter().filter(|k| !done.contains(k)).cloned());
            if batched.starved {
                let mut queue = queue.lock().await;
                let rest = queue.found.len();
                missed.extend(queue.take(rest));
                queue.ended = true;
            }
        }
        Ok(())
    };
    let result = result.await;
    if result.is_err() || worker.common.given_up(&out) {
        // The others finish what they have in hand.
        let mut queue = queue.lock().await;
        queue.taken = queue.found.len();
        queue.ended = true;
    }
    result.map(|()| (out, missed))
}

/// The next keys for a worker, and how to take them; none when nothing is left.
async fn next(worker: &mut Worker<'_>, action: &Action, queue: &mut Queue) -> Result<(Vec<RecordKey>, Take), EnforceError> {
    // Of those that were found, none may be left to take.
    while queue.taken == queue.found.len() && !queue.ended && !worker.common.stopping() {
        (queue.found, queue.ended) = worker.find(action, queue.path, queue.after.as_ref()).await?;
        queue.taken = 0;
        worker.common.cx.watch.at(Point::Found, &action.id).await;
        let n = queue.found.len();
        queue.after = if queue.found.is_empty() { None } else { queue.found.part(n - 1..n).pop() };
        let waiting;
        (queue.found, waiting) = worker.by_end(action, std::mem::take(&mut queue.found)).await?;
        queue.waiting += waiting;
        queue.in_order = action.archiving.is_none();
    }
    let keys = queue.take(worker.size);
    let runs = worker.common.settings.pace == Pace::Full && action.shape(worker.common.cx.dialect) == Shape::Keys;
    let take = if runs && consecutive(&keys) { Take::Run } else { taken(&keys, queue.in_order) };
    Ok((keys, take))
}

/// Whether these keys are whole numbers of which none is left out.
fn consecutive(keys: &[RecordKey]) -> bool {
    let mut numbers = keys.iter().map(RecordKey::number);
    let first = numbers.next().flatten();
    first.is_some_and(|first| (first + 1..).zip(numbers).all(|(expected, n)| n == Some(expected)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::key::{KeyKind, KeyPart};

    #[test]
    fn keys_are_consecutive_when_no_number_between_them_is_left_out() {
        let key = |kind, text: &str| RecordKey(vec![KeyPart { kind, text: text.to_owned() }]);
        let numbers = |all: &[&str]| all.iter().map(|n| key(KeyKind::Integer, n)).collect::<Vec<_>>();
        for (all, expected) in
            [(&["-1", "0", "1"][..], true), (&["7"], true), (&["1", "3"], false), (&["2", "1"], false), (&[], false)]
        {
            assert_eq!(consecutive(&numbers(all)), expected, "{all:?}");
        }
        assert!(!consecutive(&[key(KeyKind::Integer, "1"), key(KeyKind::Text, "2")]));
    }
}
