//! One action over stretches of whole-number keys, without looking up beforehand which rows are due: the acting statement finds them itself, and
//! each row is read once. For a maintenance window and a good share of due rows; whatever is in the way of a stretch is found key by key.

use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::batch::{Failure, Take};
use super::crew::{self, Part, Queue};
use super::error::EnforceError;
use super::outcome::ActionOutcome;
use super::settings::Pace;
use super::watch::Point;
use super::work::{READ_FOR_ONE, Worker};
use crate::plan::action::{Action, Path, Shape};
use crate::plan::key::{KeyKind, KeyPart, RecordKey};

/// How many times as wide as an average batch needs a stretch may be.
const WIDEST: i128 = 2;

/// Keys from one whole number to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    from: i128,
    to: i128,
}

impl Stretch {
    fn width(self) -> i128 {
        self.to - self.from + 1
    }

    fn ends(self) -> [RecordKey; 2] {
        [self.from, self.to].map(|n| RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: n.to_string() }]))
    }

    fn halves(self) -> [Self; 2] {
        let middle = self.from + (self.to - self.from) / 2;
        [Self { from: self.from, to: middle }, Self { from: middle + 1, to: self.to }]
    }
}

/// What is left of a table's keys.
#[derive(Debug)]
pub(super) struct Road {
    rest: Stretch,
    /// Rows that are still due, by the last count.
    due: u64,
    /// Keys for each due row, over the whole table.
    for_one: i128,
    /// Keys for each row that was changed lately: one before anything is known, so that the first batch is not too large wherever it falls.
    lately: i128,
}

impl Road {
    /// The next stretch for a batch of about so many rows.
    fn next(&mut self, rows: usize) -> Option<Stretch> {
        if self.due == 0 || self.rest.from > self.rest.to {
            return None;
        }
        let rows = rows.max(1) as i128;
        let width = rows * self.lately.clamp(1, self.for_one * WIDEST);
        let to = self.rest.to.min(self.rest.from.saturating_add(width - 1));
        let next = Stretch { from: self.rest.from, to };
        self.rest.from = to + 1;
        Some(next)
    }

    /// What a stretch turned out to hold.
    fn learn(&mut self, stretch: Stretch, rows: u64) {
        self.due = self.due.saturating_sub(rows);
        self.lately = match i128::from(rows) {
            0 => self.lately.saturating_mul(4),
            rows => stretch.width() / rows,
        };
    }
}

/// The keys of an action's table as a road, where walking it reads little for each row that is due.
pub(super) async fn road(workers: &mut [Worker<'_>], action: &Action, due: u64) -> Result<Option<Road>, EnforceError> {
    let Some(first) = workers.first_mut() else { return Ok(None) };
    let (d, settings) = (first.common.cx.dialect, &first.common.settings);
    if action.shape(d) != Shape::Window || settings.pace != Pace::Full || due < settings.chunk || first.common.stopping() {
        return Ok(None);
    }
    let road = all(first, action, due).await?;
    first.common.cx.watch.at(Point::Found, &action.id).await;
    Ok(road)
}

/// How to look for many due rows batch by batch.
pub(super) async fn path(worker: &mut Worker<'_>, action: &Action, due: u64) -> Result<Path, EnforceError> {
    let along = worker.common.cx.dialect.engine.is_mysql_family() && all(worker, action, due).await?.is_some();
    Ok(if along { Path::Along } else { Path::Planned })
}

/// All keys, where they are whole numbers of which a good share is due.
async fn all(worker: &mut Worker<'_>, action: &Action, due: u64) -> Result<Option<Road>, EnforceError> {
    let number = |key: Option<RecordKey>| key.as_ref().and_then(RecordKey::number);
    let [Some(from), Some(to)] =
        (if action.key.len() == 1 { worker.first_and_last(action).await?.map(number) } else { [None; 2] })
    else {
        return Ok(None);
    };
    let for_one = (to - from) / i128::from(due.max(1)) + 1;
    let rest = Stretch { from, to };
    Ok((for_one <= READ_FOR_ONE).then_some(Road { rest, due, for_one, lately: 1 }))
}

/// Walks a road to its end: what was done, and the keys that were left out.
pub(super) async fn act(workers: &mut [Worker<'_>], action: &Action, road: Road) -> Vec<Part> {
    let road = Mutex::new(road);
    join_all(workers.iter_mut().map(|worker| walk(worker, action, &road))).await
}

async fn walk(worker: &mut Worker<'_>, action: &Action, road: &Mutex<Road>) -> Part {
    let (mut out, mut missed) = (ActionOutcome::default(), Vec::new());
    while !worker.common.stopping() && !worker.common.given_up(&out) {
        let Some(stretch) = road.lock().await.next(worker.size) else { break };
        let changed = out.changed;
        let result = worker.stretch(action, stretch, &mut out, &mut missed).await;
        let mut road = road.lock().await;
        road.learn(stretch, out.changed - changed);
        if result.is_err() || worker.common.given_up(&out) {
            // The others finish what they have in hand.
            road.due = 0;
        }
        result?;
    }
    Ok((out, missed))
}

impl Worker<'_> {
    /// Everything due in a stretch; `missed` takes what is left for later.
    async fn stretch(
        &mut self,
        action: &Action,
        whole: Stretch,
        out: &mut ActionOutcome,
        missed: &mut Vec<RecordKey>,
    ) -> Result<(), EnforceError> {
        let mut parts = vec![whole];
        while let Some(part) = parts.pop().filter(|_| !self.common.stopping() && !self.common.given_up(out)) {
            match self.once(action, &part.ends(), Take::Stretch).await {
                Ok(done) => {
                    self.adapt(&done, self.size);
                    self.credit(action, &done, out);
                }
                Err(Failure::Fatal(e)) => return Err(e),
                Err(Failure::TooLarge) if part.width() > 1 => {
                    let [first, second] = part.halves();
                    parts.extend([second, first]);
                }
                Err(failure) => {
                    if let Failure::Unknown(seq) = failure {
                        self.settle(seq, out).await?;
                    }
                    let found = self.find_between(action, &part.ends()).await?;
                    self.common.cx.watch.at(Point::Found, &action.id).await;
                    let (done, left) = crew::drain(self, action, &Mutex::new(Queue::of(found))).await?;
                    out.add(&done);
                    missed.extend(left);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn road(from: i128, to: i128, due: u64) -> Road {
        Road { rest: Stretch { from, to }, due, for_one: (to - from) / i128::from(due) + 1, lately: 1 }
    }

    /// Walks a road on which a key is due when the rule says so.
    fn walked(mut road: Road, rows: usize, is_due: impl Fn(i128) -> bool) -> Vec<(Stretch, u64)> {
        let mut steps = Vec::new();
        while let Some(stretch) = road.next(rows) {
            let found = (stretch.from..=stretch.to).filter(|n| is_due(*n)).count() as u64;
            road.learn(stretch, found);
            steps.push((stretch, found));
        }
        steps
    }

    #[test]
    fn a_walk_covers_every_due_key_once_and_in_order() {
        for is_due in [|n: i128| n % 5 == 0, |n: i128| n < -79_000, |n: i128| n >= 80_000, |n: i128| n % 977 == 3 || n > 99_000] {
            let due = (-100_000..=100_000).filter(|n| is_due(*n)).count() as u64;
            let steps = walked(road(-100_000, 100_000, due), 1_000, is_due);
            assert_eq!(steps[0].0.from, -100_000);
            assert!(steps.windows(2).all(|w| w[0].0.to + 1 == w[1].0.from));
            assert_eq!(steps.iter().map(|(_, n)| n).sum::<u64>(), due);
        }
    }

    #[test]
    fn batches_of_evenly_spread_keys_soon_have_the_rows_that_were_asked_for() {
        let steps = walked(road(1, 1_000_000, 200_000), 5_000, |n| n % 5 == 0);
        assert_eq!(steps[0].1, 1_000);
        assert!(steps[1..steps.len() - 1].iter().all(|(_, n)| *n == 5_000), "{steps:?}");
    }

    #[test]
    fn a_stretch_is_never_wider_than_twice_what_an_average_batch_needs() {
        let steps = walked(road(1, 1_000_000, 100_000), 1_000, |n| n > 900_000);
        assert!(steps.iter().all(|(s, _)| s.width() <= 20_000));
        assert_eq!(steps.iter().map(|(_, n)| n).sum::<u64>(), 100_000);
    }

    #[test]
    fn halves_are_the_whole() {
        for (from, to) in [(1, 2), (-3, 4), (5, 7), (i128::from(i64::MIN), i128::from(i64::MAX))] {
            let [a, b] = Stretch { from, to }.halves();
            assert_eq!((a.from, a.to + 1, b.to), (from, b.from, to));
            assert!(a.from <= a.to && b.from <= b.to);
        }
    }
}
