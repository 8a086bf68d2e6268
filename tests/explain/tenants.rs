//! SEC-13 and BSO-5: what is processed for a customer, told before and after the customer's instruction, in the shipped policies.

use chrono::{TimeZone as _, Utc};
use retentiond::enforce::orders::{NewOrder, Target, place};
use retentiond::journal::{Name, OrderReason, Reference};
use retentiond::plan::explain::{Language, Outcome, text};
use retentiond::plan::resolve::Resolved;
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{self, Fixture, Rules};
use crate::{support, told};

fn shipped(organisation: &str, file: &str) -> String {
    std::fs::read_to_string(format!("{}/config/examples/{organisation}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

async fn instruct(fixture: &Fixture<'_>, rules: &Rules, data: &str, tenant: &str) {
    let prepared = fixture.prepare(rules).await;
    let order = NewOrder {
        kind: OrderKind::Instruction,
        target: Target::Tenant(tenant.to_owned()),
        actor: Name::parse("dpo").unwrap(),
        reason: OrderReason::EndOfService,
        reference: Reference::parse("C-12").unwrap(),
        until: None,
        once: false,
    };
    let (resolved, data) = (Resolved::new(&rules.map, &prepared.schema), rules.map.data_set(data).unwrap());
    place(&fixture.source, &fixture.journal, &prepared, &resolved, data, order, prepared.plan.today).await.unwrap();
}

/// What the story of a record says, in French and in English, and what becomes of the record.
async fn story(fixture: &Fixture<'_>, rules: &Rules, data: &str, key: &str) -> (Outcome, String, String) {
    let prepared = fixture.prepare(rules).await;
    let story = told(fixture, rules, &prepared, data, &[key]).await;
    (story.outcome, text(&story, Language::French), text(&story, Language::English))
}

async fn hosted(engine: Engine) {
    let Some(db) = support::database(engine).await else { return };
    let schema = match engine {
        Engine::Postgres => "schema.postgres.sql",
        Engine::Sqlite => "schema.sqlite.sql",
        _ => "schema.mariadb.sql",
    };
    db.run_sql(&shipped("secufor", schema)).await;
    db.run_sql(
        "INSERT INTO hosted_contact (id, tenant_code, full_name) VALUES (1, 'armor', 'A'), (2, 'nord', 'B');
         INSERT INTO hosted_login (id, tenant_code, user_name) VALUES (1, 'armor', 'C');",
    )
    .await;
    let rules = enforcement::rules(&shipped("secufor", "map.toml"), &[&shipped("secufor", "policy.toml")]);
    let now = Utc.with_ymd_and_hms(2026, 5, 15, 4, 0, 0).unwrap();
    let fixture = Fixture::new(engine, &db, "secufor", now).await;
    instruct(&fixture, &rules, "hosted_contact", "armor").await;

    let (outcome, fr, en) = story(&fixture, &rules, "hosted_contact", "1").await;
    assert_eq!(outcome, Outcome::Delete, "{en}");
    assert!(fr.contains("Pour l’ensemble du client dont relève la fiche, une instruction du responsable du traitement"), "{fr}");
    assert!(en.contains("This purpose has ended following an instruction of the controller"), "{en}");
    assert!(en.contains("SEC-13, privacy policy of 30/07/2024"), "{en}");
    // Neither another customer's record, nor what this one did not name.
    for (data, key) in [("hosted_contact", "2"), ("hosted_login", "1")] {
        let (outcome, fr, en) = story(&fixture, &rules, data, key).await;
        assert_eq!(outcome, Outcome::Kept, "{en}");
        assert!(fr.contains("Aucune durée n’est fixée\u{a0}: les données sont conservées jusqu’à une instruction"), "{fr}");
        assert!(en.contains("No period is set: the data are kept until an instruction of the controller"), "{en}");
    }
}

#[tokio::test]
async fn an_instruction_is_told_of_its_customers_records_alone() {
    for engine in support::ENGINES {
        hosted(engine).await;
    }
}

#[tokio::test]
async fn the_end_of_a_service_is_told_with_what_can_come_before_it() {
    let db = support::database(Engine::Sqlite).await.unwrap();
    db.run_sql(&shipped("bsoft-customers", "schema.sqlite.sql")).await;
    db.run_sql(
        "INSERT INTO service VALUES (1, 'S', 'N', NULL, '2025-01-31', NULL), (2, 'S', 'N', NULL, '2025-01-31', '2026-05-14');
         INSERT INTO insured (id, service_id, full_name) VALUES (10, 1, 'A'), (20, 2, 'B');",
    )
    .await;
    let rules = enforcement::rules(&shipped("bsoft-customers", "map.toml"), &[&shipped("bsoft-customers", "policy.toml")]);
    let now = Utc.with_ymd_and_hms(2026, 5, 15, 4, 0, 0).unwrap();
    let fixture = Fixture::new(Engine::Sqlite, &db, "bsoft-customers", now).await;
    let (outcome, fr, en) = story(&fixture, &rules, "insured", "10").await;
    assert_eq!(outcome, Outcome::Kept, "{en}");
    assert!(en.contains("BSO-5") && en.contains("2028"), "{en}");
    assert!(fr.contains("fin du service"), "{fr}");
    let (outcome, fr, en) = story(&fixture, &rules, "insured", "20").await;
    assert_eq!(outcome, Outcome::Delete, "{en}");
    assert!(fr.contains("effacement demandé par le client") && en.contains("erasure asked for by the customer"), "{fr}{en}");
}
