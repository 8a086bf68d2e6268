//! Archives that take their time, or are not there: what a server gives up meanwhile is nobody's leave to go on, and what is not seen is not gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use retentiond::archive::{Archive, Bucket, Directory, Store};
use retentiond::enforce::orders::Target;
use retentiond::journal::{DestructionCause, Event, Id128, ObjectRef};
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::archives::{MAP, POLICY, at, set};
use crate::bucket::{Fresh, Kind, Turned};
use crate::enforcement::{Fixture, rules};
use crate::ordered::{clients, evidence};
use crate::restore::place;
use crate::scene::{consistent, entries, now, run_clean};

/// PostgreSQL and MariaDB end a transaction of which they hear nothing for five seconds.
#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_placed_while_objects_are_destroyed_however_long_that_takes() {
    for engine in [Engine::Postgres, Engine::MariaDb] {
        let Some(db) = clients(engine).await else { continue };
        let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
        let (settings, gate) = fresh.behind(|_| Turned::On).await;
        let mut fixture = Fixture::new(engine, &db, "crm", now()).await;
        let recipients = fixture.archives.get("evidence").unwrap().recipients.clone();
        let store = Store::Bucket(Arc::new(Bucket::new(settings).unwrap()));
        fixture.archives.0.insert("evidence".to_owned(), Archive { store, recipients });
        let rules = rules(MAP, &[POLICY]);
        run_clean(&fixture, &rules).await;
        set(&fixture, at(2029, 7, 1));
        let removing = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&removing);
        gate.set(move |line| match line.starts_with("DELETE") {
            true => {
                seen.store(true, Ordering::Relaxed);
                Turned::Late(Duration::from_secs(3))
            }
            false => Turned::On,
        });
        // Three objects, three seconds each; the south's is the last.
        let hold = async {
            while !removing.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_millis(6_500)).await;
            place(&fixture, &rules, OrderKind::Hold, "client", Target::Tenant("south".into())).await;
            entries(&fixture).await.iter().any(|e| matches!(e.event, Event::Destroyed { .. }))
        };
        let (outcome, too_late) = tokio::join!(fixture.run(&rules), hold);
        assert_eq!((evidence(&outcome).destroyed, evidence(&outcome).failed), (5, 0), "{}", engine.name());
        assert!(too_late, "{}: the hold stood before what it held was gone", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_that_is_not_mounted_does_not_have_is_not_called_destroyed() {
    let Some(db) = clients(Engine::Sqlite).await else { return };
    let mut fixture = Fixture::new(Engine::Sqlite, &db, "crm", now()).await;
    let rules = rules(MAP, &[POLICY]);
    let run = run_clean(&fixture, &rules).await.run;
    // As a run that died between its intent and the removal leaves it.
    let sealed = entries(&fixture).await.into_iter().find_map(|e| match e.event {
        Event::Applied { batch, sealed, .. } if !sealed.is_empty() => Some((batch, sealed)),
        _ => None,
    });
    let (batch, sealed) = sealed.unwrap();
    let first = &sealed[0];
    let intent = Event::DestructionIntended {
        run,
        destruction: Id128::random().unwrap(),
        source: first.source.clone(),
        data_set: first.data_set.clone(),
        archive: first.archive.clone(),
        purpose: first.purpose.clone(),
        until: first.until,
        cause: DestructionCause::Ended,
        objects: vec![ObjectRef { batch, part: first.part }],
    };
    fixture.journal.append(intent).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let recipients = fixture.archives.get("evidence").unwrap().recipients.clone();
    let store = Store::Directory(Directory::new(&folder.path().join("empty")).unwrap());
    let mounted = fixture.archives.0.insert("evidence".to_owned(), Archive { store, recipients }).unwrap();
    fixture.run(&rules).await;
    assert_eq!(fixture.journal.reader().open_destructions().await.unwrap().len(), 1);
    fixture.archives.0.insert("evidence".to_owned(), mounted);
    fixture.run(&rules).await;
    assert_eq!(fixture.journal.reader().open_destructions().await.unwrap().len(), 0);
    let destroyed = |event: &Event| matches!(event, Event::Destroyed { objects, .. } if !objects.is_empty());
    assert!(!entries(&fixture).await.iter().any(|e| destroyed(&e.event)));
}
