//! The connection cut instead of the process, at every message of a run: before, in the middle of and behind it, with the answer lost, with the
//! message arriving after the client was cut off, and in silence.

use std::time::Duration;

use retentiond::enforce::{EnforceError, Pace};
use retentiond::plan::schema::Engine;
use retentiond::source::{Class, Target};

use crate::chance::Chance;
use crate::oracle::{Mark, Tally, judge};
use crate::proxy::{CUTS, Cut, Proxy};
use crate::stage::{Inside, Stage};
use crate::wanted::{asked, crews, engines, work};

/// Longer than a run with all its patience; a run that takes longer hangs.
const FOR_EVER: Duration = Duration::from_secs(60);

/// How a run ended whose connections lead through a proxy.
pub async fn through(proxy: &Proxy, url: &str, stage: &Stage) -> Result<(), EnforceError> {
    let limit = Duration::from_secs(2);
    let target = Target { answer_timeout: limit, connect_timeout: limit, ..Target::new(url) };
    let run = async {
        let inside = Inside::open(&stage.state_dir(), &target, None).await?;
        let result = inside.enforce(&stage.rules, work(stage.workers, Pace::Full)).await;
        inside.leave().await;
        result.map(drop)
    };
    let ended = tokio::time::timeout(FOR_EVER, run).await;
    ended.unwrap_or_else(|_| panic!("a run ends, whatever becomes of its connection: {:?}", proxy.seen()))
}

/// Which messages are cut in this way: all of them, or one of each of so many parts of the run.
fn chosen(messages: usize, otherwise: u64, chance: &mut Chance) -> Vec<usize> {
    if std::env::var("RETENTIOND_CUTS").is_ok_and(|asked| asked == "all") {
        return (1..=messages).collect();
    }
    let n = usize::try_from(asked("RETENTIOND_CUTS", otherwise)).unwrap().clamp(1, messages);
    let part = |i: usize| i * messages / n;
    (0..n).map(|i| part(i) + 1 + usize::try_from(chance.next()).unwrap() % (part(i + 1) - part(i))).collect()
}

#[tokio::test]
async fn a_run_whose_connection_is_cut_at_any_message_goes_on_or_says_so_and_nothing_is_lost_or_done_twice() {
    for engine in engines().into_iter().filter(|e| *e != Engine::Sqlite) {
        let Some(mut stage) = Stage::new(engine, 8).await else { continue };
        let proxy = Proxy::new(stage.url());
        let mut chance = Chance::new(asked("RETENTIOND_SEED", 1));
        let url = proxy.url(stage.url());
        for workers in crews(engine) {
            stage.workers = workers;
            cut(&stage, &proxy, &url, &mut chance).await;
        }
    }
}

async fn cut(stage: &Stage, proxy: &Proxy, url: &str, chance: &mut Chance) {
    let (engine, workers) = (stage.engine, stage.workers);
    stage.reset().await;
    proxy.arm(None);
    through(proxy, url, stage).await.unwrap();
    let (messages, _) = proxy.seen();
    let ways = std::env::var("RETENTIOND_CUT_WAYS").unwrap_or_default();
    for cut in CUTS.into_iter().filter(|cut| ways.is_empty() || ways.split(',').any(|way| way == format!("{cut:?}"))) {
        // Patience takes its time.
        let few = if matches!(cut, Cut::Silent | Cut::SilentReply) || workers > 1 { 1 } else { 3 };
        let (mut tally, mut complete, mut runs, chosen) = (Tally::new(), 0, 0, chosen(messages, few, chance));
        let cuts = chosen.len();
        for mut nth in chosen {
            // Workers share out a run anew each time, so one has more messages than the next: a message that did not come is sought earlier.
            loop {
                stage.reset().await;
                proxy.arm(Some((cut, nth)));
                match through(proxy, url, stage).await {
                    Ok(()) => complete += 1,
                    Err(EnforceError::Source(e)) if e.class() == Class::Lost => {}
                    Err(e) => panic!("{cut:?} {nth}: {e}"),
                }
                runs += 1;
                *tally.entry(judge(stage, Mark::default()).await).or_default() += 1;
                if proxy.seen().1 || nth == 1 {
                    break;
                }
                nth -= nth.div_ceil(16).min(nth - 1);
            }
            assert!(proxy.seen().1, "{cut:?}: every run has a first message");
        }
        proxy.arm(None);
        println!(
            "{}, {workers} workers: {cut:?} at {cuts} of {messages} messages: {complete} of {runs} runs went on to their end; {tally:?}",
            engine.name()
        );
    }
}
