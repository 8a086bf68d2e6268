//! Several workers on one action, and connections that end between two statements.

use retentiond::enforce::{Point, Settings, Silent};
use retentiond::journal::Event;
use retentiond::plan::schema::Engine;

use crate::enforcement::Fixture;
use crate::rows::foreign;
use crate::scene::{ENGINES, Once, batches_of, clean, consistent, entries, now, number, organisation, own, read, scene_rules};

#[tokio::test]
async fn several_workers_share_an_action_and_no_record_is_taken_twice() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 600).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        // Fewer keys at once than are due, and all at once: the queue is filled by whoever finds it empty, or beforehand.
        for chunk in [70, 5_000] {
            let settings = Settings { workers: 4, chunk, ..batches_of(10) };
            let outcome = fixture.run_with(&scene_rules(&[]), settings, &Silent).await.unwrap();
            clean(&outcome);
            for a in &outcome.actions {
                assert_eq!((a.changed, a.due_before), (600, 600), "{} {}", engine.name(), a.action);
            }
            consistent(&fixture).await;
            let slots = read(&fixture, &format!("SELECT DISTINCT slot || '' FROM {}", own(engine, "ledger"))).await.len();
            // SQLite has one writer.
            assert_eq!(slots, if engine == Engine::Sqlite { 1 } else { 4 }, "{}", engine.name());
            db.run_sql("DELETE FROM visit; DELETE FROM account").await;
            db.run_sql(&crate::scene::fill(600)).await;
        }
        // Every record of the first run was named once.
        let mut named = std::collections::BTreeSet::new();
        let first = entries(&fixture).await.into_iter().take_while(|e| !matches!(e.event, Event::RunFinished { .. }));
        let mut all = 0;
        for entry in first {
            if let Event::Applied { rows, macs, .. } = entry.event {
                all += rows;
                named.extend(macs.as_bytes().chunks(16).map(<[u8]>::to_vec));
            }
        }
        assert_eq!((all, named.len()), (1_800, 1_800), "{}", engine.name());
    }
}

/// Servers end connections that were idle; what only reads is asked again over a new one.
#[tokio::test]
async fn a_connection_that_ended_between_two_statements_does_not_end_the_run() {
    for engine in [Engine::Postgres, Engine::MariaDb] {
        let Some(db) = organisation(engine, 20).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let (url, name) = (db.url.clone(), db.name.clone());
        let watch = Once::new(
            Point::Committed,
            "client.delete",
            0,
            Box::new(move || {
                let (url, name) = (url.clone(), name.clone());
                Box::pin(async move { end_all(engine, &url, &name).await })
            }),
        );
        let outcome = fixture.run_with(&scene_rules(&[]), batches_of(50), &watch).await.unwrap();
        assert!(watch.happened());
        clean(&outcome);
        assert_eq!(number(&fixture, "FROM client").await, 0);
        consistent(&fixture).await;
    }
}

/// Ends every other connection to the database.
async fn end_all(engine: Engine, url: &str, name: &str) {
    let sql = match engine {
        Engine::Postgres => {
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()")
        }
        _ => format!(
            "BEGIN NOT ATOMIC FOR c IN (SELECT id FROM information_schema.processlist WHERE db = '{name}' AND id <> CONNECTION_ID()) DO \
             KILL c.id; END FOR; END"
        ),
    };
    foreign(engine, url, &sql).await.unwrap();
}
