//! Records with many rows that follow them.

use retentiond::enforce::{Settings, Silent};
use retentiond::journal::{Event, FindingKind, RelatedAction};

use crate::enforcement::Fixture;
use crate::scene::{ENGINES, batches_of, consistent, entries, now, number, organisation, run_clean, scene_rules};

/// `n` notes more, which follow this client.
async fn notes(fixture: &Fixture<'_>, client: u32, n: u32) {
    let values: Vec<String> = (1..=n).map(|i| format!("({}, {client}, 'more')", client * 1_000 + i)).collect();
    fixture.database.run_sql(&format!("INSERT INTO note VALUES {}", values.join(", "))).await;
}

#[tokio::test]
async fn a_record_that_more_rows_follow_than_may_go_at_once_is_a_finding_and_stays_whole() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 50).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        notes(&fixture, 7, 49).await;
        notes(&fixture, 8, 48).await;
        // Neither fits into a batch of 40. With its own row client 7 has 51, and client 8 has 50.
        let settings = Settings { most_followers: 50, ..batches_of(20) };
        let outcome = fixture.run_with(&scene_rules(&[]), settings, &Silent).await.unwrap();
        let clients = outcome.actions.iter().find(|a| a.action == "client.delete").unwrap();
        assert_eq!((clients.changed, clients.related, clients.too_large, clients.due_after), (49, 97, 1, 1), "{clients:?}");
        assert_eq!((number(&fixture, "FROM client").await, number(&fixture, "FROM note").await), (1, 50), "{}", engine.name());
        let too_large = |e: &Event| matches!(e, Event::Finding { finding: FindingKind::FollowerLimit, subject: Some(s), .. } if s.as_str() == "client.delete");
        assert_eq!(entries(&fixture).await.iter().filter(|e| too_large(&e.event)).count(), 1);
        consistent(&fixture).await;
        // Whoever allows more gets rid of it.
        run_clean(&fixture, &scene_rules(&[])).await;
        assert_eq!(number(&fixture, "FROM note").await, 0);
        consistent(&fixture).await;
    }
}

#[tokio::test]
async fn every_row_that_went_with_another_is_named_once() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 200).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        notes(&fixture, 7, 30).await;
        let outcome = fixture.run_with(&scene_rules(&[]), batches_of(64), &Silent).await.unwrap();
        let clients = outcome.actions.iter().find(|a| a.action == "client.delete").unwrap();
        assert_eq!((clients.changed, clients.related), (200, 230), "{clients:?}");
        let mut named = Vec::new();
        for entry in entries(&fixture).await {
            let Event::Applied { related, .. } = entry.event else { continue };
            for r in related.iter().filter(|r| r.data_set.as_str() == "note") {
                assert_eq!((r.action, r.macs.len()), (RelatedAction::Deleted, r.rows));
                named.extend(r.macs.as_bytes().chunks(16).map(<[u8]>::to_vec));
            }
        }
        named.sort_unstable();
        let all = named.len();
        named.dedup();
        assert_eq!((all, named.len()), (230, 230), "{}", engine.name());
        consistent(&fixture).await;
    }
}
