//! Runs that end without a word.

use std::io::BufRead as _;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use retentiond::archive::Archives;
use retentiond::enforce::run::take_fence;
use retentiond::enforce::{Point, RunRequest, Silent, Watch, run};
use retentiond::journal::{Journal, Trigger};
use retentiond::source::{Source, Target};
use retentiond::state::State;

use crate::enforcement::{Fixture, TestClock};
use crate::scene::{ENGINES, batches_of, consistent, now, number, organisation, run_clean, scene_rules};

const POINTS: [Point; 6] = [Point::Found, Point::Intended, Point::Fenced, Point::Locked, Point::Acted, Point::Committed];

/// Never comes back from the nth time that a point of an action is reached.
struct Stuck {
    point: Point,
    action: &'static str,
    nth: usize,
    seen: AtomicUsize,
    reached: Arc<tokio::sync::Notify>,
}

impl Watch for Stuck {
    fn at<'a>(&'a self, point: Point, action: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        if point == self.point && action == self.action && self.seen.fetch_add(1, Ordering::SeqCst) == self.nth {
            self.reached.notify_one();
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn a_run_that_dies_at_any_point_is_closed_and_finished_by_the_next() {
    for engine in ENGINES {
        for point in POINTS {
            for (action, nth) in [("client.delete", 0), ("log.delete", 1), ("account.anonymise", 1)] {
                let nth = if point == Point::Found { 0 } else { nth };
                let Some(db) = organisation(engine, 30).await else { continue };
                let fixture = Fixture::new(engine, &db, "crm", now()).await;
                let rules = scene_rules(&[]);
                let reached = Arc::new(tokio::sync::Notify::new());
                let watch = Stuck { point, action, nth, seen: AtomicUsize::new(0), reached: reached.clone() };
                {
                    let run = fixture.run_with(&rules, batches_of(10), &watch);
                    // Dropping the run drops its connections in the middle of whatever they do.
                    tokio::select! {
                        result = run => panic!("{} {point:?} {action}: {result:?}", engine.name()),
                        () = reached.notified() => {}
                    }
                }
                // What a new process finds.
                let fixture = Fixture::open(engine, &db, fixture.into_folder().await, now()).await;
                let gone = 30 - number(&fixture, "FROM log").await;
                assert_eq!(gone % 10, 0, "whole batches only: {point:?} {action}");
                let outcome = run_clean(&fixture, &rules).await;
                let open = u64::from(point != Point::Found || action != "account.anonymise");
                assert_eq!(outcome.recovered, open, "{} {point:?} {action}", engine.name());
                assert_eq!(
                    number(&fixture, "FROM client").await
                        + number(&fixture, "FROM note").await
                        + number(&fixture, "FROM log").await,
                    0
                );
                assert_eq!(number(&fixture, "FROM account WHERE name <> 'ANONYME'").await, 0);
                consistent(&fixture).await;
            }
        }
    }
}

const CHILD: &str = "RETENTIOND_TEST_CRASH_CHILD";

/// Runs only as the child of the next test: opens the state, runs, and is killed.
#[test]
fn child_that_enforces_until_it_is_killed() {
    let Ok(args) = std::env::var(CHILD) else { return };
    let (url, state) = args.split_once('\n').unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let state = State::open(std::path::Path::new(state)).await.unwrap();
        let clock = Arc::new(TestClock(std::sync::Mutex::new(now())));
        let journal = Journal::open(&state, clock).await.unwrap();
        let source = Source::connect(&Target::new(url)).await.unwrap();
        println!("ready");
        let rules = scene_rules(&[]);
        let prepared = crate::enforcement::prepare(&source, &rules, now()).await;
        let fence = take_fence(&source, &state, &journal, &prepared).await.unwrap();
        let (settings, trigger) = (batches_of(7), Trigger::Command);
        let prepared = &prepared;
        run(RunRequest {
            scope: retentiond::enforce::Scope::Everything,
            source: &source,
            prepared,
            journal: &journal,
            fence,
            settings,
            full_census: false,
            archives: &Archives::default(),
            copies: &retentiond::enforce::Copies::default(),
            elsewhere: &retentiond::enforce::Elsewhere::default(),
            files: Default::default(),
            watch: &Silent,
            trigger,
        })
        .await
        .unwrap();
        println!("ended");
    });
}

#[tokio::test]
async fn a_process_killed_at_any_moment_loses_and_repeats_nothing() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 400).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        let mut killed = 0;
        let folder = fixture.into_folder().await;
        for round in 0..20u64 {
            let args = format!("{}\n{}", db.url, folder.path().join("state").display());
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "crash::child_that_enforces_until_it_is_killed", "--nocapture"])
                .env(CHILD, args)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            while !line.contains("ready") {
                line.clear();
                assert!(lines.read_line(&mut line).unwrap() > 0, "the child says that it is ready");
            }
            std::thread::sleep(Duration::from_millis(60 + round * 17));
            let _ = child.kill();
            killed += u32::from(!child.wait().unwrap().success());
        }
        let fixture = Fixture::open(engine, &db, folder, now()).await;
        assert!(killed >= 5, "{killed} of 20 were killed at work on {}", engine.name());
        run_clean(&fixture, &rules).await;
        assert_eq!(number(&fixture, "FROM log").await + number(&fixture, "FROM note").await, 0);
        consistent(&fixture).await;
    }
}
