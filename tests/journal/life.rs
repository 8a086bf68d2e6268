//! Appending, crashing, several writers, keys.

use std::sync::Arc;

use chrono::Duration;
use retentiond::journal::{
    Append, Event, FaultKind, Hash, Journal, JournalError, KeyId, Mac, OrderKind, OrderReason, OrderScope, Origin, Outcome,
    Reference,
};
use retentiond::state::{Commit, LogStore as _, NewEntry, SqliteLog, State, StateError};

use super::fixture::{Fixture, aborted, applied, check, finished, id, intent, name, start};

#[tokio::test]
async fn a_journal_goes_on_after_a_restart() {
    let fixture = Fixture::new().await;
    fixture.run(1, 7).await;
    let before = fixture.journal.head().await.unwrap();
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.journal.head().await.unwrap(), before);
    fixture.run(2, 7).await;
    let report = fixture.verify().await;
    assert!(report.is_sound(), "{:?}", report.faults);
    assert_eq!(report.root, Some(fixture.journal.head().await.unwrap().1));
}

#[tokio::test]
async fn one_append_is_all_or_nothing() {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    fixture.journal.append(start(id(1))).await.unwrap();
    let before = fixture.journal.head().await.unwrap();
    let half = Append::new().event(intent(id(1), id(2))).event(applied(id(1), id(99), key, &[])).sign();
    let error = fixture.journal.append(half).await.unwrap_err();
    assert!(matches!(error, JournalError::State(StateError::NotOpen("batch"))), "{error}");
    assert_eq!(fixture.journal.head().await.unwrap(), before);
    assert_eq!(fixture.journal.reader().open_batches().await.unwrap(), vec![]);
    fixture.journal.append(intent(id(1), id(2))).await.unwrap();
    assert!(fixture.verify().await.is_sound());
}

#[tokio::test]
async fn a_crash_between_intent_and_applied_leaves_an_open_batch_to_recover() {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    fixture.journal.append(start(id(1))).await.unwrap();
    fixture.journal.append(intent(id(1), id(2))).await.unwrap();
    let fixture = fixture.reopen().await;
    let open = fixture.journal.reader().open_batches().await.unwrap();
    assert!(matches!(&open[..], [entry] if matches!(&entry.event, Event::Intent { batch, .. } if *batch == id(2))));
    let Event::Applied { run, batch, rows, related, key_id, macs, .. } = applied(id(3), id(2), key, &[Mac([7; 16])]) else {
        unreachable!("applied() makes this");
    };
    let recovered =
        Event::Applied { run, batch, rows, related, key_id, macs, recovered: true, sealed: Vec::new(), files: Vec::new() };
    let interrupted = Event::RunFinished { run: id(1), outcome: Outcome::Interrupted, changed: 1, failed: 0, busy: 0 };
    fixture.journal.append(start(id(3)).event(recovered).event(interrupted)).await.unwrap();
    fixture.journal.append(finished(id(3))).await.unwrap();
    assert_eq!(fixture.journal.reader().open_runs().await.unwrap(), vec![]);
    let report = fixture.verify().await;
    assert!(report.is_sound(), "{:?}", report.faults);
}

#[tokio::test]
async fn what_was_appended_survives_a_kill_at_any_moment_after() {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    let mut steps = vec![start(id(1))];
    steps.extend((2..8).flat_map(|n| [intent(id(1), id(n)).into(), applied(id(1), id(n), key, &[]).into()]));
    steps.push(finished(id(1)).into());
    for step in steps {
        let done = fixture.journal.append(step).await.unwrap();
        // The files as a kill would leave them: no connection was closed, nothing folded into the database.
        let left = tempfile::tempdir().unwrap();
        let path = left.path().join("state");
        let copied = std::process::Command::new("cp").arg("-a").arg(fixture.path()).arg(&path).status().unwrap();
        assert!(copied.success());
        let state = State::open(&path).await.unwrap();
        let journal = Journal::open(&state, Arc::new(fixture.clock.clone())).await.unwrap();
        assert_eq!(journal.head().await.unwrap(), (done.size, done.root));
        let resumed = journal.checkpoint().await.unwrap();
        assert_eq!(resumed.size, done.size);
    }
}

#[tokio::test]
async fn two_writers_never_fork_the_log() {
    let fixture = Fixture::new().await;
    let second = Journal::open(&fixture.state, Arc::new(fixture.clock.clone())).await.unwrap();
    second.head().await.unwrap();
    fixture.journal.append(start(id(1))).await.unwrap();
    let error = second.append(start(id(2))).await.unwrap_err();
    assert!(matches!(error, JournalError::State(StateError::Conflict { expected: 1, found: 2 })), "{error}");
    second.append(start(id(2))).await.unwrap();
    let journals = [Arc::new(fixture.journal), Arc::new(second)];
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let journal = journals[n % 2].clone();
            tokio::spawn(async move { journal.append(intent(id(1 + n as u64 % 2), id(100 + n as u64))).await.is_ok() })
        })
        .collect();
    let mut appended = 0;
    for task in tasks {
        appended += u64::from(task.await.unwrap());
    }
    let [first, _] = journals;
    // Whoever was too slow reads the log's end anew and goes on.
    let size = loop {
        if let Ok(done) = first.checkpoint().await {
            break done.size;
        }
    };
    assert_eq!(size, 3 + appended);
    let mut out = Vec::new();
    retentiond::journal::export(&first.reader(), &mut out).await.unwrap();
    let report = check(&out, &fixture.key, &[]);
    assert!(report.is_sound(), "{:?}", report.faults);
}

#[tokio::test]
async fn the_store_refuses_a_stale_size_even_for_an_empty_append() {
    let fixture = Fixture::new().await;
    let store = SqliteLog::new(&fixture.state);
    let entries = vec![NewEntry { kind: "intent", data: b"{}".to_vec() }];
    let stale = Commit { expected: 0, entries, ..Commit::default() };
    assert!(matches!(store.append(stale).await, Err(StateError::Conflict { expected: 0, found: 1 })));
    let ahead = Commit { expected: 5, ..Commit::default() };
    assert!(matches!(store.append(ahead).await, Err(StateError::Conflict { expected: 5, found: 1 })));
}

#[tokio::test]
async fn a_reader_beside_the_writer_exports_and_cannot_write() {
    let fixture = Fixture::new().await;
    fixture.run(1, 3).await;
    let reading = State::open_read_only(&fixture.path()).await.unwrap();
    let mut out = Vec::new();
    retentiond::journal::export(&retentiond::journal::Reader::new(&reading), &mut out).await.unwrap();
    assert!(check(&out, &fixture.key, &[]).is_sound());
    let refused = Journal::open(&reading, Arc::new(fixture.clock.clone())).await.unwrap().append(start(id(5))).await;
    assert!(matches!(refused, Err(JournalError::State(StateError::ReadOnly))));
}

#[tokio::test]
async fn rotated_keys_are_a_chain_from_any_of_them() {
    let fixture = Fixture::new().await;
    fixture.run(1, 2).await;
    let second = fixture.journal.rotate_signing_key().await.unwrap();
    fixture.journal.checkpoint().await.unwrap();
    fixture.run(2, 2).await;
    let fixture = fixture.reopen().await;
    let third = fixture.journal.rotate_signing_key().await.unwrap();
    fixture.run(3, 2).await;
    assert!(fixture.key != second && second != third);
    let export = fixture.export().await;
    for key in [&fixture.key, &second, &third] {
        let report = check(&export, key, &[]);
        assert!(report.is_sound(), "{:?}", report.faults);
        assert_eq!(report.keys, [fixture.key.clone(), second.clone(), third.clone()]);
        assert_eq!(report.signed, report.entries);
    }
    let stranger = Fixture::new().await.key;
    assert_eq!(check(&export, &stranger, &[]).first().unwrap().kind, FaultKind::UnknownKey);
}

#[tokio::test]
async fn a_rotation_interrupted_after_its_announcement_is_completed() {
    let fixture = Fixture::new().await;
    let keys = fixture.path().join("keys");
    let old = std::fs::read(keys.join("signing.key")).unwrap();
    let second = fixture.journal.rotate_signing_key().await.unwrap();
    // As if the process had died before the new key took its place.
    std::fs::rename(keys.join("signing.key"), keys.join("signing.next")).unwrap();
    retentiond::state::write_private(&keys.join("signing.key"), &old).unwrap();
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.journal.verifier_key().await, second);
    assert!(!keys.join("signing.next").exists());
    fixture.run(1, 1).await;
    assert!(fixture.verify().await.is_sound());
}

#[tokio::test]
async fn a_rotation_that_was_never_announced_changes_nothing() {
    let fixture = Fixture::new().await;
    let other = Fixture::new().await;
    let keys = fixture.path().join("keys");
    // As if the process had died after making the next key.
    let next = std::fs::read(other.path().join("keys/signing.key")).unwrap();
    retentiond::state::write_private(&keys.join("signing.next"), &next).unwrap();
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.journal.verifier_key().await, fixture.key);
    assert_eq!(fixture.journal.rotate_signing_key().await.unwrap(), other.key, "the key that was made is used");
    assert!(fixture.verify().await.is_sound());
}

#[tokio::test]
async fn a_signing_key_that_the_log_does_not_name_is_refused() {
    let fixture = Fixture::new().await;
    let other = Fixture::new().await;
    std::fs::copy(other.path().join("keys/signing.key"), fixture.path().join("keys/signing.key")).unwrap();
    let opened = Journal::open(&fixture.state, Arc::new(fixture.clock.clone())).await;
    assert!(matches!(opened, Err(JournalError::ForeignSigningKey)));
}

#[tokio::test]
async fn a_journal_is_created_once_and_an_interrupted_creation_goes_on_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let fixture = Fixture::new().await;
    let origin = Origin::parse("retentiond/test").unwrap();
    let again = Journal::create(&fixture.state, Arc::new(fixture.clock.clone()), origin.clone()).await;
    assert!(matches!(again, Err(JournalError::AlreadyCreated)));
    let state = State::create(&path).await.unwrap();
    assert!(matches!(Journal::open(&state, Arc::new(fixture.clock.clone())).await, Err(JournalError::NotCreated)));
    std::fs::create_dir(path.join("keys")).unwrap();
    std::fs::set_permissions(path.join("keys"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::copy(fixture.path().join("keys/signing.key"), path.join("keys/signing.key")).unwrap();
    let journal = Journal::create(&state, Arc::new(fixture.clock.clone()), origin).await.unwrap();
    assert_eq!(journal.verifier_key().await, fixture.key);
}

#[tokio::test]
async fn mac_keys_change_monthly_and_outlive_open_orders() {
    let fixture = Fixture::new().await;
    let november = fixture.journal.current_mac_key().await.unwrap();
    assert_eq!(november, KeyId::parse("2026-11").unwrap());
    assert_eq!(fixture.journal.current_mac_key().await.unwrap(), november);
    fixture.journal.append(order(november)).await.unwrap();
    assert!(matches!(fixture.journal.destroy_mac_key(november).await, Err(JournalError::MacKeyInUse(_))));
    fixture.clock.advance(Duration::days(20));
    let december = fixture.journal.current_mac_key().await.unwrap();
    assert_eq!(december, KeyId::parse("2026-12").unwrap());
    assert!(matches!(fixture.journal.destroy_mac_key(november).await, Err(JournalError::MacKeyInUse(_))));
    assert!(fixture.journal.reader().open_order(id(9)).await.unwrap().is_some());
    let lifted = Event::OrderLifted {
        order: id(9),
        actor: name("dpo"),
        reason: OrderReason::ReasonEnded,
        reference: Reference::parse("A-2").unwrap(),
        person_informed: None,
    };
    fixture.journal.append(lifted.clone()).await.unwrap();
    assert!(matches!(fixture.journal.append(lifted).await, Err(JournalError::State(StateError::NotOpen("order")))));
    fixture.journal.destroy_mac_key(november).await.unwrap();
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.journal.mac_keys().ids(), [december]);
    fixture.journal.checkpoint().await.unwrap();
    assert!(fixture.verify().await.is_sound());
}

fn order(key_id: KeyId) -> Event {
    Event::OrderPlaced {
        order: id(9),
        source: name("crm"),
        order_kind: OrderKind::Hold,
        scope: OrderScope::Record,
        data_set: name("crm.person"),
        key_id,
        mac: Mac([1; 16]),
        actor: name("dpo"),
        reason: OrderReason::Litigation,
        reference: Reference::parse("A-1").unwrap(),
        until: None,
        undo: None,
    }
}

#[tokio::test]
async fn a_lost_mac_key_is_not_silently_replaced() {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    std::fs::remove_file(fixture.path().join(format!("keys/mac-{key}.key"))).unwrap();
    let fixture = fixture.reopen().await;
    assert!(matches!(fixture.journal.current_mac_key().await, Err(JournalError::MissingMacKey(_))));
}

#[tokio::test]
async fn a_destruction_interrupted_after_its_entry_is_completed() {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    let path = fixture.path().join(format!("keys/mac-{key}.key"));
    let bytes = std::fs::read(&path).unwrap();
    fixture.clock.advance(Duration::days(40));
    fixture.journal.destroy_mac_key(key).await.unwrap();
    retentiond::state::write_private(&path, &bytes).unwrap();
    let _reopened = fixture.reopen().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_clock_that_went_back_stops_the_journal_until_somebody_confirms() {
    let fixture = Fixture::new().await;
    fixture.clock.advance(Duration::seconds(-200));
    fixture.journal.append(start(id(1))).await.unwrap();
    fixture.clock.advance(Duration::seconds(-200));
    let error = fixture.journal.append(start(id(2))).await.unwrap_err();
    assert!(matches!(error, JournalError::ClockWentBack { .. }), "{error}");
    fixture.journal.confirm_clock_set_back(name("operator")).await.unwrap();
    fixture.journal.append(start(id(2))).await.unwrap();
    fixture.journal.checkpoint().await.unwrap();
    let report = fixture.verify().await;
    assert!(report.is_sound(), "{:?}", report.faults);
}

#[tokio::test]
async fn entries_that_break_their_own_rules_are_not_written() {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    let unnamed = Event::Applied {
        run: id(1),
        batch: id(2),
        rows: 2,
        related: Vec::new(),
        key_id: key,
        macs: [Mac([1; 16])].into_iter().collect(),
        recovered: false,
        sealed: Vec::new(),
        files: Vec::new(),
    };
    let forbidden = Event::MacKeyDestroyed { key_id: key };
    let Event::RunStarted { run, source, trigger, now, plan_hash, map_hash, schema_hash, version, .. } = run_started().await
    else {
        unreachable!("run_started() makes this");
    };
    let policy_hash = Hash::of(b"never stored");
    let undocumented = Event::RunStarted { run, source, trigger, now, plan_hash, policy_hash, map_hash, schema_hash, version };
    assert!(matches!(fixture.journal.append(unnamed).await, Err(JournalError::Refused(_))));
    assert!(matches!(fixture.journal.append(forbidden).await, Err(JournalError::Refused(_))));
    assert!(matches!(fixture.journal.append(undocumented).await, Err(JournalError::MissingDocument(_))));
    assert_eq!(fixture.journal.head().await.unwrap().0, 2);
}

async fn run_started() -> Event {
    let fixture = Fixture::new().await;
    fixture.journal.append(start(id(1))).await.unwrap();
    fixture.journal.reader().newest_of("run_started").await.unwrap().unwrap().event
}

#[tokio::test]
async fn contradictions_between_entries_are_found_although_they_are_signed() {
    type Case = (&'static str, fn(KeyId) -> Vec<Event>);
    let cases: [Case; 5] = [
        ("closed by another run", |key| vec![intent(id(1), id(2)), applied(id(8), id(2), key, &[])]),
        ("intent without a run", |_| vec![intent(id(8), id(2)), aborted(id(1), id(2))]),
        ("reverted but never applied", |_| vec![Event::Reverted { run: id(1), batch: id(2) }]),
        ("after the run's end", |_| vec![finished(id(1)), intent(id(1), id(2))]),
        ("unknown MAC key", |_| vec![intent(id(1), id(2)), applied(id(1), id(2), KeyId::parse("2020-01").unwrap(), &[])]),
    ];
    for (case, events) in cases {
        let fixture = Fixture::new().await;
        let key = fixture.journal.current_mac_key().await.unwrap();
        fixture.journal.append(start(id(1))).await.unwrap();
        fixture.journal.append(Append::new().events(events(key)).sign()).await.unwrap();
        let report = fixture.verify().await;
        assert!(matches!(report.faults[..], [ref f] if matches!(f.kind, FaultKind::Rule(_))), "{case}: {:?}", report.faults);
    }
}

#[tokio::test]
async fn a_thousand_entries_are_one_transaction() {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    fixture.journal.append(start(id(1))).await.unwrap();
    let began = std::time::Instant::now();
    for round in 0..20 {
        let pairs = (0..500).flat_map(|n| {
            let batch = id(10 + round * 500 + n);
            [intent(id(1), batch), applied(id(1), batch, key, &[Mac(batch.0)])]
        });
        let done = fixture.journal.append(Append::new().events(pairs)).await.unwrap();
        assert_eq!(done.size - done.first_seq, 1000);
    }
    println!("20,000 entries in {:?}", began.elapsed());
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM log_hash").fetch_one(fixture.state.pool()).await.unwrap();
    assert_eq!(rows, 1 + 1 + 1 + 20, "one row of hashes for each append");
    fixture.journal.append(finished(id(1))).await.unwrap();
    let began = std::time::Instant::now();
    let export = fixture.export().await;
    println!("exported in {:?}", began.elapsed());
    let began = std::time::Instant::now();
    let report = check(&export, &fixture.key, &[]);
    println!("verified in {:?}", began.elapsed());
    assert!(report.is_sound(), "{:?}", report.faults);
    assert_eq!(report.signed, 20_004);
}
