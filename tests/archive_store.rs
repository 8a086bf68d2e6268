//! Stores of objects: a bucket of a real S3 API, and a directory under a hostile umask.

#![expect(clippy::unwrap_used, reason = "a test's own failure is a panic")]

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use chrono::NaiveDate;
use retentiond::archive::pipe::{Outlet, pipe};
use retentiond::archive::{Bucket, BucketSettings, Directory, LockMode, ObjectName, Store, StoreError};
use sha2::{Digest as _, Sha256};

#[expect(dead_code, reason = "what stores of files are tested with")]
#[path = "support/bucket.rs"]
mod bucket;

use bucket::{Fresh, Kind};

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

fn far() -> NaiveDate {
    "2099-12-31".parse().unwrap()
}

fn store(fresh: &Fresh) -> Store {
    Store::Bucket(Arc::new(Bucket::new(fresh.settings.clone()).unwrap()))
}

#[tokio::test]
async fn an_object_is_put_once_read_listed_and_removed() {
    for (kind, prefix) in [(Kind::Plain, ""), (Kind::Plain, "some/where"), (Kind::Versions, "w"), (Kind::ObjectLock, "")] {
        let Some(fresh) = Fresh::new(kind, None, prefix).await else { return };
        let store = store(&fresh);
        store.probe().await.unwrap();
        let object = name("crm/00ff/2031-12-31-1.jsonl.zst.age");
        assert!(!store.exists(&object).await.unwrap());
        assert!(matches!(store.read(&object).await, Err(StoreError::Missing(_))));
        store.put(&object, b"sealed".to_vec(), Some(far())).await.unwrap();
        store.put(&object, b"sealed".to_vec(), None).await.unwrap();
        assert!(matches!(store.put(&object, b"other".to_vec(), None).await, Err(StoreError::Exists(_))));
        assert!(store.exists(&object).await.unwrap());
        assert_eq!(store.read(&object).await.unwrap(), b"sealed");
        let mut read = Vec::new();
        store.reader(&object).await.unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, b"sealed");
        store.check(&object, &Sha256::digest(b"sealed").into()).await.unwrap();
        assert!(matches!(store.check(&object, &[0; 32]).await, Err(StoreError::Differs(_))));

        store.put(&name("crm/00ff/2031-12-31-10"), vec![1], None).await.unwrap();
        store.put(&name("crm2/1"), vec![1, 2], None).await.unwrap();
        let stranger = fresh.http.put(format!("{}/{prefix}/a%20stranger", fresh.url)).body("x").send().await.unwrap();
        assert!(stranger.status().is_success());
        let listed = |found: Vec<_>| {
            found.into_iter().map(|l: retentiond::archive::Listed| format!("{} {}", l.name, l.size)).collect::<Vec<_>>()
        };
        let crm = ["crm/00ff/2031-12-31-1.jsonl.zst.age 6", "crm/00ff/2031-12-31-10 1"];
        assert_eq!(listed(store.list(Some(&name("crm"))).await.unwrap()), crm);
        assert_eq!(listed(store.list(None).await.unwrap()), [crm[0], crm[1], "crm2/1 2"]);

        for _ in 0..2 {
            store.remove(&object).await.unwrap();
        }
        assert!(!store.exists(&object).await.unwrap());
        assert_eq!(listed(store.list(Some(&name("crm"))).await.unwrap()), crm[1..]);
    }
}

/// A pipe with so many bytes, of which none repeats soon; without its end if it is to be `cut`.
fn piped(bytes: usize, cut: bool) -> (Outlet, Vec<u8>) {
    let content: Vec<u8> =
        (0..bytes as u64).flat_map(|n| (n / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[..1].to_vec()).collect();
    let (mut inlet, outlet) = pipe();
    let sent = content.clone();
    std::thread::spawn(move || {
        // Whoever does not take it is what is tested.
        if std::io::Write::write_all(&mut inlet, &sent).is_ok() && !cut {
            let _ = inlet.end();
        }
    });
    (outlet, content)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_pieces_is_put_whole_or_not_at_all_and_read_back_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = vec![Store::Directory(Directory::new(&folder.path().join("objects")).unwrap())];
    for (kind, lock) in [(Kind::Plain, None), (Kind::Versions, None), (Kind::ObjectLock, Some(LockMode::Governance))] {
        stores.extend(Fresh::new(kind, lock, "w").await.map(|fresh| store(&fresh)));
    }
    for store in stores {
        // Nothing, less than a piece, exactly one, and more.
        for (n, bytes) in [0, 5, 8 << 20, (8 << 20) + 1].into_iter().enumerate() {
            let object = name(&format!("crm/0f/open-0.file-{n}.zst.age"));
            let (outlet, content) = piped(bytes, false);
            let stored = store.put_from(&object, outlet, Some(far())).await.unwrap();
            let sum: [u8; 32] = Sha256::digest(&content).into();
            assert_eq!((stored.bytes, stored.sha256), (bytes as u64, sum), "{store:?}");
            store.check(&object, &sum).await.unwrap();
            let mut stream = store.stream(&object).await.unwrap();
            let read = tokio::task::spawn_blocking(move || {
                let mut read = Vec::new();
                stream.read_to_end(&mut read).map(|_| read)
            });
            assert!(read.await.unwrap().unwrap() == content);
        }
        // Never over another, in one piece or several; and one that stops early leaves nothing.
        for (n, bytes) in [6, (8 << 20) + 2].into_iter().enumerate() {
            let taken = name("crm/0f/open-0.file-1.zst.age");
            let again = store.put_from(&taken, piped(bytes, false).0, None).await;
            assert!(matches!(again, Err(StoreError::Exists(_))), "{store:?}");
            assert_eq!(store.read(&taken).await.unwrap(), piped(5, false).1);
            let cut = name(&format!("crm/0f/cut-{n}"));
            assert!(store.put_from(&cut, piped(bytes, true).0, None).await.is_err());
            assert!(!store.exists(&cut).await.unwrap());
        }
        assert_eq!(store.list(None).await.unwrap().len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_whole_or_not_at_all_and_who_is_locked_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = vec![(Store::Directory(Directory::new(&folder.path().join("objects")).unwrap()), false)];
    for (kind, lock) in [(Kind::Plain, None), (Kind::Versions, None), (Kind::ObjectLock, Some(LockMode::Governance))] {
        stores.extend(Fresh::new(kind, lock, "w").await.map(|fresh| (store(&fresh), lock.is_some())));
    }
    for (store, locks) in stores {
        for (n, bytes) in [0, 5, (8 << 20) + 1].into_iter().enumerate() {
            let (from, to) =
                (name(&format!("crm/0f/open-0.file-{n}.zst.age")), name(&format!("crm/0f/open-1000000.file-{n}.zst.age")));
            let (outlet, content) = piped(bytes, false);
            let stored = store.put_from(&from, outlet, None).await.unwrap();
            assert!(!store.is_held(&from).await.unwrap());
            let other = store.put_copy(&to, (&from, &[7; 32]), None).await;
            assert!(matches!(other, Err(StoreError::Differs(_))), "{store:?}");
            store.remove(&to).await.unwrap();
            let copied = store.put_copy(&to, (&from, &stored.sha256), Some(far())).await.unwrap();
            assert_eq!((copied.bytes, copied.sha256), (bytes as u64, stored.sha256), "{store:?}");
            assert!(store.read(&to).await.unwrap() == content);
            assert_eq!(store.is_held(&to).await.unwrap(), locks, "{store:?}");
            let none = store.put_copy(&name("crm/0f/none"), (&name("crm/0f/missing"), &stored.sha256), None).await;
            assert!(matches!(none, Err(StoreError::Missing(_))), "{store:?}: {none:?}");
            assert!(!store.exists(&name("crm/0f/none")).await.unwrap());
        }
        assert!(store.is_held(&name("crm/0f/missing")).await.is_err() || !locks);
    }
}

#[tokio::test]
async fn removal_takes_every_version_and_every_marker_of_one_object_only() {
    let Some(fresh) = Fresh::new(Kind::Versions, None, "").await else { return };
    let store = store(&fresh);
    let (object, neighbour) = (name("crm/1"), name("crm/10"));
    store.put(&neighbour, b"stays".to_vec(), None).await.unwrap();
    for round in 0..3_u8 {
        store.put(&object, vec![round], None).await.unwrap();
        fresh.hide("crm/1").await;
    }
    assert!(!store.exists(&object).await.unwrap());
    assert_eq!(fresh.counts().await, (4, 3));
    store.remove(&object).await.unwrap();
    assert_eq!(fresh.counts().await, (1, 0));
    assert_eq!(store.read(&neighbour).await.unwrap(), b"stays");
}

#[tokio::test]
async fn more_versions_than_a_page_holds_all_go() {
    let Some(fresh) = Fresh::new(Kind::Versions, None, "").await else { return };
    for round in 0..1_050_u32 {
        let put = fresh.http.put(format!("{}/crm/1", fresh.url)).body(round.to_string());
        assert!(put.send().await.unwrap().status().is_success());
    }
    store(&fresh).remove(&name("crm/1")).await.unwrap();
    assert_eq!(fresh.counts().await, (0, 0));
}

#[tokio::test]
async fn a_locked_object_is_not_removed_and_stays_whole() {
    for mode in [LockMode::Compliance, LockMode::Governance] {
        let Some(fresh) = Fresh::new(Kind::ObjectLock, Some(mode), "kept").await else { return };
        let store = store(&fresh);
        store.probe().await.unwrap();
        let object = name("crm/1");
        store.put(&object, b"sealed".to_vec(), Some(far())).await.unwrap();
        store.put(&object, b"sealed".to_vec(), Some(far())).await.unwrap();
        // An earlier day is held too, a later one is not.
        store.put(&object, b"sealed".to_vec(), Some("2099-01-01".parse().unwrap())).await.unwrap();
        let later = Some("2100-01-01".parse().unwrap());
        assert!(matches!(store.put(&object, b"sealed".to_vec(), later).await, Err(StoreError::Unlocked(_))));
        for _ in 0..2 {
            match store.remove(&object).await {
                Err(StoreError::Locked { name, until }) => {
                    assert_eq!((name.as_str(), until.unwrap().to_rfc3339().as_str()), ("crm/1", "2100-01-01T00:00:00+00:00"));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(store.read(&object).await.unwrap(), b"sealed");
        assert_eq!(fresh.counts().await, (1, 0));
        // Hidden by somebody: still locked, and still there.
        fresh.hide("kept/crm/1").await;
        assert!(matches!(store.remove(&object).await, Err(StoreError::Locked { .. })));
        assert_eq!(fresh.counts().await.0, 1);
        // Without a day nothing is locked.
        store.put(&name("crm/2"), b"sealed".to_vec(), None).await.unwrap();
        store.remove(&name("crm/2")).await.unwrap();
    }
}

#[tokio::test]
async fn an_object_whose_end_is_known_later_is_locked_to_it_then() {
    for mode in [LockMode::Compliance, LockMode::Governance] {
        let Some(fresh) = Fresh::new(Kind::ObjectLock, Some(mode), "kept").await else { return };
        let (store, object) = (store(&fresh), name("crm/b/open-0.jsonl.zst.age"));
        store.put(&object, b"sealed".to_vec(), None).await.unwrap();
        // Once more is no matter, nor an earlier day; a later one counts.
        for (day, until) in [
            ("2090-01-01", "2090-01-02"),
            ("2090-01-01", "2090-01-02"),
            ("2089-01-01", "2090-01-02"),
            ("2091-02-28", "2091-03-01"),
        ] {
            store.keep(&object, day.parse().unwrap()).await.unwrap();
            match store.remove(&object).await {
                Err(StoreError::Locked { until: found, .. }) => {
                    assert_eq!(found.unwrap().to_rfc3339(), format!("{until}T00:00:00+00:00"), "{day}");
                }
                other => panic!("{day}: {other:?}"),
            }
        }
        assert_eq!(store.read(&object).await.unwrap(), b"sealed");
        assert!(store.keep(&name("crm/b/open-1.jsonl.zst.age"), far()).await.is_err(), "it is not there");
    }
    // Nothing was asked for, and nothing is locked.
    let Some(fresh) = Fresh::new(Kind::ObjectLock, None, "kept").await else { return };
    store(&fresh).put(&name("crm/1"), b"sealed".to_vec(), None).await.unwrap();
    store(&fresh).keep(&name("crm/1"), far()).await.unwrap();
    store(&fresh).remove(&name("crm/1")).await.unwrap();
    assert_eq!(fresh.counts().await, (0, 0));
}

#[tokio::test]
async fn objects_of_different_days_are_locked_each_to_its_own() {
    let Some(fresh) = Fresh::new(Kind::ObjectLock, Some(LockMode::Compliance), "").await else { return };
    let store = store(&fresh);
    for day in ["2090-01-01", "2091-02-28", "2090-01-01"] {
        store.put(&name(day), day.into(), Some(day.parse().unwrap())).await.unwrap();
        let head = fresh.http.head(format!("{}/{day}", fresh.url)).send().await.unwrap();
        let until = day.parse::<NaiveDate>().unwrap().succ_opt().unwrap();
        let found = head.headers()["x-amz-object-lock-retain-until-date"].to_str().unwrap();
        assert!(found.starts_with(&format!("{until}T00:00:00")), "{found}");
        assert_eq!(head.headers()["x-amz-object-lock-mode"], "COMPLIANCE");
    }
}

#[tokio::test]
async fn a_bucket_without_object_lock_is_noticed_where_it_is_configured() {
    let Some(fresh) = Fresh::new(Kind::Versions, Some(LockMode::Compliance), "").await else { return };
    let error = store(&fresh).probe().await.unwrap_err();
    assert!(matches!(error, StoreError::Bucket { .. }), "{error}");
    assert_eq!(fresh.counts().await, (0, 0));
    let put = store(&fresh).put(&name("crm/1"), vec![1], Some(far())).await;
    assert!(put.is_err(), "{put:?}");
}

#[tokio::test]
async fn what_a_bucket_refuses_is_told_without_the_secret() {
    let Some(mut fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
    fresh.settings.bucket.push_str("missing");
    let store = store(&fresh);
    let mut shown = format!("{store:?}");
    for result in [
        store.probe().await,
        store.remove(&name("a")).await,
        store.list(None).await.map(|_| ()),
        store.read(&name("a")).await.map(|_| ()),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Bucket { .. }) && error.to_string().contains("NoSuchBucket"), "{error}");
        shown = format!("{shown} {error} {error:?}");
    }
    assert!(!shown.contains("hidden") && !shown.contains("Signature") && !shown.contains('<'), "{shown}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
    for prefix in ["/a", "a/", "..", "a b"] {
        let settings = BucketSettings { prefix: prefix.to_owned(), ..fresh.settings.clone() };
        assert!(matches!(Bucket::new(settings), Err(StoreError::Settings(_))), "{prefix}");
    }
    let settings = BucketSettings { allow_http: false, ..fresh.settings.clone() };
    assert!(matches!(Bucket::new(settings), Err(StoreError::Settings(_))));
}

/// In this file, since the umask is the whole process's, and no other test here makes a file.
#[tokio::test]
async fn modes_do_not_depend_on_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    for (number, umask) in [0o000, 0o077, 0o277, 0o777].into_iter().enumerate() {
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
        let root = folder.path().join(number.to_string());
        let store = Directory::new(&root).map(Store::Directory);
        let put = match &store {
            Ok(store) => store.put(&name("a/b/c"), vec![1], None).await,
            Err(_) => Ok(()),
        };
        rustix::process::umask(before);
        store.unwrap();
        put.unwrap();
        let mode = |path: &str| std::fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!([mode(""), mode("a"), mode("a/b"), mode("a/b/c")], [0o700, 0o700, 0o700, 0o600], "umask {umask:03o}");
    }
}
