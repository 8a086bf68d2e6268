//! What stops a purpose, and what a run costs.

use std::time::Duration;

use retentiond::enforce::{Point, Settings, Silent, take_census, would_stop};
use retentiond::journal::{Ceiling, Event};

use crate::enforcement::{Fixture, Rules, unlimited};
use crate::scene::{Costs, ENGINES, Once, batches_of, consistent, entries, now, number, organisation, run_clean, scene_rules};

async fn stopped(fixture: &Fixture<'_>) -> Vec<(String, Ceiling, u64)> {
    let all = entries(fixture).await.into_iter().filter_map(|e| match e.event {
        Event::PurposeStopped { data_set, ceiling, limit, .. } => Some((data_set.to_string(), ceiling, limit)),
        _ => None,
    });
    all.collect()
}

/// What the plan foretells of the ceilings, as [`stopped`] tells what became of it.
async fn foretold(fixture: &Fixture<'_>, rules: &Rules, settings: Settings) -> Vec<(String, Ceiling, u64)> {
    let prepared = fixture.prepare(rules).await;
    let mut session = fixture.source.session().await.unwrap();
    let census = take_census(&mut session, &prepared.plan).await.unwrap();
    session.done().await.unwrap();
    let mut all = Vec::new();
    for (data_set, counts) in &census {
        for due in &counts.found_due {
            let stop = would_stop(settings.ceilings, *due, counts.records);
            all.extend(stop.map(|s| (data_set.clone(), s.ceiling, s.limit)));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[tokio::test]
async fn a_ceiling_of_rows_stops_an_action_before_it_touches_anything() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 30).await else { continue };
        db.run_sql("DELETE FROM log WHERE id > 10").await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let mut settings = unlimited();
        settings.ceilings.rows = Some(29);
        let foretold = foretold(&fixture, &scene_rules(&[]), settings).await;
        let outcome = fixture.run_with(&scene_rules(&[]), settings, &Silent).await.unwrap();
        assert!(outcome.stopped());
        assert_eq!(number(&fixture, "FROM client").await, 30);
        assert_eq!(number(&fixture, "FROM account WHERE name = 'ANONYME'").await, 0);
        assert_eq!(number(&fixture, "FROM log").await, 0, "what is under the ceiling is done");
        let mut all = stopped(&fixture).await;
        all.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(all, [("account".to_owned(), Ceiling::Rows, 29), ("client".to_owned(), Ceiling::Rows, 29)]);
        assert_eq!(all, foretold, "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test]
async fn a_ceiling_of_the_table_s_share_stops_an_action() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 100).await else { continue };
        db.run_sql("UPDATE log SET seen = '2026-01-01' WHERE id > 50; UPDATE client SET seen = '2026-01-01' WHERE id > 51; DELETE FROM visit WHERE id > 50")
            .await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let mut settings = unlimited();
        (settings.ceilings.share, settings.ceilings.share_from_rows) = (Some(500), 100);
        let foretold = foretold(&fixture, &scene_rules(&[]), settings).await;
        fixture.run_with(&scene_rules(&[]), settings, &Silent).await.unwrap();
        assert_eq!(stopped(&fixture).await, [("client".to_owned(), Ceiling::Share, 500)], "{}", engine.name());
        assert_eq!(stopped(&fixture).await, foretold, "{}", engine.name());
        assert_eq!(number(&fixture, "FROM client").await, 100);
        assert_eq!(number(&fixture, "FROM log").await, 50);
    }
}

#[tokio::test]
async fn rows_that_become_due_while_a_run_works_count_towards_its_ceiling() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 20).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let url = db.url.clone();
        // A mistake that comes in steps: the second round would find 20 rows more.
        let values: Vec<String> = (101..=120).map(|i| format!("({i}, NULL, '2020-01-01')")).collect();
        let sql = format!("INSERT INTO log VALUES {}", values.join(", "));
        let watch = Once::new(
            Point::Committed,
            "log.delete",
            0,
            Box::new(move || {
                let (url, sql) = (url.clone(), sql.clone());
                Box::pin(async move {
                    crate::rows::foreign(engine, &url, &sql).await.unwrap();
                })
            }),
        );
        let mut settings = unlimited();
        settings.ceilings.rows = Some(30);
        let outcome = fixture.run_with(&scene_rules(&[]), settings, &watch).await.unwrap();
        assert_eq!(number(&fixture, "FROM log").await, 20, "{}", engine.name());
        assert!(outcome.stopped());
        assert_eq!(stopped(&fixture).await, [("log".to_owned(), Ceiling::Rows, 30)]);
    }
}

#[tokio::test]
async fn the_time_ceiling_ends_the_work_after_a_batch_and_says_so_for_everything_left() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 60).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let watch =
            Once::new(Point::Acted, "client.delete", 0, Box::new(|| Box::pin(tokio::time::sleep(Duration::from_millis(2_500)))));
        let mut settings = batches_of(20);
        settings.ceilings.time = Some(Duration::from_millis(2_400));
        let outcome = fixture.run_with(&scene_rules(&[]), settings, &watch).await.unwrap();
        assert!(watch.happened(), "{}", engine.name());
        assert_eq!(number(&fixture, "FROM client").await, 40, "the batch that was running was finished: {:?}", outcome.actions);
        assert!(outcome.stopped());
        let all = stopped(&fixture).await;
        assert!(all.iter().any(|s| s.0 == "client") && all.iter().all(|s| s.1 == Ceiling::Time), "{all:?}");
        for a in &outcome.actions {
            assert_eq!(a.stopped.is_some(), a.due_after > 0, "{a:?}");
        }
        consistent(&fixture).await;
        run_clean(&fixture, &scene_rules(&[])).await;
    }
}

#[tokio::test]
async fn a_thousand_rows_cost_at_most_eight_round_trips_and_one_sync_of_the_journal() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 1_000).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        let costs = Costs::default();
        let before = entries(&fixture).await.len();
        fixture.run_with(&rules, batches_of(1_000), &costs).await.unwrap();
        let costs = costs.0.lock().unwrap().clone();
        assert_eq!(costs.len(), 3, "{costs:?}");
        for (action, rows, round_trips) in costs {
            // One more finds the rows.
            assert!(rows == 1_000 && (1..=7).contains(&round_trips), "{} {action}: {round_trips}", engine.name());
        }
        // Each intent and the `applied` before it are one append: the same second, one after the other.
        let all = entries(&fixture).await;
        let kinds: Vec<&str> =
            all[before..].iter().map(|e| e.event.kind()).filter(|k| matches!(*k, "intent" | "applied")).collect();
        assert_eq!(kinds, ["intent", "applied", "intent", "applied", "intent", "applied"]);
        assert_eq!(number(&fixture, "FROM log").await + number(&fixture, "FROM client").await, 0);
    }
}
