//! Plays schedules: several lanes beside each other, each with databases of its own, since most of the time is spent waiting.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retentiond::enforce::{self, Prepared, RunOutcome, RunRequest, Watch, fence};
use retentiond::journal::{Event, Macs, Trigger};
use retentiond::plan::schema::Engine;

use crate::changes::hold_table;
use crate::conductor::{Conducted, Conductor};
use crate::director::{Director, Ended};
use crate::enforcement::{Fixture, Rules, unlimited};
use crate::oracle::Oracle;
use crate::scene::{Shape, fixture_now};
use crate::schedule::{Schedule, Turn};
use crate::session::Report;
use crate::support::database;
use crate::tally::Tally;
use crate::team::Team;
use crate::vault::Vault;

/// How many schedules share a database and a journal: recovery reads the whole journal at every run.
const CHAPTER: usize = 20;
/// How many lanes work beside each other.
const LANES: usize = 4;
/// No run takes so long.
const FOR_EVER: Duration = Duration::from_secs(300);

/// PostgreSQL has room for the connections of one test at a time.
pub static ROOM: Mutex<()> = Mutex::new(());

/// Plays all schedules; `None` when the server is missing.
pub fn play(engine: Engine, schedules: Vec<Schedule>) -> Option<Tally> {
    let _room = (engine == Engine::Postgres).then(|| ROOM.lock().unwrap_or_else(PoisonError::into_inner));
    let mut by_shape: BTreeMap<Shape, Vec<Schedule>> = BTreeMap::new();
    for schedule in schedules {
        by_shape.entry(schedule.shape).or_default().push(schedule);
    }
    // Every other one is played with an archive that takes everything that goes.
    let chapters: VecDeque<(Shape, bool, Vec<Schedule>)> = by_shape
        .into_iter()
        .flat_map(|(shape, all)| all.chunks(CHAPTER).zip(0..).map(|(c, n)| (shape, n % 2 == 1, c.to_vec())).collect::<Vec<_>>())
        .collect();
    let (queue, total) = (Arc::new(Mutex::new(chapters)), Arc::new(Mutex::new(Some(Tally::default()))));
    let lanes = std::env::var("RETENTIOND_LANES").map_or(LANES, |text| text.parse().unwrap());
    let lanes: Vec<_> = (0..lanes)
        .map(|_| {
            let (queue, total) = (queue.clone(), total.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let next = queue.lock().unwrap().pop_front();
                    let Some((shape, archived, schedules)) = next else { return };
                    let tally = runtime.block_on(chapter(engine, shape, archived, &schedules));
                    let mut total = total.lock().unwrap();
                    match (total.as_mut(), tally) {
                        (Some(all), Some(tally)) => all.add(tally),
                        _ => *total = None,
                    }
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.join().unwrap();
    }
    total.lock().unwrap().take()
}

async fn chapter(engine: Engine, shape: Shape, archived: bool, schedules: &[Schedule]) -> Option<Tally> {
    let db = database(engine).await?;
    db.run_sql(&shape.schema(engine)).await;
    let fixture = Fixture::new(engine, &db, "crm", fixture_now()).await;
    let director = Director::new(engine, &db.url).await;
    let vault = archived.then(|| Vault::new(&fixture));
    let oracle = Oracle::new(engine, shape, &db.url, &fixture.journal, &director, vault).await;
    let mut lane = Lane {
        fixture: &fixture,
        director: &director,
        oracle: &oracle,
        rules: shape.rules(archived),
        plans: BTreeMap::new(),
        read: 0,
    };
    let mut tally = Tally::default();
    for schedule in schedules {
        lane.schedule(schedule, &mut tally).await;
    }
    Some(tally)
}

struct Lane<'l> {
    fixture: &'l Fixture<'l>,
    director: &'l Director,
    oracle: &'l Oracle<'l>,
    rules: Rules,
    /// By whether an order stood when the plan was made.
    plans: BTreeMap<bool, Prepared>,
    /// Entries of the journal that were read.
    read: u64,
}

impl Lane<'_> {
    async fn schedule(&mut self, schedule: &Schedule, tally: &mut Tally) {
        let engine = self.fixture.engine;
        let init = schedule.foreign.iter().map(|t| t.change.init.as_str()).find(|i| !i.is_empty()).unwrap_or_default();
        self.oracle.begin(&schedule.action, init).await;
        self.director.begin(engine, schedule).await;
        let ordered = init.contains(hold_table(engine));
        let conductor = schedule.team.map(|team| Conductor::new(engine, self.director, team));
        let first = self.run(ordered, schedule, conductor.as_ref()).await;
        let (ended, foreign) = self.end(conductor.as_ref()).await;
        let quiet = self.run(true, schedule, conductor.as_ref()).await;
        let mut verdict = self.oracle.verdict().await;
        if let Err(e) = first {
            verdict.wrong.push(format!("the run ended: {e}"));
        }
        match quiet {
            Ok(outcome) if outcome.failed() + outcome.busy() > 0 => {
                verdict.wrong.push(format!("in quiet: {:?}", outcome.actions));
            }
            Err(e) => verdict.wrong.push(format!("the quiet run ended: {e}")),
            Ok(_) => {}
        }
        for (table, id, fate) in self.oracle.snapshot().await.due(schedule.shape) {
            verdict.wrong.push(format!("{table} {id} is still due: {fate:?}"));
        }
        if let Some(left) = self.oracle.strangers(&verdict.batches).await {
            verdict.wrong.push(left);
        }
        let failed = self.journal(verdict.batches, &mut verdict.wrong, &mut tally.aborted).await;
        if ended.reports.iter().any(Report::victim) {
            let schedule = Schedule { turns: foreign.unwrap_or_else(|| schedule.turns.clone()), ..schedule.clone() };
            if ended.alone || self.without_engine(&schedule).await.iter().any(Report::victim) {
                tally.own_deadlocks += 1;
            } else {
                verdict.wrong.push("the application was the victim of a deadlock".to_owned());
            }
        }
        tally.played += 1;
        tally.touched += verdict.touched;
        tally.nudged += ended.nudges;
        tally.amid += conductor.as_ref().map_or(0, Conductor::amid);
        for report in ended.reports {
            tally.waited += report.waited;
            if let Some(code) = report.error {
                *tally.errors.entry(code).or_default() += 1;
            }
        }
        tally.failed.extend(failed.into_iter().map(|code| format!("{schedule}: {code}")));
        let course = conductor.map_or_else(String::new, |c| format!(" | {}", c.course()));
        tally.wrong.extend(verdict.wrong.into_iter().map(|w| format!("{} {schedule}{course}: {w}", engine.name())));
    }

    /// What is left of the foreign transactions; with several workers also the order in which their steps were made.
    async fn end(&self, conductor: Option<&Conductor<'_>>) -> (Ended, Option<Vec<Turn>>) {
        let foreign = match conductor {
            Some(conductor) => Some(conductor.end().await),
            None => None,
        };
        (self.director.end().await, foreign)
    }

    /// One run; whether an order stands decides which plan.
    async fn run(
        &mut self,
        ordered: bool,
        schedule: &Schedule,
        conductor: Option<&Conductor<'_>>,
    ) -> Result<RunOutcome, enforce::EnforceError> {
        if !self.plans.contains_key(&ordered) {
            let mut prepared = self.fixture.prepare(&self.rules).await;
            if prepared.moment.orders != ordered {
                // The quiet run's plan looks for orders whether one stands or not.
                prepared.moment.orders = ordered;
                let (map, policies) = (&self.rules.map, &self.rules.policies);
                let documents = [prepared.documents.policy.as_str(), prepared.documents.map.as_str()];
                prepared.plan = retentiond::plan::compile::compile(map, policies, &prepared.schema, &prepared.moment, &documents);
            }
            self.plans.insert(ordered, prepared);
        }
        let prepared = &self.plans[&ordered];
        let (source, journal) = (&self.fixture.source, &self.fixture.journal);
        let server = &prepared.schema.server.id;
        let fence = fence::take(source, &self.fixture.state, journal, &prepared.plan.source, server, None).await?;
        self.director.reached(0).await;
        let (settings, trigger) = (schedule.team.map_or_else(unlimited, Team::settings), Trigger::Command);
        let conducted = conductor.map(|conductor| Conducted { oracle: self.oracle, conductor });
        let watch = conducted.as_ref().map_or(self.oracle as &dyn Watch, |c| c);
        let request = RunRequest {
            source,
            prepared,
            journal,
            fence,
            settings,
            full_census: false,
            scope: retentiond::enforce::Scope::Everything,
            archives: &self.fixture.archives,
            copies: &retentiond::enforce::Copies::default(),
            elsewhere: &retentiond::enforce::Elsewhere::default(),
            files: Default::default(),
            watch,
            trigger,
        };
        let others = async {
            match conductor {
                Some(conductor) => conductor.conduct().await,
                None => loop {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    self.director.nudge().await;
                },
            }
        };
        tokio::select! {
            outcome = enforce::run(request) => outcome,
            () = others => unreachable!("others go on until the run ends"),
            () = tokio::time::sleep(FOR_EVER) => panic!("{schedule} | {}: it hangs", conductor.map_or_else(String::new, Conductor::course)),
        }
    }

    /// Each ledger row has exactly one `applied` with the same MACs, and the other way round; the codes of records that failed.
    async fn journal(
        &mut self,
        mut batches: Vec<(String, Macs)>,
        wrong: &mut Vec<String>,
        aborted: &mut BTreeMap<String, usize>,
    ) -> Vec<String> {
        let mut applied: Vec<(String, Macs)> = Vec::new();
        let (mut open, mut failed) = (std::collections::BTreeSet::new(), Vec::new());
        loop {
            let page = self.fixture.journal.reader().entries(self.read, 1_000).await.unwrap();
            let Some(last) = page.last() else { break };
            self.read = last.seq + 1;
            for entry in page {
                match entry.event {
                    Event::Intent { batch, .. } => drop(open.insert(batch)),
                    Event::Aborted { batch, code, .. } => {
                        open.remove(&batch);
                        *aborted.entry(code.to_string()).or_default() += 1;
                    }
                    Event::RecordFailed { code, .. } => failed.push(code.to_string()),
                    Event::Applied { batch, macs, .. } => {
                        if !open.remove(&batch) {
                            wrong.push(format!("{batch} was applied without an intent"));
                        }
                        applied.push((batch.to_string(), macs));
                    }
                    _ => {}
                }
            }
        }
        // Each worker says with its next intent what it has done.
        applied.sort_by(|a, b| a.0.cmp(&b.0));
        batches.sort_by(|a, b| a.0.cmp(&b.0));
        if applied != batches {
            wrong.push(format!("the ledger has {} batches, the journal applied {}", batches.len(), applied.len()));
        }
        if !open.is_empty() {
            wrong.push(format!("{} intents were never closed", open.len()));
        }
        failed
    }

    /// The foreign steps alone, in the same order.
    async fn without_engine(&self, schedule: &Schedule) -> Vec<Report> {
        let init = schedule.foreign.iter().map(|t| t.change.init.as_str()).find(|i| !i.is_empty()).unwrap_or_default();
        self.oracle.begin("", init).await;
        self.director.begin(self.fixture.engine, schedule).await;
        self.director.end().await.reports
    }
}
