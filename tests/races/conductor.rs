//! Gives several workers and the foreign sessions their turns, one after the other, as a generator of numbers says.
//!
//! A watch point does not say whose it is, and need not: whoever comes to one waits there until it is chosen. What was let go either comes to
//! its next point, or waits for a lock, or has nothing left to do; who has not come within a time is not waited for. No two batches are
//! committed at one moment, so that each can be compared with what the rows said last before it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use retentiond::enforce::{Point, Watch};
use retentiond::plan::schema::Engine;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::director::Director;
use crate::oracle::Oracle;
use crate::schedule::{Numbers, Turn};
use crate::team::Team;

/// A commit that was not answered by then has failed.
const COMMIT: Duration = Duration::from_secs(20);
/// A foreign step is chosen in one of so many turns.
const FOREIGN: usize = 4;
/// And so is one that comes at one moment, once that has come.
const SHARP: usize = 3;

pub struct Conductor<'d> {
    director: &'d Director,
    desk: Mutex<Desk>,
    arrived: Notify,
    /// Who holds it commits.
    gate: Semaphore,
    /// Everybody may pass.
    open: AtomicBool,
    patience: Duration,
    sharp: Option<(Point, bool)>,
}

struct Desk {
    waiting: Vec<(Point, oneshot::Sender<()>)>,
    /// Let go, and not at a point again.
    moving: usize,
    begun: bool,
    workers: usize,
    numbers: Numbers,
    /// Foreign steps that were made while several workers had a transaction open.
    amid: usize,
    /// Every turn that was taken.
    course: Vec<(Turn, Option<Point>)>,
}

/// The point behind a point.
fn next(point: Point) -> Point {
    match point {
        Point::Found => Point::Intended,
        Point::Intended => Point::Fenced,
        Point::Fenced | Point::Taken => Point::Locked,
        Point::Locked | Point::Sealed => Point::Acted,
        Point::Acted | Point::Committed => Point::Committed,
    }
}

impl<'d> Conductor<'d> {
    pub fn new(engine: Engine, director: &'d Director, team: Team) -> Self {
        let (workers, numbers) = (team.workers, Numbers(team.seed));
        let desk = Desk { waiting: Vec::new(), moving: 0, begun: false, workers, numbers, amid: 0, course: Vec::new() };
        let patience = Duration::from_millis(if engine == Engine::MariaDb { 40 } else { 25 });
        let (arrived, gate, open) = (Notify::new(), Semaphore::new(1), AtomicBool::new(false));
        Self { director, desk: Mutex::new(desk), arrived, gate, open, patience, sharp: team.sharp }
    }

    /// Gives turns for as long as it is polled.
    pub async fn conduct(&self) {
        loop {
            self.stillness().await;
            let foreign = self.director.left().await;
            match self.choose(&foreign) {
                Some((Turn::Foreign(i), _)) => {
                    for _ in 0..self.at_once(i, foreign[i]) {
                        self.director.step(i).await;
                    }
                }
                Some((Turn::Engine, Some(go))) => drop(go.send(())),
                // Nobody waits here, and no foreign step is left.
                _ => drop(timeout(self.patience, self.arrived.notified()).await),
            }
        }
    }

    /// Waits until whoever was let go has come to its next point, or has taken too long for that; never between a batch's last look and its commit.
    async fn stillness(&self) {
        let deadline = Instant::now() + self.patience;
        while self.desk.lock().unwrap().moving > 0 && timeout_at(deadline, self.arrived.notified()).await.is_ok() {}
        self.desk.lock().unwrap().moving = 0;
        if let Ok(Ok(permit)) = timeout(COMMIT, self.gate.acquire()).await {
            drop(permit);
        }
    }

    fn choose(&self, foreign: &[usize]) -> Option<(Turn, Option<oneshot::Sender<()>>)> {
        let mut desk = self.desk.lock().unwrap();
        let left: Vec<usize> = (0..foreign.len()).filter(|i| foreign[*i] > 0).collect();
        if !desk.begun {
            return None;
        }
        let sharp = self.sharp.filter(|_| left.first() == Some(&0));
        let begun = desk.course.iter().any(|(turn, _)| *turn == Turn::Foreign(0));
        let now = sharp.filter(|(point, _)| {
            let point = if begun { next(*point) } else { *point };
            desk.waiting.iter().any(|(p, _)| *p == point)
        });
        let others: Vec<usize> = left.iter().copied().filter(|i| *i != 0 || self.sharp.is_none()).collect();
        let chosen = if now.is_some() && (begun || desk.numbers.below(SHARP) == 0) {
            Some(0)
        } else if !others.is_empty() && (desk.waiting.is_empty() || desk.numbers.below(FOREIGN) == 0) {
            Some(others[desk.numbers.below(others.len())])
        } else {
            None
        };
        if let Some(i) = chosen {
            let inside = |p: Point| matches!(p, Point::Fenced | Point::Locked | Point::Acted);
            desk.amid += usize::from(desk.waiting.iter().filter(|(p, _)| inside(*p)).count() > 1);
            desk.course.extend([(Turn::Foreign(i), None)].repeat(self.at_once(i, foreign[i])));
            return Some((Turn::Foreign(i), None));
        }
        if desk.waiting.is_empty() {
            return None;
        }
        let n = desk.waiting.len();
        let i = desk.numbers.below(n);
        let (point, go) = desk.waiting.remove(i);
        // All others set out with the one that has found something for them.
        desk.moving += if point == Point::Found { desk.workers - (n - 1).min(desk.workers - 1) } else { 1 };
        desk.course.push((Turn::Engine, Some(point)));
        Some((Turn::Engine, Some(go)))
    }

    /// How many of the steps that a foreign session has left it makes in one turn.
    fn at_once(&self, i: usize, left: usize) -> usize {
        match self.sharp {
            Some((_, true)) if i == 0 => left,
            Some((_, false)) if i == 0 => (left - 1).max(1),
            _ => 1,
        }
    }

    async fn wait(&self, point: Point) {
        if self.open.load(Ordering::SeqCst) {
            return;
        }
        let (go, gone) = oneshot::channel();
        {
            let mut desk = self.desk.lock().unwrap();
            desk.waiting.push((point, go));
            desk.moving = desk.moving.saturating_sub(1);
            desk.begun = true;
        }
        self.arrived.notify_one();
        let _ = gone.await;
    }

    /// Whoever is to commit takes the gate, and gives it back once it has.
    pub async fn gate(&self) -> bool {
        let permit = timeout(COMMIT, self.gate.acquire()).await;
        // Where its holder's commit failed, the place is taken over.
        permit.is_ok_and(|p| p.map(|p| p.forget()).is_ok())
    }

    /// Somebody has come to a point, and goes on when it is chosen.
    pub async fn pass(&self, point: Point) {
        if point == Point::Committed {
            self.gate.add_permits(1);
        }
        self.wait(point).await;
        if point == Point::Acted {
            self.gate().await;
        }
    }

    /// From now on nobody waits; the foreign steps in the order in which they were made, with those that are left behind them.
    pub async fn end(&self) -> Vec<Turn> {
        self.open.store(true, Ordering::SeqCst);
        self.desk.lock().unwrap().waiting.clear();
        for (i, left) in self.director.left().await.into_iter().enumerate() {
            for _ in 0..left {
                self.director.step(i).await;
                self.desk.lock().unwrap().course.push((Turn::Foreign(i), None));
            }
        }
        self.desk.lock().unwrap().course.iter().map(|(turn, _)| *turn).filter(|turn| *turn != Turn::Engine).collect()
    }

    /// Foreign steps that were made while several workers had a transaction open.
    pub fn amid(&self) -> usize {
        self.desk.lock().unwrap().amid
    }

    /// Every turn that was taken, for people.
    pub fn course(&self) -> String {
        let desk = self.desk.lock().unwrap();
        let words = desk.course.iter().map(|turn| match turn {
            (Turn::Foreign(i), _) => char::from(b'A' + u8::try_from(*i).unwrap_or(25)).to_string(),
            (Turn::Engine, point) => point.map_or_else(String::new, |p| format!("{p:?}").to_lowercase()),
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Watches a run of several workers.
pub struct Conducted<'a> {
    pub oracle: &'a Oracle<'a>,
    pub conductor: &'a Conductor<'a>,
}

impl Watch for Conducted<'_> {
    fn at<'b>(&'b self, point: Point, action: &'b str) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>> {
        Box::pin(async move {
            let conductor = self.conductor;
            if point == Point::Taken {
                return;
            }
            if point == Point::Committed {
                self.oracle.committed(action).await;
                conductor.gate.add_permits(1);
            }
            if self.oracle.staged(action).await {
                conductor.wait(point).await;
            }
            if point == Point::Acted {
                if !conductor.gate().await {
                    self.oracle.complain("a commit was not answered").await;
                }
                self.oracle.acted().await;
            }
        })
    }
}
