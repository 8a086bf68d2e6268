//! The product, in this process: the same steps as `retentiond enforce`, on a clock that stands on 2026-01-01.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::archive::{Archive, Archives, Directory, Recipients, Store};
use retentiond::clock::FixedClock;
use retentiond::enforce::{Prepared, RunOutcome, RunRequest, Settings, Watch, fence, run};
use retentiond::journal::{Journal, Trigger, random_origin};
use retentiond::policy::located::Faults;
use retentiond::source::setup::{SetupRequest, script};
use retentiond::source::{Source, Target};
use retentiond::state::State;

use super::Outcome;
use super::base::Base;
use super::report::Series;
use super::rules::Rules;

/// Whose private key nobody has.
pub const RECIPIENT: &str = "age1dnagl60sm4x9wecc2e9gegvkcnj4hkzr980tk8l8u9e7xrd2r4ksh00hj8";

/// The instant on which every run takes place.
pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 8, 0, 0).single().unwrap_or_default()
}

/// A source that is set up, with a state and a journal of its own.
pub struct Product {
    /// The source.
    pub source: Source,
    /// The state.
    pub state: State,
    /// The journal.
    pub journal: Journal,
    /// An archive that nobody opens.
    pub archives: Archives,
    _folder: tempfile::TempDir,
}

/// What a run did, and how its time was spent.
pub struct Done {
    /// What it did.
    pub outcome: RunOutcome,
    /// From reading the schema to the last checkpoint.
    pub seconds: f64,
    /// Of these: the schema and the plan.
    pub preparing: f64,
    /// Of these: from then to the first action's begin, that is the fence, recovery, census and counts; everything when nothing was due.
    pub before: f64,
    /// Of these: from the first action's begin to the last batch.
    pub acting: f64,
    /// Of these: the rest, that is counts, census and checkpoint.
    pub after: f64,
    /// Batches.
    pub batches: u64,
}

/// The script that prepares a source: its tables, and as many slots as connections may work at once.
pub fn setup(base: &Base, slots: u16) -> Outcome<String> {
    let request = SetupRequest {
        source: "bench".to_owned(),
        role: "retentiond_bench".to_owned(),
        host: None,
        slots,
        database: "run".to_owned(),
        tables: Vec::new(),
    };
    Ok(script(base.engine, &request)?)
}

impl Done {
    /// Notes it as a round.
    pub fn note(&self, series: &mut Series) {
        // Companions are not counted: a statement's own count leaves out what its foreign keys took, too.
        series.push(self.outcome.actions.iter().map(|a| a.changed).sum(), self.seconds);
        series.note("preparing_s", self.preparing);
        series.note("before_s", self.before);
        series.note("acting_s", self.acting);
        series.note("after_s", self.after);
        series.note("batches", self.batches as f64);
    }
}

impl Product {
    /// Sets up the source, creates state and journal. Not part of any figure.
    pub async fn new(base: &Base, slots: u16) -> Outcome<Self> {
        let mut client = base.client().await?;
        client.run(&setup(base, slots)?).await?;
        client.close().await?;
        let source = Source::connect(&Target::new(base.url())).await?;
        let folder = tempfile::Builder::new().prefix("state-").tempdir_in(base.dir())?;
        let state = State::create(&folder.path().join("state")).await?;
        let journal = Journal::create(&state, Arc::new(FixedClock(now())), random_origin()?).await?;
        let recipients = Recipients::parse(&[RECIPIENT])?;
        let store = Store::Directory(Directory::new(&folder.path().join("archive"))?);
        let archives = Archives([("evidence".to_owned(), Archive { store, recipients })].into());
        Ok(Self { source, state, journal, archives, _folder: folder })
    }

    /// Reads the schema and compiles the plan.
    pub async fn prepare(&self, rules: &Rules) -> Outcome<Prepared> {
        let mut faults = Faults::default();
        let mut session = self.source.session().await?;
        let documents = rules.documents.clone();
        let prepared =
            Prepared::read(&self.source, &mut session, &rules.map, &rules.policies, documents, now(), &mut faults).await?;
        session.done().await?;
        prepared.ok_or_else(|| format!("{:#?}", faults.sorted()).into())
    }

    /// One run, from the schema to the checkpoint.
    pub async fn run(&self, rules: &Rules, settings: Settings) -> Outcome<Done> {
        let looking = Looking::default();
        let begun = Instant::now();
        let prepared = self.prepare(rules).await?;
        let planned = Instant::now();
        let server = &prepared.schema.server.id;
        let fence = fence::take(&self.source, &self.state, &self.journal, &prepared.plan.source, server, None).await?;
        let request = RunRequest {
            scope: retentiond::enforce::Scope::Everything,
            source: &self.source,
            prepared: &prepared,
            journal: &self.journal,
            fence,
            settings,
            full_census: false,
            archives: &self.archives,
            copies: &retentiond::enforce::Copies::default(),
            elsewhere: &retentiond::enforce::Elsewhere::default(),
            files: Default::default(),
            watch: &looking,
            trigger: Trigger::Command,
        };
        let outcome = run(request).await?;
        let ended = Instant::now();
        for a in &outcome.actions {
            if a.failed + a.busy + a.too_large + a.due_after > 0 || a.stopped.is_some() {
                eprintln!("bench: not everything was done: {a:?}");
            }
        }
        let (from, to) = looking.acting.lock().ok().and_then(|a| *a).unwrap_or((ended, ended));
        Ok(Done {
            outcome,
            seconds: (ended - begun).as_secs_f64(),
            preparing: (planned - begun).as_secs_f64(),
            before: (from - planned).as_secs_f64(),
            acting: (to - from).as_secs_f64(),
            after: (ended - to).as_secs_f64(),
            batches: looking.batches.load(Ordering::Relaxed),
        })
    }

    /// Closes everything.
    pub async fn close(self) {
        self.source.close().await;
        self.state.close().await;
    }
}

/// Notes when actions begin and batches end.
#[derive(Default)]
struct Looking {
    acting: Mutex<Option<(Instant, Instant)>>,
    batches: AtomicU64,
}

impl Looking {
    fn note(&self) {
        let now = Instant::now();
        if let Ok(mut acting) = self.acting.lock() {
            *acting = Some((acting.map_or(now, |(from, _)| from), now));
        }
    }
}

impl Watch for Looking {
    fn begins(&self, _: &str, _: u64) {
        self.note();
    }

    fn changed(&self, _: &str, _: u64) {
        self.note();
        self.batches.fetch_add(1, Ordering::Relaxed);
    }
}
