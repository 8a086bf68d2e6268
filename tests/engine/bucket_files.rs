//! Files that rows point to, in buckets of a real S3 API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use retentiond::archive::BucketSettings;
use retentiond::enforce::{FileOutcome, Point};
use retentiond::files::{Bucket, Files};
use retentiond::journal::Event;
use retentiond::plan::schema::Engine;

use crate::archived_files::{self, CALLS, DeadAt, Meddles, OF_EVIDENCE, SCANS, contracts, expected, sealed, to_leave};
use crate::bucket::{Fresh, Kind, Turned};
use crate::enforcement::{Fixture, unlimited};
use crate::files::{ALL, GONE, Stops, call, counted, crm, of, organisation};
use crate::scene::{ENGINES, consistent, entries, now, read, run_clean};
use crate::support::TestDatabase;

/// Stores of these names in one bucket, each below the prefix of its name.
fn stores(settings: &BucketSettings, names: &[&str]) -> Arc<Files> {
    let mut files = Files::default();
    for name in names {
        let settings = BucketSettings { prefix: (*name).to_owned(), ..settings.clone() };
        files.insert((*name).to_owned(), Bucket::new(settings).unwrap());
    }
    Arc::new(files)
}

/// A fixture whose store is a bucket with all files.
async fn fixture<'d>(engine: Engine, db: &'d TestDatabase, fresh: &Fresh) -> Fixture<'d> {
    let mut fixture = Fixture::new(engine, db, "crm", now()).await;
    for file in ALL {
        fresh.put(&format!("recordings/{file}"), file.as_bytes()).await;
    }
    fixture.files = stores(&fresh.settings, &["recordings"]);
    fixture
}

async fn left(fresh: &Fresh) -> Vec<&'static str> {
    let mut left = Vec::new();
    for file in ALL {
        if fresh.get(&format!("recordings/{file}")).await.is_some() {
            left.push(file);
        }
    }
    left
}

fn without(gone: &[&str]) -> Vec<&'static str> {
    ALL.into_iter().filter(|file| !gone.contains(file)).collect()
}

async fn codes(fixture: &Fixture<'_>) -> Vec<String> {
    let failed = |event| if let Event::RecordFailed { code, .. } = event { Some(code.to_string()) } else { None };
    entries(fixture).await.into_iter().filter_map(|e| failed(e.event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_due_rows_go_with_them_and_no_version_of_them_is_kept() {
    for engine in ENGINES {
        for kind in [Kind::Plain, Kind::Versions] {
            let Some(db) = organisation(engine).await else { continue };
            let Some(fresh) = Fresh::new(kind, None, "").await else { return };
            fresh.put("recordings/a/1.wav", b"an older one").await;
            fresh.put("a/1.wav", b"not below the root").await;
            let fixture = fixture(engine, &db, &fresh).await;
            let outcome = fixture.run(&crm()).await;
            assert_eq!(left(&fresh).await, without(&GONE), "{} {kind:?}", engine.name());
            assert_eq!(of(&outcome, "call.delete").files, counted(1, 0, 1));
            assert_eq!(of(&outcome, "contract.anonymise").files, counted(3, 0, 0));
            assert_eq!(fresh.counts().await, (ALL.len() - GONE.len() + 1, 0), "{kind:?}: nothing is hidden");
            assert_eq!(read(&fixture, &format!("SELECT id FROM {} ORDER BY id", call(engine))).await, ["4", "5", "6"]);
            consistent(&fixture).await;
            // The last row with a file takes it along.
            db.run_sql(&format!("UPDATE {} SET collected = '2025-01-01' WHERE id = 5", call(engine))).await;
            let outcome = fixture.run(&crm()).await;
            assert_eq!(of(&outcome, "call.delete").files, counted(1, 0, 0));
            assert!(!left(&fresh).await.contains(&"shared.wav"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bucket_does_not_let_go_keeps_its_row_and_no_other() {
    for engine in ENGINES {
        let Some(db) = organisation(engine).await else { continue };
        let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
        let mut fixture = fixture(engine, &db, &fresh).await;
        let more = [(101, "../files/x"), (102, "a//4.wav"), (103, "lost.wav"), (104, "a")];
        for (id, path) in more {
            db.run_sql(&format!("INSERT INTO {} VALUES ({id}, '{path}', '2025-01-01')", call(engine))).await;
        }
        let rule = |line: &str| match line.starts_with("DELETE") && line.contains("a/1.wav") {
            true => Turned::Away(403, "AccessDenied"),
            false => Turned::On,
        };
        let (settings, gate) = fresh.behind(rule).await;
        fixture.files = stores(&settings, &["recordings"]);
        let outcome = fixture.run(&crm()).await;
        let done = of(&outcome, "call.delete");
        assert_eq!((done.changed, done.failed, done.due_after), (4, 3, 3), "{}", engine.name());
        // What other keys begin with is no directory, but a file that is missing.
        assert_eq!(done.files, counted(0, 2, 1));
        let mut told = codes(&fixture).await;
        told.sort();
        assert_eq!(told, ["file_kept", "file_outside", "file_outside"], "{}", engine.name());
        assert_eq!(read(&fixture, &format!("SELECT id FROM {} WHERE id < 4", call(engine))).await, ["1"]);
        assert_eq!(left(&fresh).await, without(&GONE[1..]));
        gate.set(|_| Turned::On);
        let outcome = fixture.run(&crm()).await;
        assert_eq!(of(&outcome, "call.delete").files, counted(1, 0, 0));
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_away_or_empty_keeps_every_row_that_points_into_it() {
    for engine in ENGINES {
        let Some(db) = organisation(engine).await else { continue };
        let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
        let mut fixture = fixture(engine, &db, &fresh).await;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let away = BucketSettings { endpoint: Some(format!("http://127.0.0.1:{port}")), ..fresh.settings.clone() };
        let Some(empty) = Fresh::new(Kind::Plain, None, "").await else { return };
        let gone = BucketSettings { bucket: format!("{}-", fresh.settings.bucket), ..fresh.settings.clone() };
        for settings in [away, empty.settings.clone(), gone] {
            fixture.files = stores(&settings, &["recordings"]);
            let outcome = fixture.run(&crm()).await;
            let done = of(&outcome, "call.delete");
            assert_eq!((done.failed, done.due_after), (2, 2), "{}", engine.name());
            assert_eq!(of(&outcome, "contract.anonymise").due_after, 1);
        }
        assert!(codes(&fixture).await.iter().all(|code| code == "file_store"));
        assert_eq!(left(&fresh).await, without(&[]));
        fixture.files = stores(&fresh.settings, &["recordings"]);
        let outcome = run_clean(&fixture, &crm()).await;
        assert_eq!(of(&outcome, "call.delete").files, counted(1, 0, 1));
        assert_eq!(left(&fresh).await, without(&GONE));
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_between_removal_and_commit_leaves_rows_that_the_next_run_takes() {
    for engine in ENGINES {
        let Some(db) = organisation(engine).await else { continue };
        let Some(fresh) = Fresh::new(Kind::Versions, None, "").await else { return };
        let mut fixture = fixture(engine, &db, &fresh).await;
        let died = tokio::time::timeout(Duration::from_secs(6), fixture.run_with(&crm(), unlimited(), &Stops)).await;
        assert!(died.is_err() && !left(&fresh).await.contains(&"a/1.wav"), "{}", engine.name());
        fixture.files = stores(&fresh.settings, &["recordings"]);
        assert_eq!(
            read(&fixture, &format!("SELECT id FROM {} WHERE id = 1", call(engine))).await,
            ["1"],
            "nothing was committed"
        );
        let outcome = fixture.run(&crm()).await;
        assert_eq!(of(&outcome, "call.delete").files, counted(0, 1, 1));
        assert_eq!(left(&fresh).await, without(&GONE));
        consistent(&fixture).await;
    }
}

/// A fixture whose two stores are in a bucket, with all files of the contracts.
async fn archived<'d>(engine: Engine, db: &'d TestDatabase, fresh: &Fresh) -> Fixture<'d> {
    let mut fixture = Fixture::new(engine, db, "crm", now()).await;
    for (store, files) in [("scans", SCANS), ("recordings", CALLS)] {
        for file in files {
            fresh.put(&format!("{store}/{file}"), &archived_files::content(file)).await;
        }
    }
    fixture.files = stores(&fresh.settings, &["scans", "recordings"]);
    fixture
}

async fn there(fresh: &Fresh) -> Vec<&'static str> {
    let mut left = Vec::new();
    for (store, files) in [("scans", SCANS), ("recordings", CALLS)] {
        for file in files {
            if fresh.get(&format!("{store}/{file}")).await.is_some() {
                left.push(file);
            }
        }
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_archived_rows_are_sealed_and_leave_the_bucket_after_the_commit_wherever_a_run_dies() {
    for engine in ENGINES {
        for point in [Point::Locked, Point::Sealed, Point::Acted, Point::Committed] {
            let Some(db) = contracts(engine).await else { continue };
            let kind = if point == Point::Sealed { Kind::Versions } else { Kind::Plain };
            let Some(fresh) = Fresh::new(kind, None, "").await else { return };
            let mut fixture = archived(engine, &db, &fresh).await;
            let rules = archived_files::crm();
            let dead = DeadAt(point, tokio::sync::Notify::new());
            tokio::select! {
                _ = fixture.run_with(&rules, unlimited(), &dead) => panic!("it stops at {point:?}"),
                () = dead.1.notified() => {}
            }
            for file in ["scan/2.pdf", "a/21.wav"] {
                assert!(there(&fresh).await.contains(&file), "{} at {point:?}", engine.name());
            }
            fixture.files = stores(&fresh.settings, &["scans", "recordings"]);
            let outcome = run_clean(&fixture, &rules).await;
            assert_eq!(sealed(&fixture, "evidence").await, expected(&OF_EVIDENCE), "{} at {point:?}", engine.name());
            assert_eq!(sealed(&fixture, "legal").await, expected(&OF_EVIDENCE[..1]));
            assert_eq!(there(&fresh).await, ["scan/3.pdf", "both.wav"], "{} at {point:?}", engine.name());
            assert_eq!(fresh.counts().await, (2, 0));
            assert_eq!((outcome.left.removed, to_leave(&fixture).await.as_str()), (2, "0"));
            consistent(&fixture).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_written_after_it_was_sealed_stays_and_is_told() {
    for engine in ENGINES {
        for kind in [Kind::Plain, Kind::Versions] {
            let Some(db) = contracts(engine).await else { continue };
            let Some(fresh) = Fresh::new(kind, None, "").await else { return };
            let fixture = archived(engine, &db, &fresh).await;
            let writes = || {
                let put = fresh.put("scans/scan/2.pdf", b"another contract");
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(put));
            };
            let rules = archived_files::crm();
            let outcome = fixture.run_with(&rules, unlimited(), &Meddles(Point::Sealed, &writes)).await.unwrap();
            assert_eq!(
                outcome.left,
                FileOutcome { removed: 1, changed: 1, ..FileOutcome::default() },
                "{} {kind:?}",
                engine.name()
            );
            assert_eq!(fresh.get("scans/scan/2.pdf").await.unwrap(), b"another contract");
            let outcome = fixture.run(&rules).await;
            assert_eq!((outcome.left.changed, outcome.failed(), to_leave(&fixture).await), (1, 1, "1".to_owned()));
            fresh.hide("scans/scan/2.pdf").await;
            run_clean(&fixture, &rules).await;
            assert_eq!(to_leave(&fixture).await, "0");
            assert_eq!(sealed(&fixture, "evidence").await, expected(&OF_EVIDENCE));
            assert_eq!(fresh.counts().await, (2, 0), "what was only hidden is gone, too");
            consistent(&fixture).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_while_it_is_sealed_or_cannot_leave_is_not_lost() {
    for engine in ENGINES {
        let Some(db) = contracts(engine).await else { continue };
        let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
        let mut fixture = archived(engine, &db, &fresh).await;
        let rules = archived_files::crm();
        // Between the first look and the first piece, each time.
        let (url, http) = (fresh.url.clone(), fresh.http.clone());
        let on = std::sync::Arc::new(AtomicBool::new(true));
        let writing = std::sync::Arc::clone(&on);
        let (settings, gate) = fresh
            .behind(move |line| {
                if line.starts_with("GET") && line.contains("scan/2.pdf") && writing.load(Ordering::SeqCst) {
                    let mut random = [0; 8];
                    getrandom::fill(&mut random).unwrap();
                    let put = http.put(format!("{url}/scans/scan/2.pdf")).body(random.to_vec());
                    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(put.send())).unwrap();
                }
                Turned::On
            })
            .await;
        fixture.files = stores(&settings, &["scans", "recordings"]);
        let outcome = fixture.run(&rules).await;
        assert_eq!(of(&outcome, "contract.delete").due_after, 1, "{}", engine.name());
        assert_eq!(codes(&fixture).await, ["file_changed"]);
        assert!(sealed(&fixture, "evidence").await.is_empty());
        fresh.put("scans/scan/2.pdf", &archived_files::content("scan/2.pdf")).await;
        // It was sealed, its row is away, and the bucket does not let it go yet.
        gate.set(|line| match line.starts_with("DELETE") {
            true => Turned::Away(403, "AccessDenied"),
            false => Turned::On,
        });
        let outcome = fixture.run(&rules).await;
        assert_eq!((outcome.left.kept, outcome.failed(), to_leave(&fixture).await.as_str()), (2, 2, "2"), "{}", engine.name());
        gate.set(|_| Turned::On);
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!((outcome.left.removed, to_leave(&fixture).await.as_str()), (2, "0"));
        assert_eq!(sealed(&fixture, "evidence").await, expected(&OF_EVIDENCE));
        assert_eq!(there(&fresh).await, ["scan/3.pdf", "both.wav"]);
        consistent(&fixture).await;
    }
}
