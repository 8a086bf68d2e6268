//! A source with everything that enforcement needs: a database of its own, our tables in it, a state directory, a journal, a clock that tests set.

use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use retentiond::archive::{Archive, Archives, Directory, Recipients, Store};
use retentiond::clock::Clock;
use retentiond::enforce::fence::Fence;
use retentiond::enforce::orders::{self, NewOrder};
use retentiond::enforce::{
    self, Copies, Documents, Elsewhere, EnforceError, Pace, Prepared, RunOutcome, RunRequest, Settings, Silent, Watch, fence,
};
use retentiond::files::Files;
use retentiond::journal::{Journal, Name, OrderReason, Reference, Trigger, random_origin};
use retentiond::plan::key::RecordKey;
use retentiond::plan::resolve::Resolved;
use retentiond::plan::schema::Engine;
use retentiond::policy::located::Faults;
use retentiond::policy::map::DataMap;
use retentiond::policy::purpose::Policy;
use retentiond::policy::{link, read_map, read_policy};
use retentiond::reference::{Order, Target as OrderTarget, Value};
use retentiond::source::setup::{SetupRequest, script};
use retentiond::source::{Source, Target};
use retentiond::state::State;

use crate::support::TestDatabase;

/// A clock that stands where a test puts it.
#[derive(Debug)]
pub struct TestClock(pub Mutex<DateTime<Utc>>);

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// Map and policies with the texts they were read from.
pub struct Rules {
    pub map: DataMap,
    pub policies: Vec<Policy>,
    pub documents: Documents,
}

/// Reads and links a map and policies; any error fails the test with all faults.
pub fn rules(map: &str, policies: &[&str]) -> Rules {
    let mut faults = Faults::default();
    let read = read_map::read(map, 0, &mut faults);
    let all: Vec<Option<Policy>> =
        policies.iter().enumerate().map(|(i, text)| read_policy::read(text, i + 1, &mut faults)).collect();
    assert!(!faults.any_error(), "{:#?}", faults.sorted());
    let (map_read, all) = (read.unwrap(), all.into_iter().flatten().collect::<Vec<_>>());
    link::link(std::slice::from_ref(&map_read), &all, &mut faults);
    assert!(!faults.any_error(), "{:#?}", faults.sorted());
    let mut named: Vec<(&str, &str)> = all.iter().zip(policies).map(|(p, text)| (p.id.as_str(), *text)).collect();
    let documents = enforce::run_documents(map, &mut named);
    Rules { map: map_read, policies: all, documents }
}

/// A prepared source.
pub struct Fixture<'d> {
    pub database: &'d TestDatabase,
    pub source: Source,
    pub state: State,
    pub journal: Journal,
    pub clock: Arc<TestClock>,
    pub engine: Engine,
    /// The archives that policies of tests name.
    pub archives: Archives,
    /// The data sets elsewhere that hold copies.
    pub copies: Copies,
    /// The purposes elsewhere that keep something here.
    pub elsewhere: Elsewhere,
    /// The stores of files that maps of tests name.
    pub files: Arc<Files>,
    /// Where the state is.
    pub _folder: tempfile::TempDir,
}

impl<'d> Fixture<'d> {
    /// Creates our tables for `source_id` in a database that already has its schema.
    pub async fn new(engine: Engine, database: &'d TestDatabase, source_id: &str, now: DateTime<Utc>) -> Self {
        let name = database.url.rsplit('/').next().unwrap_or_default().to_owned();
        let request = SetupRequest {
            source: source_id.to_owned(),
            role: format!("r_{}", &name[name.len().saturating_sub(12)..]).replace('.', "_"),
            host: None,
            slots: 4,
            database: name,
            tables: Vec::new(),
        };
        database.run_sql(&script(engine, &request).unwrap()).await;
        let source = Source::connect(&Target::new(database.url.clone())).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let state = State::create(&folder.path().join("state")).await.unwrap();
        let clock = Arc::new(TestClock(Mutex::new(now)));
        let journal = Journal::create(&state, clock.clone(), random_origin().unwrap()).await.unwrap();
        let archives = archives(folder.path());
        let (copies, elsewhere, files) = (Copies::default(), Elsewhere::default(), Arc::default());
        Self { database, source, state, journal, clock, engine, archives, copies, elsewhere, files, _folder: folder }
    }

    /// Compiles the plan of now.
    pub async fn prepare(&self, rules: &Rules) -> Prepared {
        self.prepare_at(rules, self.clock.now()).await
    }

    /// Compiles the plan of another instant.
    pub async fn prepare_at(&self, rules: &Rules, now: DateTime<Utc>) -> Prepared {
        prepare(&self.source, rules, now).await
    }

    /// One run with these limits and somebody looking on.
    pub async fn run_with(&self, rules: &Rules, settings: Settings, watch: &dyn Watch) -> Result<RunOutcome, EnforceError> {
        self.run_prepared(&self.prepare(rules).await, settings, watch).await
    }

    /// One run of this plan.
    pub async fn run_prepared(
        &self,
        prepared: &Prepared,
        settings: Settings,
        watch: &dyn Watch,
    ) -> Result<RunOutcome, EnforceError> {
        let server = &prepared.schema.server.id;
        let fence = fence::take(&self.source, &self.state, &self.journal, &prepared.plan.source, server, None).await?;
        self.run_fenced(prepared, fence, settings, watch).await
    }

    /// One run of this plan by who holds this fence.
    pub async fn run_fenced(
        &self,
        prepared: &Prepared,
        fence: Fence,
        settings: Settings,
        watch: &dyn Watch,
    ) -> Result<RunOutcome, EnforceError> {
        let request = RunRequest {
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
            files: self.files.clone(),
            watch,
            trigger: Trigger::Command,
        };
        enforce::run(request).await
    }

    /// Places an order of the reference model.
    pub async fn place(&self, rules: &Rules, prepared: &Prepared, order: &Order) {
        let resolved = Resolved::new(&rules.map, &prepared.schema);
        let (data_set, target) = match &order.target {
            OrderTarget::Record { data_set, key } => {
                let data = rules.map.data_set(data_set).unwrap();
                let columns = resolved.key_columns(data);
                let parts = columns.iter().zip(key).map(|(c, v)| resolved.dialect.typed_part(c, &value_text(v)).unwrap());
                (data.id.value.clone(), orders::Target::Record(RecordKey(parts.collect())))
            }
            OrderTarget::Tenant(value) => {
                let data =
                    rules.map.data_sets.iter().filter(|d| d.tenant.is_some()).map(|d| d.id.value.clone()).collect::<Vec<_>>();
                for id in &data {
                    self.place_on(&resolved, prepared, id, orders::Target::Tenant(value_text(value)), order).await;
                }
                return;
            }
            OrderTarget::Subject(subject, value) => {
                for at in prepared.plan.subjects.iter().filter(|at| at.subject == *subject) {
                    let person = at.typed(resolved.dialect, &value_text(value)).unwrap();
                    let target = orders::Target::Subject(subject.clone(), person);
                    self.place_on(&resolved, prepared, &at.data_set, target, order).await;
                }
                return;
            }
        };
        self.place_on(&resolved, prepared, &data_set, target, order).await;
    }

    /// Places an order of the reference model, whatever it is on, on a tenant's rows in one data set.
    pub async fn place_on_tenant(&self, rules: &Rules, prepared: &Prepared, data_set: &str, tenant: String, order: &Order) {
        let resolved = Resolved::new(&rules.map, &prepared.schema);
        self.place_on(&resolved, prepared, data_set, orders::Target::Tenant(tenant), order).await;
    }

    async fn place_on(
        &self,
        resolved: &Resolved<'_>,
        prepared: &Prepared,
        data_set: &str,
        target: orders::Target,
        order: &Order,
    ) {
        let data = resolved.map.data_set(data_set).unwrap();
        let actor = Name::parse("dpo").unwrap();
        let (reason, reference) = (OrderReason::DataSubjectRequest, Reference::parse("T-1").unwrap());
        let new = NewOrder {
            kind: order.kind,
            target,
            actor: actor.clone(),
            reason,
            reference: reference.clone(),
            until: order.until,
            once: false,
        };
        let id = orders::place(&self.source, &self.journal, prepared, resolved, data, new, prepared.plan.today)
            .await
            .unwrap_or_else(|e| panic!("{data_set}: {e}"));
        if order.lifted {
            let source = &prepared.plan.source;
            orders::lift(
                &self.source,
                &self.journal,
                source,
                id.order,
                actor,
                reason,
                reference,
                Some(true),
                prepared.plan.today,
            )
            .await
            .unwrap();
        }
    }

    /// One run without ceilings.
    pub async fn run(&self, rules: &Rules) -> RunOutcome {
        self.run_with(rules, unlimited(), &Silent).await.unwrap()
    }
}

/// A key's or tenant's value as a person would type it.
fn value_text(value: &Value) -> String {
    match value {
        Value::Integer(n) => n.to_string(),
        Value::Text(t) => t.clone(),
        Value::Bool(b) => b.to_string(),
        Value::Date(d) => d.to_string(),
        other => panic!("no key has such a value: {other:?}"),
    }
}

/// No ceilings: small tables lose large shares of themselves.
pub fn unlimited() -> Settings {
    let mut settings = Settings {
        pace: Pace::Full,
        first_batch: 1_000,
        target_time: std::time::Duration::from_millis(25),
        ..Settings::default()
    };
    settings.ceilings.share = None;
    settings
}

/// Compiles the plan of an instant.
pub async fn prepare(source: &Source, rules: &Rules, now: DateTime<Utc>) -> Prepared {
    let mut faults = Faults::default();
    let mut session = source.session().await.unwrap();
    let documents = rules.documents.clone();
    let prepared = Prepared::read(source, &mut session, &rules.map, &rules.policies, documents, now, &mut faults).await.unwrap();
    session.done().await.unwrap();
    assert!(!faults.any_error(), "{:#?}", faults.sorted());
    prepared.unwrap()
}

/// Who opens the archives of tests. A key of nobody, made up for them.
pub const IDENTITY: &str = "AGE-SECRET-KEY-1TQVDDMJAT0830WKJMH95PM6DU4ZKVVP2S7MDCJR6U8P53HP8K6RQMTJ27T";

/// The archives of tests, below a folder: each in a directory of its own, opened by [`IDENTITY`].
pub fn archives(folder: &Path) -> Archives {
    let recipients = Recipients::parse(&["age1dnagl60sm4x9wecc2e9gegvkcnj4hkzr980tk8l8u9e7xrd2r4ksh00hj8"]).unwrap();
    let mut all = Archives::default();
    for name in ["evidence", "legal", "restricted", "recovery"] {
        let store = Store::Directory(Directory::new(&folder.join(format!("archive-{name}"))).unwrap());
        all.0.insert(name.to_owned(), Archive { store, recipients: recipients.clone() });
    }
    all
}
