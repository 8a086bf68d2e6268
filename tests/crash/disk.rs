//! The state store's disk full, or failing once: what cannot be written into the journal is not done.

use retentiond::plan::schema::Engine;

use crate::oracle::{Mark, Phase, Tally, judge};
use crate::stage::Stage;
use crate::trace::{Effect, End, Point, available, chosen, points, strike};
use crate::wanted::{asked, crews, engines};

const CALLS: &str = "write,pwrite64,fsync,fdatasync,ftruncate";
/// With the removal of its journal, which is SQLite's COMMIT.
const SOURCE_CALLS: &str = "write,pwrite64,fsync,fdatasync,ftruncate,unlink";

#[tokio::test]
async fn a_run_whose_journal_cannot_be_written_ends_and_has_destroyed_nothing_that_the_journal_does_not_know() {
    if !available() {
        return;
    }
    let seed = asked("RETENTIOND_SEED", 1);
    for engine in engines() {
        let Some(mut stage) = Stage::new(engine, 8).await else { continue };
        let state = stage.state_dir().display().to_string();
        for workers in crews(engine) {
            stage.workers = workers;
            let of_state = |p: &Point| p.path.as_ref().is_some_and(|path| path.starts_with(&state));
            let all: Vec<Point> = points(&stage, CALLS).0.into_iter().filter(of_state).collect();
            for effect in [Effect::NoSpace, Effect::Failed] {
                let (mut tally, mut ends) = (Tally::new(), [0, 0]);
                let chosen = chosen(&all, if workers == 1 { 4 } else { 2 }, seed);
                for point in &chosen {
                    stage.reset().await;
                    let end = strike(&stage, point, effect);
                    assert_ne!(end, End::Killed, "{point:?}");
                    let phase = judge(&stage, Mark::default()).await;
                    // What reports success has finished; folding the write-ahead log into the database may fail after that.
                    assert!(end == End::Error || phase == Phase::Finished, "{point:?} {effect:?}: {end:?} {phase:?}");
                    ends[usize::from(end == End::Error)] += 1;
                    *tally.entry(phase).or_default() += 1;
                }
                let [complete, errors] = ends;
                println!(
                    "{}, {workers} workers: {effect:?} at {} of {} points: {errors} runs ended with an error, {complete} were complete; {tally:?}",
                    engine.name(),
                    chosen.len(),
                    all.len()
                );
                assert!(errors > 0, "no run noticed");
            }
        }
    }
}

#[tokio::test]
async fn an_sqlite_source_whose_disk_is_full_or_fails_is_told_by_its_ledger_and_not_by_its_errors() {
    if !available() || !engines().contains(&Engine::Sqlite) {
        return;
    }
    let seed = asked("RETENTIOND_SEED", 1);
    let Some(stage) = Stage::new(Engine::Sqlite, 8).await else { return };
    let state = stage.state_dir().display().to_string();
    // What is met instead of a call on an object may be on any file, or what wakes the runtime, which never fails outside of tests.
    let of_source = |p: &Point| p.path.as_ref().is_some_and(|path| !path.starts_with(&state)) && !p.is_of_an_object();
    let all: Vec<Point> = points(&stage, SOURCE_CALLS).0.into_iter().filter(of_source).collect();
    for effect in [Effect::NoSpace, Effect::Failed] {
        let (mut tally, mut errors) = (Tally::new(), 0);
        let chosen = chosen(&all, 4, seed);
        for point in &chosen {
            stage.reset().await;
            let end = strike(&stage, point, effect);
            assert_ne!(end, End::Killed, "{point:?}");
            errors += u32::from(end == End::Error);
            *tally.entry(judge(&stage, Mark::default()).await).or_default() += 1;
        }
        println!(
            "SQLite source: {effect:?} at {} of {} points: {errors} runs ended with an error; {tally:?}",
            chosen.len(),
            all.len()
        );
    }
}
