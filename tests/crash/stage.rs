//! A database and a state directory that can be put back to the moment before the first run, as often as needed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use retentiond::archive::Archives;
use retentiond::enforce::fence::Fence;
use retentiond::enforce::orders::{self, NewOrder};
use retentiond::enforce::run::take_fence;
use retentiond::enforce::{Copies, Elsewhere, EnforceError, Prepared, RunOutcome, RunRequest, Settings, Silent, run};
use retentiond::journal::{Journal, Name, OrderReason, Reference, Trigger, random_origin};
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::plan::resolve::Resolved;
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;
use retentiond::source::setup::{SetupRequest, script};
use retentiond::source::{Session, Source, Target};
use retentiond::state::{State, StateError};

use crate::asked;
use crate::asks;
use crate::enforcement::{Rules, TestClock, archives, prepare};
use crate::scene::{HELD, Rows, Scene, TABLES, before, now, read_all, scene_rules, schema};
use crate::support::{TestDatabase, database};

pub struct Stage {
    pub engine: Engine,
    pub scene: Scene,
    pub rules: Rules,
    /// How many workers a run has.
    pub workers: usize,
    /// The second source, where there is one that is asked.
    there: Option<TestDatabase>,
    db: TestDatabase,
    folder: tempfile::TempDir,
}

/// Slots of the fence: so many workers there may be.
const SLOTS: u16 = 3;

/// What a process holds open while it works.
pub struct Inside {
    pub source: Source,
    pub state: State,
    pub journal: Journal,
    pub archives: Archives,
    copies: Copies,
    elsewhere: Elsewhere,
}

impl Stage {
    /// A database of its own with `n` records of each kind and a hold on one of them.
    pub async fn new(engine: Engine, n: usize) -> Option<Self> {
        Some(Self::over(database(engine).await?, engine, n).await)
    }

    /// One of `n` records of each kind that are asked about in a second source.
    pub async fn asking(engine: Engine, n: usize) -> Option<Self> {
        let there = database(engine).await?;
        there.run_sql(&asks::schema_there(engine)).await;
        there.run_sql(&set_up(engine, "base", &there)).await;
        Some(Self::with(database(engine).await?, engine, asked::scene(n), asks::both_rules().0, Some(there)).await)
    }

    /// The same in a database that somebody else made.
    pub async fn over(db: TestDatabase, engine: Engine, n: usize) -> Self {
        Self::with(db, engine, Scene::new(n), scene_rules(), None).await
    }

    async fn with(db: TestDatabase, engine: Engine, scene: Scene, rules: Rules, there: Option<TestDatabase>) -> Self {
        db.run_sql(&schema(engine)).await;
        db.run_sql(&set_up(engine, "crm", &db)).await;
        db.run_sql(&scene.fill()).await;
        let folder = tempfile::tempdir().unwrap();
        let state = State::create(&folder.path().join("first")).await.unwrap();
        let clock = Arc::new(TestClock(Mutex::new(before())));
        let journal = Journal::create(&state, clock, random_origin().unwrap()).await.unwrap();
        let source = Source::connect(&Target::new(db.url.clone())).await.unwrap();
        if there.is_none() {
            hold(&source, &journal, &rules).await;
        }
        source.close().await;
        drop(journal);
        state.close().await;
        let stage = Self { engine, scene, rules, workers: 1, there, db, folder };
        stage.reset().await;
        stage
    }

    /// Everything as before the first run: rows, fence, ledger, state directory.
    pub async fn reset(&self) {
        let (fence, ledger) = (own(self.engine, "fence"), own(self.engine, "ledger"));
        self.db.run_sql(&format!("UPDATE {fence} SET epoch = 0, token = '', server_id = ''; DELETE FROM {ledger};")).await;
        self.refill().await;
        let _ = std::fs::remove_dir_all(self.state_dir());
        for archive in ["archive-evidence", "archive-legal"] {
            let _ = std::fs::remove_dir_all(self.scratch(archive));
        }
        copy(&self.folder.path().join("first"), &self.state_dir());
    }

    /// The customers' rows as before the first run, all else as it has become.
    pub async fn refill(&self) {
        self.db.run_sql(&self.scene.fill()).await;
        self.there(&asks::fill_there(self.scene.before["request"].len())).await;
    }

    /// Statements in the second source, if there is one.
    pub async fn there(&self, sql: &str) {
        if let Some(there) = self.there.as_ref().filter(|_| !sql.is_empty()) {
            there.run_sql(sql).await;
        }
    }

    /// The URL of the second source.
    pub fn url_there(&self) -> Option<&str> {
        self.there.as_ref().map(|there| there.url.as_str())
    }

    pub fn url(&self) -> &str {
        &self.db.url
    }

    /// The path of an SQLite source.
    pub fn file(&self) -> PathBuf {
        PathBuf::from(self.db.url.trim_start_matches("sqlite:"))
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A place for what a test writes.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many workers have a batch in the ledger.
    pub async fn slots_used(&self) -> usize {
        let inside = self.enter().await;
        let mut session = inside.source.session().await.unwrap();
        let text = if self.engine.is_mysql_family() { "CHAR" } else { "TEXT" };
        let sql = format!("SELECT DISTINCT CAST(slot AS {text}) FROM {}", own(self.engine, "ledger"));
        let used = session.rows(&sql).await.unwrap().len();
        session.done().await.unwrap();
        inside.leave().await;
        used
    }

    /// What a new process opens.
    pub async fn enter(&self) -> Inside {
        Inside::open(&self.state_dir(), &Target::new(self.db.url.clone()), self.url_there())
            .await
            .unwrap_or_else(|e| panic!("what a crash left cannot be opened: {e}"))
    }
}

impl Inside {
    pub async fn open(state: &Path, target: &Target, there: Option<&str>) -> Result<Self, EnforceError> {
        let archives = archives(state.parent().unwrap());
        // A process that another test starts at this very moment holds, until it becomes its own program, whatever this one has just closed.
        let mut tries = 0;
        let state = loop {
            match State::open(state).await {
                Err(StateError::Locked(_)) if tries < 200 => tries += 1,
                other => break other?,
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        let journal = Journal::open(&state, Arc::new(TestClock(Mutex::new(now())))).await?;
        let source = Source::connect(target).await?;
        let (copies, elsewhere) = match there {
            None => (Copies::default(), Elsewhere::default()),
            Some(url) => {
                let (rules, base) = asks::both_rules();
                asks::ask(url, &rules, &base, now()).await?
            }
        };
        Ok(Self { source, state, journal, archives, copies, elsewhere })
    }

    /// One run, as the command does it.
    pub async fn enforce(&self, rules: &Rules, settings: Settings) -> Result<RunOutcome, EnforceError> {
        let (prepared, fence) = self.prepare(rules).await?;
        self.work(&prepared, fence, settings).await
    }

    /// What comes before a run: the plan, the fence.
    pub async fn prepare(&self, rules: &Rules) -> Result<(Prepared, Fence), EnforceError> {
        let mut faults = retentiond::policy::located::Faults::default();
        let mut session = self.source.session().await?;
        let documents = rules.documents.clone();
        let (map, policies) = (&rules.map, &rules.policies);
        let prepared = Prepared::read(&self.source, &mut session, map, policies, documents, now(), &mut faults).await?;
        session.done().await?;
        let prepared = prepared.unwrap_or_else(|| panic!("{:#?}", faults.sorted()));
        let fence = take_fence(&self.source, &self.state, &self.journal, &prepared).await?;
        Ok((prepared, fence))
    }

    /// The run itself.
    pub async fn work(&self, prepared: &Prepared, fence: Fence, settings: Settings) -> Result<RunOutcome, EnforceError> {
        let trigger = Trigger::Command;
        run(RunRequest {
            scope: retentiond::enforce::Scope::Everything,
            source: &self.source,
            prepared,
            journal: &self.journal,
            fence,
            settings,
            full_census: true,
            archives: &self.archives,
            copies: &self.copies,
            elsewhere: &self.elsewhere,
            files: Default::default(),
            watch: &Silent,
            trigger,
        })
        .await
    }

    /// Lets go of everything, as the end of the process does.
    pub async fn leave(self) {
        self.copies.close().await;
        self.elsewhere.close().await;
        drop(self.journal);
        self.source.close().await;
        self.state.close().await;
    }
}

/// The script that makes our tables in a database.
fn set_up(engine: Engine, source: &str, db: &TestDatabase) -> String {
    let name = db.url.rsplit('/').next().unwrap_or_default().to_owned();
    let request = SetupRequest {
        source: source.to_owned(),
        role: format!("r_{}", &name[name.len().saturating_sub(12)..]).replace('.', "_"),
        host: None,
        slots: SLOTS,
        database: name,
        tables: Vec::new(),
    };
    script(engine, &request).unwrap()
}

/// All rows of the customers' tables.
pub async fn rows(session: &mut Session) -> Rows {
    let mut all = Rows::new();
    for (table, columns) in TABLES {
        let found = session.rows(&read_all(session.engine(), table, columns)).await.unwrap();
        let texts =
            |row: Vec<Option<String>>| row.into_iter().map(|c| c.unwrap_or_else(|| "NULL".to_owned())).collect::<Vec<_>>();
        let rows = found.into_iter().map(texts).map(|mut row| (row.remove(0).parse().unwrap(), row)).collect();
        all.insert(table.to_owned(), rows);
    }
    all
}

/// Our own table's name.
pub fn own(engine: Engine, table: &str) -> String {
    if engine == Engine::Postgres { format!("retentiond.{table}") } else { format!("retentiond_{table}") }
}

async fn hold(source: &Source, journal: &Journal, rules: &Rules) {
    let prepared = prepare(source, rules, before()).await;
    let resolved = Resolved::new(&rules.map, &prepared.schema);
    let new = NewOrder {
        kind: OrderKind::Hold,
        target: orders::Target::Record(RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: HELD.to_string() }])),
        actor: Name::parse("dpo").unwrap(),
        reason: OrderReason::DataSubjectRequest,
        reference: Reference::parse("R-1").unwrap(),
        until: None,
        once: false,
    };
    let data = rules.map.data_set("client").unwrap();
    orders::place(source, journal, &prepared, &resolved, data, new, prepared.plan.today).await.unwrap();
}

/// Copies a directory with the modes of its files.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let (path, target) = (file.as_ref().unwrap().path(), to.join(file.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
