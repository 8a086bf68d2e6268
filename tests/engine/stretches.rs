//! A maintenance window's stretches of whole-number keys: no key is left out, none is taken that is not due, and what is in the way of a stretch
//! stops nobody else.

use retentiond::enforce::{Pace, Point, Settings, Silent};
use retentiond::journal::Event;
use retentiond::plan::schema::Engine;

use crate::enforcement::Fixture;
use crate::refusals::{only_257_failed, veto};
use crate::rows::{Foreign, foreign};
use crate::scene::{
    DUE, ENGINES, KEPT, Once, batches_of, clean, consistent, entries, now, number, organisation, run_clean, scene_rules,
};

/// Full pace with batches of `n` rows to begin with, and stretches even for few rows.
fn stretches_of(n: usize, workers: usize) -> Settings {
    Settings { pace: Pace::Full, workers, chunk: 1, ..batches_of(n) }
}

/// Rows of `log` with these keys, due or not.
fn logs(keys: impl Iterator<Item = (i64, bool)>) -> String {
    let rows: Vec<String> = keys.map(|(id, due)| format!("({id}, '10.0.0.1', '{}')", if due { DUE } else { KEPT })).collect();
    format!("DELETE FROM log; INSERT INTO log VALUES {};", rows.join(", "))
}

#[tokio::test]
async fn every_due_key_goes_and_every_other_stays_however_they_are_spread() {
    // Every fifth, all at one end, thin and then dense, gaps without any key, negative numbers.
    let spreads: [(&str, Vec<(i64, bool)>); 4] = [
        ("every fifth", (1..=1_000).map(|i| (i, i % 5 == 0)).collect()),
        ("the oldest", (-500..=1_500).map(|i| (i, i < 0)).collect()),
        ("thin, then dense", (1..=1_200).map(|i| (i, i > 900 || i % 40 == 0)).collect()),
        ("gaps", (1..=300).map(|i| (i * 7 - 900, i % 3 > 0)).collect()),
    ];
    for engine in ENGINES {
        for workers in [1, 3] {
            for (spread, keys) in &spreads {
                let Some(db) = organisation(engine, 1).await else { continue };
                db.run_sql(&logs(keys.iter().copied())).await;
                let fixture = Fixture::new(engine, &db, "crm", now()).await;
                // The ends of the table are looked up once; a queue of keys is filled again and again.
                let looked_up = Once::new(Point::Found, "log.delete", 1, Box::new(|| Box::pin(std::future::ready(()))));
                let outcome = fixture.run_with(&scene_rules(&[]), stretches_of(10, workers), &looked_up).await.unwrap();
                clean(&outcome);
                let due = keys.iter().filter(|(_, due)| *due).count() as u64;
                let done = outcome.actions.iter().find(|a| a.action == "log.delete").unwrap();
                assert_eq!((done.due_before, done.changed), (due, due), "{} {spread}", engine.name());
                assert_eq!(number(&fixture, &format!("FROM log WHERE seen = '{DUE}'")).await, 0);
                assert_eq!(number(&fixture, "FROM log").await, keys.len() as u64 - due, "{} {spread}", engine.name());
                // A batch has no more rows than it may, however dense the keys of its stretch turned out to be.
                let most = entries(&fixture).await.iter().filter_map(|e| rows_of(&e.event)).max().unwrap();
                assert!(most <= 20, "{} {spread}: {most}", engine.name());
                assert_eq!(
                    looked_up.happened(),
                    engine.is_mysql_family(),
                    "{} {spread}: one statement finds and acts",
                    engine.name()
                );
                consistent(&fixture).await;
            }
        }
    }
}

/// PostgreSQL looks at what was just done page by page then: whoever was revived meanwhile is found all the same.
#[tokio::test]
async fn what_is_left_of_very_many_is_counted() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let Some(db) = organisation(engine, 1).await else { continue };
        db.run_sql(&logs((1..=25_000).map(|i| (i, true)))).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let url = db.url.clone();
        let late = Once::new(
            Point::Committed,
            "log.delete",
            1,
            Box::new(move || {
                let url = url.clone();
                Box::pin(async move {
                    let row = format!("INSERT INTO log VALUES (-5, '10.0.0.1', '{DUE}')");
                    foreign(engine, &url, &row).await.unwrap();
                })
            }),
        );
        let settings = Settings { largest_batch: 20_000, chunk: 1_000, ..stretches_of(13_000, 1) };
        let outcome = fixture.run_with(&scene_rules(&[]), settings, &late).await.unwrap();
        assert!(late.happened());
        clean(&outcome);
        let done = outcome.actions.iter().find(|a| a.action == "log.delete").unwrap();
        assert_eq!((done.due_before, done.changed, done.due_after), (25_000, 25_001, 0), "{}", engine.name());
        consistent(&fixture).await;
    }
}

fn rows_of(event: &Event) -> Option<u64> {
    if let Event::Applied { rows, .. } = event { Some(*rows) } else { None }
}

#[tokio::test]
async fn a_row_in_the_way_of_a_stretch_is_left_out_alone() {
    let engine = Engine::Postgres;
    let Some(db) = organisation(engine, 300).await else { return };
    let fixture = Fixture::new(engine, &db, "crm", now()).await;
    let rules = scene_rules(&[]);
    let mut app = Foreign::connect(engine, &db.url).await;
    app.execute("BEGIN").await.unwrap();
    app.execute("SELECT * FROM log WHERE id = 157 FOR UPDATE").await.unwrap();
    let outcome = fixture.run_with(&rules, stretches_of(40, 2), &Silent).await.unwrap();
    let log = outcome.actions.iter().find(|a| a.action == "log.delete").unwrap();
    assert_eq!((log.changed, log.busy, log.failed, log.due_after), (299, 1, 0, 1));
    app.execute("COMMIT").await.unwrap();
    run_clean(&fixture, &rules).await;
    consistent(&fixture).await;
}

#[tokio::test]
async fn a_row_that_the_database_refuses_is_named_and_fails_alone() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        for silent in [false, true] {
            let Some(db) = organisation(engine, 500).await else { continue };
            db.run_sql(&veto(engine, "log", "veto", silent)).await;
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            // The chunk decides whether the one row that is left is looked up or found by another stretch.
            for chunk in [1, 100] {
                let settings = Settings { chunk, ..stretches_of(40, 1) };
                let outcome = fixture.run_with(&scene_rules(&["veto"]), settings, &Silent).await.unwrap();
                let log = outcome.actions.iter().find(|a| a.action == "log.delete").unwrap();
                let changed = if chunk == 1 { 499 } else { 0 };
                assert_eq!((log.changed, log.failed, log.due_after), (changed, 1, 1), "{} {silent}", engine.name());
                if chunk == 1 {
                    only_257_failed(&fixture, "log").await;
                }
            }
        }
    }
}

#[tokio::test]
async fn rows_that_are_revived_or_held_under_a_stretch_stay() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let Some(db) = organisation(engine, 300).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        // After the first stretch's intent, before its statement: the application wins.
        let url = db.url.clone();
        let step = move || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            let url = url.clone();
            Box::pin(async move {
                foreign(engine, &url, &format!("UPDATE log SET seen = '{KEPT}' WHERE id % 50 = 7")).await.unwrap();
            })
        };
        let watch = Once::new(Point::Intended, "log.delete", 1, Box::new(step));
        let outcome = fixture.run_with(&scene_rules(&[]), stretches_of(20, 1), &watch).await.unwrap();
        assert!(watch.happened());
        clean(&outcome);
        // The first stretch had gone by then.
        assert_eq!(number(&fixture, "FROM log").await, 5, "{}", engine.name());
        consistent(&fixture).await;
    }
}

/// What is masked must not stay readable beside the table: SQLite keeps replaced pages in its log and in the file until a checkpoint.
#[tokio::test]
async fn sqlite_files_hold_nothing_that_was_deleted() {
    let Some(db) = organisation(Engine::Sqlite, 1).await else { return };
    db.run_sql("PRAGMA journal_mode = WAL").await;
    let values: Vec<String> = (1..=500).map(|i| format!("({i}, 'marker-{i}-left-behind', '{DUE}')")).collect();
    // Securely from the beginning: what an application's own writes left in free space is not ours to find.
    db.run_sql(&format!("PRAGMA secure_delete = ON; DELETE FROM log; INSERT INTO log VALUES {}", values.join(", "))).await;
    let path = db.url.trim_start_matches("sqlite://").trim_start_matches("sqlite:").split('?').next().unwrap().to_owned();
    let traces = || {
        let files = [path.clone(), format!("{path}-wal")];
        let bytes: Vec<u8> = files.iter().filter_map(|f| std::fs::read(f).ok()).flatten().collect();
        bytes.windows(11).filter(|w| w == b"left-behind").count()
    };
    // Keeps the log from being checkpointed by whoever closes the file last.
    let mut app = Foreign::connect(Engine::Sqlite, &db.url).await;
    app.execute("SELECT 1").await.unwrap();
    assert!(traces() >= 500);
    let fixture = Fixture::new(Engine::Sqlite, &db, "crm", now()).await;
    clean(&fixture.run_with(&scene_rules(&[]), batches_of(50), &Silent).await.unwrap());
    assert_eq!(number(&fixture, "FROM log").await, 0);
    assert_eq!(traces(), 0);
}
