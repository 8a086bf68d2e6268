//! Stores of files in buckets of a real S3 API.

#![expect(clippy::unwrap_used, reason = "a test's own failure is a panic")]

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use retentiond::archive::{BucketSettings, LockMode, Store as Archive};
use retentiond::files::{Bucket, FileError, FilePath, Gone, Stamp, Store};

#[expect(dead_code, reason = "what archives are tested with")]
#[path = "support/bucket.rs"]
mod bucket;

use bucket::{Fresh, Kind, Turned};

fn store(settings: &BucketSettings) -> Store {
    Store::from(Bucket::new(settings.clone()).unwrap())
}

fn path(text: &str) -> FilePath {
    FilePath::new(text).unwrap()
}

/// Removes files; for each whether it was there, and those of which it was told.
async fn remove(store: &Store, keys: &[&str]) -> (Result<Vec<bool>, FileError>, HashSet<String>) {
    let told = Arc::new(Mutex::new(HashSet::new()));
    let note = Arc::clone(&told);
    let done = store
        .remove(keys.iter().map(|k| path(k)).collect(), move |p| {
            note.lock().unwrap().insert(p.as_str().to_owned());
        })
        .await;
    let told = told.lock().unwrap().clone();
    (done, told)
}

async fn read(store: &Store, key: &str) -> Result<Vec<u8>, FileError> {
    let (mut content, _) = store.open(&path(key)).await?.expect("a file");
    let work = move || {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map(|_| bytes)
    };
    tokio::task::spawn_blocking(work).await.unwrap().map_err(FileError::of_reading)
}

async fn create(store: &Store, key: &str, content: Vec<u8>) -> Result<Stamp, FileError> {
    store.create(&path(key), move |into| into.write_all(&content).map_err(FileError::Unwritten)).await
}

/// Longer than the pieces, of 8 MiB, that are on their way while the first is read.
fn long() -> Vec<u8> {
    (0..34 * 1024 * 1024u32).map(|n| (n ^ (n >> 11)) as u8).collect()
}

const ODD: [&str; 16] = [
    "a b.wav",
    " before",
    "after ",
    "é/Zoé 2.wav",
    "e\u{301}.wav",
    "100%.wav",
    "%2e%2e/x",
    "a+b=c&d",
    "semi;colon:at@x",
    "quote\"'`",
    "<tag>&amp;",
    "#hash?query=1",
    "~tilde/{brace}[bracket]^|",
    "日本/録音.wav",
    "...",
    "star*$!(),",
];

#[tokio::test(flavor = "multi_thread")]
async fn files_of_any_name_come_go_and_are_missing_and_no_other_goes_with_them() {
    for (kind, prefix) in [(Kind::Plain, ""), (Kind::Versions, "crm/files"), (Kind::ObjectLock, "x")] {
        let Some(fresh) = Fresh::new(kind, None, prefix).await else { return };
        let store = store(&fresh.settings);
        let below = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        for (n, key) in ODD.iter().enumerate() {
            create(&store, key, vec![n as u8; n]).await.unwrap();
            assert_eq!(fresh.get(&format!("{below}{key}")).await.as_deref(), Some(&vec![n as u8; n][..]), "{key:?} as it is");
            assert!(matches!(create(&store, key, b"other".to_vec()).await, Err(FileError::Exists)), "{key:?}");
            // What begins with a file's name is another file, also with a slash behind.
            for more in ["x", "/x"] {
                fresh.put(&format!("{below}{key}{more}"), b"stays").await;
            }
        }
        store.look(ODD.iter().map(|k| path(k)).collect()).await.unwrap();
        for (n, key) in ODD.iter().enumerate() {
            assert_eq!(read(&store, key).await.unwrap(), vec![n as u8; n], "{key:?}");
        }
        let (done, told) = remove(&store, &ODD).await;
        assert_eq!(done.unwrap(), vec![true; ODD.len()], "{kind:?}");
        assert_eq!(told.len(), ODD.len());
        let (done, told) = remove(&store, &ODD).await;
        assert_eq!((done.unwrap(), told.len()), (vec![false; ODD.len()], 0), "{kind:?}");
        assert_eq!(fresh.counts().await, (2 * ODD.len(), 0), "{kind:?}: nothing is left of them, not even hidden");
        for key in ODD {
            assert!(store.stamp(&path(key)).await.unwrap().is_none());
            assert_eq!(fresh.get(&format!("{below}{key}/x")).await.as_deref(), Some(&b"stays"[..]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_version_of_a_file_is_kept_whatever_the_bucket_did_before() {
    let Some(fresh) = Fresh::new(Kind::Plain, None, "f").await else { return };
    let store = store(&fresh.settings);
    fresh.put("f/other", b"stays").await;
    // One of before the bucket had versions, and several since; hidden or not.
    for hidden in [false, true] {
        fresh.put("f/one", b"first").await;
        fresh.versioning("Enabled").await;
        for round in 0..3 {
            fresh.hide("f/one").await;
            fresh.put("f/one", &[round]).await;
        }
        if hidden {
            fresh.hide("f/one").await;
        }
        assert!(fresh.counts().await.0 > 4, "{}", fresh.versions().await);
        let (done, _) = remove(&store, &["one"]).await;
        assert_eq!(done.unwrap(), [true], "what is hidden was there");
        assert_eq!(fresh.counts().await, (1, 0), "{}", fresh.versions().await);
    }
    // A marker alone is a name, and no file.
    fresh.versioning("Enabled").await;
    fresh.hide("f/never").await;
    assert_eq!(remove(&store, &["never"]).await.0.unwrap(), [false]);
    assert_eq!(fresh.counts().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_begins_to_keep_versions_while_a_file_goes_keeps_none() {
    let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
    fresh.put("one", b"1").await;
    fresh.put("two", b"2").await;
    let (turn, url, http) = (AtomicUsize::new(0), fresh.url.clone(), fresh.http.clone());
    let (settings, _gate) = fresh
        .behind(move |line| {
            if line.starts_with("DELETE") && turn.fetch_add(1, Ordering::SeqCst) == 0 {
                let on = http.put(format!("{url}?versioning"));
                let on = on.body("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(on.send())).unwrap();
            }
            Turned::On
        })
        .await;
    assert_eq!(remove(&store(&settings), &["one"]).await.0.unwrap(), [true]);
    assert_eq!(fresh.counts().await, (1, 0), "{}", fresh.versions().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_file_that_was_read_is_removed() {
    for kind in [Kind::Plain, Kind::Versions] {
        let Some(fresh) = Fresh::new(kind, None, "").await else { return };
        let store = store(&fresh.settings);
        fresh.put("stays", b"x").await;
        fresh.put("one", b"first").await;
        let stamp = store.stamp(&path("one")).await.unwrap().unwrap();
        assert_eq!(store.open(&path("one")).await.unwrap().unwrap().1, stamp);
        fresh.put("one", b"other").await;
        assert_eq!(store.remove_same(&path("one"), &stamp).await.unwrap(), Gone::Changed, "{kind:?}");
        assert_eq!(fresh.get("one").await.unwrap(), b"other");
        let stamp = Stamp::new(store.stamp(&path("one")).await.unwrap().unwrap().as_str().to_owned());
        assert!(stamp.as_str().len() < 100, "it is kept in a column");
        assert_eq!(store.remove_same(&path("one"), &stamp).await.unwrap(), Gone::Removed, "{kind:?}");
        assert_eq!(store.remove_same(&path("one"), &stamp).await.unwrap(), Gone::Missing);
        assert_eq!(fresh.counts().await, (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_between_the_look_and_its_removal_stays() {
    for kind in [Kind::Plain, Kind::Versions] {
        let Some(fresh) = Fresh::new(kind, None, "").await else { return };
        fresh.put("stays", b"x").await;
        fresh.put("one", b"first").await;
        let (url, http) = (fresh.url.clone(), fresh.http.clone());
        let turn = AtomicUsize::new(0);
        // In a bucket with versions, before they are listed: what is deleted then is named.
        let at = if kind == Kind::Plain { "DELETE" } else { "GET" };
        let (settings, _gate) = fresh
            .behind(move |line| {
                if line.starts_with(at) && turn.fetch_add(1, Ordering::SeqCst) == 0 {
                    let put = http.put(format!("{url}/one")).body("another");
                    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(put.send())).unwrap();
                }
                Turned::On
            })
            .await;
        let behind = store(&settings);
        let stamp = behind.stamp(&path("one")).await.unwrap().unwrap();
        assert_eq!(behind.remove_same(&path("one"), &stamp).await.unwrap(), Gone::Changed, "{kind:?}");
        assert_eq!(fresh.get("one").await.as_deref(), Some(&b"another"[..]), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_goes_up_and_down_in_parts_and_is_no_mixture() {
    for kind in [Kind::Plain, Kind::Versions] {
        let Some(fresh) = Fresh::new(kind, None, "").await else { return };
        let (store, content) = (store(&fresh.settings), long());
        let stamp = create(&store, "a/long", content.clone()).await.unwrap();
        assert!(read(&store, "a/long").await.unwrap() == content);
        assert!(matches!(create(&store, "a/long", content.clone()).await, Err(FileError::Exists)));
        assert!(fresh.get("a/long").await.unwrap() == content);
        // What makes it stops: then it is not there, and neither are its parts.
        let cut = content.clone();
        let failed = store
            .create(&path("cut"), move |into| {
                into.write_all(&cut).unwrap();
                Err(FileError::Changed)
            })
            .await;
        assert!(matches!(failed, Err(FileError::Changed)));
        let open = fresh.http.get(format!("{}?uploads", fresh.url)).send().await.unwrap().text().await.unwrap();
        assert!(fresh.get("cut").await.is_none() && !open.contains("<UploadId>"), "{open}");
        // Written again, as long, while it is read.
        let (mut reader, _) = store.open(&path("a/long")).await.unwrap().unwrap();
        let mut begun = vec![0; 1000];
        let (mut reader, begun) = tokio::task::spawn_blocking(move || {
            reader.read_exact(&mut begun).unwrap();
            (reader, begun)
        })
        .await
        .unwrap();
        assert_eq!(begun, content[..1000]);
        let mut other = content.clone();
        other[0] ^= 1;
        fresh.put("a/long", &other).await;
        let rest = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new())).await.unwrap();
        assert!(matches!(FileError::of_reading(rest.unwrap_err()), FileError::Changed), "{kind:?}");
        assert_eq!(store.remove_same(&path("a/long"), &stamp).await.unwrap(), Gone::Changed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_else_creates_meanwhile_is_not_written_over() {
    for content in [b"ours".to_vec(), long()] {
        let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
        let (url, http, turn) = (fresh.url.clone(), fresh.http.clone(), AtomicUsize::new(0));
        let (settings, _gate) = fresh
            .behind(move |line| {
                let last = line.starts_with("PUT") && !line.contains("partNumber")
                    || line.starts_with("POST") && line.contains("uploadId");
                if last && turn.fetch_add(1, Ordering::SeqCst) == 0 {
                    let put = http.put(format!("{url}/one")).body("theirs");
                    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(put.send())).unwrap();
                }
                Turned::On
            })
            .await;
        let long = content.len();
        assert!(matches!(create(&store(&settings), "one", content).await, Err(FileError::Exists)), "{long}");
        assert_eq!(fresh.get("one").await.unwrap(), b"theirs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missing_from_a_bucket_that_is_empty_away_or_another() {
    let Some(fresh) = Fresh::new(Kind::Plain, None, "files").await else { return };
    // What lies beside the prefix says nothing of it.
    fresh.put("files2/x", b"x").await;
    let empty = store(&fresh.settings);
    assert!(matches!(empty.look(vec![path("one")]).await, Err(FileError::Empty(_))));
    assert!(matches!(remove(&empty, &["one"]).await.0, Err(FileError::Empty(_))));
    assert!(matches!(empty.stamp(&path("one")).await, Err(FileError::Empty(_))));
    empty.probe().await.unwrap();
    let none = store(&BucketSettings { bucket: format!("{}x", fresh.settings.bucket), ..fresh.settings.clone() });
    assert!(matches!(none.look(vec![path("one")]).await, Err(FileError::Bucket { .. })));
    assert!(none.probe().await.is_err());
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = store(&BucketSettings { endpoint: Some(format!("http://127.0.0.1:{port}")), ..fresh.settings.clone() });
    let told = away.look(vec![path("Jean Dupont.wav")]).await.unwrap_err();
    assert!(matches!(told, FileError::Bucket { .. }));
    assert!(!format!("{told} {told:?}").contains("Dupont"), "{told}");
    assert!(matches!(remove(&away, &["one"]).await.0, Err(FileError::Kept(_) | FileError::Bucket { .. })));
    let long = format!("{}/x", "n".repeat(250)).repeat(5);
    fresh.put("files/there", b"x").await;
    assert!(matches!(empty.look(vec![path(&long)]).await, Err(FileError::Outside)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bucket_does_not_let_go_stays_and_no_older_version_takes_its_place() {
    let Some(fresh) = Fresh::new(Kind::Versions, None, "").await else { return };
    for content in ["old", "older", "new"] {
        fresh.put("one", content.as_bytes()).await;
    }
    let (settings, gate) = fresh
        .behind(|line| match line.starts_with("DELETE") {
            true => Turned::Away(403, "AccessDenied"),
            false => Turned::On,
        })
        .await;
    let behind = store(&settings);
    let (done, told) = remove(&behind, &["one"]).await;
    let e = done.unwrap_err();
    assert!(matches!(&e, FileError::Kept(why) if why.to_string().contains("AccessDenied")), "{e}");
    assert!(told.is_empty());
    // The oldest alone, and then the newest: at no time is an older one in its place.
    let list = fresh.versions().await;
    let oldest = list.rsplit("<VersionId>").next().unwrap().split('<').next().unwrap().to_owned();
    gate.set(move |line| match line.starts_with("DELETE") && line.contains(&oldest) {
        true => Turned::Away(403, "AccessDenied"),
        false => Turned::On,
    });
    assert!(matches!(remove(&behind, &["one"]).await.0, Err(FileError::Kept(_))));
    assert_eq!((fresh.get("one").await.unwrap(), fresh.counts().await), (b"new".to_vec(), (3, 0)));
    let newest = fresh.http.head(format!("{}/one", fresh.url)).send().await.unwrap();
    let newest = newest.headers()["x-amz-version-id"].to_str().unwrap().to_owned();
    gate.set(move |line| match line.starts_with("DELETE") && line.contains(&newest) {
        true => Turned::Away(403, "AccessDenied"),
        false => Turned::On,
    });
    assert!(matches!(remove(&behind, &["one"]).await.0, Err(FileError::Kept(_))));
    assert_eq!(fresh.get("one").await.unwrap(), b"new");
    // Versions that cannot be listed: nobody knows what a deletion would leave.
    gate.set(|line| match line.contains("versions") {
        true => Turned::Away(403, "AccessDenied"),
        false => Turned::On,
    });
    assert!(matches!(remove(&behind, &["one"]).await.0, Err(FileError::Kept(_))));
    assert!(matches!(behind.probe().await, Err(FileError::Kept(_))));
    // Files that the list does not name are not missing.
    gate.set(|line| match line.contains("versions") {
        true => Turned::Away(501, "NotImplemented"),
        false => Turned::On,
    });
    assert!(matches!(remove(&behind, &["one"]).await.0, Err(FileError::Kept(_))), "it is only hidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_knows_no_versions_is_asked_to_delete() {
    let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
    fresh.put("one", b"1").await;
    fresh.put("two", b"2").await;
    let (settings, _gate) = fresh
        .behind(|line| match line.contains("versions") {
            true => Turned::Away(501, "NotImplemented"),
            false => Turned::On,
        })
        .await;
    let behind = store(&settings);
    behind.probe().await.unwrap();
    assert_eq!(remove(&behind, &["one", "none"]).await.0.unwrap(), [true, false]);
    assert_eq!(fresh.left(&["one", "two"]).await, ["two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_object_lock_holds_stays() {
    let Some(fresh) = Fresh::new(Kind::ObjectLock, Some(LockMode::Governance), "").await else { return };
    // An archive's object in the place of a file: it is locked.
    let locked = Archive::Bucket(Arc::new(retentiond::archive::Bucket::new(fresh.settings.clone()).unwrap()));
    let name = retentiond::archive::ObjectName::new("one").unwrap();
    locked.put(&name, b"1".to_vec(), Some("2099-12-31".parse().unwrap())).await.unwrap();
    fresh.put("two", b"2").await;
    let store = store(&fresh.settings);
    assert!(matches!(store.look(vec![path("one")]).await, Err(FileError::Kept(_))));
    assert!(matches!(remove(&store, &["one"]).await.0, Err(FileError::Kept(_))));
    assert_eq!(fresh.get("one").await.unwrap(), b"1");
    assert_eq!(remove(&store, &["two"]).await.0.unwrap(), [true]);
    assert_eq!(fresh.counts().await, (1, 0));
    store.probe().await.unwrap();
    let Some(fresh) = Fresh::new(Kind::ObjectLock, None, "").await else { return };
    let rule = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    let set = fresh.http.put(format!("{}?object-lock", fresh.url)).body(rule).send().await.unwrap();
    assert!(set.status().is_success(), "{}", set.text().await.unwrap());
    let locking = Store::from(Bucket::new(fresh.settings.clone()).unwrap());
    assert!(matches!(locking.probe().await, Err(FileError::Kept(_))), "such a bucket lets nothing go");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_on_the_way_is_taken_up_again() {
    let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
    fresh.put("one", b"1").await;
    fresh.put("two", b"2").await;
    let turn = AtomicUsize::new(0);
    let (settings, _gate) =
        fresh.behind(move |_| if turn.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { Turned::Cut } else { Turned::On }).await;
    let behind = store(&settings);
    assert_eq!(read(&behind, "one").await.unwrap(), b"1");
    assert_eq!(remove(&behind, &["one"]).await.0.unwrap(), [true]);
    assert_eq!(fresh.left(&["one", "two"]).await, ["two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_not_reached_is_not_tried_again_for_each_file() {
    let Some(fresh) = Fresh::new(Kind::Plain, None, "").await else { return };
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let (settings, _gate) = fresh
        .behind(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Turned::Cut
        })
        .await;
    let behind = store(&settings);
    assert!(matches!(behind.look(vec![path("one")]).await, Err(FileError::Bucket { .. })));
    let tries = count.load(Ordering::SeqCst);
    assert!(tries > 1, "it is tried several times");
    assert!(matches!(behind.look(vec![path("two")]).await, Err(FileError::Bucket { .. })));
    assert_eq!(count.load(Ordering::SeqCst), tries);
}
