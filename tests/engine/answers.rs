//! What a second source answers changes while a batch goes on, at any of its points, and so does what was asked about.
//!
//! Answers are not locked. The last one comes under the locks of the batch: what is there when the rows are locked holds for it, and what comes later is
//! too late. So whatever a batch took must have been free by what was there, in both sources, before the step behind its change; and after a quiet
//! run nothing is left that is free. `RETENTIOND_ANSWERS` schedules are drawn, from `RETENTIOND_SEED` on.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use retentiond::enforce::{Point, Silent, Watch};
use retentiond::journal::Event;
use retentiond::plan::schema::Engine;
use retentiond::source::Source;
use tokio::task::JoinHandle;

use crate::answers_model::Both;
use crate::asks::{ask, both_rules, fill_there, schema_here, schema_there};
use crate::enforcement::{Fixture, unlimited};
use crate::rows::foreign;
use crate::scene::{DUE, ENGINES, KEPT, batches_of, consistent, entries, now};
use crate::support::{TestDatabase, database};

/// A change of requests or persons, here or there. Requests 5 and 7 and persons 5 and 6 go in one batch if nothing happens; request 9 has no copy.
struct Change {
    action: &'static str,
    here: bool,
    sql: &'static str,
}

const fn change(action: &'static str, here: bool, sql: &'static str) -> Change {
    Change { action, here, sql }
}

const CHANGES: [Change; 17] = [
    change("request.delete", false, "DELETE FROM paper WHERE number = 7"),
    change("request.delete", false, "UPDATE paper SET code = 'other' WHERE number = 7"),
    change("request.delete", false, "UPDATE paper SET number = 9, code = 'R9' WHERE number = 7"),
    change("request.delete", false, "INSERT INTO paper VALUES (1009, 9, 'R9', 'x')"),
    change("request.delete", false, "INSERT INTO paper VALUES (1007, 7, 'R7', 'x')"),
    change("request.delete", false, "ALTER TABLE paper RENAME TO away"),
    change("request.delete", true, "UPDATE request SET seen = '{KEPT}' WHERE id = 7"),
    change("request.delete", true, "UPDATE request SET code = 'other' WHERE id = 7"),
    change("request.delete", true, "UPDATE request SET code = 'r9' WHERE id = 9"),
    change("person.delete", false, "INSERT INTO contract VALUES (1005, 'P5', NULL, 'x')"),
    change("person.delete", false, "UPDATE contract SET ended = NULL WHERE holder = 'P5'"),
    change("person.delete", false, "UPDATE contract SET holder = 'P5' WHERE holder = 'P7'"),
    change("person.delete", false, "UPDATE contract SET ended = '2020-01-01' WHERE holder = 'P7'"),
    change("person.delete", false, "ALTER TABLE contract RENAME TO gone"),
    change("person.delete", true, "UPDATE person SET seen = '{KEPT}' WHERE id = 5"),
    change("person.delete", true, "UPDATE person SET code = 'P7' WHERE id = 5"),
    change("person.clear.contact", false, "UPDATE contract SET ended = '2020-01-01' WHERE holder = 'P10'"),
];

const POINTS: [Point; 7] =
    [Point::Found, Point::Intended, Point::Fenced, Point::Taken, Point::Locked, Point::Acted, Point::Committed];

/// A change at the nth time that an action comes to a point.
#[derive(Clone, Copy, Debug)]
struct Step {
    change: usize,
    point: Point,
    nth: usize,
}

/// Makes the changes of a schedule, and holds each batch against what was there.
struct Beside<'s> {
    engine: Engine,
    urls: [&'s str; 2],
    sources: [&'s Source; 2],
    steps: &'s [Step],
    met: Mutex<HashMap<(Point, String), usize>>,
    before: Mutex<Option<Both>>,
    waiting: Mutex<Vec<JoinHandle<()>>>,
    wrong: Mutex<Vec<String>>,
    /// Records that a batch took, and that were needed when it had committed.
    late: Mutex<usize>,
    made: Mutex<usize>,
}

impl Watch for Beside<'_> {
    fn at<'a>(&'a self, point: Point, action: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.step(point, action))
    }
}

impl Beside<'_> {
    async fn step(&self, point: Point, action: &str) {
        let [here, there] = self.urls;
        if point == Point::Acted {
            let both = Both::look(self.sources).await;
            *self.before.lock().unwrap() = Some(both);
        }
        let before = if point == Point::Committed { self.before.lock().unwrap().take() } else { None };
        if let Some(before) = before {
            let now = Both::look(self.sources).await;
            self.wrong.lock().unwrap().extend(before.wrongly_gone(&now));
            let told = Both { paper: now.paper.clone(), contract: now.contract.clone(), ..before };
            *self.late.lock().unwrap() += told.wrongly_gone(&now).len();
        }
        let met = {
            let mut met = self.met.lock().unwrap();
            let met = met.entry((point, action.to_owned())).or_default();
            std::mem::replace(met, *met + 1)
        };
        for step in self.steps.iter().filter(|s| s.point == point && s.nth == met && CHANGES[s.change].action == action) {
            *self.made.lock().unwrap() += 1;
            let change = &CHANGES[step.change];
            let sql = change.sql.replace("{KEPT}", KEPT);
            if !change.here {
                // Nothing is locked there; what another change has taken away cannot be changed.
                let _ = foreign(self.engine, there, &sql).await;
                continue;
            }
            let (engine, url) = (self.engine, here.to_owned());
            let mut made = tokio::spawn(async move { drop(foreign(engine, &url, &sql).await) });
            // Whoever waits for the batch goes on behind it.
            if tokio::time::timeout(Duration::from_millis(150), &mut made).await.is_err() {
                self.waiting.lock().unwrap().push(made);
            }
        }
    }
}

fn fill_here(n: usize) -> String {
    let mut sql = "DELETE FROM request;\nDELETE FROM person;\n".to_owned();
    for i in 1..=n {
        let seen = if i.is_multiple_of(4) { KEPT } else { DUE };
        sql.push_str(&format!("INSERT INTO request VALUES ({i}, 'R{i}', 'x', '{seen}');\n"));
        sql.push_str(&format!("INSERT INTO person VALUES ({i}, 'P{i}', 'N{i}', 'x@example.org', '{seen}');\n"));
    }
    sql
}

/// Numbers by chance, the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    /// One change or two; most meet the batch that has what they change.
    fn schedule(&mut self) -> Vec<Step> {
        let steps = 1 + self.below(2);
        (0..steps)
            .map(|_| {
                let change = self.below(CHANGES.len());
                Step { change, point: POINTS[self.below(POINTS.len())], nth: [1, 1, 1, 0, 2][self.below(5)] }
            })
            .collect()
    }
}

async fn source(engine: Engine, schema: &str) -> Option<TestDatabase> {
    let db = database(engine).await?;
    db.run_sql(schema).await;
    Some(db)
}

fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_elsewhere_in_time_is_heeded_at_every_point_of_a_batch() {
    const ROWS: usize = 12;
    for engine in ENGINES {
        let (Some(here), Some(there)) = (source(engine, &schema_here(engine)).await, source(engine, &schema_there(engine)).await)
        else {
            continue;
        };
        let (rules, base) = both_rules();
        let mut fixture = Fixture::new(engine, &here, "crm", now()).await;
        let other = Fixture::new(engine, &there, "base", now()).await;
        let sources = [&fixture.source.clone(), &other.source.clone()];
        let mut numbers = Numbers(asked("RETENTIOND_SEED", 1));
        let (mut made, mut late) = (0, 0);
        let schedules = asked("RETENTIOND_ANSWERS", 20);
        for n in 0..schedules {
            let steps = numbers.schedule();
            let told: Vec<String> =
                steps.iter().map(|s| format!("{} at {:?} {}", CHANGES[s.change].sql, s.point, s.nth)).collect();
            let about = format!("{} {n}: {told:?}", engine.name());
            here.run_sql(&fill_here(ROWS)).await;
            there.run_sql(&fill_there(ROWS)).await;
            (fixture.copies, fixture.elsewhere) = ask(&there.url, &rules, &base, now()).await.unwrap();
            let beside = Beside {
                engine,
                urls: [&here.url, &there.url],
                sources,
                steps: &steps,
                met: Mutex::default(),
                before: Mutex::default(),
                waiting: Mutex::default(),
                wrong: Mutex::default(),
                late: Mutex::default(),
                made: Mutex::default(),
            };
            fixture.run_with(&rules, batches_of(2), &beside).await.unwrap();
            let waiting = std::mem::take(&mut *beside.waiting.lock().unwrap());
            for change in waiting {
                change.await.unwrap();
            }
            assert_eq!(*beside.wrong.lock().unwrap(), Vec::<String>::new(), "{about}");
            made += *beside.made.lock().unwrap();
            late += *beside.late.lock().unwrap();
            for (away, table) in [("away", "paper"), ("gone", "contract")] {
                let _ = foreign(engine, &there.url, &format!("ALTER TABLE {away} RENAME TO {table}")).await;
            }
            (fixture.copies, fixture.elsewhere) = ask(&there.url, &rules, &base, now()).await.unwrap();
            let before = Both::look(sources).await;
            fixture.run_with(&rules, unlimited(), &Silent).await.unwrap();
            let after = Both::look(sources).await;
            assert_eq!((before.wrongly_gone(&after), after.left()), (Vec::new(), Vec::new()), "{about}");
        }
        let all = entries(&fixture).await;
        let of = |word: &str| {
            all.iter().filter(|e| matches!(&e.event, Event::Aborted { code, .. } if code.to_string() == word)).count()
        };
        println!(
            "{}: {schedules} schedules, {made} changes; batches given up: {} without a copy, {} needed elsewhere; {late} took what was needed afterwards",
            engine.name(),
            of("no_copy"),
            of("needed_elsewhere")
        );
        assert!(made > schedules as usize / 2 && of("no_copy") + of("needed_elsewhere") > 0, "{}", engine.name());
        consistent(&fixture).await;
    }
}
