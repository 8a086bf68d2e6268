//! What a verifier holds against a log that says something was taken out of an archived object.

use retentiond::journal::{
    AccessReason, Append, Code, Day, Event, FaultKind, Hash, KeyId, Mac, Macs, ObjectRef, OrderKind, OrderReason, OrderScope,
    RESTS_FROM, Reference, Sealed,
};

use super::fixture::{Fixture, applied, finished, id, intent, name, start};

fn object(macs: &[u8], part: u32) -> Sealed {
    Sealed {
        source: name("crm"),
        data_set: name("crm.person"),
        archive: name("a"),
        purpose: name("evidence"),
        until: None,
        part,
        sha256: Hash::of(b"object"),
        bytes: 9,
        rows: macs.len() as u64,
        macs: macs_of(macs),
        tenants: Default::default(),
        subjects: Default::default(),
        files: Vec::new(),
    }
}

fn macs_of(macs: &[u8]) -> Macs {
    macs.iter().map(|n| Mac([*n; 16])).collect()
}

/// A batch of three records, sealed in one object.
fn sealed(key: KeyId, until: Option<&str>) -> Event {
    let mut event = applied(id(1), id(2), key, &[Mac([1; 16]), Mac([2; 16]), Mac([3; 16])]);
    if let Event::Applied { sealed, .. } = &mut event {
        sealed.push(Sealed { until: until.map(|day| Day::parse(day).unwrap()), ..object(&[1, 2, 3], 0) });
    }
    event
}

fn reference() -> Reference {
    Reference::parse("CASE/9").unwrap()
}

fn ordered(order: u64, key_id: KeyId, kind: OrderKind) -> Event {
    Event::OrderPlaced {
        order: id(order),
        source: name("crm"),
        order_kind: kind,
        scope: OrderScope::Record,
        data_set: name("crm.person"),
        key_id,
        mac: Mac([1; 16]),
        actor: name("dpo"),
        reason: OrderReason::DataSubjectRequest,
        reference: reference(),
        until: None,
        undo: None,
    }
}

fn lifted(order: u64) -> Event {
    let (actor, reason) = (name("dpo"), OrderReason::ReasonEnded);
    Event::OrderLifted { order: id(order), actor, reason, reference: reference(), person_informed: None }
}

fn at(part: u32) -> ObjectRef {
    ObjectRef { batch: id(2), part }
}

fn intended(erasure: u64, key_id: KeyId, (from, to): (u32, u32), macs: &[u8]) -> Event {
    Event::ArchiveErasureIntended {
        erasure: id(erasure),
        source: name("crm"),
        data_set: name("crm.person"),
        archive: name("a"),
        purpose: name("evidence"),
        object: at(from),
        part: to,
        key_id,
        macs: macs_of(macs),
        actor: name("dpo"),
        reason: AccessReason::LegalDuty,
        reference: reference(),
    }
}

fn resealed(erasure: u64, key_id: KeyId, (from, entry): (u32, u64), records: u64, rest: Sealed) -> Event {
    Event::ArchiveResealed { erasure: id(erasure), object: at(from), entry, records, key_id, sealed: rest }
}

fn erased(erasure: u64, records: u64) -> Event {
    Event::ArchiveErased { erasure: id(erasure), records, recovered: false }
}

fn given_up(erasure: u64) -> Event {
    Event::ArchiveErasureAborted { erasure: id(erasure), code: Code::parse("interrupted").unwrap() }
}

/// The faults of a log with a run of one batch, an order, and what comes after it.
async fn faults(events: impl FnOnce(KeyId) -> Vec<Event>) -> Vec<String> {
    faults_where(None, events).await
}

/// The same, where the object is kept until this day.
async fn faults_where(until: Option<&str>, events: impl FnOnce(KeyId) -> Vec<Event>) -> Vec<String> {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    fixture.journal.append(start(id(1))).await.unwrap();
    let run = [intent(id(1), id(2)), sealed(key, until), finished(id(1)), ordered(90, key, OrderKind::Erasure)];
    fixture.journal.append(Append::new().events(run).events(events(key)).sign()).await.unwrap();
    let report = fixture.verify().await;
    let told = |kind: &FaultKind| match kind {
        FaultKind::Rule(rule) => (*rule).to_owned(),
        other => format!("{other:?}"),
    };
    report.faults.iter().map(|f| told(&f.kind)).collect()
}

const REST: u32 = RESTS_FROM;

/// The entry of the batch.
const SEALED: u64 = 4;

#[tokio::test]
async fn what_leaves_its_object_record_by_record_is_sound() {
    let in_pieces = faults(|key| {
        vec![
            intended(10, key, (0, REST), &[1]),
            given_up(10),
            intended(11, key, (0, REST + 1), &[1]),
            resealed(11, key, (0, SEALED), 1, object(&[2, 3], REST + 1)),
            erased(11, 1),
            intended(12, key, (REST + 1, REST + 2), &[2]),
            resealed(12, key, (REST + 1, SEALED + 6), 1, object(&[3], REST + 2)),
            // Whoever lifts the order now is too late.
            lifted(90),
            erased(12, 1),
        ]
    });
    assert_eq!(in_pieces.await, Vec::<String>::new());
}

#[tokio::test]
async fn each_contradiction_about_what_left_its_object_breaks_its_rule() {
    type Case = (&'static str, fn(KeyId) -> Vec<Event>);
    let cases: [Case; 12] = [
        ("nothing is erased before its last day has passed, unless an order that ends purposes stands on its data set", |key| {
            vec![lifted(90), intended(10, key, (0, REST), &[1]), given_up(10)]
        }),
        ("nothing is erased before its last day has passed, unless an order that ends purposes stands on its data set", |key| {
            vec![lifted(90), ordered(91, key, OrderKind::Hold), intended(10, key, (0, REST), &[1]), given_up(10)]
        }),
        ("an erasure leaves a rest", |key| vec![intended(10, key, (0, REST), &[1, 2, 3]), given_up(10)]),
        ("what is erased was sealed before, and not destroyed yet", |key| vec![intended(10, key, (7, REST), &[1]), given_up(10)]),
        ("the rest of an object has all its records but those that are erased", |key| {
            vec![intended(10, key, (0, REST), &[1]), resealed(10, key, (0, SEALED), 1, object(&[3], REST)), erased(10, 1)]
        }),
        ("the rest of an object is kept as the object was", |key| {
            let longer = Sealed { purpose: name("marketing"), ..object(&[2, 3], REST) };
            vec![intended(10, key, (0, REST), &[1]), resealed(10, key, (0, SEALED), 1, longer), erased(10, 1)]
        }),
        ("the rest of an object is kept as the object was", |key| {
            vec![intended(10, key, (0, REST), &[1]), resealed(10, key, (0, 2), 1, object(&[2, 3], REST)), erased(10, 1)]
        }),
        ("the rest of an object has none of the records that are erased", |key| {
            vec![intended(10, key, (0, REST), &[1]), resealed(10, key, (0, SEALED), 1, object(&[1, 2], REST)), erased(10, 1)]
        }),
        ("what is resealed is what was intended to be", |key| {
            vec![intended(10, key, (0, REST), &[1]), resealed(10, key, (0, SEALED), 1, object(&[2, 3], REST + 1)), erased(10, 1)]
        }),
        ("an erasure counts its records", |key| {
            vec![intended(10, key, (0, REST), &[1]), resealed(10, key, (0, SEALED), 1, object(&[2, 3], REST)), erased(10, 2)]
        }),
        ("an erasure begins once", |key| {
            vec![intended(10, key, (0, REST), &[1]), given_up(10), intended(10, key, (0, REST), &[1]), given_up(10)]
        }),
        // What is gone cannot be destroyed again, nor taken out of once more.
        ("what is erased was sealed before, and not destroyed yet", |key| {
            let once =
                [intended(10, key, (0, REST), &[1]), resealed(10, key, (0, SEALED), 1, object(&[2, 3], REST)), erased(10, 1)];
            once.into_iter().chain([intended(11, key, (0, REST + 1), &[2]), given_up(11)]).collect()
        }),
    ];
    for (rule, events) in cases {
        assert_eq!(faults(events).await, [rule]);
    }
}

#[tokio::test]
async fn what_is_over_by_its_day_needs_no_order_to_leave_its_object_and_what_is_not_does() {
    let without_order = |key| vec![lifted(90), intended(10, key, (0, REST), &[1]), given_up(10)];
    assert_eq!(faults_where(Some("2020-01-01"), without_order).await, Vec::<String>::new());
    let rule = "nothing is erased before its last day has passed, unless an order that ends purposes stands on its data set";
    assert_eq!(faults_where(Some("9990-01-01"), without_order).await, [rule]);
}

#[tokio::test]
async fn the_store_refuses_a_rest_of_what_is_not_under_way_and_an_end_without_a_rest() {
    let fixture = Fixture::new().await;
    let key = fixture.journal.current_mac_key().await.unwrap();
    fixture.journal.append(start(id(1))).await.unwrap();
    fixture.journal.append(Append::new().events([intent(id(1), id(2)), sealed(key, None), finished(id(1))])).await.unwrap();
    let append = |event: Event| fixture.journal.append(event);
    let rest = || resealed(10, key, (0, SEALED), 1, object(&[2, 3], REST));
    assert!(append(rest()).await.is_err());
    assert!(append(intended(10, key, (0, 5), &[1])).await.is_err(), "not the number of a rest");
    assert!(append(intended(10, key, (0, REST), &[])).await.is_err(), "nobody");
    append(intended(10, key, (0, REST), &[1])).await.unwrap();
    assert!(append(erased(10, 1)).await.is_err(), "nothing stands for the object");
    append(rest()).await.unwrap();
    assert!(append(rest()).await.is_err() && append(given_up(10)).await.is_err(), "it is too late to give up");
    append(erased(10, 1)).await.unwrap();
    let objects = fixture.journal.reader().sealed(retentiond::state::SealedQuery::default(), 10).await.unwrap();
    assert_eq!(objects.iter().map(|row| (row.part, row.records)).collect::<Vec<_>>(), [(REST, 2)]);
}
