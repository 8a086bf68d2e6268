//! The logs that are mutated: of 3 to 200 entries, with rotated keys, orders, empty runs, and a twin that continued from a copy of the state.

use std::sync::Arc;

use retentiond::journal::{Event, Journal, Mac, OrderKind, OrderReason, OrderScope, Reference, VerifierKey, notes_in};
use retentiond::state::State;

use super::fixture::{Fixture, id, name};

/// A log with everything that a verifier or a forger may have of it.
pub struct Log {
    pub export: Vec<u8>,
    /// Where the entries begin.
    pub first: usize,
    /// The entries' lines, without LF.
    pub lines: Vec<Vec<u8>>,
    pub key: VerifierKey,
    /// Every checkpoint that was ever signed.
    pub mailed: Vec<String>,
    /// The number of entries over which each checkpoint of the export is signed.
    pub sizes: Vec<usize>,
    /// Another continuation under the same key from the entry with this number on.
    pub twin: Option<(usize, Vec<u8>)>,
}

impl Log {
    fn new(export: Vec<u8>, key: VerifierKey, twin: Option<Vec<u8>>) -> Self {
        let first = export.windows(9).position(|w| w == b"{\"seq\":0,").unwrap() - 65;
        let lines = |export: &[u8], first: usize| -> Vec<Vec<u8>> {
            export[first..export.len() - 4].split_inclusive(|b| *b == b'\n').map(|l| l[..l.len() - 1].to_vec()).collect()
        };
        let own = lines(&export, first);
        let mailed = notes_in(&mut &export[..first]).unwrap();
        let mut sizes: Vec<usize> = mailed.iter().map(|n| n.lines().nth(1).unwrap().parse().unwrap()).collect();
        sizes.sort_unstable();
        let twin = twin.map(|twin| {
            let start = twin.windows(9).position(|w| w == b"{\"seq\":0,").unwrap() - 65;
            let other = lines(&twin, start);
            (own.iter().zip(&other).position(|(a, b)| a != b).unwrap(), twin)
        });
        Self { export, first, lines: own, key, mailed, sizes, twin }
    }
}

/// Batches of each run, and the run before which the key is rotated.
const SHAPES: [(&[u64], Option<usize>); 10] = [
    (&[], None),
    (&[0], None),
    (&[1, 0, 2], None),
    (&[3, 4], Some(1)),
    (&[7, 1, 1], Some(2)),
    (&[20], None),
    (&[9, 9, 9], Some(0)),
    (&[2, 40], None),
    (&[1; 36], Some(20)),
    (&[30, 30, 29], Some(1)),
];

pub async fn all() -> Vec<Log> {
    let mut logs = Vec::new();
    for (runs, rotated) in SHAPES {
        logs.push(one(runs, rotated).await);
    }
    logs.sort_by_key(|log| log.lines.len());
    assert!(logs.iter().any(|l| l.lines.len() >= 180) && logs.iter().all(|l| l.lines.len() <= 200));
    assert!(logs.iter().any(|l| l.lines.len() < 5));
    logs
}

async fn one(runs: &[u64], rotated: Option<usize>) -> Log {
    let fixture = Fixture::new().await;
    for (n, batches) in runs.iter().enumerate() {
        if rotated == Some(n) {
            fixture.journal.rotate_signing_key().await.unwrap();
        }
        fixture.run(n as u64 + 1, *batches).await;
        if n % 2 == 1 {
            order(&fixture, n as u64).await;
        }
    }
    if runs.len() < 2 {
        fixture.journal.checkpoint().await.unwrap();
        return Log::new(fixture.export().await, fixture.key, None);
    }
    // A copy of the state is continued as well: two histories under one key.
    let backup = tempfile::tempdir().unwrap();
    let copy = backup.path().join("state");
    let Fixture { dir, clock, state, journal, key } = fixture;
    drop(journal);
    state.close().await;
    assert!(std::process::Command::new("cp").arg("-a").arg(dir.path().join("state")).arg(&copy).status().unwrap().success());
    let mut exports = Vec::new();
    for (path, batches) in [(dir.path().join("state"), 1), (copy, 4)] {
        let state = State::open(&path).await.unwrap();
        let journal = Journal::open(&state, Arc::new(clock.clone())).await.unwrap();
        let branch = Fixture { dir: tempfile::tempdir().unwrap(), clock: clock.clone(), state, journal, key: key.clone() };
        branch.run(900 + batches, batches).await;
        exports.push(branch.export().await);
    }
    let twin = exports.pop();
    Log::new(exports.pop().unwrap(), key, twin)
}

async fn order(fixture: &Fixture, n: u64) {
    let (order, key_id) = (id(7_000 + n), fixture.journal.current_mac_key().await.unwrap());
    let reference = Reference::parse("CASE/7").unwrap();
    let placed = Event::OrderPlaced {
        order,
        source: name("crm"),
        order_kind: OrderKind::Hold,
        scope: OrderScope::Record,
        data_set: name("crm.person"),
        key_id,
        mac: Mac(order.0),
        actor: name("dpo"),
        reason: OrderReason::Litigation,
        reference: reference.clone(),
        until: None,
        undo: None,
    };
    fixture.journal.append(placed).await.unwrap();
    let lifted =
        Event::OrderLifted { order, actor: name("dpo"), reason: OrderReason::ReasonEnded, reference, person_informed: None };
    fixture.journal.append(lifted).await.unwrap();
}
