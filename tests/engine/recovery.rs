//! Recovery windows: for the last days of its period a record lies sealed, and nowhere else; at the period's end it is gone.

use std::time::Duration;

use retentiond::enforce::{Point, explain};
use retentiond::plan::explain::{Language, text};
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::archives::{DeadAt, MAP, at, lies, set};
use crate::enforcement::{Fixture, Rules, rules, unlimited};
use crate::restore::{lift, place, record};
use crate::scene::{ENGINES, consistent, own, read, run_clean};
use crate::support::{TestDatabase, database};

const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "service"
title = { fr = "Service", en = "Service" }
legal_basis = "contract"
data = "crm.client"
needs = "all"
starts = "left"
keeps = "1 year"

[[recovery]]
data = "crm.client"
days = 30
kept_in = "archive:recovery"
"#;

/// Of the same data set, one whose bank details are needed for a shorter time, and whose rows stay.
fn masked(map: &str) -> String {
    map.replacen("disposition = \"delete\"", "disposition = \"anonymise\"", 1)
}

const SHORTER: &str = r#"
[[purpose]]
id = "payment"
title = { fr = "Paiement", en = "Payment" }
legal_basis = "legitimate_interest"
data = "crm.client"
needs = ["bank"]
starts = "left"
keeps = "6 months"
"#;

/// The policy with a second purpose.
fn with_payment() -> String {
    let (purposes, window) = POLICY.split_at(POLICY.find("[[recovery]]").unwrap());
    format!("{purposes}{SHORTER}{window}")
}

/// Clients who left a year before the last of May 2026 (with notes), long ago, and not yet.
async fn clients(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    db.run_sql(&format!(
        "CREATE TABLE client (id integer PRIMARY KEY, house varchar(20) NOT NULL, ref varchar(20), name varchar(50) NOT NULL, iban varchar(40), left_on {date});
         CREATE TABLE note (id integer PRIMARY KEY, client_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id));
         INSERT INTO client VALUES (1, 'north', 'R-1', 'Alix Martin', 'FR76-1', '2020-01-01'), (2, 'north', 'R-2', 'Zoé ''O''Neil', 'FR76-2', '2025-05-31'),
             (3, 'south', 'R-3', 'Noé Petit', 'FR76-3', NULL);
         INSERT INTO note VALUES (11, 1, 'old'), (21, 2, 'first'), (22, 2, 'second')"
    ))
    .await;
    Some(db)
}

async fn scene<'d>(engine: Engine, db: &'d TestDatabase) -> Fixture<'d> {
    Fixture::new(engine, db, "crm", at(2026, 5, 1)).await
}

const NAMES: &str = "SELECT name FROM client ORDER BY id";

const SEALED: &str = "recovery-service until 2026-05-31: client: id=2 house=north ref=R-2 name=Zoé 'O'Neil iban=FR76-2 left_on=2025-05-31; \
                      note: id=21 client_id=2 body=first; note: id=22 client_id=2 body=second";

#[tokio::test(flavor = "multi_thread")]
async fn what_has_a_window_leaves_the_base_before_its_end_and_is_destroyed_the_day_after_it() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = scene(engine, &db).await;
        let rules = rules(MAP, &[POLICY]);
        run_clean(&fixture, &rules).await;
        // 31 May is the last day of the period, and the window has the thirty that end with it: 2 May is its first. Who left long ago has no period left.
        assert_eq!(read(&fixture, NAMES).await, ["Zoé 'O'Neil", "Noé Petit"], "{}", engine.name());
        assert_eq!(lies(&fixture).await, Vec::<String>::new(), "nothing outlives its period");
        set(&fixture, at(2026, 5, 2));
        run_clean(&fixture, &rules).await;
        assert_eq!(read(&fixture, NAMES).await, ["Noé Petit"], "{}", engine.name());
        assert_eq!(lies(&fixture).await, [SEALED], "{}", engine.name());
        set(&fixture, at(2026, 5, 31));
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!((outcome.archives[0].records, outcome.archives[0].due), (1, 0), "{}", engine.name());
        assert_eq!(lies(&fixture).await, [SEALED], "its last day is kept whole");
        set(&fixture, at(2026, 6, 1));
        assert_eq!(run_clean(&fixture, &rules).await.archives[0].destroyed, 1, "{}", engine.name());
        assert_eq!(lies(&fixture).await, Vec::<String>::new(), "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_that_is_masked_lies_sealed_until_the_end_of_its_own_purpose() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", at(2025, 11, 5)).await;
        let policy = with_payment().replace("needs = \"all\"", "needs = { all_but = [\"bank\"] }");
        let rules = rules(&masked(MAP), &[&policy]);
        db.run_sql("DELETE FROM note WHERE client_id = 1; DELETE FROM client WHERE id = 1").await;
        run_clean(&fixture, &rules).await;
        assert_eq!(read(&fixture, "SELECT iban FROM client ORDER BY id").await, ["-", "FR76-3"], "{}", engine.name());
        let bank = "recovery-payment until 2025-11-30: client: id=2 house=north ref=R-2 iban=FR76-2 left_on=2025-05-31";
        assert_eq!(lies(&fixture).await, [bank], "{}", engine.name());
        set(&fixture, at(2026, 5, 2));
        run_clean(&fixture, &rules).await;
        assert_eq!(read(&fixture, NAMES).await, ["ANONYME", "Noé Petit"], "{}", engine.name());
        let rest = SEALED.replace(" iban=FR76-2", "");
        assert_eq!(lies(&fixture).await, [rest], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_by_an_order_is_sealed_for_no_window() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = scene(engine, &db).await;
        let rules = rules(MAP, &[&POLICY.replace("\"contract\"", "\"consent\"")]);
        place(&fixture, &rules, OrderKind::Erasure, "client", record(2)).await;
        set(&fixture, at(2026, 5, 2));
        run_clean(&fixture, &rules).await;
        assert_eq!(read(&fixture, NAMES).await, ["Noé Petit"], "{}", engine.name());
        assert_eq!(lies(&fixture).await, Vec::<String>::new(), "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_a_record_out_of_its_window_and_one_that_lies_there_in_it() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = scene(engine, &db).await;
        let rules = rules(MAP, &[POLICY]);
        let hold = place(&fixture, &rules, OrderKind::Hold, "client", record(2)).await;
        set(&fixture, at(2026, 5, 20));
        run_clean(&fixture, &rules).await;
        assert_eq!(lies(&fixture).await, Vec::<String>::new(), "{}", engine.name());
        assert_eq!(read(&fixture, NAMES).await.len(), 2, "{}", engine.name());
        lift(&fixture, hold).await;
        run_clean(&fixture, &rules).await;
        assert_eq!(lies(&fixture).await, [SEALED], "a window that began late ends no later: {}", engine.name());
        place(&fixture, &rules, OrderKind::Hold, "client", record(2)).await;
        set(&fixture, at(2026, 6, 1));
        assert_eq!(fixture.run(&rules).await.archives[0].held, 1, "{}", engine.name());
        assert_eq!(lies(&fixture).await, [SEALED], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_must_never_be_stored_lies_in_no_window() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = scene(engine, &db).await;
        let map = MAP.replace("mask = \"null\" }", "mask = \"null\", never_stored = true }");
        assert_ne!(map, MAP);
        set(&fixture, at(2026, 5, 2));
        fixture.run(&rules(&map, &[POLICY])).await;
        assert_eq!(lies(&fixture).await, [SEALED.replace(" iban=FR76-2", "")], "{}", engine.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_goes_lies_sealed_with_what_is_no_personal_data_too() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        db.run_sql("UPDATE client SET name = 'ANONYME', iban = NULL WHERE id = 2; UPDATE note SET body = '' WHERE client_id = 2")
            .await;
        let fixture = scene(engine, &db).await;
        // Needed by name, and there is nothing left of it.
        let policy = with_payment()
            .replace("keeps = \"6 months\"", "keeps = \"1 year\"")
            .replace("needs = \"all\"", "needs = [\"identity\", \"text\"]");
        set(&fixture, at(2026, 5, 2));
        run_clean(&fixture, &rules(MAP, &[&policy])).await;
        assert_eq!(read(&fixture, NAMES).await, ["Noé Petit"], "{}", engine.name());
        let rest = "client: id=2 house=north ref=R-2 name=ANONYME left_on=2025-05-31; note: id=21 client_id=2 body=; note: id=22 client_id=2 body=";
        let service = format!("recovery-service until 2026-05-31: {rest}");
        let bank = rest.replace(" name=ANONYME", " iban Null").replace(" body=", "");
        let payment = format!("recovery-payment until 2026-05-31: {bank}");
        assert_eq!(lies(&fixture).await, [payment, service], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_anywhere_leaves_a_record_in_one_place_and_no_object_behind() {
    for engine in ENGINES {
        for point in [Point::Locked, Point::Sealed, Point::Acted, Point::Committed] {
            let Some(db) = clients(engine).await else { continue };
            let fixture = scene(engine, &db).await;
            let rules = rules(MAP, &[POLICY]);
            db.run_sql("DELETE FROM note WHERE client_id = 1; DELETE FROM client WHERE id = 1").await;
            set(&fixture, at(2026, 5, 2));
            let dead = DeadAt(point);
            let run = fixture.run_with(&rules, unlimited(), &dead);
            assert!(tokio::time::timeout(Duration::from_secs(2), run).await.is_err(), "it stops at {point:?}");
            assert_eq!(run_clean(&fixture, &rules).await.recovered, 1, "{} at {point:?}", engine.name());
            assert_eq!(lies(&fixture).await, [SEALED], "{} at {point:?}", engine.name());
            assert_eq!(read(&fixture, NAMES).await, ["Noé Petit"]);
            set(&fixture, at(2026, 6, 1));
            assert_eq!(run_clean(&fixture, &rules).await.archives[0].destroyed, 1, "{} at {point:?}", engine.name());
            assert_eq!(lies(&fixture).await, Vec::<String>::new());
            consistent(&fixture).await;
        }
    }
}

/// A story as people read it.
async fn told(fixture: &Fixture<'_>, rules: &Rules, language: Language) -> String {
    let prepared = fixture.prepare(rules).await;
    let story = explain(&fixture.source, &prepared, &rules.map, &rules.policies, "client", &["2".to_owned()]).await.unwrap();
    text(&story, language).replace('\u{a0}', " ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_tells_the_window_and_both_ends() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = scene(engine, &db).await;
        let rules = rules(MAP, &[POLICY]);
        let before = told(&fixture, &rules, Language::English).await;
        for words in [
            "The last 30 days of its period are a recovery window",
            "the data are kept until 1 May 2026 inclusive",
            "“Recovery window: Service”",
            "This is the recovery window of another purpose: what that one kept stays sealed in the archive “recovery” until its period ends",
        ] {
            assert!(before.contains(words), "{words:?} in\n{before}");
        }
        set(&fixture, at(2026, 5, 2));
        let due = told(&fixture, &rules, Language::English).await;
        let sealed = "Before that, it is sealed into the archive “recovery” for the purpose “Recovery window: Service” (until 31 May 2026 inclusive).";
        assert!(due.contains(sealed) && due.contains("it has been over since 2 May 2026"), "{due}");
        let french = told(&fixture, &rules, Language::French).await;
        for words in [
            "Les 30 derniers jours de sa durée sont une fenêtre de récupération",
            "« Fenêtre de récupération : Service » (jusqu’au 31 mai 2026 inclus)",
        ] {
            assert!(french.contains(words), "{words:?} in\n{french}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_set_back_seals_again_until_the_same_day() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = scene(engine, &db).await;
        let rules = rules(MAP, &[POLICY]);
        set(&fixture, at(2026, 5, 2));
        run_clean(&fixture, &rules).await;
        db.run_sql(&format!(
            "DELETE FROM {}; INSERT INTO client VALUES (2, 'north', 'R-2', 'Zoé ''O''Neil', 'FR76-2', '2025-05-31');
             INSERT INTO note VALUES (21, 2, 'first'), (22, 2, 'second')",
            own(engine, "ledger")
        ))
        .await;
        set(&fixture, at(2026, 5, 10));
        run_clean(&fixture, &rules).await;
        assert_eq!(lies(&fixture).await, [SEALED, SEALED], "{}", engine.name());
        set(&fixture, at(2026, 6, 1));
        run_clean(&fixture, &rules).await;
        assert_eq!(lies(&fixture).await, Vec::<String>::new(), "{}", engine.name());
        consistent(&fixture).await;
    }
}
