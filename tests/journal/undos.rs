//! What a verifier holds against a log that says something came back.

use retentiond::journal::{
    Access, AccessReason, Append, Code, Event, FaultKind, Hash, KeyId, Mac, ObjectRef, OrderKind, OrderReason, OrderScope,
    Reference, Sealed,
};

use super::fixture::{Fixture, applied, finished, id, intent, name, start};

/// A batch of two records, sealed in one object.
fn sealed(key: KeyId) -> Event {
    let Event::Applied { run, batch, rows, related, key_id, macs, recovered, files, .. } =
        applied(id(1), id(2), key, &[Mac([1; 16]), Mac([2; 16])])
    else {
        unreachable!("applied() makes this")
    };
    let object = Sealed {
        source: name("crm"),
        data_set: name("crm.person"),
        archive: name("a"),
        purpose: name("recovery-p"),
        until: None,
        part: 0,
        sha256: Hash::of(b"object"),
        bytes: 9,
        rows: 2,
        macs: macs.clone(),
        tenants: Default::default(),
        subjects: Default::default(),
        files: Vec::new(),
    };
    Event::Applied { run, batch, rows, related, key_id, macs, recovered, sealed: vec![object], files }
}

fn reference() -> Reference {
    Reference::parse("CASE/9").unwrap()
}

fn intended(undo: u64, batch: u64, part: u32, records: u64) -> Event {
    Event::UndoIntended {
        undo: id(undo),
        source: name("crm"),
        run: id(1),
        batch: id(batch),
        data_set: name("crm.person"),
        plan_hash: Hash::of(b"undo"),
        records,
        objects: vec![ObjectRef { batch: id(batch), part }],
        actor: name("dpo"),
        reason: AccessReason::ErrorCorrection,
        reference: reference(),
    }
}

fn held(undo: u64, order: u64, key_id: KeyId, kind: OrderKind) -> Event {
    Event::OrderPlaced {
        order: id(order),
        source: name("crm"),
        order_kind: kind,
        scope: OrderScope::Record,
        data_set: name("crm.person"),
        key_id,
        mac: Mac([1; 16]),
        actor: name("dpo"),
        reason: OrderReason::ErrorCorrection,
        reference: reference(),
        until: None,
        undo: Some(id(undo)),
    }
}

fn undone(undo: u64, key_id: KeyId, records: u64) -> Event {
    let macs = (0..records).map(|n| Mac([n as u8 + 1; 16])).collect();
    Event::Undone { undo: id(undo), records, inserted: records, unmasked: 0, newer: 0, key_id, macs, recovered: false }
}

fn given_up(undo: u64) -> Event {
    Event::UndoAborted { undo: id(undo), code: Code::parse("23505").unwrap() }
}

fn lifted(order: u64) -> Event {
    let (actor, reason) = (name("dpo"), OrderReason::ErrorCorrection);
    Event::OrderLifted { order: id(order), actor, reason, reference: reference(), person_informed: None }
}

/// The faults of a log with a run of one batch and what comes after it.
async fn faults(events: impl FnOnce(KeyId) -> Vec<Event>) -> Vec<String> {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    fixture.journal.append(start(id(1))).await.unwrap();
    let run = [intent(id(1), id(2)), sealed(key), finished(id(1))];
    fixture.journal.append(Append::new().events(run).events(events(key)).sign()).await.unwrap();
    let report = fixture.verify().await;
    report
        .faults
        .iter()
        .map(|f| match &f.kind {
            FaultKind::Rule(rule) => (*rule).to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn what_comes_back_record_by_record_under_holds_is_sound() {
    let (hold, none) = (OrderKind::Hold, Vec::<String>::new());
    let in_pieces = faults(|key| {
        vec![
            intended(10, 2, 0, 2),
            held(10, 20, key, hold),
            lifted(20),
            given_up(10),
            intended(11, 2, 0, 1),
            held(11, 21, key, hold),
            undone(11, key, 1),
            intended(12, 2, 0, 1),
            held(12, 22, key, hold),
            undone(12, key, 1),
            lifted(21),
        ]
    });
    assert_eq!(in_pieces.await, none);
}

#[tokio::test]
async fn each_contradiction_about_what_came_back_breaks_its_rule() {
    type Case = (&'static str, fn(KeyId) -> Vec<Event>);
    const HOLD: OrderKind = OrderKind::Hold;
    let cases: [Case; 10] = [
        ("what is undone stands under a hold, record by record", |key| {
            vec![intended(10, 2, 0, 2), held(10, 20, key, HOLD), undone(10, key, 2)]
        }),
        ("what is undone stands under a hold, record by record", |key| {
            vec![intended(10, 2, 0, 1), held(10, 20, key, HOLD), lifted(20), undone(10, key, 1)]
        }),
        ("no more is undone than was intended to be", |key| {
            vec![intended(10, 2, 0, 1), held(10, 20, key, HOLD), held(10, 21, key, HOLD), undone(10, key, 2)]
        }),
        ("no more comes back than a batch took", |key| {
            let three = (0..3).map(|n| held(10, 20 + n, key, HOLD));
            [intended(10, 2, 0, 3)].into_iter().chain(three).chain([undone(10, key, 3)]).collect()
        }),
        ("an attempt to undo that changed nothing leaves no hold", |key| {
            vec![intended(10, 2, 0, 1), held(10, 20, key, HOLD), given_up(10)]
        }),
        ("an attempt to undo holds what it puts back", |key| {
            vec![intended(10, 2, 0, 1), held(10, 20, key, OrderKind::Erasure), lifted(20), given_up(10)]
        }),
        ("what is undone was sealed by its batch, and not destroyed yet", |_| vec![intended(10, 2, 1, 1), given_up(10)]),
        ("what is undone was sealed by its batch, and not destroyed yet", |_| vec![intended(10, 3, 0, 1), given_up(10)]),
        ("what is undone was applied, and not reverted", |_| {
            let again = Event::Reverted { run: id(1), batch: id(2) };
            vec![again, intended(10, 2, 0, 1), given_up(10)]
        }),
        ("an order names an attempt to undo that is open", |key| vec![held(10, 20, key, HOLD)]),
    ];
    for (rule, events) in cases {
        assert_eq!(faults(events).await, [rule]);
    }
}

#[tokio::test]
async fn who_opens_an_archive_names_a_record_unless_a_run_is_undone() {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    for (access, named, allowed) in [
        (Access::Undo, false, true),
        (Access::Undo, true, false),
        (Access::Restore, false, false),
        (Access::Restore, true, true),
        (Access::Export, false, false),
    ] {
        let opened = Event::ArchiveOpened {
            source: name("crm"),
            data_set: name("crm.person"),
            access,
            key_id: named.then_some(key),
            mac: named.then_some(Mac([1; 16])),
            objects: Vec::new(),
            actor: name("dpo"),
            reason: AccessReason::ErrorCorrection,
            reference: reference(),
        };
        assert_eq!(fixture.journal.append(opened).await.is_ok(), allowed, "{access} {named}");
    }
}
