//! A store of files in a bucket, as users meet it: settings, `check`, runs, archives. The site looks through everything that is said and logged at `trace`,
//! keys of objects among it.

use retentiond::plan::schema::Engine;

use crate::archives::{RECIPIENT, WHY, site};
use crate::bucket::{Fresh, Kind};
use crate::site::Site;

/// Settings of a bucket.
fn table(fresh: &Fresh, prefix: &str, more: &str) -> String {
    let (endpoint, name) = (fresh.settings.endpoint.as_deref().expect("a service"), &fresh.settings.bucket);
    format!(
        "{{ name = \"{name}\", region = \"us-east-1\", endpoint = \"{endpoint}\", prefix = \"{prefix}\", access_key_id = \"key\", secret_file = \"secret\", allow_http = true{more} }}"
    )
}

fn archive(place: &str) -> String {
    format!("[archives.evidence]\n{place}\nrecipients = [\"{RECIPIENT}\"]\n")
}

/// A site whose column of wishes points into a bucket.
fn with_bucket(engine: Engine, kind: Kind) -> Option<(Site, Fresh, tokio::runtime::Runtime)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let fresh = runtime.block_on(Fresh::new(kind, None, ""))?;
    let site = site(engine)?;
    let map = std::fs::read_to_string(site.path("map.toml")).expect("the map");
    site.write("map.toml", &format!("{map}\n[data.booking.files.wish]\ncolumn = \"wishes\"\nstore = \"wishes\"\n"));
    site.write("secret", "canary-secret");
    Some((site, fresh, runtime))
}

fn files_lived(engine: Engine, kind: Kind) {
    let Some((site, fresh, runtime)) = with_bucket(engine, kind) else { return };
    site.settings(&format!("{}[files.wishes]\nbucket = {}", archive("directory = \"vault\""), table(&fresh, "w", "")));
    site.sql("UPDATE booking SET wishes = 'a/CanaryWish1 é%2e+' WHERE person_id = 1");
    let own = "w/a/CanaryWish1 é%2e+";
    let put = |content: &'static str| runtime.block_on(fresh.put(own, content.as_bytes()));
    let get = |key: &str| runtime.block_on(fresh.get(key)).map(|bytes| String::from_utf8(bytes).expect("a text"));
    put("canary own");
    runtime.block_on(fresh.put("w/CanaryWish", b"canary shared"));
    site.run(&["check"]).expect(0);
    let outcome = site.enforce().expect(0).json();
    assert_eq!(outcome[0]["outcome"]["left"]["removed"], 1, "{outcome}");
    assert_eq!(
        (get("w/CanaryWish").as_deref(), get(own)),
        (Some("canary shared"), None),
        "somebody who stays points to the other"
    );
    assert_eq!(runtime.block_on(fresh.counts()), (1, 0), "not even hidden");
    let verdict = site.json(&["archive", "verify", "--identity", "identity"]);
    assert_eq!((&verdict["objects"], &verdict["files"]), (&1.into(), &2.into()), "{verdict}");

    // Over nothing that is there: neither row nor file comes back then.
    let restore = [&["archive", "restore", "--data", "crm.person", "--key", "1", "--identity", "identity"][..], &WHY].concat();
    let restore = [&restore[..], &["--url-file", "admin"]].concat();
    site.write("admin", &site.database.url);
    put("another");
    site.run(&restore).refused(69, "nothing was put back");
    assert_eq!((site.records()[0].1, get(own).as_deref()), (3, Some("another")));
    runtime.block_on(fresh.hide(own));
    let back = site.json(&restore);
    assert_eq!((&back["done"]["inserted"], &back["files"]["written"]), (&2.into(), &1.into()), "{back}");
    assert_eq!(get(own).as_deref(), Some("canary own"));
    site.enforce().expect(0);
    assert!(get(own).is_some(), "it stands under a hold");
}

#[test]
fn files_of_a_bucket_live_in_an_archive_on_sqlite() {
    files_lived(Engine::Sqlite, Kind::Versions);
}

#[test]
fn files_of_a_bucket_live_in_an_archive_on_postgres() {
    files_lived(Engine::Postgres, Kind::Plain);
}

#[test]
fn files_of_a_bucket_live_in_an_archive_on_mariadb() {
    files_lived(Engine::MariaDb, Kind::Versions);
}

#[test]
fn a_bucket_that_cannot_hold_files_safely_is_refused_by_check() {
    let Some((site, fresh, runtime)) = with_bucket(Engine::Sqlite, Kind::Plain) else { return };
    let directory = archive("directory = \"vault\"");
    let store = |bucket: &str| site.settings(&format!("{directory}[files.wishes]\nbucket = {bucket}"));
    store(&table(&fresh, "w", ""));
    site.run(&["check"]).expect(0);
    // A bucket that is none, a prefix that is no root, a lock that would be in the way, two places, none.
    store(&table(&fresh, "w", "").replace(&fresh.settings.bucket, "no-such-bucket-anywhere"));
    site.run(&["check"]).refused(78, "store of files `wishes` cannot be used: bucket no-such-bucket-anywhere/w: listing: 404");
    store(&table(&fresh, "w/", ""));
    site.run(&["check"]).refused(78, "the prefix is not made of names");
    store(&table(&fresh, "w", ", object_lock = \"governance\""));
    site.run(&["check", "--offline"]).refused(78, "object_lock");
    store(&format!("{}\ndirectory = \"wishes\"", table(&fresh, "w", "")));
    site.run(&["check", "--offline"]).refused(78, "exactly one of `directory` and `bucket`");
    site.settings(&format!("{directory}[files.wishes]\n"));
    site.run(&["check", "--offline"]).refused(78, "exactly one of `directory` and `bucket`");
    // One file would have two names; a row could point to an archive's object.
    let two = format!("bucket = {}\n[files.other]\nbucket = {}", table(&fresh, "w", ""), table(&fresh, "w/x", ""));
    site.settings(&format!("{directory}[files.wishes]\n{two}"));
    site.run(&["check"]).refused(78, "lie in each other");
    for (prefix, of) in [("", "w"), ("w", ""), ("w", "w"), ("w/x", "w")] {
        let vault = archive(&format!("bucket = {}", table(&fresh, prefix, "")));
        site.settings(&format!("{vault}[files.wishes]\nbucket = {}", table(&fresh, of, "")));
        site.run(&["check"]).refused(78, "objects of the archive `evidence`");
        site.run(&["enforce", "--source", "crm", "--plan", &site.hash()]).refused(78, "objects of the archive `evidence`");
    }
    let beside = archive(&format!("bucket = {}", table(&fresh, "vault", "")));
    site.settings(&format!("{beside}[files.wishes]\nbucket = {}", table(&fresh, "w", "")));
    site.run(&["check"]).expect(0);
    // It locks every object by itself.
    let Some(locking) = runtime.block_on(Fresh::new(Kind::ObjectLock, None, "")) else { return };
    let rule = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    let set = runtime.block_on(locking.http.put(format!("{}?object-lock", locking.url)).body(rule).send()).expect("an answer");
    assert!(set.status().is_success());
    store(&table(&locking, "w", ""));
    site.run(&["check"]).refused(78, "locks every object by itself");
}
