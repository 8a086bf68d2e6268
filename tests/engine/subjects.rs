//! Orders on a person, by an identifier that data sets share: what they reach, and what comes back with them.

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::enforce::orders::Target;
use retentiond::enforce::{EnforceError, subjects};
use retentiond::plan::explain::{Language, text};
use retentiond::plan::key::RecordKey;
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{Fixture, Rules, rules};
use crate::restore::{lift, place};
use crate::scene::{ENGINES, consistent, now, own, read, run_clean};
use crate::support::{TestDatabase, database};

const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.client]
title = { fr = "Client", en = "Client" }
table = "client"
key = ["id"]
subjects = { person = "member" }
disposition = "delete"
[data.client.categories]
identity = { columns = ["name"], mask = { fixed = "ANONYME" } }
number = { columns = ["member"], mask = "null" }
[data.client.events.left]
title = { fr = "Fin de la relation", en = "End of the relationship" }
column = "left_on"
format = "iso_date"
missing = "running"
"#;

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
"#;

/// Keeps without the number by which the person is known.
const EVIDENCE: &str = r#"
[[purpose]]
id = "evidence"
title = { fr = "Preuve", en = "Evidence" }
legal_basis = "legitimate_interest"
data = "crm.client"
needs = { all_but = ["number"] }
kept_in = "archive:evidence"
starts = "left"
keeps = "5 years"
"#;

/// Types of identifiers, each with one that is asked for, the same as somebody may type it, another spelling or value, and a third.
fn kinds(engine: Engine) -> Vec<(&'static str, [&'static str; 4])> {
    let texts = ["'é''A-1'", "é'A-1", "'É''a-1'", "'B-2'"];
    let numbers = ["7", "007", "70", "8"];
    let uuids = [
        "'0b6f2f0a-9f5e-4d53-9d4a-6b1f2f0a9f5e'",
        "0b6f2f0a-9f5e-4d53-9d4a-6b1f2f0a9f5e",
        "'0b6f2f0a-9f5e-4d53-9d4a-6b1f2f0a9f5f'",
        "'1b6f2f0a-9f5e-4d53-9d4a-6b1f2f0a9f5e'",
    ];
    match engine {
        Engine::Sqlite => vec![("TEXT COLLATE NOCASE", texts), ("INTEGER", numbers)],
        Engine::Postgres => vec![("varchar(40)", texts), ("bigint", numbers), ("uuid", uuids)],
        _ => vec![("varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", texts), ("bigint", numbers), ("uuid", uuids)],
    }
}

/// Two clients of one person, one of a person whose identifier looks alike, one of another, one of nobody; all of them left long ago.
async fn clients(engine: Engine, of: &str, [asked, _, alike, other]: [&str; 4]) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    db.run_sql(&format!(
        "CREATE TABLE client (id integer PRIMARY KEY, member {of}, name varchar(50) NOT NULL, left_on {date});
         INSERT INTO client VALUES (1, {asked}, 'one', '2024-06-30'), (2, {alike}, 'two', '2024-06-30'),
             (3, {other}, 'three', '2024-06-30'), (4, {asked}, 'four', '2024-06-30'), (5, NULL, 'five', '2024-06-30')"
    ))
    .await;
    Some(db)
}

/// The person as an order names them, and the records that are about them.
async fn person(fixture: &Fixture<'_>, rules: &Rules, typed: &str) -> (Target, Vec<RecordKey>) {
    let prepared = fixture.prepare(rules).await;
    let mut session = fixture.source.session().await.unwrap();
    let (person, records) = subjects::find(&mut session, &prepared.plan.subjects[0], typed).await.unwrap();
    session.done().await.unwrap();
    (Target::Subject("person".into(), person), records)
}

async fn left(fixture: &Fixture<'_>) -> Vec<String> {
    read(fixture, "SELECT name FROM client ORDER BY id").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_on_a_person_reaches_all_records_about_them_later_ones_and_those_of_a_backup() {
    for engine in ENGINES {
        for (kind, values) in kinds(engine) {
            let Some(db) = clients(engine, kind, values).await else { continue };
            let about = format!("{} {kind}", engine.name());
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            let rules = rules(MAP, &[POLICY]);
            let (target, records) = person(&fixture, &rules, values[1]).await;
            assert_eq!(records.iter().map(|r| r.0[0].text.as_str()).collect::<Vec<_>>(), ["1", "4"], "{about}");
            let hold = place(&fixture, &rules, OrderKind::Hold, "client", target).await;
            run_clean(&fixture, &rules).await;
            assert_eq!(left(&fixture).await, ["one", "four"], "{about}");
            db.run_sql(&format!(
                "INSERT INTO client VALUES (6, {}, 'six', '2020-01-01'), (7, {}, 'seven', '2020-01-01')",
                values[0], values[2]
            ))
            .await;
            run_clean(&fixture, &rules).await;
            assert_eq!(left(&fixture).await, ["one", "four", "six"], "{about}");

            // A backup without the order: the journal puts it back.
            let targets = format!("SELECT target FROM {}", own(engine, "hold"));
            let before = read(&fixture, &targets).await;
            db.run_sql(&format!("DELETE FROM {}", own(engine, "hold"))).await;
            run_clean(&fixture, &rules).await;
            assert_eq!(
                (left(&fixture).await, read(&fixture, &targets).await),
                (vec!["one".into(), "four".into(), "six".into()], before),
                "{about}"
            );

            let (prepared, key) = (fixture.prepare(&rules).await, ["6".to_owned()]);
            let story = retentiond::enforce::explain(&fixture.source, &prepared, &rules.map, &rules.policies, "client", &key);
            let story = story.await.unwrap();
            let told = text(&story, Language::English);
            assert!(told.contains("For everything about the person whom the record is about, a legal hold"), "{about}: {told}");

            lift(&fixture, hold).await;
            assert_eq!(read(&fixture, &targets).await, [""], "whom it was about is forgotten: {about}");
            run_clean(&fixture, &rules).await;
            assert!(left(&fixture).await.is_empty(), "{about}");
            consistent(&fixture).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_name_nobody_finds_nobody() {
    for engine in ENGINES {
        let Some(db) = clients(engine, "bigint", ["7", "7", "70", "8"]).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let prepared = fixture.prepare(&rules(MAP, &[POLICY])).await;
        let mut session = fixture.source.session().await.unwrap();
        let found = subjects::find(&mut session, &prepared.plan.subjects[0], "seven").await;
        assert!(matches!(found, Err(EnforceError::NotAKey)), "{}", engine.name());
        let (_, records) = subjects::find(&mut session, &prepared.plan.subjects[0], "9").await.unwrap();
        assert!(records.is_empty(), "{}", engine.name());
        session.done().await.unwrap();
    }
}

fn at(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 6, 0, 0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_on_a_person_reaches_into_archives_that_do_not_have_the_identifier() {
    for engine in ENGINES {
        for (kind, values) in kinds(engine) {
            let Some(db) = clients(engine, kind, values).await else { continue };
            let about = format!("{} {kind}", engine.name());
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            let rules = rules(MAP, &[&format!("{POLICY}{EVIDENCE}")]);
            db.run_sql("DELETE FROM client WHERE id IN (2, 5)").await;
            let (target, _) = person(&fixture, &rules, values[1]).await;
            let (nobody, _) = person(&fixture, &rules, values[2].trim_matches('\'').replace("''", "'").as_str()).await;
            run_clean(&fixture, &rules).await;
            assert!(left(&fixture).await.is_empty(), "{about}");
            let hold = place(&fixture, &rules, OrderKind::Hold, "client", target).await;
            place(&fixture, &rules, OrderKind::Restriction, "client", nobody).await;
            *fixture.clock.0.lock().unwrap() = at(2029, 7, 1);
            // One object holds records of both persons: it waits as a whole.
            assert_eq!(fixture.run(&rules).await.archives[0].destroyed, 0, "{about}");
            lift(&fixture, hold).await;
            assert_eq!(fixture.run(&rules).await.archives[0].destroyed, 3, "{about}");
            consistent(&fixture).await;
        }
    }
}
