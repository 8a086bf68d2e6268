//! Files that rows point to: they go with their rows, and only with them, on a directory of real files.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use retentiond::enforce::{ActionOutcome, FileOutcome, Point, RunOutcome, Watch};
use retentiond::files::{Files, Root};
use retentiond::journal::Event;
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, Rules, rules, unlimited};
use crate::scene::{ENGINES, consistent, entries, now, read};
use crate::support::{TestDatabase, database};

/// SEC-8a and SEV-4a: recordings of calls go with their rows, 6 months after collection. BSO-2: what was recorded of a contract goes with it, 5 years
/// after its end, files included.
const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.call]
title = { fr = "Enregistrement", en = "Recording" }
table = "call"
key = ["id"]
disposition = "delete"
[data.call.categories]
audio = { columns = ["path"], mask = "null" }
[data.call.files.audio]
column = "path"
store = "recordings"
[data.call.events.collected]
title = { fr = "Collecte", en = "Collection" }
column = "collected"
format = "iso_date"

[data.contract]
title = { fr = "Contrat", en = "Contract" }
table = "contract"
key = ["id"]
disposition = "anonymise"
[data.contract.categories]
identity = { columns = ["name"], mask = { fixed = "ANONYME" } }
scan = { columns = ["scan"], mask = { fixed = "" } }
[data.contract.files.scan]
column = "scan"
store = "recordings"
[data.contract.events.ended]
title = { fr = "Fin", en = "End" }
column = "ended"
format = "iso_date"

[data.request]
title = { fr = "Demande", en = "Request" }
table = "request"
key = ["id"]
follows = "contract"
on = { contract_id = "id" }
disposition = "delete"
[data.request.categories]
audio = { columns = ["path"], mask = "null" }
[data.request.files.audio]
column = "path"
store = "recordings"
"#;

const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "calls"
title = { fr = "Appels", en = "Calls" }
legal_basis = "legitimate_interest"
data = "crm.call"
needs = "all"
starts = "collected"
keeps = "6 months"

[[purpose]]
id = "contracts"
title = { fr = "Contrats", en = "Contracts" }
legal_basis = "contract"
data = "crm.contract"
needs = "all"
starts = "ended"
keeps = "5 years"
"#;

/// Calls 1 to 3 are due and 4 to 6 are not (the run is of 2026-11-21); contract 1 is due and 2 is not.
pub async fn organisation(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    let call = if engine.is_mysql_family() { "`call`" } else { "call" };
    db.run_sql(&format!(
        "CREATE TABLE {call} (id integer PRIMARY KEY, path varchar(300), collected {date});
         CREATE TABLE contract (id integer PRIMARY KEY, name varchar(50) NOT NULL, scan varchar(300) NOT NULL, ended {date});
         CREATE TABLE request (id integer PRIMARY KEY, contract_id integer NOT NULL, path varchar(300), FOREIGN KEY (contract_id) REFERENCES contract (id));
         INSERT INTO {call} VALUES (1, 'a/1.wav', '2025-01-01'), (2, 'shared.wav', '2025-01-02'), (3, NULL, '2025-01-03'),
             (4, 'a/4.wav', '2026-11-01'), (5, 'shared.wav', '2026-11-02'), (6, 'a/6.wav', NULL);
         INSERT INTO contract VALUES (1, 'Alix', 'scan/1.pdf', '2020-01-01'), (2, 'Zoé', 'scan/2.pdf', '2025-01-01');
         INSERT INTO request VALUES (11, 1, 'a/11.wav'), (12, 1, 'a/12.wav'), (21, 2, 'a/21.wav')"
    ))
    .await;
    Some(db)
}

pub const ALL: [&str; 9] =
    ["a/1.wav", "shared.wav", "a/4.wav", "a/6.wav", "scan/1.pdf", "scan/2.pdf", "a/11.wav", "a/12.wav", "a/21.wav"];

pub fn call(engine: Engine) -> &'static str {
    if engine.is_mysql_family() { "`call`" } else { "call" }
}

pub fn crm() -> Rules {
    rules(MAP, &[POLICY])
}

/// A fixture whose store lies below its folder, with all files.
async fn fixture(engine: Engine, db: &TestDatabase) -> Fixture<'_> {
    let mut fixture = Fixture::new(engine, db, "crm", now()).await;
    let root = fixture._folder.path().join("recordings");
    for file in ALL {
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), file).unwrap();
    }
    let mut files = Files::default();
    files.insert("recordings".to_owned(), Root::new(&root).unwrap());
    fixture.files = Arc::new(files);
    fixture
}

fn left(fixture: &Fixture<'_>) -> BTreeSet<&'static str> {
    let root = fixture._folder.path().join("recordings");
    ALL.into_iter().filter(|file| root.join(file).exists()).collect()
}

pub fn without(gone: &[&str]) -> BTreeSet<&'static str> {
    ALL.into_iter().filter(|file| !gone.contains(file)).collect()
}

pub fn of<'o>(outcome: &'o RunOutcome, action: &str) -> &'o ActionOutcome {
    outcome.actions.iter().find(|a| a.action == action).unwrap()
}

pub fn counted(removed: u64, missing: u64, shared: u64) -> FileOutcome {
    FileOutcome { removed, missing, shared, ..FileOutcome::default() }
}

pub const GONE: [&str; 4] = ["a/1.wav", "scan/1.pdf", "a/11.wav", "a/12.wav"];

#[tokio::test]
async fn files_of_due_rows_go_with_them_and_all_others_stay() {
    for engine in ENGINES {
        let Some(db) = organisation(engine).await else { continue };
        let fixture = fixture(engine, &db).await;
        let outcome = fixture.run(&crm()).await;
        assert_eq!(left(&fixture), without(&GONE), "{}", engine.name());
        assert_eq!(of(&outcome, "call.delete").files, counted(1, 0, 1));
        assert_eq!(of(&outcome, "contract.anonymise").files, counted(3, 0, 0));
        let kept = read(&fixture, &format!("SELECT id FROM {} ORDER BY id", call(engine))).await;
        assert_eq!(kept, ["4", "5", "6"]);
        assert_eq!(read(&fixture, "SELECT id FROM request").await, ["21"]);
        let mut removed = 0;
        for entry in entries(&fixture).await {
            if let Event::Applied { files, .. } = entry.event {
                removed += files.iter().map(|f| f.removed).sum::<u64>();
            }
        }
        assert_eq!(removed, 4);
        consistent(&fixture).await;
        // The last row with a file takes it along.
        fixture.database.run_sql(&format!("UPDATE {} SET collected = '2025-01-01' WHERE id = 5", call(engine))).await;
        let outcome = fixture.run(&crm()).await;
        assert_eq!(of(&outcome, "call.delete").files, counted(1, 0, 0));
        assert!(!left(&fixture).contains("shared.wav"));
    }
}

#[tokio::test]
async fn what_leaves_the_root_or_is_no_file_keeps_its_row_and_no_other() {
    for engine in ENGINES {
        let Some(db) = organisation(engine).await else { continue };
        let fixture = fixture(engine, &db).await;
        let root = fixture._folder.path().join("recordings");
        let beside = fixture._folder.path().join("beside.wav");
        std::fs::write(&beside, "x").unwrap();
        symlink(&beside, root.join("link.wav")).unwrap();
        symlink(fixture._folder.path(), root.join("out")).unwrap();
        let hostile = ["../beside.wav", beside.to_str().unwrap(), "link.wav", "out/beside.wav", "a", "a//4.wav", "./a/4.wav"];
        for (n, path) in hostile.iter().enumerate() {
            let sql = format!("INSERT INTO {} VALUES ({}, '{path}', '2025-01-01')", call(engine), 100 + n);
            db.run_sql(&sql).await;
        }
        let outcome = fixture.run(&crm()).await;
        let done = of(&outcome, "call.delete");
        assert_eq!((done.changed, done.failed, done.due_after), (3, 7, 7), "{}", engine.name());
        assert_eq!(left(&fixture), without(&GONE));
        assert!(beside.exists() && root.join("link.wav").symlink_metadata().is_ok());
        let mut codes: Vec<String> = Vec::new();
        for entry in entries(&fixture).await {
            if let Event::RecordFailed { code, .. } = entry.event {
                codes.push(code.to_string());
            }
        }
        codes.sort();
        let (foreign, outside) = ("file_foreign", "file_outside");
        assert_eq!(codes, [foreign, foreign, foreign, outside, outside, outside, outside]);
        consistent(&fixture).await;
    }
}

#[tokio::test]
async fn what_is_missing_is_counted_and_an_empty_root_is_not_believed() {
    for engine in ENGINES {
        let Some(db) = organisation(engine).await else { continue };
        let fixture = fixture(engine, &db).await;
        let root = fixture._folder.path().join("recordings");
        let aside = fixture._folder.path().join("aside");
        std::fs::rename(&root, &aside).unwrap();
        std::fs::create_dir(&root).unwrap();
        let outcome = fixture.run(&crm()).await;
        let done = of(&outcome, "call.delete");
        // A row without a file waits for no store, and one whose file another row keeps is not told from the others before it is looked at.
        assert_eq!((done.changed, done.failed), (1, 2), "{}", engine.name());
        std::fs::remove_dir(&root).unwrap();
        std::fs::rename(&aside, &root).unwrap();
        std::fs::remove_file(root.join("a/1.wav")).unwrap();
        let outcome = fixture.run(&crm()).await;
        assert_eq!(of(&outcome, "call.delete").files, counted(0, 1, 1));
        assert_eq!(left(&fixture), without(&GONE));
        consistent(&fixture).await;
    }
}

/// Never goes on once files are removed and nothing is committed.
pub struct Stops;

impl Watch for Stops {
    fn at<'a>(&'a self, point: Point, _: &'a str) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match point {
            Point::Acted => Box::pin(std::future::pending()),
            _ => Box::pin(std::future::ready(())),
        }
    }
}

#[tokio::test]
async fn a_run_that_dies_between_removal_and_commit_leaves_rows_that_the_next_run_takes() {
    for engine in ENGINES {
        let Some(db) = organisation(engine).await else { continue };
        let mut fixture = fixture(engine, &db).await;
        let (rules, root) = (crm(), fixture._folder.path().join("recordings"));
        let died = tokio::time::timeout(Duration::from_secs(4), fixture.run_with(&rules, unlimited(), &Stops)).await;
        assert!(died.is_err());
        assert!(!root.join("a/1.wav").exists(), "{}", engine.name());
        fixture.files = reopened(&root);
        let kept = read(&fixture, &format!("SELECT id FROM {} WHERE id = 1", call(engine))).await;
        assert_eq!(kept, ["1"], "nothing was committed");
        let outcome = fixture.run(&rules).await;
        assert_eq!(of(&outcome, "call.delete").files, counted(0, 1, 1));
        assert_eq!(left(&fixture), without(&GONE));
        consistent(&fixture).await;
    }
}

fn reopened(root: &Path) -> Arc<Files> {
    let mut files = Files::default();
    files.insert("recordings".to_owned(), Root::new(root).unwrap());
    Arc::new(files)
}
