//! Somebody else holds locks while a run works.

use std::time::Duration;

use retentiond::enforce::{Point, Silent};
use retentiond::journal::{Event, FindingKind};
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, unlimited};
use crate::rows::{Foreign, foreign};
use crate::scene::{
    DUE, ENGINES, LOCKING, Once, batches_of, clean, consistent, entries, now, number, organisation, run_clean, scene_rules,
};

fn begin(engine: Engine) -> &'static str {
    if engine == Engine::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" }
}

#[tokio::test]
async fn a_row_that_somebody_keeps_locked_is_busy_and_due_tomorrow_and_the_others_go() {
    for engine in LOCKING {
        // Rows of each shape, and a row that is only read: the account's visit.
        for (lock, left, rule) in [
            ("SELECT * FROM log WHERE id = 257 FOR UPDATE", (1, 0, 0), "log.delete"),
            ("SELECT * FROM client WHERE id = 257 FOR UPDATE", (0, 1, 0), "client.delete"),
            ("SELECT * FROM note WHERE id = 257 FOR UPDATE", (0, 1, 0), "client.delete"),
            ("UPDATE visit SET seen = '2019-01-01' WHERE id = 257", (0, 0, 1), "account.anonymise"),
        ] {
            let Some(db) = organisation(engine, 500).await else { continue };
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            let rules = scene_rules(&[]);
            let mut app = Foreign::connect(engine, &db.url).await;
            app.execute(begin(engine)).await.unwrap();
            app.execute(lock).await.unwrap();
            let outcome = fixture.run_with(&rules, unlimited(), &Silent).await.unwrap_or_else(|e| panic!("{lock}: {e}"));
            assert_eq!((outcome.failed(), outcome.busy()), (0, 1), "{} {lock}: {:?}", engine.name(), outcome.actions);
            let found = (
                number(&fixture, "FROM log").await,
                number(&fixture, "FROM client").await,
                number(&fixture, "FROM account WHERE name <> 'ANONYME'").await,
            );
            assert_eq!(found, left, "{} {lock}", engine.name());
            let all = entries(&fixture).await;
            let findings: Vec<_> = all
                .iter()
                .filter_map(|entry| match &entry.event {
                    Event::Finding { finding: FindingKind::Busy, subject, .. } => subject.as_ref().map(|s| s.as_str()),
                    _ => None,
                })
                .collect();
            assert_eq!(findings, [rule], "{} {lock}", engine.name());
            // The application goes on as if nobody else were there.
            app.execute("COMMIT").await.unwrap();
            run_clean(&fixture, &rules).await;
            consistent(&fixture).await;
        }
    }
}

#[tokio::test]
async fn a_row_that_is_locked_for_a_moment_goes_in_the_same_run() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 100).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let mut app = Foreign::connect(engine, &db.url).await;
        app.execute(begin(engine)).await.unwrap();
        app.execute("UPDATE client SET name = 'app' WHERE id = 57").await.unwrap();
        let held = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(150)).await;
            app.execute("COMMIT").await.unwrap();
        });
        run_clean(&fixture, &scene_rules(&[])).await;
        held.await.unwrap();
        assert_eq!(number(&fixture, "FROM client").await, 0);
        consistent(&fixture).await;
    }
}

#[tokio::test]
async fn a_whole_table_that_somebody_keeps_locked_does_not_hold_a_run_for_hours() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 400).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        // Once the run works, so that the fence could be taken.
        let held = std::sync::Arc::new(tokio::sync::Mutex::new(None));
        let (keep, url) = (held.clone(), db.url.clone());
        let watch = Once::new(
            Point::Found,
            "client.delete",
            0,
            Box::new(move || {
                let (keep, url) = (keep.clone(), url.clone());
                Box::pin(async move {
                    let mut app = Foreign::connect(engine, &url).await;
                    app.execute(begin(engine)).await.unwrap();
                    app.execute("UPDATE client SET name = 'app'").await.unwrap();
                    *keep.lock().await = Some(app);
                })
            }),
        );
        let started = std::time::Instant::now();
        // SQLite's writer locks everybody out, its readers not.
        let mut settings = unlimited();
        settings.ceilings.time = (engine == Engine::Sqlite).then(|| Duration::from_secs(8));
        let outcome = fixture.run_with(&rules, settings, &watch).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(100), "{}: {:?}", engine.name(), started.elapsed());
        let client = outcome.actions.iter().find(|a| a.action == "client.delete").unwrap();
        assert_eq!((client.changed, client.due_after), (0, 400), "{}: {client:?}", engine.name());
        assert!(client.busy == 400 || client.stopped.is_some(), "{client:?}");
        held.lock().await.take().unwrap().execute("COMMIT").await.unwrap();
        run_clean(&fixture, &rules).await;
        consistent(&fixture).await;
    }
}

/// The application locks in the other order: what the predicate reads first, then the row. Without the engine it would never wait for itself.
#[tokio::test]
async fn the_application_is_never_the_victim_of_a_deadlock() {
    for engine in LOCKING {
        for (action, first, second) in [
            ("client.delete", "UPDATE note SET body = 'app' WHERE id = 150", "UPDATE client SET name = 'app' WHERE id = 150"),
            (
                "account.anonymise",
                "UPDATE visit SET seen = '2020-02-02' WHERE id = 150",
                "UPDATE account SET name = 'app' WHERE id = 150",
            ),
        ] {
            let Some(db) = organisation(engine, 300).await else { continue };
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            let rules = scene_rules(&[]);
            let mut app = Foreign::connect(engine, &db.url).await;
            app.execute("BEGIN").await.unwrap();
            app.execute(first).await.unwrap();
            let app = std::sync::Arc::new(tokio::sync::Mutex::new(app));
            let ended = std::sync::Arc::new(std::sync::Mutex::new(None));
            let (of_app, end) = (app.clone(), ended.clone());
            // The batch holds the client when the application asks for it; only then does the batch ask for the note.
            let watch = Once::new(
                Point::Fenced,
                action,
                0,
                Box::new(move || {
                    let (app, end) = (of_app.clone(), end.clone());
                    Box::pin(async move {
                        let task = tokio::spawn(async move {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            let mut app = app.lock().await;
                            let asked = app.execute(second).await;
                            asked.and(app.execute("COMMIT").await)
                        });
                        *end.lock().unwrap() = Some(task);
                    })
                }),
            );
            fixture.run_with(&rules, batches_of(300), &watch).await.unwrap();
            let task = ended.lock().unwrap().take().unwrap();
            let said = task.await.unwrap();
            assert!(said.is_ok(), "{} {action}: {said:?}", engine.name());
            run_clean(&fixture, &rules).await;
            consistent(&fixture).await;
        }
    }
}

#[tokio::test]
async fn a_serialisation_failure_or_deadlock_is_tried_again_and_nothing_is_lost() {
    for engine in LOCKING {
        let Some(db) = organisation(engine, 50).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&["veto"]);
        // A trigger that answers like a server that lost a conflict, until the application removes it.
        let create = if engine == Engine::Postgres {
            "CREATE FUNCTION veto() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$;
             CREATE TRIGGER veto BEFORE DELETE ON log FOR EACH ROW EXECUTE FUNCTION veto()"
        } else {
            "CREATE TRIGGER veto BEFORE DELETE ON log FOR EACH ROW SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213"
        };
        db.run_sql(create).await;
        let remove = if engine == Engine::Postgres { "ALTER TABLE log DISABLE TRIGGER veto" } else { "DROP TRIGGER veto" };
        let url = db.url.clone();
        let watch = Once::new(
            Point::Intended,
            "log.delete",
            2,
            Box::new(move || {
                let url = url.clone();
                Box::pin(async move {
                    foreign(engine, &url, remove).await.unwrap();
                })
            }),
        );
        let outcome = fixture.run_with(&rules, unlimited(), &watch).await.unwrap();
        assert!(watch.happened());
        crate::scene::clean(&outcome);
        assert_eq!(number(&fixture, "FROM log").await, 0, "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test]
async fn a_reader_who_keeps_sqlite_from_emptying_its_log_is_said_and_stops_nothing() {
    let Some(db) = organisation(Engine::Sqlite, 50).await else { return };
    let fixture = Fixture::new(Engine::Sqlite, &db, "crm", now()).await;
    let mut reader = Foreign::connect(Engine::Sqlite, &db.url).await;
    reader.execute("PRAGMA journal_mode = WAL").await.unwrap();
    reader.execute("BEGIN; SELECT COUNT(*) FROM log").await.unwrap();
    let outcome = fixture.run_with(&scene_rules(&[]), batches_of(20), &Silent).await.unwrap();
    clean(&outcome);
    assert!(outcome.old_pages && outcome.changed() > 0);
    reader.execute("COMMIT").await.unwrap();
    db.run_sql(&format!("INSERT INTO log VALUES (1, '10.0.0.1', '{DUE}')")).await;
    let outcome = fixture.run_with(&scene_rules(&[]), batches_of(20), &Silent).await.unwrap();
    assert!(!outcome.old_pages && outcome.changed() > 0);
    let ends = entries(&fixture).await.iter().filter(|e| e.event.kind() == "run_finished").count();
    assert_eq!(ends, 2);
}
