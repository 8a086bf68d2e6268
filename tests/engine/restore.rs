//! A database that comes back from a backup.

use retentiond::enforce::fence::{self, Adopt};
use retentiond::enforce::orders::{self, NewOrder, Target};
use retentiond::journal::{Adoption, Event, Id128, Name, OrderReason, Reference};
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::plan::resolve::Resolved;
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{Fixture, Rules, rules};
use crate::scene::{
    ENGINES, MAP, POLICY, consistent, entries, fill, now, number, organisation, own, read, run_clean, scene_rules,
};

pub async fn place(fixture: &Fixture<'_>, rules: &Rules, kind: OrderKind, data: &str, target: Target) -> Id128 {
    let prepared = fixture.prepare(rules).await;
    let resolved = Resolved::new(&rules.map, &prepared.schema);
    let new = NewOrder {
        kind,
        target,
        actor: Name::parse("dpo").unwrap(),
        reason: OrderReason::DataSubjectRequest,
        reference: Reference::parse("R-1").unwrap(),
        until: None,
        once: false,
    };
    let data = rules.map.data_set(data).unwrap();
    orders::place(&fixture.source, &fixture.journal, &prepared, &resolved, data, new, prepared.plan.today).await.unwrap().order
}

pub async fn lift(fixture: &Fixture<'_>, order: Id128) {
    let (actor, reference) = (Name::parse("dpo").unwrap(), Reference::parse("R-2").unwrap());
    let today = now().date_naive();
    let (source, journal) = (&fixture.source, &fixture.journal);
    orders::lift(source, journal, "crm", order, actor, OrderReason::ErrorCorrection, reference, Some(true), today).await.unwrap();
}

pub fn record(id: u64) -> Target {
    Target::Record(RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: id.to_string() }]))
}

#[tokio::test]
async fn rows_that_a_backup_brings_back_are_reverted_in_the_journal_and_go_again() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 20).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        let hold = place(&fixture, &rules, OrderKind::Hold, "client", record(7)).await;
        run_clean(&fixture, &rules).await;
        assert_eq!(number(&fixture, "FROM client").await, 1);
        // The newest batches are lost, their rows are back, and so is the time before the order.
        let lost = format!("DELETE FROM {} WHERE seq > 1; DELETE FROM {}", own(engine, "ledger"), own(engine, "hold"));
        db.run_sql(&lost).await;
        db.run_sql("DELETE FROM visit; DELETE FROM account; DELETE FROM note; DELETE FROM client; DELETE FROM log").await;
        db.run_sql(&fill(20)).await;
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!(outcome.reverted, 2, "{}", engine.name());
        assert_eq!(read(&fixture, "SELECT name FROM client").await, ["C7"], "the hold stands again, before anything is enforced");
        assert_eq!(number(&fixture, "FROM note").await, 1);
        assert_eq!(read(&fixture, &format!("SELECT order_id FROM {}", own(engine, "hold"))).await, [hold.to_string()]);
        assert_eq!(number(&fixture, "FROM log").await, 0);
        consistent(&fixture).await;
        assert_eq!(run_clean(&fixture, &rules).await.reverted, 0, "once");
    }
}

#[tokio::test]
async fn an_erasure_that_a_backup_lost_is_carried_out_in_the_next_run() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 3).await else { continue };
        db.run_sql("UPDATE client SET seen = '2026-01-01'").await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        place(&fixture, &rules, OrderKind::Erasure, "client", record(2)).await;
        db.run_sql(&format!("DELETE FROM {}", own(engine, "hold"))).await;
        run_clean(&fixture, &rules).await;
        assert_eq!(number(&fixture, "FROM client WHERE id = 2").await, 0, "{}", engine.name());
        assert_eq!(number(&fixture, "FROM client").await, 2);
    }
}

#[tokio::test]
async fn an_order_that_was_lifted_does_not_stand_up_again_with_a_backup() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 3).await else { continue };
        db.run_sql("UPDATE client SET seen = '2026-01-01'").await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        // An erasure of the wrong person, lifted; the backup is of the time in between.
        let order = place(&fixture, &rules, OrderKind::Erasure, "client", record(2)).await;
        lift(&fixture, order).await;
        db.run_sql(&format!("UPDATE {} SET lifted_on = NULL", own(engine, "hold"))).await;
        run_clean(&fixture, &rules).await;
        assert_eq!(number(&fixture, "FROM client").await, 3, "{}", engine.name());
        // A hold that somebody wrote by hand is nothing that the journal could have lifted.
        db.run_sql("UPDATE client SET seen = '2020-01-01' WHERE id = 1").await;
        db.run_sql(&format!(
            "INSERT INTO {} (order_id, source, data_set, kind, scope, target, placed_on) SELECT '{}', 'crm', 'client', 'hold', 'record', target, placed_on FROM {}",
            own(engine, "hold"),
            "0f".repeat(16),
            own(engine, "hold"),
        ))
        .await;
        db.run_sql(&format!("UPDATE {} SET target = '1:1' WHERE kind = 'hold'", own(engine, "hold"))).await;
        run_clean(&fixture, &rules).await;
        assert_eq!(number(&fixture, "FROM client WHERE id = 1").await, 1, "{}", engine.name());
    }
}

#[tokio::test]
async fn an_order_on_a_tenant_comes_back_too() {
    let map = MAP
        .replace("triggers = [\"veto\"]\n", "")
        .replace("triggers = [\"veto_client\"]\n", "")
        .replace("table = \"client\"", "table = \"client\"\ntenant = \"seen\"");
    let rules = rules(&map, &[POLICY]);
    for engine in ENGINES {
        let Some(db) = organisation(engine, 5).await else { continue };
        db.run_sql("UPDATE client SET seen = '2020-02-03' WHERE id = 3").await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        place(&fixture, &rules, OrderKind::Hold, "client", Target::Tenant("2020-02-03".to_owned())).await;
        let before = read(&fixture, &format!("SELECT target FROM {}", own(engine, "hold"))).await;
        db.run_sql(&format!("DELETE FROM {}", own(engine, "hold"))).await;
        run_clean(&fixture, &rules).await;
        assert_eq!(read(&fixture, "SELECT name FROM client").await, ["C3"], "{}", engine.name());
        assert_eq!(read(&fixture, &format!("SELECT target FROM {}", own(engine, "hold"))).await, before);
    }
}

#[tokio::test]
async fn an_order_whose_record_is_not_in_the_backup_stops_the_source() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 3).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        place(&fixture, &rules, OrderKind::Hold, "client", record(2)).await;
        db.run_sql(&format!(
            "DELETE FROM {}; DELETE FROM note WHERE client_id = 2; DELETE FROM client WHERE id = 2",
            own(engine, "hold")
        ))
        .await;
        let result = fixture.run_with(&rules, crate::enforcement::unlimited(), &retentiond::enforce::Silent).await;
        assert!(matches!(result, Err(retentiond::enforce::EnforceError::OrderUnmatched)), "{result:?}");
        assert_eq!(number(&fixture, "FROM log").await, 3);
    }
}

#[tokio::test]
async fn a_copy_of_the_sqlite_file_put_back_is_adopted_and_enforced_again() {
    let engine = Engine::Sqlite;
    let Some(db) = organisation(engine, 20).await else { return };
    let fixture = Fixture::new(engine, &db, "crm", now()).await;
    let rules = scene_rules(&[]);
    run_clean(&fixture, &rules).await;
    db.run_sql("INSERT INTO log VALUES (90, 'x', '2020-01-01')").await;
    let path = db.url.trim_start_matches("sqlite:").to_owned();
    std::fs::copy(&path, format!("{path}.bak")).unwrap();
    run_clean(&fixture, &rules).await;
    let folder = fixture.into_folder().await;
    std::fs::copy(format!("{path}.bak"), &path).unwrap();
    let fixture = Fixture::open(engine, &db, folder, now()).await;
    let server = fixture.source.introspect().await.unwrap().server.id;
    let adopt = Adopt { reason: Adoption::Restored, actor: Name::parse("ops").unwrap() };
    fence::take(&fixture.source, &fixture.state, &fixture.journal, "crm", &server, Some(&adopt)).await.unwrap();
    let outcome = run_clean(&fixture, &rules).await;
    assert_eq!((outcome.reverted, outcome.changed()), (1, 1));
    assert_eq!(number(&fixture, "FROM log").await, 0);
    let reverted = entries(&fixture).await.iter().filter(|e| matches!(e.event, Event::Reverted { .. })).count();
    assert_eq!(reverted, 1);
    consistent(&fixture).await;
}
