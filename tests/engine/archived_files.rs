//! Files of what archives keep: sealed beside their rows, out of their store only once that is committed, gone with the object that names them.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::archive::{Identities, Plain, open, open_file};
use retentiond::enforce::{FileOutcome, Point, Watch, leftover};
use retentiond::files::{Files, Root};
use retentiond::journal::Event;
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, IDENTITY, Rules, rules, unlimited};
use crate::scene::{ENGINES, consistent, entries, now, number, own, read, run_clean};
use crate::support::{TestDatabase, database};

pub const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.contract]
title = { fr = "Contrat", en = "Contract" }
table = "contract"
key = ["id"]
disposition = "delete"
[data.contract.categories]
identity = { columns = ["name"], mask = "null" }
scan = { columns = ["scan"], mask = { fixed = "" } }
[data.contract.files.scan]
column = "scan"
store = "scans"
[data.contract.events.ended]
title = { fr = "Fin", en = "End" }
column = "ended"
format = "iso_date"

[data.call]
title = { fr = "Appel", en = "Call" }
table = "recording"
key = ["id"]
follows = "contract"
on = { contract_id = "id" }
disposition = "delete"
[data.call.categories]
audio = { columns = ["path"], mask = "null" }
[data.call.files.audio]
column = "path"
store = "recordings"
"#;

const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "service"
title = { fr = "Service", en = "Service" }
legal_basis = "contract"
data = "crm.contract"
needs = "all"
starts = "ended"
keeps = "1 year"

[[purpose]]
id = "evidence"
title = { fr = "Preuve", en = "Evidence" }
legal_basis = "legitimate_interest"
data = "crm.contract"
needs = "all"
kept_in = "archive:evidence"
starts = "ended"
keeps = "5 years"

[[purpose]]
id = "accounts"
title = { fr = "Comptes", en = "Accounts" }
legal_basis = "legal_obligation"
data = "crm.contract"
needs = ["scan"]
kept_in = "archive:legal"
starts = "ended"
keeps = "10 years"
"#;

/// Contract 1: both archives are over or not there any more; 2 goes into both; 3 stays. Contract 2 shares a recording with 3.
pub async fn contracts(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    db.run_sql(&format!(
        "CREATE TABLE contract (id integer PRIMARY KEY, name varchar(50), scan varchar(300) NOT NULL, ended {date});
         CREATE TABLE recording (id integer PRIMARY KEY, contract_id integer NOT NULL, path varchar(300), FOREIGN KEY (contract_id) REFERENCES contract (id));
         INSERT INTO contract VALUES (1, 'Alix', 'scan/1.pdf', '2010-01-01'), (2, 'Zoé', 'scan/2.pdf', '2024-06-30'), (3, 'Noé', 'scan/3.pdf', '2026-10-01');
         INSERT INTO recording VALUES (11, 1, 'a/11.wav'), (21, 2, 'a/21.wav'), (22, 2, 'both.wav'), (23, 2, 'lost.wav'), (24, 2, NULL), (31, 3, 'both.wav')"
    ))
    .await;
    Some(db)
}

pub const SCANS: [&str; 3] = ["scan/1.pdf", "scan/2.pdf", "scan/3.pdf"];
pub const CALLS: [&str; 3] = ["a/11.wav", "a/21.wav", "both.wav"];

pub fn put(root: &Path, file: &str, content: &[u8]) {
    std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
    std::fs::write(root.join(file), content).unwrap();
}

/// What a file holds: more than a block of age and of zstd, and no two alike.
pub fn content(file: &str) -> Vec<u8> {
    file.bytes().cycle().take(200_000).collect()
}

fn stores(folder: &Path) -> Arc<Files> {
    let mut files = Files::default();
    for store in ["scans", "recordings"] {
        files.insert(store.to_owned(), Root::new(&folder.join(store)).unwrap());
    }
    Arc::new(files)
}

pub async fn fixture(engine: Engine, db: &TestDatabase) -> Fixture<'_> {
    let mut fixture = Fixture::new(engine, db, "crm", now()).await;
    let folder = fixture._folder.path().to_owned();
    for (store, files) in [("scans", SCANS), ("recordings", CALLS)] {
        for file in files {
            put(&folder.join(store), file, &content(file));
        }
    }
    fixture.files = stores(&folder);
    fixture
}

pub fn crm() -> Rules {
    rules(MAP, &[POLICY])
}

/// What is left in the stores.
pub fn left(fixture: &Fixture<'_>) -> Vec<&'static str> {
    let folder = fixture._folder.path();
    let there =
        |store: &'static str, files: [&'static str; 3]| files.into_iter().filter(move |f| folder.join(store).join(f).exists());
    there("scans", SCANS).chain(there("recordings", CALLS)).collect()
}

/// The files that an archive holds, opened: path and content, by purpose. Every object of a file is named by its rows' object, and by nothing else.
pub async fn sealed(fixture: &Fixture<'_>, archive: &str) -> BTreeMap<String, Vec<u8>> {
    let identity = fixture._folder.path().join("identity");
    if !identity.exists() {
        retentiond::state::write_private(&identity, IDENTITY.as_bytes()).unwrap();
    }
    let identities = Identities::read(&identity).unwrap();
    let store = &fixture.archives.get(archive).unwrap().store;
    let listed = store.list(None).await.unwrap();
    let (rows, mut files): (Vec<_>, Vec<_>) =
        listed.iter().map(|l| l.name.clone()).partition(|n| n.as_str().ends_with(".jsonl.zst.age"));
    let mut all = BTreeMap::new();
    for object in rows {
        let (header, mut rows) = open(store.reader(&object).await.unwrap(), &identities).unwrap();
        assert_eq!(header.version, 2);
        assert!(rows.by_ref().all(|row| row.is_ok()));
        for line in rows.files() {
            let name = object.as_str().replace(".jsonl.zst.age", &format!(".file-{}.zst.age", line.file));
            let at = files.iter().position(|f| f.as_str() == name).expect("a file that is named lies there");
            let mut bytes = Vec::new();
            let plain = Plain { bytes: line.bytes, sha256: line.sha256.0 };
            open_file(store.reader(&files.remove(at)).await.unwrap(), &identities, plain, &mut bytes).unwrap();
            assert!(all.insert(format!("{}: {}", line.store, line.path), bytes).is_none());
        }
    }
    assert!(files.is_empty(), "{files:?}");
    all
}

pub fn expected(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    files.iter().map(|(store, file)| (format!("{store}: {file}"), content(file))).collect()
}

pub const OF_EVIDENCE: [(&str, &str); 3] = [("scans", "scan/2.pdf"), ("recordings", "a/21.wav"), ("recordings", "both.wav")];

pub fn set(fixture: &Fixture<'_>, now: DateTime<Utc>) {
    *fixture.clock.0.lock().unwrap() = now;
}

pub fn day(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 6, 0, 0).unwrap()
}

/// What files there still are to leave, by the database.
pub async fn to_leave(fixture: &Fixture<'_>) -> String {
    number(fixture, &format!("FROM {}", own(fixture.engine, "leaving"))).await.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_archived_rows_are_sealed_beside_them_leave_their_store_and_end_with_them() {
    for engine in ENGINES {
        let Some(db) = contracts(engine).await else { continue };
        let fixture = fixture(engine, &db).await;
        let rules = crm();
        let outcome = run_clean(&fixture, &rules).await;
        let files = outcome.actions.iter().find(|a| a.action == "contract.delete").unwrap().files;
        // What archives keep no longer is erased with its row; what is missing is counted once, though two would have taken it.
        let told = FileOutcome { removed: 2, missing: 1, shared: 1, sealed: 2, ..FileOutcome::default() };
        assert_eq!(files, told, "{}", engine.name());
        assert_eq!(outcome.left, FileOutcome { removed: 2, ..FileOutcome::default() });
        assert_eq!(sealed(&fixture, "evidence").await, expected(&OF_EVIDENCE), "{}", engine.name());
        assert_eq!(sealed(&fixture, "legal").await, expected(&OF_EVIDENCE[..1]), "each archive takes what it needs");
        assert_eq!(left(&fixture), ["scan/3.pdf", "both.wav"]);
        assert_eq!(to_leave(&fixture).await, "0");
        assert_eq!(read(&fixture, "SELECT name FROM contract").await, ["Noé"]);
        consistent(&fixture).await;
        // No hash of a plain file is in the journal, only those of objects.
        let text = entries(&fixture).await.iter().map(|e| format!("{e:?}")).collect::<String>();
        for file in ["scan/2.pdf", "a/21.wav"] {
            let plain = retentiond::journal::Hash::of(&content(file)).to_string();
            assert!(!text.contains(&plain) && !text.contains(file));
        }

        set(&fixture, day(2029, 7, 1));
        let outcome = run_clean(&fixture, &rules).await;
        let evidence = outcome.archives.iter().find(|a| a.archive == "evidence").unwrap();
        assert_eq!((evidence.due, evidence.destroyed, evidence.failed), (1, 1, 0), "{}", engine.name());
        let objects = fixture.archives.get("evidence").unwrap().store.list(None).await.unwrap();
        assert!(objects.iter().all(|o| o.name.as_str().contains("/2031-")), "of contract 3 alone: {objects:?}");
        consistent(&fixture).await;
    }
}

/// Stops for ever at a point, as a process that was killed does.
pub struct DeadAt(pub Point, pub tokio::sync::Notify);

impl Watch for DeadAt {
    fn at<'a>(&'a self, point: Point, action: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match point == self.0 && action == "contract.delete" {
            true => Box::pin(async {
                self.1.notify_one();
                std::future::pending().await
            }),
            false => Box::pin(std::future::ready(())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_anywhere_leaves_each_file_in_its_store_or_in_the_archive_and_the_next_run_ends_it() {
    for engine in ENGINES {
        for point in [Point::Locked, Point::Sealed, Point::Acted, Point::Committed] {
            let Some(db) = contracts(engine).await else { continue };
            let mut fixture = fixture(engine, &db).await;
            let rules = crm();
            let dead = DeadAt(point, tokio::sync::Notify::new());
            tokio::select! {
                _ = fixture.run_with(&rules, unlimited(), &dead) => panic!("it stops at {point:?}"),
                () = dead.1.notified() => {}
            }
            // Until all is committed, nothing that an archive takes is out of its store.
            for file in ["scan/2.pdf", "a/21.wav"] {
                assert!(left(&fixture).contains(&file), "{} at {point:?}", engine.name());
            }
            fixture.files = stores(fixture._folder.path());
            let outcome = run_clean(&fixture, &rules).await;
            assert_eq!(outcome.recovered, 1, "{} at {point:?}", engine.name());
            assert_eq!(sealed(&fixture, "evidence").await, expected(&OF_EVIDENCE), "{} at {point:?}", engine.name());
            assert_eq!(left(&fixture), ["scan/3.pdf", "both.wav"], "{} at {point:?}", engine.name());
            assert_eq!((outcome.left.removed, to_leave(&fixture).await.as_str()), (2, "0"));
            consistent(&fixture).await;
        }
    }
}

/// Does something to a file once it is sealed.
pub struct Meddles<'f>(pub Point, pub &'f (dyn Fn() + Sync));

impl Watch for Meddles<'_> {
    fn at<'a>(&'a self, point: Point, _: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        if point == self.0 {
            self.1();
        }
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_written_after_it_was_sealed_stays_and_is_told() {
    for engine in ENGINES {
        let Some(db) = contracts(engine).await else { continue };
        let fixture = fixture(engine, &db).await;
        let at = fixture._folder.path().join("scans/scan/2.pdf");
        let writes = || std::fs::write(&at, b"another contract").unwrap();
        let outcome = fixture.run_with(&crm(), unlimited(), &Meddles(Point::Sealed, &writes)).await.unwrap();
        assert_eq!(outcome.left, FileOutcome { removed: 1, changed: 1, ..FileOutcome::default() }, "{}", engine.name());
        assert_eq!((std::fs::read(&at).unwrap(), outcome.failed()), (b"another contract".to_vec(), 1));
        // Until somebody has taken it away: no row says any more that it is there.
        let outcome = fixture.run(&crm()).await;
        assert_eq!((outcome.left.changed, outcome.failed(), to_leave(&fixture).await), (1, 1, "1".to_owned()));
        std::fs::remove_file(&at).unwrap();
        let outcome = run_clean(&fixture, &crm()).await;
        assert_eq!((outcome.left.missing, to_leave(&fixture).await), (1, "0".to_owned()));
        assert_eq!(sealed(&fixture, "evidence").await, expected(&OF_EVIDENCE));
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_leave_is_tried_again_and_one_that_a_new_row_points_to_stays() {
    for engine in ENGINES {
        let Some(db) = contracts(engine).await else { continue };
        let fixture = fixture(engine, &db).await;
        let rules = crm();
        let (scans, aside) = (fixture._folder.path().join("scans"), fixture._folder.path().join("aside"));
        let unmounts = || {
            std::fs::rename(&scans, &aside).unwrap();
            std::fs::create_dir(&scans).unwrap();
        };
        let once = std::sync::Once::new();
        let meddles = || once.call_once(unmounts);
        let outcome = fixture.run_with(&rules, unlimited(), &Meddles(Point::Committed, &meddles)).await.unwrap();
        assert_eq!((outcome.left.removed, outcome.left.kept, outcome.failed()), (1, 1, 1), "{}", engine.name());
        assert_eq!(to_leave(&fixture).await, "1");
        // Nobody certifies that nothing is left.
        let prepared = fixture.prepare(&rules).await;
        let mut session = fixture.source.session().await.unwrap();
        assert_eq!(leftover(&mut session, &prepared, &rules.map).await.unwrap().files, 1, "{}", engine.name());
        session.done().await.unwrap();
        std::fs::remove_dir(&scans).unwrap();
        std::fs::rename(&aside, &scans).unwrap();
        db.run_sql("INSERT INTO contract VALUES (4, 'Eve', 'scan/2.pdf', '2026-10-02')").await;
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!(outcome.left, FileOutcome { shared: 1, ..FileOutcome::default() });
        assert!(left(&fixture).contains(&"scan/2.pdf") && to_leave(&fixture).await == "0");
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_loses_what_it_was_given_keeps_file_and_row_where_they_are() {
    for engine in ENGINES {
        let Some(db) = contracts(engine).await else { continue };
        let fixture = fixture(engine, &db).await;
        db.run_sql("UPDATE contract SET scan = 'outside/../x' WHERE id = 2").await;
        let outcome = fixture.run(&crm()).await;
        let done = outcome.actions.iter().find(|a| a.action == "contract.delete").unwrap();
        assert_eq!((done.changed, done.failed, done.due_after), (1, 1, 1), "{}", engine.name());
        assert!(sealed(&fixture, "evidence").await.is_empty() && objects(&fixture).is_empty());
        assert!(left(&fixture).contains(&"a/21.wav"));
        let codes: Vec<String> = entries(&fixture)
            .await
            .into_iter()
            .filter_map(|e| if let Event::RecordFailed { code, .. } = e.event { Some(code.to_string()) } else { None })
            .collect();
        assert_eq!(codes, ["file_outside"]);
        consistent(&fixture).await;
    }
}

/// Everything that lies in the archive's directory, unfinished files too.
fn objects(fixture: &Fixture<'_>) -> Vec<PathBuf> {
    let (mut all, mut folders) = (Vec::new(), vec![fixture._folder.path().join("archive-evidence")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() { folders.push(entry.path()) } else { all.push(entry.path()) }
        }
    }
    all
}
