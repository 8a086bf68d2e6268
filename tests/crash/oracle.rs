//! What must be true after any crash, asked of database and journal: before anything is repaired, and after the next run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use retentiond::enforce::Settings;
use retentiond::journal::{Entry, Event, Hash, Id128, KeyId, Macs, Name, Outcome, export, verify};
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::source::Session;

use crate::archive::{archived, only_known};
use crate::asked;
use crate::scene::{Record, Rows, TABLES};
use crate::stage::{Inside, Stage, own, rows};
use crate::wanted::batches;

/// Where journal and ledger stood when the organisation was last filled.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    pub journal: u64,
    pub ledger: u64,
}

/// How far the crashed run had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before its `run_started`: files, connections, plan, fence.
    Starting,
    /// Before its first intent: recovery of an earlier one, census, counting.
    BeforeIntent,
    /// An intent was open and had not committed: `aborted`.
    Aborted,
    /// An intent was open and had committed: `applied` by recovery.
    Recovered,
    /// Of several open intents some had committed and some had not.
    Divided,
    /// Between batches or behind the last one.
    Closed,
    /// It had finished.
    Finished,
}

/// Phases and how often each was met.
pub type Tally = BTreeMap<Phase, u64>;

struct LedgerRow {
    seq: u64,
    batch: Id128,
    n: u64,
    key_id: KeyId,
    /// Of the data set, then of each related one.
    macs: Vec<(String, Macs)>,
}

/// Asks everything: of what the crash left, then of what the next run makes of it. Returns how far the crashed run had come.
pub async fn judge(stage: &Stage, mark: Mark) -> Phase {
    let inside = stage.enter().await;
    let (found, ledger) = witness(stage, &inside, mark).await;
    let left = entries(&inside, mark.journal).await;
    let intents: BTreeSet<String> = left.iter().filter_map(intent_of).collect();
    for row in &ledger {
        assert!(intents.contains(&row.batch.to_string()), "a committed change without an intent");
    }
    assert_eq!(named(&inside, stage, &ledger), stage.scene.changed(&found), "the ledger names what is gone, and nothing else");
    let phase = phase_of(&left, &ledger);
    // Whoever has left is in the archive, whatever the journal knows of it.
    archived(stage, &inside, &named(&inside, stage, &ledger), &batches_of(&ledger)).await;

    let (must, noted) = match stage.url_there() {
        None => (stage.scene.after.clone(), 0),
        Some(_) => (asked::change(stage, &found).await, asked::noted(stage, &inside).await),
    };
    let settings = Settings { workers: stage.workers, ..batches(6, 40) };
    let outcome = inside.enforce(&stage.rules, settings).await.unwrap_or_else(|e| panic!("the run after the crash: {e}"));
    for a in &outcome.actions {
        assert_eq!((a.due_after, a.failed, a.busy, a.too_large), (a.no_copy, 0, 0, 0), "{a:?}");
    }
    assert_eq!(outcome.reverted, 0, "nothing was set back");
    let (found, ledger) = witness(stage, &inside, mark).await;
    assert_eq!(found, must, "every row is as it must be");
    if stage.url_there().is_some() {
        assert!(asked::noted(stage, &inside).await <= noted, "a run leaves no answer");
    }
    assert_eq!(named(&inside, stage, &ledger), stage.scene.changed(&found));
    archived(stage, &inside, &named(&inside, stage, &ledger), &batches_of(&ledger)).await;
    only_known(&inside).await;
    consistent(stage, &inside, mark, &ledger).await;
    verified(&inside).await;
    inside.leave().await;
    phase
}

/// Where the next exercise begins if nothing but the rows is put back.
pub async fn mark(stage: &Stage) -> Mark {
    let inside = stage.enter().await;
    let (_, ledger) = witness(stage, &inside, Mark::default()).await;
    let mark = Mark { journal: inside.journal.reader().size().await.unwrap(), ledger: ledger.last().map_or(0, |row| row.seq) };
    inside.leave().await;
    mark
}

/// All rows and the ledger since the mark, once whatever the dead process left on the server is over: under all slots.
async fn witness(stage: &Stage, inside: &Inside, mark: Mark) -> (Rows, Vec<LedgerRow>) {
    let engine = stage.engine;
    let mut session = inside.source.session().await.unwrap();
    let fence = own(engine, "fence");
    let lock = match engine {
        retentiond::plan::schema::Engine::Sqlite => "BEGIN IMMEDIATE".to_owned(),
        retentiond::plan::schema::Engine::Postgres => format!("BEGIN; SELECT token FROM {fence} FOR UPDATE"),
        _ => format!("SET SESSION innodb_lock_wait_timeout = 60; SELECT token FROM {fence} FOR UPDATE"),
    };
    session.rows(&lock).await.unwrap();
    let found = rows(&mut session).await;
    let ledger = read_ledger(stage, &mut session, mark).await;
    session.discard().await;
    (found, ledger)
}

async fn read_ledger(stage: &Stage, session: &mut Session, mark: Mark) -> Vec<LedgerRow> {
    let postgres = stage.engine == retentiond::plan::schema::Engine::Postgres;
    let macs = if postgres { "encode(macs, 'hex')" } else { "LOWER(HEX(macs))" };
    let text = if stage.engine.is_mysql_family() { "CHAR" } else { "TEXT" };
    let seqs = format!("SELECT CAST(l.seq AS {text}) FROM {} AS l ORDER BY l.seq", own(stage.engine, "ledger"));
    let seqs: Vec<u64> =
        session.rows(&seqs).await.unwrap().into_iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect();
    // Of several workers one may take a position and die, and another have the next.
    let counts =
        if stage.workers == 1 { seqs.iter().copied().eq(1..=seqs.len() as u64) } else { seqs.is_sorted_by(|a, b| a < b) };
    assert!(counts, "the ledger counts its rows: {seqs:?}");
    let sql = format!(
        "SELECT CAST(l.seq AS {text}), batch, CAST(n AS {text}), data_set, related, key_id, {macs} FROM {} AS l WHERE l.seq > {} ORDER BY l.seq",
        own(stage.engine, "ledger"),
        mark.ledger
    );
    let found = session.rows(&sql).await.unwrap().into_iter().map(|row| {
        let [seq, batch, n, data_set, related, key_id, macs] =
            row.into_iter().map(Option::unwrap).collect::<Vec<_>>().try_into().unwrap();
        let mut all = vec![(data_set, Macs::from_bytes(hex::decode(macs).unwrap()).unwrap())];
        let related: Vec<retentiond::journal::Related> = serde_json::from_str(&related).unwrap();
        all.extend(related.into_iter().map(|r| (r.data_set.to_string(), r.macs)));
        let (batch, key_id) = (Id128::parse(&batch).unwrap(), KeyId::parse(&key_id).unwrap());
        LedgerRow { seq: seq.parse().unwrap(), batch, n: n.parse().unwrap(), key_id, macs: all }
    });
    found.collect()
}

/// The records that these ledger rows name; each of them once.
fn named(inside: &Inside, stage: &Stage, ledger: &[LedgerRow]) -> BTreeSet<Record> {
    let mut all = BTreeSet::new();
    for row in ledger {
        let names = names(inside, stage, row.key_id);
        for (data_set, macs) in &row.macs {
            for mac in macs.as_bytes().chunks(16) {
                let record = names.get(mac).unwrap_or_else(|| panic!("a MAC of {data_set} that names no record"));
                assert_eq!(record.0, *data_set);
                assert!(all.insert(record.clone()), "{record:?} went twice");
            }
        }
        assert_eq!(row.n, row.macs[0].1.as_bytes().len() as u64 / 16);
    }
    all
}

fn batches_of(ledger: &[LedgerRow]) -> BTreeSet<String> {
    ledger.iter().map(|row| row.batch.to_string()).collect()
}

/// All records of the scene by their MACs under a key.
fn names(inside: &Inside, stage: &Stage, key_id: KeyId) -> HashMap<[u8; 16], Record> {
    let (source, mut all) = (Name::parse("crm").unwrap(), HashMap::new());
    for (table, _) in TABLES {
        for id in stage.scene.before[table].keys() {
            let key = RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: id.to_string() }]);
            let mac = inside.journal.mac_keys().mac(key_id, &source, &Name::parse(table).unwrap(), &key).unwrap();
            all.insert(mac.0, (table.to_owned(), *id));
        }
    }
    all
}

fn intent_of(entry: &Entry) -> Option<String> {
    if let Event::Intent { batch, .. } = &entry.event { Some(batch.to_string()) } else { None }
}

fn phase_of(left: &[Entry], ledger: &[LedgerRow]) -> Phase {
    let newest = left.iter().rposition(|e| matches!(e.event, Event::RunStarted { .. }));
    let mut open: BTreeSet<String> = left.iter().filter_map(intent_of).collect();
    let mut any = false;
    for entry in &left[newest.unwrap_or(0)..] {
        any |= matches!(entry.event, Event::Intent { .. });
    }
    for entry in left {
        if let Event::Applied { batch, .. } | Event::Aborted { batch, .. } = &entry.event {
            open.remove(&batch.to_string());
        }
    }
    if newest.is_none() {
        return Phase::Starting;
    }
    let committed = ledger.iter().filter(|row| open.contains(&row.batch.to_string())).count();
    match left.last().map(|e| &e.event) {
        _ if !open.is_empty() => match committed {
            0 => Phase::Aborted,
            n if n < open.len() => Phase::Divided,
            _ => Phase::Recovered,
        },
        Some(Event::RunFinished { .. }) => Phase::Finished,
        _ if any => Phase::Closed,
        _ => Phase::BeforeIntent,
    }
}

/// Journal and ledger tell the same story, batch by batch.
async fn consistent(stage: &Stage, inside: &Inside, mark: Mark, ledger: &[LedgerRow]) {
    assert_eq!(inside.journal.reader().open_batches().await.unwrap().len(), 0);
    assert_eq!(inside.journal.reader().open_runs().await.unwrap().len(), 0);
    let policy = Hash::of(stage.rules.documents.policy.as_bytes());
    let (mut plans, mut intents, mut closed) = (HashMap::new(), HashMap::new(), HashMap::new());
    for entry in entries(inside, mark.journal).await {
        match entry.event {
            Event::RunStarted { run, plan_hash, policy_hash, .. } => {
                assert_eq!(policy_hash, policy);
                plans.insert(run.to_string(), plan_hash);
            }
            Event::Intent { run, batch, plan_hash, .. } => {
                assert_eq!(plans.get(&run.to_string()), Some(&plan_hash), "the intent's plan is its run's");
                assert!(intents.insert(batch.to_string(), plan_hash).is_none());
            }
            Event::Applied { batch, rows, macs, related, .. } => {
                assert!(intents.contains_key(&batch.to_string()), "applied without an earlier intent");
                let mut all = vec![macs];
                all.extend(related.into_iter().map(|r| r.macs));
                assert!(closed.insert(batch.to_string(), Some((rows, all))).is_none(), "closed twice");
            }
            Event::Aborted { batch, .. } => {
                assert!(intents.contains_key(&batch.to_string()), "aborted without an earlier intent");
                assert!(closed.insert(batch.to_string(), None).is_none(), "closed twice");
            }
            Event::Reverted { .. } | Event::BatchFound { .. } | Event::RecordFailed { .. } => panic!("{}", entry.event.kind()),
            Event::RunFinished { outcome, .. } => assert_ne!(outcome, Outcome::Stopped),
            _ => {}
        }
    }
    for row in ledger {
        let applied = closed.remove(&row.batch.to_string()).flatten().expect("a ledger row without its `applied`");
        let macs: Vec<Macs> = row.macs.iter().map(|(_, macs)| macs.clone()).collect();
        assert_eq!(applied, (row.n, macs), "the journal says what the ledger says");
    }
    assert!(closed.values().all(Option::is_none), "an `applied` without its ledger row");
}

async fn verified(inside: &Inside) {
    inside.journal.checkpoint().await.unwrap();
    let mut file = Vec::new();
    export(&inside.journal.reader(), &mut file).await.unwrap();
    let report = verify(&mut file.as_slice(), &inside.journal.verifier_key().await, &[]).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}

pub async fn entries(inside: &Inside, mut from: u64) -> Vec<Entry> {
    let (reader, mut all) = (inside.journal.reader(), Vec::new());
    loop {
        let page = reader.entries(from, 5_000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        from += page.len() as u64;
        all.extend(page);
    }
}
