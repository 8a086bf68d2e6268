//! What an order has ended and lies among others is taken out of its object; nobody else is touched, whoever dies in between.

use std::collections::BTreeSet;
use std::sync::Arc;

use retentiond::archive::{Archive, Bucket, BucketSettings, Directory, Identities, LockMode, Store};
use retentiond::enforce::erasure::{AmongOthers, ErasureRequest, Taken, erase, preview};
use retentiond::enforce::orders::Target;
use retentiond::enforce::unseal::Why;
use retentiond::enforce::{EnforceError, catalogue, fence};
use retentiond::journal::{Access, AccessReason, Code, Event, Id128, Name, ObjectRef, Reference, prove};
use retentiond::policy::purpose::OrderKind;

use crate::archives::{MAP, POLICY, at, lies, set};
use crate::bucket::{Fresh, Kind, Turned};
use crate::enforcement::{Fixture, Rules, rules};
use crate::ordered::{clients, evidence, names, open_rules};
use crate::restore::{lift, place, record};
use crate::scene::{ENGINES, consistent, entries, now, number, own, run_clean};
use crate::undo::Scene;

/// Takes out what can be, with this identity or the right one.
async fn take_out(fixture: &Fixture<'_>, rules: &Rules, identity: Option<&str>) -> Result<Taken, EnforceError> {
    lies(fixture).await;
    let mut file = fixture._folder.path().join("identity");
    if let Some(other) = identity {
        file = fixture._folder.path().join("another");
        retentiond::state::write_private(&file, other.as_bytes()).unwrap();
    }
    let prepared = fixture.prepare(rules).await;
    let server = &prepared.schema.server.id;
    let fence = fence::take(&fixture.source, &fixture.state, &fixture.journal, "crm", server, None).await.unwrap();
    erase(ErasureRequest {
        source: &fixture.source,
        prepared: &prepared,
        journal: &fixture.journal,
        fence,
        archives: &fixture.archives,
        only: None,
        identities: &Arc::new(Identities::read(&file).unwrap()),
        why: Why {
            access: Access::Erase,
            actor: Name::parse("dpo").unwrap(),
            reason: AccessReason::LegalDuty,
            reference: Reference::parse("CASE/9").unwrap(),
        },
    })
    .await
}

async fn among_others(fixture: &Fixture<'_>, rules: &Rules) -> Vec<AmongOthers> {
    preview(&fixture.source, &fixture.prepare(rules).await, &fixture.journal, None).await.unwrap()
}

fn gone(records: u64, objects: u64) -> Taken {
    Taken { records, objects, ..Taken::default() }
}

fn client_rules() -> Rules {
    rules(MAP, &[POLICY])
}

/// Whether the catalogue still names a client.
async fn is_named(fixture: &Fixture<'_>, id: u64) -> bool {
    let Target::Record(key) = record(id) else { unreachable!() };
    let (source, data_set) = (Name::parse("crm").unwrap(), Name::parse("client").unwrap());
    !catalogue::find(&fixture.journal, &source, &data_set, &key).await.unwrap().is_empty()
}

/// How many openings of archives a proof about a client tells of.
async fn openings(fixture: &Fixture<'_>, id: u64) -> usize {
    let Target::Record(key) = record(id) else { unreachable!() };
    let (source, data_set) = (Name::parse("crm").unwrap(), Name::parse("client").unwrap());
    let journal = &fixture.journal;
    let proof = prove(&journal.reader(), journal.mac_keys(), &source, &data_set, &key).await.unwrap();
    let told: BTreeSet<u64> = proof.entries.iter().map(|e| e.seq).chain(proof.not_yet_signed).collect();
    entries(fixture).await.iter().filter(|e| matches!(e.event, Event::ArchiveOpened { .. }) && told.contains(&e.seq)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_has_ended_leaves_its_object_and_the_others_stay_until_their_day() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, client_rules());
        let run = run_clean(&fixture, &rules).await.run;
        assert!(among_others(&fixture, &rules).await.is_empty());
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), Taken::default());
        assert!(!entries(&fixture).await.iter().any(|e| matches!(e.event, Event::ArchiveOpened { .. })), "nothing was opened");

        let order = |kind: OrderKind, of: Target| place(&fixture, &rules, kind, "client", of);
        order(OrderKind::Erasure, record(1)).await;
        order(OrderKind::Objection, record(2)).await;
        let hold = order(OrderKind::Hold, record(2)).await;
        let found = among_others(&fixture, &rules).await;
        assert_eq!((found.len(), found[0].objects, found[0].records, found[0].purpose.as_str()), (1, 1, 1, "evidence"));
        // Of whom a hold keeps nothing goes, nor of whom nobody asks.
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), Taken { held: 1, ..gone(1, 1) }, "{}", engine.name());
        assert_eq!(names(&fixture).await, ["N2+N3", "S4", "Z5"], "{}", engine.name());
        assert_eq!((is_named(&fixture, 1).await, is_named(&fixture, 2).await, is_named(&fixture, 3).await), (false, true, true));
        // Whoever lay beside is told that the object was opened; who lay elsewhere is not.
        assert_eq!((openings(&fixture, 1).await, openings(&fixture, 3).await, openings(&fixture, 4).await), (1, 1, 0));
        lift(&fixture, hold).await;
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), gone(1, 1), "{}", engine.name());
        assert_eq!(names(&fixture).await, ["N3", "S4", "Z5"], "{}", engine.name());
        assert_eq!((openings(&fixture, 1).await, openings(&fixture, 3).await, openings(&fixture, 4).await), (1, 2, 0));
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), Taken::default());
        consistent(&fixture).await;

        // The run can still be undone, but for those who are gone.
        set(&fixture, at(2026, 11, 25));
        let account = Scene::of(&fixture, &rules, run).preview().await;
        let group = &account.groups[0];
        assert_eq!((group.back, group.destroyed, group.part), (3, 2, 0), "{}: {group:?}", engine.name());
        let back = Scene::of(&fixture, &rules, run).undo_all().await;
        assert_eq!(back.records, 3, "{}", engine.name());
        assert_eq!(number(&fixture, "FROM client WHERE name = 'N3'").await, 1);
        assert_eq!(number(&fixture, "FROM client WHERE id IN (1, 2)").await, 0);
        consistent(&fixture).await;

        // What is left goes when its day has passed, but for who was put back: each under a hold.
        set(&fixture, at(2029, 7, 1));
        let outcome = fixture.run(&rules).await;
        assert_eq!((evidence(&outcome).destroyed, evidence(&outcome).held), (0, 3), "{}", engine.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_is_destroyed_on_the_day_of_its_object_and_by_orders_on_all_that_is_left() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, client_rules());
        run_clean(&fixture, &rules).await;
        let order = |kind: OrderKind, of: Target| place(&fixture, &rules, kind, "client", of);
        order(OrderKind::Erasure, record(2)).await;
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), gone(1, 1));
        // All but one of a rest, then the last one: no identity is needed for that.
        order(OrderKind::Erasure, record(1)).await;
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), gone(1, 1));
        order(OrderKind::Erasure, record(3)).await;
        assert_eq!(evidence(&fixture.run(&rules).await).destroyed, 1, "{}", engine.name());
        assert_eq!(names(&fixture).await, ["S4", "Z5"], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_open_an_object_changes_nothing_and_a_hold_on_more_than_a_record_keeps_it_whole() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, client_rules());
        run_clean(&fixture, &rules).await;
        place(&fixture, &rules, OrderKind::Erasure, "client", record(1)).await;
        let stranger = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n";
        let taken = take_out(&fixture, &rules, Some(stranger)).await.unwrap();
        assert_eq!((taken.unopened, taken.is_whole()), (1, false), "{}: {taken:?}", engine.name());
        assert_eq!(names(&fixture).await, ["N1+N2+N3", "S4", "Z5"], "{}", engine.name());
        let hold = place(&fixture, &rules, OrderKind::Hold, "client", Target::Tenant("north".into())).await;
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), Taken { held: 1, ..Taken::default() });
        lift(&fixture, hold).await;
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), gone(1, 1), "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_what_is_kept_until_a_day_that_nobody_knows_hears_of_it() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, open_rules());
        run_clean(&fixture, &rules).await;
        place(&fixture, &rules, OrderKind::Erasure, "client", record(1)).await;
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), gone(1, 1), "{}", engine.name());
        let pending = || async { number(&fixture, &format!("FROM {}", own(engine, "pending"))).await };
        assert_eq!((names(&fixture).await, pending().await), (vec!["N2+N3".to_owned(), "S4".to_owned()], 2), "{}", engine.name());
        let outcome = fixture.run(&rules).await;
        assert_eq!((evidence(&outcome).open, evidence(&outcome).astray), (3, 0), "{}", engine.name());
        // Once the day is known, another one leaves it; then it is over.
        db.run_sql("UPDATE house SET ended_on = '2026-11-01' WHERE name = 'north'").await;
        assert_eq!(evidence(&fixture.run(&rules).await).open, 1, "{}", engine.name());
        place(&fixture, &rules, OrderKind::Erasure, "client", record(2)).await;
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), gone(1, 1), "{}", engine.name());
        assert_eq!(names(&fixture).await, ["N3", "S4"], "{}", engine.name());
        set(&fixture, at(2031, 11, 2));
        assert_eq!(evidence(&fixture.run(&rules).await).destroyed, 1, "{}", engine.name());
        assert_eq!((names(&fixture).await, pending().await), (vec!["S4".to_owned()], 1), "{}", engine.name());
        consistent(&fixture).await;
    }
}

/// The names of everything in the archives.
async fn there(fixture: &Fixture<'_>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for archive in fixture.archives.0.values() {
        all.extend(archive.store.list(None).await.unwrap().into_iter().map(|l| l.name.as_str().to_owned()));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_died_is_closed_by_the_next_run_without_an_identity() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, client_rules());
        run_clean(&fixture, &rules).await;
        place(&fixture, &rules, OrderKind::Erasure, "client", record(1)).await;
        let (whole, names_before) = (there(&fixture).await, names(&fixture).await);
        // As a process that died before the rest was in the journal leaves it: the intent, and what it has written of a rest.
        let found = entries(&fixture).await.into_iter().find_map(|e| match e.event {
            Event::Applied { batch, key_id, sealed, .. } => {
                sealed.into_iter().find(|s| s.macs.len() == 3).map(|s| (batch, key_id, s))
            }
            _ => None,
        });
        let (batch, key_id, sealed) = found.unwrap();
        let (erasure, object) = (Id128::random().unwrap(), ObjectRef { batch, part: sealed.part });
        let intent = Event::ArchiveErasureIntended {
            erasure,
            source: sealed.source.clone(),
            data_set: sealed.data_set.clone(),
            archive: sealed.archive.clone(),
            purpose: sealed.purpose.clone(),
            object,
            part: 1_000_000,
            key_id,
            macs: retentiond::journal::Macs::from_bytes(sealed.macs.as_bytes()[..16].to_vec()).unwrap(),
            actor: Name::parse("dpo").unwrap(),
            reason: AccessReason::LegalDuty,
            reference: Reference::parse("CASE/9").unwrap(),
        };
        fixture.journal.append(intent).await.unwrap();
        let begun = whole.iter().find(|name| name.contains(&batch.to_string()) && name.contains(&format!("-{}.", sealed.part)));
        let rest = begun.unwrap().replace(&format!("-{}.jsonl", sealed.part), "-1000000.jsonl");
        let store = &fixture.archives.get(sealed.archive.as_str()).unwrap().store;
        store.put(&rest.parse().unwrap(), b"begun".to_vec(), None).await.unwrap();
        run_clean(&fixture, &rules).await;
        assert_eq!((there(&fixture).await, names(&fixture).await), (whole.clone(), names_before), "{}", engine.name());
        // It is over: whoever comes too late with its rest is refused, and the object stays.
        let late = Event::ArchiveResealed { erasure, object, entry: 0, records: 1, key_id, sealed: sealed.clone() };
        assert!(fixture.journal.append(late).await.is_err(), "{}", engine.name());
        let aborted =
            |e: &Event| matches!(e, Event::ArchiveErasureAborted { code, .. } if *code == Code::parse("interrupted").unwrap());
        assert_eq!(entries(&fixture).await.iter().filter(|e| aborted(&e.event)).count(), 1);

        // The same again is done under another number: one is used once, also one of which the journal does not know.
        let stranger = rest.replace("-1000000.jsonl.", "-1000006.file-0.");
        store.put(&stranger.parse().unwrap(), b"of a journal that was lost".to_vec(), None).await.unwrap();
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), gone(1, 1), "{}", engine.name());
        assert!(there(&fixture).await.iter().any(|name| name.contains("-1000007.")), "{}", engine.name());
        assert!(there(&fixture).await.contains(&stranger), "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_only_the_journal_knows_stops_the_erasure() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, client_rules());
        run_clean(&fixture, &rules).await;
        for kind in [OrderKind::Erasure, OrderKind::Hold] {
            place(&fixture, &rules, kind, "client", record(1)).await;
        }
        // The database is set back to between the two.
        db.run_sql(&format!("DELETE FROM {} WHERE kind = 'hold'", own(engine, "hold"))).await;
        let refused = take_out(&fixture, &rules, None).await;
        assert!(matches!(refused, Err(EnforceError::OrderUnmatched)), "{}: {refused:?}", engine.name());
        assert_eq!(names(&fixture).await, ["N1+N2+N3", "S4", "Z5"], "{}", engine.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_whom_orders_have_all_ended_a_hold_on_one_keeps_nobody_else() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, client_rules());
        run_clean(&fixture, &rules).await;
        for id in 1..=3 {
            place(&fixture, &rules, OrderKind::Erasure, "client", record(id)).await;
        }
        assert!(among_others(&fixture, &rules).await.is_empty(), "the next run does it");
        let hold = place(&fixture, &rules, OrderKind::Hold, "client", record(3)).await;
        let found = among_others(&fixture, &rules).await;
        assert_eq!((found[0].objects, found[0].records), (1, 2), "{}", engine.name());
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), Taken { held: 1, ..gone(2, 1) }, "{}", engine.name());
        assert_eq!(names(&fixture).await, ["N3", "S4", "Z5"], "{}", engine.name());
        let left = among_others(&fixture, &rules).await;
        assert_eq!((left.len(), left[0].objects, left[0].records, left[0].held), (1, 0, 0, 1), "{}: {left:?}", engine.name());
        lift(&fixture, hold).await;
        assert_eq!(evidence(&fixture.run(&rules).await).destroyed, 1, "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_day_a_hold_on_one_keeps_nobody_else() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, client_rules());
        run_clean(&fixture, &rules).await;
        let hold = place(&fixture, &rules, OrderKind::Hold, "client", record(2)).await;
        assert!(among_others(&fixture, &rules).await.is_empty(), "{}: its day has not come", engine.name());
        set(&fixture, at(2029, 7, 1));
        let outcome = fixture.run(&rules).await;
        let told = evidence(&outcome);
        assert_eq!((told.held, told.among_others), (1, 2), "{}: {told:?}", engine.name());
        assert_eq!(names(&fixture).await[0], "N1+N2+N3", "{}", engine.name());
        let found = among_others(&fixture, &rules).await;
        assert_eq!((found.len(), found[0].objects, found[0].records), (1, 1, 2), "{}: {found:?}", engine.name());
        // A hold on more than a record keeps all of it.
        let wide = place(&fixture, &rules, OrderKind::Hold, "client", Target::Tenant("north".into())).await;
        let left = among_others(&fixture, &rules).await;
        assert_eq!((left.len(), left[0].records, left[0].held), (1, 0, 3), "{}: {left:?}", engine.name());
        assert_eq!(evidence(&fixture.run(&rules).await).held, 3, "{}", engine.name());
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), Taken { held: 3, ..Taken::default() }, "{}", engine.name());
        lift(&fixture, wide).await;
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), Taken { held: 1, ..gone(2, 1) }, "{}", engine.name());
        assert_eq!(names(&fixture).await[0], "N2", "{}", engine.name());
        let outcome = fixture.run(&rules).await;
        assert_eq!((evidence(&outcome).held, evidence(&outcome).among_others), (1, 0), "{}", engine.name());
        consistent(&fixture).await;
        lift(&fixture, hold).await;
        assert_eq!(evidence(&fixture.run(&rules).await).destroyed, 1, "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_what_was_locked_to_a_day_that_has_passed_is_not_locked_anew() {
    let engine = retentiond::plan::schema::Engine::Sqlite;
    let Some(db) = clients(engine).await else { return };
    let Some(fresh) = Fresh::new(Kind::ObjectLock, Some(LockMode::Governance), "").await else { return };
    let mut fixture = Fixture::new(engine, &db, "crm", now()).await;
    let rules = client_rules();
    let recipients = fixture.archives.get("evidence").unwrap().recipients.clone();
    // Sealed where nothing locks, since no service can be told that the years have passed.
    let unlocked = BucketSettings { object_lock: None, ..fresh.settings.clone() };
    let store = |settings| Store::Bucket(Arc::new(Bucket::new(settings).unwrap()));
    fixture.archives.0.insert("evidence".to_owned(), Archive { store: store(unlocked), recipients: recipients.clone() });
    run_clean(&fixture, &rules).await;
    fixture.archives.0.insert("evidence".to_owned(), Archive { store: store(fresh.settings.clone()), recipients });
    place(&fixture, &rules, OrderKind::Hold, "client", record(2)).await;
    set(&fixture, at(2029, 7, 1));
    fixture.run(&rules).await;
    assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), Taken { held: 1, ..gone(2, 1) });
    assert_eq!(names(&fixture).await[0], "N2");
    let rest = there(&fixture).await.into_iter().find(|name| name.contains("-1000000.")).unwrap();
    assert!(!fixture.archives.get("evidence").unwrap().store.is_held(&rest.parse().unwrap()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_an_older_object_is_no_newer_for_it() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, client_rules());
        run_clean(&fixture, &rules).await;
        // Somebody brought the second one back, and corrected the name.
        db.run_sql("INSERT INTO client VALUES (2, 'north', NULL, 'N2 corrected', NULL, '2024-06-30')").await;
        run_clean(&fixture, &rules).await;
        place(&fixture, &rules, OrderKind::Erasure, "client", record(1)).await;
        assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), gone(1, 1), "{}", engine.name());
        let Target::Record(key) = record(2) else { unreachable!() };
        let (source, data_set) = (Name::parse("crm").unwrap(), Name::parse("client").unwrap());
        let found = catalogue::find(&fixture.journal, &source, &data_set, &key).await.unwrap();
        let parts: Vec<bool> = found.iter().map(|f| f.row.part >= retentiond::journal::RESTS_FROM).collect();
        assert_eq!(parts, [true, false], "{}: the oldest first", engine.name());
        assert!(found[0].since < found[1].since && found[0].row.seq > found[1].row.seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_set_back_to_before_an_erasure_still_tells_the_rest_its_end() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, open_rules());
        run_clean(&fixture, &rules).await;
        let ways = || async { number(&fixture, &format!("FROM {} WHERE part >= 1000000", own(engine, "pending"))).await };
        for id in 1..=2 {
            place(&fixture, &rules, OrderKind::Erasure, "client", record(id)).await;
            assert_eq!(take_out(&fixture, &rules, None).await.unwrap(), gone(1, 1), "{}", engine.name());
        }
        assert_eq!(ways().await, 1);
        db.run_sql(&format!("UPDATE {} SET part = 0 WHERE part >= 1000000", own(engine, "pending"))).await;
        fixture.run(&rules).await;
        assert_eq!(ways().await, 1, "{}", engine.name());
        assert_eq!(evidence(&fixture.run(&rules).await).astray, 0, "{}", engine.name());
        db.run_sql("UPDATE house SET ended_on = '2026-11-01' WHERE name = 'north'").await;
        assert_eq!(evidence(&fixture.run(&rules).await).open, 1, "{}: the south's", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_called_erased_where_the_archive_is_not_the_one_that_has_it() {
    let engine = retentiond::plan::schema::Engine::Sqlite;
    let Some(db) = clients(engine).await else { return };
    let Some(fresh) = Fresh::new(Kind::Versions, None, "").await else { return };
    let (settings, gate) = fresh.behind(|_| Turned::On).await;
    let mut fixture = Fixture::new(engine, &db, "crm", now()).await;
    let rules = client_rules();
    let recipients = || fixture.archives.get("evidence").unwrap().recipients.clone();
    let (mounted, elsewhere) = (recipients(), recipients());
    let store = Store::Bucket(Arc::new(Bucket::new(settings).unwrap()));
    fixture.archives.0.insert("evidence".to_owned(), Archive { store, recipients: mounted });
    run_clean(&fixture, &rules).await;
    place(&fixture, &rules, OrderKind::Erasure, "client", record(1)).await;
    gate.set(|line| if line.starts_with("DELETE") { Turned::Away(403, "AccessDenied") } else { Turned::On });
    let taken = take_out(&fixture, &rules, None).await.unwrap();
    assert_eq!((taken.left, taken.records, taken.is_whole()), (1, 0, false), "{taken:?}");
    // Somebody hides the object, as one who does not think of versions does; the archive's disk is not there when the next run comes by.
    let object = there(&fixture).await.into_iter().find(|name| name.contains("-1.jsonl")).unwrap();
    fresh.hide(&object).await;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::Directory(Directory::new(&folder.path().join("empty")).unwrap());
    let bucket = fixture.archives.0.insert("evidence".to_owned(), Archive { store, recipients: elsewhere }).unwrap();
    fixture.run(&rules).await;
    assert_eq!(fixture.journal.reader().open_resealed().await.unwrap().len(), 1);
    // It comes back, and what was to go goes, with every version of it.
    fixture.archives.0.insert("evidence".to_owned(), bucket);
    gate.set(|_| Turned::On);
    fixture.run(&rules).await;
    assert_eq!(fixture.journal.reader().open_resealed().await.unwrap().len(), 0);
    assert!(!fresh.versions().await.contains(&object), "{object}");
    assert_eq!(names(&fixture).await, ["N2+N3", "S4", "Z5"]);
    consistent(&fixture).await;
}
