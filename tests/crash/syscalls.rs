//! The process killed at every system call by which it changes or learns something: writes, syncs and truncations of the state store and of an
//! SQLite source (whose COMMIT is the removal of its journal), all that makes an object of the archive, messages to and from a server.

use std::collections::BTreeMap;

use retentiond::journal::Event;
use retentiond::plan::schema::Engine;

use crate::oracle::{Mark, Tally, entries, judge};
use crate::stage::Stage;
use crate::trace::{Effect, End, Point, available, chosen, points, strike};
use crate::wanted::{asked, crews, engines};

const CALLS: &str = "write,pwrite64,fsync,fdatasync,ftruncate,unlink,unlinkat,rename,renameat2,linkat,mkdirat,sendto,recvfrom";

#[tokio::test]
async fn a_run_killed_at_any_system_call_is_finished_by_the_next_and_nothing_is_lost_or_done_twice() {
    if !available() {
        return;
    }
    let seed = asked("RETENTIOND_SEED", 1);
    for engine in engines() {
        let Some(mut stage) = Stage::new(engine, 8).await else { continue };
        for workers in crews(engine) {
            stage.workers = workers;
            let (all, total) = points(&stage, CALLS);
            let calls = all.iter().fold(BTreeMap::<&str, usize>::new(), |mut n, p| {
                *n.entry(&p.call).or_default() += 1;
                n
            });
            let (mut tally, mut missed) = (Tally::new(), 0);
            let (objects, others): (Vec<Point>, Vec<Point>) = all.iter().cloned().partition(|p| p.is_of_an_object());
            let few = if workers == 1 { 8 } else { 4 };
            let chosen = [chosen(&others, few, seed), chosen(&objects, few / 2, seed)].concat();
            for point in &chosen {
                // Which worker comes first differs from run to run, and with it how often each thread calls.
                let mut killed = false;
                for _ in 0..if workers == 1 { 1 } else { 4 } {
                    stage.reset().await;
                    killed = match strike(&stage, point, Effect::Kill) {
                        End::Killed => true,
                        End::Complete => false,
                        End::Error => panic!("{point:?}: an error instead of death"),
                    };
                    *tally.entry(judge(&stage, Mark::default()).await).or_default() += 1;
                    if killed {
                        break;
                    }
                }
                missed += usize::from(!killed);
            }
            println!(
                "{}, {workers} workers: {} of {} points for {total} calls ({calls:?}), {missed} not met; {tally:?}",
                engine.name(),
                chosen.len(),
                all.len()
            );
            assert!(missed * if workers == 1 { 4 } else { 2 } <= chosen.len(), "most points are met");
        }
    }
}

/// What a run syncs beside its batches does not grow with them; PostgreSQL's own syncs are not this process's.
#[tokio::test]
async fn each_batch_costs_one_sync_of_the_state_store() {
    if !available() {
        return;
    }
    let mut seen = Vec::new();
    for n in [8, 80] {
        let Some(stage) = Stage::new(Engine::Postgres, n).await else { return };
        let (all, total) = points(&stage, "fsync,fdatasync");
        // An object of an archive is synced by itself, with the directory that it lies in.
        let syncs = total - all.iter().filter(|p| p.is_of_an_object()).count();
        let inside = stage.enter().await;
        let intents = entries(&inside, 0).await.iter().filter(|e| matches!(e.event, Event::Intent { .. })).count();
        inside.leave().await;
        seen.push((syncs, intents));
    }
    println!("(syncs, batches): {seen:?}");
    let [(syncs, batches), (more_syncs, more_batches)] = seen[..] else { panic!("{seen:?}") };
    assert!(batches < more_batches);
    let (syncs, batches) = (more_syncs - syncs, more_batches - batches);
    // What is written before and after all batches differs by a few entries, and SQLite may checkpoint its own log in between.
    assert!(syncs.abs_diff(batches) * 5 <= batches, "{seen:?}");
}
