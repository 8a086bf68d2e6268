//! Records that leave only once their copy was seen in another data set: of the same engine or of another, there, missing, or not to be asked.

use retentiond::enforce::{Copies, CopyBase, Point, RunOutcome, Silent};
use retentiond::journal::Event;
use retentiond::plan::schema::Engine;
use retentiond::policy::located::Faults;
use retentiond::policy::map::DataMap;
use retentiond::policy::{link, read_map, read_policy};
use retentiond::source::{Source, Target};

use crate::enforcement::{Fixture, Rules, unlimited};
use crate::rows::foreign;
use crate::scene::{ENGINES, Once, batches_of, consistent, entries, now, number, read};
use crate::support::{TestDatabase, database};

const MAP: &str = r#"
[source]
id = "portal"
time_zone = "Europe/Paris"

[data.request]
title = { fr = "Demande", en = "Request" }
table = "request"
key = ["id"]
plain = ["house", "code", "closed_on"]
disposition = "delete"
[data.request.categories]
text = { columns = ["body"], mask = { fixed = "" } }
[data.request.events.closed]
title = { fr = "Clôture", en = "Closure" }
column = "closed_on"
format = "iso_date"
missing = "running"
[data.request.copies.paper]
in = "base.paper"
matched_by = { number = "id", house = "house", code = "code" }
"#;

pub const POLICY: &str = r#"
[policy]
id = "portal"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "shown"
title = { fr = "Espace personnel", en = "Portal" }
legal_basis = "contract"
data = "portal.request"
needs = "all"
starts = "closed"
keeps = "6 months"

[[purpose]]
id = "evidence"
title = { fr = "Preuve", en = "Evidence" }
legal_basis = "legal_obligation"
data = "portal.request"
needs = "all"
kept_in = "copy:paper"
"#;

const BASE_MAP: &str = r#"
[source]
id = "base"

[data.paper]
title = { fr = "Dossier", en = "File" }
table = "paper"
key = ["number"]
plain = ["house", "code", "closed_on"]
disposition = "delete"
[data.paper.categories]
text = { columns = ["body"], mask = { fixed = "" } }
[data.paper.events.closed]
title = { fr = "Clôture", en = "Closure" }
column = "closed_on"
format = "iso_date"
missing = "running"
"#;

const BASE_POLICY: &str = r#"
[policy]
id = "base"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "file"
title = { fr = "Dossier", en = "File" }
legal_basis = "legal_obligation"
data = "base.paper"
needs = "all"
starts = "closed"
keeps = "10 years"
"#;

/// The rules of the portal, and the map of the base that holds the copies.
fn both() -> (Rules, DataMap) {
    let mut faults = Faults::default();
    let maps = [MAP, BASE_MAP].map(|text| read_map::read(text, 0, &mut faults).unwrap());
    let policies = [POLICY, BASE_POLICY].map(|text| read_policy::read(text, 0, &mut faults).unwrap());
    link::link(&maps, &policies, &mut faults);
    assert!(!faults.any_error(), "{:#?}", faults.sorted());
    let documents = retentiond::enforce::run_documents(MAP, &mut [("portal", POLICY)]);
    let ([map, base], [policy, _]) = (maps, policies);
    (Rules { map, policies: vec![policy], documents }, base)
}

fn types(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::Sqlite => ("TEXT", "TEXT COLLATE NOCASE"),
        Engine::Postgres => ("date", "varchar(20)"),
        _ => ("date", "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"),
    }
}

/// Requests 1 and 7 have a copy; 2 has one of another number, 3 one whose code differs in case, 4 cannot be compared, 5 is open, 6 has none, and neither has 8, of which nothing is left to mask.
async fn portal(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let (date, code) = types(engine);
    db.run_sql(&format!(
        "CREATE TABLE request (id bigint PRIMARY KEY, house bigint, code {code}, closed_on {date}, body varchar(50) NOT NULL);
         INSERT INTO request VALUES (1, 9007199254740993, 'é''1', '2020-01-01', 'one'), (2, 3, 'b', '2020-01-02', 'two'),
             (3, 3, 'c', '2020-01-03', 'three'), (4, NULL, 'd', '2020-01-04', 'four'), (5, 3, 'e', NULL, 'five'),
             (6, 3, 'f', '2020-01-06', 'six'), (7, 3, '', '2020-01-07', 'seven'), (8, 3, 'h', '2020-01-08', '')"
    ))
    .await;
    Some(db)
}

async fn base(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let (date, code) = types(engine);
    db.run_sql(&format!(
        "CREATE TABLE paper (number bigint PRIMARY KEY, house bigint, code {code}, closed_on {date}, body varchar(50) NOT NULL);
         INSERT INTO paper VALUES (1, 9007199254740993, 'é''1', '2020-01-01', 'one'), (22, 3, 'b', '2020-01-02', 'two'),
             (3, 3, 'C', '2020-01-03', 'three'), (4, NULL, 'd', '2020-01-04', 'four'), (5, 3, 'e', NULL, 'five'),
             (7, 3, '', '2020-01-07', 'seven')"
    ))
    .await;
    Some(db)
}

async fn ask(fixture: &mut Fixture<'_>, db: &TestDatabase, map: &DataMap) {
    let source = Source::connect(&Target::new(db.url.clone())).await.unwrap();
    let base = CopyBase::open(source, map, "paper").await.unwrap().unwrap();
    let mut copies = Copies::default();
    let (rules, _) = both();
    let copy = &rules.map.data_sets[0].copies[0];
    assert!(base.unfit(copy).is_empty() && base.is_indexed(copy));
    base.probe(copy).await.unwrap();
    copies.add(copy.of.value.clone(), Ok(base));
    fixture.copies = copies;
}

pub async fn run(fixture: &Fixture<'_>, rules: &Rules, batch: usize) -> RunOutcome {
    let settings = if batch == 0 { unlimited() } else { batches_of(batch) };
    let outcome = fixture.run_with(rules, settings, &Silent).await.unwrap();
    assert_eq!((outcome.failed(), outcome.busy(), outcome.stopped()), (0, 0, false));
    outcome
}

async fn left(fixture: &Fixture<'_>) -> Vec<String> {
    read(fixture, "SELECT body FROM request ORDER BY id").await
}

/// What the journal says of records that wait for their copies: a run each.
async fn said(fixture: &Fixture<'_>) -> Vec<u64> {
    let waits = |event| match event {
        Event::Finding { finding, count, .. } if finding.as_str() == "waits_for_copy" => Some(count),
        _ => None,
    };
    entries(fixture).await.into_iter().filter_map(|e| waits(e.event)).collect()
}

/// How many batches met a record without a copy.
pub async fn given_up(fixture: &Fixture<'_>) -> usize {
    let all = entries(fixture).await;
    all.iter().filter(|e| matches!(&e.event, Event::Aborted { code, .. } if code.to_string() == "no_copy")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_goes_after_it_was_seen_is_missed_under_the_locks_of_the_batch() {
    for engine in ENGINES {
        let Some(db) = portal(engine).await else { continue };
        let Some(base_db) = base(engine).await else { continue };
        let (rules, map) = both();
        let mut fixture = Fixture::new(engine, &db, "portal", now()).await;
        ask(&mut fixture, &base_db, &map).await;
        let url = base_db.url.clone();
        let watch = Once::new(
            Point::Intended,
            "request.delete",
            0,
            Box::new(move || {
                let url = url.clone();
                Box::pin(async move { assert_eq!(foreign(engine, &url, "DELETE FROM paper WHERE number = 1").await, Ok(1)) })
            }),
        );
        let outcome = fixture.run_with(&rules, unlimited(), &watch).await.unwrap();
        assert!(watch.happened());
        assert_eq!(left(&fixture).await, ["one", "two", "three", "four", "five", "six", ""], "{}", engine.name());
        assert_eq!(outcome.actions.iter().map(|a| a.no_copy).sum::<u64>(), 6);
        assert_eq!(given_up(&fixture).await, 1);
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_records_that_all_wait_hide_none_behind_them() {
    for engine in ENGINES {
        let Some(db) = portal(engine).await else { continue };
        let Some(base_db) = base(engine).await else { continue };
        for n in 100..135 {
            db.run_sql(&format!("INSERT INTO request VALUES ({n}, 3, 'x', '2020-01-01', 'many')")).await;
        }
        base_db.run_sql("INSERT INTO paper VALUES (134, 3, 'x', '2020-01-01', 'many')").await;
        let (rules, map) = both();
        let mut fixture = Fixture::new(engine, &db, "portal", now()).await;
        ask(&mut fixture, &base_db, &map).await;
        let mut settings = unlimited();
        settings.chunk = 1;
        let outcome = fixture.run_with(&rules, settings, &Silent).await.unwrap();
        assert_eq!(number(&fixture, "FROM request WHERE body = 'many'").await, 34, "{}", engine.name());
        assert_eq!(outcome.actions.iter().map(|a| (a.changed, a.no_copy)).collect::<Vec<_>>(), [(3, 39)], "{}", engine.name());
        assert_eq!((said(&fixture).await, given_up(&fixture).await), (vec![39], 0));
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_leaves_once_its_copy_was_seen_and_not_before() {
    for engine in ENGINES {
        for (base_engine, batch) in [(engine, 0), (engine, 2), (Engine::Sqlite, 1), (Engine::Postgres, 3)] {
            let Some(db) = portal(engine).await else { continue };
            let Some(base_db) = base(base_engine).await else { continue };
            let about = format!("{} asks {}, batches of {batch}", engine.name(), base_engine.name());
            let (rules, map) = both();
            let mut fixture = Fixture::new(engine, &db, "portal", now()).await;
            ask(&mut fixture, &base_db, &map).await;
            let outcome = run(&fixture, &rules, batch).await;
            assert_eq!(left(&fixture).await, ["two", "three", "four", "five", "six", ""], "{about}");
            let action = &outcome.actions.iter().find(|a| a.action == "request.delete").unwrap();
            assert_eq!((action.changed, action.no_copy, action.due_after), (2, 5, 5), "{about}");
            assert_eq!(said(&fixture).await, [5], "{about}");
            assert_eq!(given_up(&fixture).await, 0, "they were left out before any batch: {about}");

            base_db.run_sql("UPDATE paper SET number = 2 WHERE number = 22").await;
            run(&fixture, &rules, batch).await;
            assert_eq!(left(&fixture).await, ["three", "four", "five", "six", ""], "{about}");
            assert_eq!(said(&fixture).await, [5, 4], "{about}");

            // Who cannot be asked has seen nothing; the run goes on, and says so.
            base_db.run_sql("UPDATE paper SET code = 'c' WHERE number = 3").await;
            base_db.run_sql("ALTER TABLE paper RENAME TO elsewhere").await;
            let outcome = run(&fixture, &rules, batch).await;
            assert_eq!(left(&fixture).await, ["three", "four", "five", "six", ""], "{about}");
            assert_eq!(outcome.unasked.len(), 1, "{about}");
            assert_eq!(said(&fixture).await, [5, 4, 4], "{about}");

            base_db.run_sql("ALTER TABLE elsewhere RENAME TO paper").await;
            ask(&mut fixture, &base_db, &map).await;
            let outcome = run(&fixture, &rules, batch).await;
            assert_eq!(left(&fixture).await, ["four", "five", "six", ""], "{about}");
            assert!(outcome.unasked.is_empty(), "{about}");

            // Nobody was told where the copies are.
            base_db.run_sql("INSERT INTO paper VALUES (6, 3, 'f', '2020-01-06', 'six')").await;
            fixture.copies = Copies::default();
            run(&fixture, &rules, batch).await;
            assert_eq!(left(&fixture).await, ["four", "five", "six", ""], "{about}");
            ask(&mut fixture, &base_db, &map).await;
            run(&fixture, &rules, batch).await;
            assert_eq!(left(&fixture).await, ["four", "five", ""], "{about}");
            consistent(&fixture).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_seen_beside_one_that_the_database_takes_for_the_same() {
    for engine in ENGINES {
        let (Some(db), Some(base_db)) = (portal(engine).await, database(engine).await) else { continue };
        let (date, code) = types(engine);
        base_db
            .run_sql(&format!(
                "CREATE TABLE paper (n integer PRIMARY KEY, number bigint, house bigint, code {code}, closed_on {date}, body varchar(50));
                 CREATE INDEX paper_number ON paper (number, code);
                 INSERT INTO paper VALUES (1, 2, 3, 'B', NULL, 'x'), (2, 2, 3, 'b', NULL, 'x'), (3, 3, 3, 'c', NULL, 'x'),
                     (4, 3, 3, 'C', NULL, 'x'), (5, 6, 3, 'F', NULL, 'x'), (6, 6, 3, 'F', NULL, 'x'), (7, 2, 3, 'b', NULL, 'x')"
            ))
            .await;
        let (rules, map) = both();
        let mut fixture = Fixture::new(engine, &db, "portal", now()).await;
        ask(&mut fixture, &base_db, &map).await;
        run(&fixture, &rules, 0).await;
        assert_eq!(left(&fixture).await, ["one", "four", "five", "six", "seven", ""], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[test]
fn what_is_kept_by_a_copy_says_nothing_of_how_long_and_the_copy_is_somewhere() {
    let faults_of = |map: &str, policy: &str| {
        let mut faults = Faults::default();
        let maps = [map, BASE_MAP].map(|text| read_map::read(text, 0, &mut faults).unwrap());
        let policies = [policy, BASE_POLICY].map(|text| read_policy::read(text, 0, &mut faults).unwrap());
        link::link(&maps, &policies, &mut faults);
        faults.sorted().iter().map(|f| f.message.clone()).collect::<Vec<_>>()
    };
    assert!(faults_of(MAP, POLICY).is_empty());
    for (from, to, expected) in [
        ("kept_in = \"copy:paper\"", "kept_in = \"copy:papers\"", "data set `request` has no copy `papers`"),
        (
            "kept_in = \"copy:paper\"",
            "kept_in = \"copy:paper\"\nstarts = \"closed\"\nkeeps = \"1 year\"",
            "is kept by a copy, and has `keeps`",
        ),
        ("kept_in = \"copy:paper\"", "kept_in = \"copy:paper\"\nthen = \"delete\"", "is kept by a copy, and has `then`"),
        ("needs = \"all\"\nkept_in", "needs = [\"text\"]\nkept_in", "is kept by a copy, and does not need everything"),
    ] {
        let found = faults_of(MAP, &POLICY.replace(from, to));
        assert!(found.iter().any(|f| f.contains(expected)), "{to}: {found:?}");
    }
    for (from, to, expected) in [
        ("in = \"base.paper\"", "in = \"base.papers\"", "copy `paper` lies in `base.papers`, which is no data set"),
        ("in = \"base.paper\"", "in = \"portal.request\"", "data set `request` is its own copy"),
    ] {
        let found = faults_of(&MAP.replace(from, to), POLICY);
        assert!(found.iter().any(|f| f.contains(expected)), "{to}: {found:?}");
    }
}
