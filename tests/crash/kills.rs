//! `kill -9` at random moments of a run, and now and then of the run after it too.

use std::time::{Duration, Instant};

use retentiond::enforce::Pace;
use retentiond::plan::schema::Engine;

use crate::chance::Chance;
use crate::child;
use crate::oracle::{Mark, Phase, Tally, judge, mark};
use crate::stage::Stage;
use crate::wanted::{asked, engines};

/// How often everything is put back: in between, kills pile up in one journal.
const RESET: u64 = 5;

#[tokio::test]
async fn a_run_killed_at_any_moment_is_finished_by_the_next_and_nothing_is_lost_or_done_twice() {
    killed(1, &[Pace::Full], asked("RETENTIOND_KILLS", 30), false).await;
}

#[tokio::test]
async fn a_run_of_several_workers_killed_at_any_moment_is_finished_by_the_next_and_nothing_is_lost_or_done_twice() {
    killed(3, &[Pace::Gentle, Pace::Full], asked("RETENTIOND_KILLS", 15), false).await;
}

#[tokio::test]
async fn what_a_run_was_told_elsewhere_that_is_killed_at_any_moment_counts_for_no_other() {
    killed(1, &[Pace::Full], asked("RETENTIOND_KILLS", 10), true).await;
}

/// `asking` says that a second source is asked, and something else is true there after each kill.
async fn killed(workers: usize, paces: &[Pace], kills: u64, asking: bool) {
    let seed = asked("RETENTIOND_SEED", 1);
    for engine in engines() {
        let stage = if asking { Stage::asking(engine, 24).await } else { Stage::new(engine, 24).await };
        let Some(mut stage) = stage else { continue };
        stage.workers = workers;
        let mut chance = Chance::new(seed);
        let mut lengths: Vec<Lengths> = Vec::new();
        for pace in paces {
            stage.reset().await;
            lengths.push(Lengths::of(&stage, *pace));
            // SQLite has one writer.
            let most = if engine == Engine::Sqlite { 1 } else { workers };
            assert_eq!(stage.slots_used().await, most, "every worker does something");
        }
        let (mut tally, mut killed, mut twice, mut told) = (Tally::new(), 0, 0, 0);
        let mut since = Mark::default();
        let mut round = 0;
        while killed < kills {
            if round % RESET == 0 {
                stage.reset().await;
                since = Mark::default();
            } else {
                stage.refill().await;
            }
            round += 1;
            assert!(round < kills * 10 + 100, "most runs end before they can be killed");
            if !kill(&stage, &mut chance, &mut lengths[..]) {
                stage.refill().await;
                since = mark(&stage).await;
                continue;
            }
            killed += 1;
            // The next one may die while it clears up.
            while chance.percent(25) && killed < kills && kill(&stage, &mut chance, &mut lengths[..]) {
                killed += 1;
                twice += 1;
            }
            told += u64::from(asking && left_answers(&stage).await);
            *tally.entry(judge(&stage, since).await).or_default() += 1;
            since = mark(&stage).await;
        }
        println!(
            "{}, {workers} workers: {killed} kills, {twice} of them of the run after a kill, {told} left what they were told; {tally:?}",
            engine.name()
        );
        let hit = tally.keys().any(|p| matches!(p, Phase::Aborted | Phase::Recovered));
        assert!(if asking { told > 0 } else { hit }, "some kills hit a batch, or leave what was noted");
    }
}

/// Whether killed runs have left answers of the second source.
async fn left_answers(stage: &Stage) -> bool {
    let inside = stage.enter().await;
    let noted = crate::asked::noted(stage, &inside).await;
    inside.leave().await;
    noted > 0
}

/// The two parts of a run, and how long each lasts.
struct Lengths {
    pace: Pace,
    starting: Duration,
    working: Duration,
}

impl Lengths {
    /// Of undisturbed runs; the first one finds nothing done, the second nothing to do.
    fn of(stage: &Stage, pace: Pace) -> Self {
        let mut child = child::start(stage, pace, child::WORKING);
        let begun = Instant::now();
        assert!(child.wait().unwrap().success());
        let working = begun.elapsed();
        let begun = Instant::now();
        let mut child = child::start(stage, pace, child::WORKING);
        let starting = begun.elapsed();
        assert!(child.wait().unwrap().success());
        Self { pace, starting, working }
    }
}

/// Kills a run at one of these paces at a moment of its usual duration, one in six while it starts; whether it still ran then.
fn kill(stage: &Stage, chance: &mut Chance, lengths: &mut [Lengths]) -> bool {
    let lengths = match lengths {
        [only] => only,
        all => &mut all[usize::from(chance.percent(50))],
    };
    let starting = chance.percent(16);
    let whole = if starting { lengths.starting } else { lengths.working };
    let delay = whole.mul_f64(f64::from(u32::try_from(chance.between(0, 1_000)).unwrap()) / 1_000.0);
    let mut child = child::start(stage, lengths.pace, if starting { child::STARTING } else { child::WORKING });
    let begun = Instant::now();
    while begun.elapsed() < delay {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            lengths.working = lengths.working.mul_f64(0.9);
            return false;
        }
        std::thread::sleep(delay.saturating_sub(begun.elapsed()).min(Duration::from_millis(1)));
    }
    let _ = child.kill();
    let killed = !child.wait().unwrap().success();
    if killed && !starting {
        lengths.working = lengths.working.mul_f64(1.02);
    }
    killed
}
