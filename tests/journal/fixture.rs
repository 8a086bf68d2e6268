//! A journal in a temporary directory with a clock that tests set, and realistic entries.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, Utc};
use retentiond::clock::Clock;
use retentiond::journal::{
    Action, Append, DocumentKind, Event, Hash, Id128, Instant, Journal, KeyId, Mac, Name, Origin, Outcome, Reader, Report,
    Trigger, VerifierKey, export, program_version, verify,
};
use retentiond::state::State;

/// A clock that tests move.
#[derive(Clone)]
pub struct TestClock(Arc<Mutex<DateTime<Utc>>>);

impl TestClock {
    pub fn at(text: &str) -> Self {
        Self(Arc::new(Mutex::new(Instant::parse(text).unwrap().utc())))
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// An id that tests can repeat.
pub fn id(n: u64) -> Id128 {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    Id128(bytes)
}

pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub clock: TestClock,
    pub state: State,
    pub journal: Journal,
    /// The first public key.
    pub key: VerifierKey,
}

impl Fixture {
    pub async fn new() -> Self {
        Self::named("retentiond/test").await
    }

    pub async fn named(origin: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::at("2026-11-22T02:00:00Z");
        let state = State::create(&dir.path().join("state")).await.unwrap();
        let journal = Journal::create(&state, Arc::new(clock.clone()), Origin::parse(origin).unwrap()).await.unwrap();
        let key = journal.verifier_key().await;
        Self { dir, clock, state, journal, key }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// What a restart does.
    pub async fn reopen(self) -> Self {
        let Self { dir, clock, state, journal, key } = self;
        drop(journal);
        state.close().await;
        let state = State::open(&dir.path().join("state")).await.unwrap();
        let journal = Journal::open(&state, Arc::new(clock.clone())).await.unwrap();
        Self { dir, clock, state, journal, key }
    }

    pub async fn export(&self) -> Vec<u8> {
        let mut out = Vec::new();
        export(&Reader::new(&self.state), &mut out).await.unwrap();
        out
    }

    pub async fn verify(&self) -> Report {
        check(&self.export().await, &self.key, &[])
    }

    /// A whole run with `batches` batches; every third aborts. Needs `2 * batches + 2` entries, one more when the MAC key is new.
    pub async fn run(&self, number: u64, batches: u64) -> String {
        let key_id = self.journal.current_mac_key().await.unwrap();
        let run = id(1_000_000 * number);
        self.journal.append(start(run)).await.unwrap();
        for n in 1..=batches {
            let batch = id(1_000_000 * number + n);
            self.clock.advance(Duration::seconds(1));
            self.journal.append(intent(run, batch)).await.unwrap();
            let close = if n % 3 == 0 { aborted(run, batch) } else { applied(run, batch, key_id, &[Mac(batch.0)]) };
            self.journal.append(close).await.unwrap();
        }
        self.journal.append(finished(run)).await.unwrap().checkpoint.unwrap()
    }
}

pub fn check(export: &[u8], key: &VerifierKey, witnesses: &[String]) -> Report {
    verify(&mut &export[..], key, witnesses).unwrap()
}

pub const POLICY: &[u8] = b"# a policy\nentry that looks like a line\nend\n";

pub fn start(run: Id128) -> Append {
    Append::new()
        .document(DocumentKind::Policy, POLICY.to_vec())
        .document(DocumentKind::Map, b"a map".to_vec())
        .document(DocumentKind::Schema, b"{}\n".to_vec())
        .event(Event::RunStarted {
            run,
            source: name("crm"),
            trigger: Trigger::Command,
            now: Instant::parse("2026-11-22T02:00:00Z").unwrap(),
            plan_hash: Hash::of(b"plan"),
            policy_hash: Hash::of(POLICY),
            map_hash: Hash::of(b"a map"),
            schema_hash: Hash::of(b"{}\n"),
            version: program_version().unwrap(),
        })
}

pub fn intent(run: Id128, batch: Id128) -> Event {
    Event::Intent {
        run,
        batch,
        source: name("crm"),
        data_set: name("crm.person"),
        action: Action::Anonymise,
        rule: "person.anonymise".parse().unwrap(),
        plan_hash: Hash::of(b"plan"),
        slot: 0,
        epoch: 1,
    }
}

pub fn applied(run: Id128, batch: Id128, key_id: KeyId, macs: &[Mac]) -> Event {
    let (rows, macs) = (macs.len() as u64, macs.iter().copied().collect());
    Event::Applied {
        run,
        batch,
        rows,
        related: Vec::new(),
        key_id,
        macs,
        recovered: false,
        sealed: Vec::new(),
        files: Vec::new(),
    }
}

pub fn aborted(run: Id128, batch: Id128) -> Event {
    Event::Aborted { run, batch, code: retentiond::journal::Code::parse("40P01").unwrap() }
}

pub fn finished(run: Id128) -> Event {
    Event::RunFinished { run, outcome: Outcome::Complete, changed: 0, failed: 0, busy: 0 }
}
