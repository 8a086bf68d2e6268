//! The application writes while a batch works.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use retentiond::enforce::Point;
use retentiond::enforce::orders::{self, NewOrder, Target};
use retentiond::journal::{Name, OrderReason, Reference};
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::plan::resolve::Resolved;
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{Fixture, unlimited};
use crate::rows::foreign;
use crate::scene::{ENGINES, KEPT, Once, clean, consistent, now, number, organisation, own, run_clean, scene_rules};

/// What the application does, whether the record 7 must be there untouched if it did it in time, and how to see that.
struct Change {
    action: &'static str,
    sql: &'static str,
    keeps: Option<&'static str>,
}

const CHANGES: [Change; 12] = [
    Change {
        action: "log.delete",
        sql: "UPDATE log SET seen = '{KEPT}' WHERE id = 7",
        keeps: Some("FROM log WHERE id = 7 AND ip = '10.0.0.7'"),
    },
    Change { action: "log.delete", sql: "DELETE FROM log WHERE id = 7", keeps: None },
    Change {
        action: "log.delete",
        sql: "UPDATE log SET id = 7007, seen = '{KEPT}' WHERE id = 7",
        keeps: Some("FROM log WHERE id = 7007"),
    },
    Change {
        action: "log.delete",
        sql: "INSERT INTO {hold} (order_id, source, data_set, kind, scope, target, placed_on) VALUES ('{id}', 'crm', 'log', 'hold', 'record', '1:7', '2026-01-01')",
        keeps: Some("FROM log WHERE id = 7"),
    },
    Change {
        action: "client.delete",
        sql: "UPDATE client SET seen = '{KEPT}' WHERE id = 7",
        keeps: Some("FROM client AS c, note AS n WHERE c.id = 7 AND n.client_id = 7"),
    },
    Change { action: "client.delete", sql: "INSERT INTO note VALUES (7007, 7, 'new')", keeps: None },
    Change { action: "client.delete", sql: "UPDATE note SET client_id = 8 WHERE id = 7", keeps: None },
    Change {
        action: "client.delete",
        sql: "INSERT INTO {hold} (order_id, source, data_set, kind, scope, target, placed_on) VALUES ('{id}', 'crm', 'client', 'hold', 'record', '1:7', '2026-01-01')",
        keeps: Some("FROM client AS c, note AS n WHERE c.id = 7 AND n.client_id = 7"),
    },
    Change {
        action: "account.anonymise",
        sql: "UPDATE visit SET seen = '{KEPT}' WHERE id = 7",
        keeps: Some("FROM account WHERE id = 7 AND name = 'A7'"),
    },
    Change {
        action: "account.anonymise",
        sql: "INSERT INTO visit VALUES (7007, 7, '{KEPT}')",
        keeps: Some("FROM account WHERE id = 7 AND name = 'A7'"),
    },
    Change {
        action: "account.anonymise",
        sql: "DELETE FROM visit WHERE id = 7",
        keeps: Some("FROM account WHERE id = 7 AND name = 'A7'"),
    },
    Change { action: "account.anonymise", sql: "UPDATE account SET name = 'B7' WHERE id = 7", keeps: None },
];

#[tokio::test]
async fn no_change_of_the_application_made_in_time_is_lost_at_any_point_of_a_batch() {
    let rules = scene_rules(&[]);
    for engine in ENGINES {
        let points: &[Point] = match engine {
            // A batch has the only writer from its beginning on.
            Engine::Sqlite => &[Point::Found, Point::Intended],
            _ => &[Point::Found, Point::Intended, Point::Fenced, Point::Locked, Point::Acted],
        };
        for change in &CHANGES {
            for point in points {
                let Some(db) = organisation(engine, 12).await else { continue };
                let fixture = Fixture::new(engine, &db, "crm", now()).await;
                let sql =
                    change.sql.replace("{KEPT}", KEPT).replace("{hold}", &own(engine, "hold")).replace("{id}", &"0a".repeat(16));
                let task = Arc::new(Mutex::new(None));
                let in_time = Arc::new(Mutex::new(false));
                // As long as nothing is locked, it is waited for: a busy machine takes its time.
                let nothing_locked = matches!(point, Point::Found | Point::Intended);
                let patience = if nothing_locked { Duration::from_secs(30) } else { Duration::from_millis(120) };
                let (slot, early, url, statement) = (task.clone(), in_time.clone(), db.url.clone(), sql.clone());
                let watch = Once::new(
                    *point,
                    change.action,
                    0,
                    Box::new(move || {
                        let (slot, early, url, statement) = (slot.clone(), early.clone(), url.clone(), statement.clone());
                        Box::pin(async move {
                            let mut running = tokio::spawn(async move { foreign(engine, &url, &statement).await });
                            match tokio::time::timeout(patience, &mut running).await {
                                Ok(done) => *early.lock().unwrap() = done.unwrap().is_ok(),
                                Err(_) => *slot.lock().unwrap() = Some(running),
                            }
                        })
                    }),
                );
                let outcome = fixture.run_with(&rules, unlimited(), &watch).await.unwrap();
                let place = format!("{} at {point:?}: {sql}", engine.name());
                assert!(watch.happened(), "{place}");
                let late = task.lock().unwrap().take();
                let late = match late {
                    Some(running) => running.await.unwrap(),
                    None => Err("in time".to_owned()),
                };
                let early = *in_time.lock().unwrap();
                if nothing_locked {
                    assert!(early, "nothing is locked yet: {place}");
                }
                if let (Some(there), true) = (change.keeps, early && *point != Point::Acted) {
                    assert_eq!(number(&fixture, there).await, 1, "{place} {:?}", outcome.actions);
                }
                // A child that was accepted has a parent.
                assert_eq!(
                    number(&fixture, "FROM note WHERE client_id NOT IN (SELECT id FROM client)").await,
                    0,
                    "{place} {late:?}"
                );
                let again = run_clean(&fixture, &rules).await;
                clean(&again);
                // Everything else went, whatever happened to that one.
                assert_eq!(number(&fixture, "FROM log WHERE id NOT IN (7, 7007)").await, 0, "{place}");
                assert_eq!(number(&fixture, "FROM client WHERE id <> 7").await, 0, "{place}");
                assert_eq!(number(&fixture, "FROM account WHERE id <> 7 AND name <> 'ANONYME'").await, 0, "{place}");
                consistent(&fixture).await;
            }
        }
    }
}

#[tokio::test]
async fn a_hold_that_was_placed_is_kept_to_by_every_batch_after_it() {
    let rules = scene_rules(&[]);
    for engine in ENGINES {
        for (action, data) in [("log.delete", "log"), ("client.delete", "client"), ("account.anonymise", "account")] {
            for point in [Point::Found, Point::Intended] {
                let Some(db) = organisation(engine, 12).await else { continue };
                let fixture = Fixture::new(engine, &db, "crm", now()).await;
                let prepared = fixture.prepare(&rules).await;
                let (fixture_ref, rules_ref, prepared_ref) = (&fixture, &rules, &prepared);
                let watch = Once::new(
                    point,
                    action,
                    0,
                    Box::new(move || {
                        Box::pin(async move {
                            let resolved = Resolved::new(&rules_ref.map, &prepared_ref.schema);
                            let key = RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: "7".to_owned() }]);
                            let new = NewOrder {
                                kind: OrderKind::Hold,
                                target: Target::Record(key),
                                actor: Name::parse("dpo").unwrap(),
                                reason: OrderReason::DataSubjectRequest,
                                reference: Reference::parse("R-1").unwrap(),
                                until: None,
                                once: false,
                            };
                            let data = rules_ref.map.data_set(data).unwrap();
                            let (source, journal) = (&fixture_ref.source, &fixture_ref.journal);
                            orders::place(source, journal, prepared_ref, &resolved, data, new, prepared_ref.plan.today)
                                .await
                                .unwrap();
                        })
                    }),
                );
                fixture.run_prepared(&prepared, unlimited(), &watch).await.unwrap();
                let there =
                    if data == "account" { "FROM account WHERE name <> 'ANONYME'".to_owned() } else { format!("FROM {data}") };
                assert_eq!(number(&fixture, &there).await, 1, "{} {action} {point:?}", engine.name());
                assert_eq!(number(&fixture, &format!("FROM {data} WHERE id = 7")).await, 1);
                consistent(&fixture).await;
            }
        }
    }
}
