//! Shapes of a batch that are simpler than the engine's (`forms.rs`), played on the same schedules: each must lose a change, or the harness could not
//! find one. Beside them stand the shapes that the engine uses, written out by hand in the same way, which must not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use retentiond::enforce::{Pace, Point};
use retentiond::plan::schema::Engine;

use crate::changes::changes;
use crate::conductor::Conductor;
use crate::director::Director;
use crate::enforcement::Fixture;
use crate::forms::{FORMS, Form};
use crate::lane::ROOM;
use crate::oracle::Oracle;
use crate::scene::{MASKED, Shape, fixture_now};
use crate::schedule::{ENGINE_STEPS, End, Numbers, Schedule, Transaction, Turn, interleavings};
use crate::session::Wire;
use crate::support::database;
use crate::team::Team;

/// Who is beside the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// One transaction, in every order.
    One,
    /// Two transactions.
    Two,
    /// Two transactions and another batch over the other half of the records.
    Team,
}

/// How many schedules are drawn of those of which not all are played.
const DRAWN: usize = 40;
/// Five times as many of those that lose seldom when another batch of the same kind is in their way.
const SELDOM: [&str; 3] = ["SERIALIZABLE", "children not locked", "READ COMMITTED, children locked, no foreign key"];

impl Form {
    fn schedules(&self, beside: Beside) -> Vec<Schedule> {
        let changes: Vec<_> = changes(self.engine, self.shape).into_iter().filter(|c| self.changes.contains(&c.name)).collect();
        let mut numbers = Numbers(1);
        let schedule =
            |foreign: Vec<Transaction>, turns, team| Schedule { shape: self.shape, action: String::new(), foreign, turns, team };
        let transaction = |i: usize| Transaction { change: changes[i].clone(), end: End::Commit, serializable: false };
        if beside == Beside::One {
            let every = |i: usize| interleavings(&[ENGINE_STEPS, 2]).into_iter().map(move |turns| (i, turns));
            return (0..changes.len()).flat_map(every).map(|(i, turns)| schedule(vec![transaction(i)], turns, None)).collect();
        }
        let mut draw = || {
            let a = numbers.below(changes.len());
            let foreign = vec![transaction(a), transaction((a + 1 + numbers.below(changes.len() - 1)) % changes.len())];
            let mut turns = [[Turn::Engine; ENGINE_STEPS].as_slice(), &[Turn::Foreign(0); 2], &[Turn::Foreign(1); 2]].concat();
            // The first and the last step are the batch's.
            numbers.shuffle(&mut turns[1..ENGINE_STEPS + 3]);
            if beside == Beside::Two {
                return schedule(foreign, turns, None);
            }
            let team = Team { workers: 2, rows: 5, chunk: 5, pace: Pace::Full, sharp: None, seed: numbers.next() };
            schedule(foreign, Vec::new(), Some(team))
        };
        let seldom = beside == Beside::Team && SELDOM.contains(&self.name);
        (0..if seldom { 5 * DRAWN } else { DRAWN }).map(|_| draw()).collect()
    }

    /// Plays one batch and answers the records that it changed although something kept them.
    async fn batch(
        &self,
        wire: &mut Wire,
        steps: Steps<'_>,
        share: Option<i64>,
        oracle: &Oracle<'_>,
    ) -> Result<Vec<i64>, String> {
        let read = |rows: Vec<Vec<Option<String>>>| -> Vec<String> {
            let keys = rows.into_iter().filter_map(|r| r.into_iter().next()?).map(|k| k.trim().to_owned());
            keys.filter(|k| !k.is_empty()).collect()
        };
        let sql = |text: &str, keys: &[String]| self.sql(text, keys, share);
        let mut keys = Vec::new();
        steps.reached(0).await;
        if let Some(find) = self.find {
            keys = read(wire.rows(&sql(find, &[])).await?);
        }
        steps.reached(1).await;
        wire.rows(self.begin).await?;
        steps.reached(2).await;
        if let Some(lock) = self.lock {
            keys = read(wire.rows(&sql(lock, &keys)).await?);
        }
        if let Some(lock) = self.lock_children {
            wire.rows(&sql(lock, &keys)).await?;
        }
        steps.reached(3).await;
        let mut acted = read(wire.rows(&sql(self.act, &keys)).await?);
        if self.shape != Shape::OwnDelete {
            let text = if self.engine == Engine::MariaDb { "CHAR" } else { "text" };
            let masked = format!("SELECT CAST(id AS {text}) FROM {} WHERE name = '{MASKED}'", self.shape.root());
            acted = read(wire.rows(&masked).await?);
        }
        steps.reached(4).await;
        let last = oracle.snapshot().await;
        let committed = wire.rows("COMMIT").await;
        steps.reached(5).await;
        committed?;
        let ids = acted.into_iter().map(|id| id.parse::<i64>().unwrap()).filter(|id| share.is_none_or(|s| id % 2 == s));
        Ok(ids.filter(|id| !last.fate(self.shape, self.shape.root(), *id).is_due()).collect())
    }

    /// The same, by each of these connections; a conflict that the server noticed has changed nothing, and would be tried again.
    async fn batches(&self, wires: &mut [Wire], steps: Steps<'_>, oracle: &Oracle<'_>) -> Vec<i64> {
        let alone = wires.len() == 1;
        let each = wires.iter_mut().zip(0..).map(|(wire, i)| async move {
            let result = self.batch(wire, steps, (!alone).then_some(i), oracle).await;
            if result.is_err() {
                let _ = wire.execute("ROLLBACK").await;
            }
            result.unwrap_or_default()
        });
        join_all(each).await.concat()
    }

    /// In how many of its schedules it lost a change, of how many; `None` when the server is missing.
    async fn losses(&self, beside: Beside) -> Option<(usize, usize)> {
        let db = database(self.engine).await?;
        db.run_sql(&self.shape.schema(self.engine)).await;
        let fixture = Fixture::new(self.engine, &db, "crm", fixture_now()).await;
        let director = Director::new(self.engine, &db.url).await.impatient();
        let oracle = Oracle::new(self.engine, self.shape, &db.url, &fixture.journal, &director, None).await;
        let mut wires = Vec::new();
        for _ in 0..if beside == Beside::Team { 2 } else { 1 } {
            wires.push(Wire::connect(self.engine, &db.url).await.unwrap());
        }
        let schedules = self.schedules(beside);
        let mut lost = 0;
        for schedule in &schedules {
            oracle.begin("", &schedule.foreign[0].change.init).await;
            director.begin(self.engine, schedule).await;
            let conductor = schedule.team.map(|team| Conductor::new(self.engine, &director, team));
            let steps = conductor.as_ref().map_or(Steps::Directed(&director), Steps::Conducted);
            let others = async {
                match &conductor {
                    Some(conductor) => conductor.conduct().await,
                    None => loop {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        director.nudge().await;
                    },
                }
            };
            let records = tokio::select! {
                records = self.batches(&mut wires, steps, &oracle) => records,
                () = others => unreachable!("others go on until the batches end"),
            };
            lost += usize::from(!records.is_empty());
            if let Some(conductor) = &conductor {
                conductor.end().await;
            }
            director.end().await;
        }
        Some((lost, schedules.len()))
    }
}

/// Who lets a batch go on from step to step.
#[derive(Clone, Copy)]
enum Steps<'s> {
    Directed(&'s Director),
    Conducted(&'s Conductor<'s>),
}

impl Steps<'_> {
    async fn reached(self, made: usize) {
        match self {
            Self::Directed(director) => director.reached(made).await,
            Self::Conducted(conductor) => {
                let points = [Point::Found, Point::Fenced, Point::Locked, Point::Acted, Point::Committed];
                let Some(point) = made.checked_sub(1).map(|i| points[i]) else { return };
                conductor.pass(point).await;
            }
        }
    }
}

fn each(beside: Beside) {
    let _room = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                while let Some(form) = FORMS.get(next.fetch_add(1, Ordering::SeqCst)) {
                    // SQLite has one writer.
                    if beside == Beside::Team && form.engine == Engine::Sqlite {
                        continue;
                    }
                    let Some((lost, of)) = runtime.block_on(form.losses(beside)) else { continue };
                    assert!(of >= DRAWN, "{}", form.name);
                    eprintln!("{beside:?}: {} {}: loses in {lost} of {of}", form.engine.name(), form.name);
                    let loses = if beside == Beside::One { form.loses } else { form.loses_to_two };
                    if loses != (lost > 0) {
                        wrong.lock().unwrap().push(format!("{} {}: {lost} of {of}", form.engine.name(), form.name));
                    }
                }
            });
        }
    });
    assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn every_simpler_shape_of_a_batch_loses_a_change_and_those_that_the_engine_uses_do_not() {
    each(Beside::One);
}

/// One of them loses to two transactions alone.
#[test]
fn every_simpler_shape_loses_a_change_of_two_transactions() {
    each(Beside::Two);
}

#[test]
fn every_simpler_shape_loses_a_change_when_two_batches_share_the_records() {
    each(Beside::Team);
}
