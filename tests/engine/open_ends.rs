//! Archives whose end nobody knows yet: the rows that stay say it one day, once, whatever happens in between.

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::enforce::{ArchiveOutcome, RunOutcome};
use retentiond::journal::Event;
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, Rules, rules};
use crate::scene::{ENGINES, consistent, entries, now, number, own, read, run_clean};
use crate::support::{TestDatabase, database};

const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.request]
title = { fr = "Demande", en = "Request" }
table = "request"
key = ["id"]
plain = ["house", "deal_code", "closed_on"]
disposition = "delete"
[data.request.categories]
text = { columns = ["body"], mask = { fixed = "" } }
[data.request.events.closed]
title = { fr = "Clôture", en = "Closure" }
column = "closed_on"
format = "iso_date"
missing = "running"
[data.request.events.deal_ended]
title = { fr = "Fin du contrat", en = "End of the contract" }
of = { table = "deal", on = { house = "house", code = "deal_code" } }
column = "ended_on"
format = "iso_date"
missing = "running"
"#;

const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "portal"
title = { fr = "Espace personnel", en = "Portal" }
legal_basis = "contract"
data = "crm.request"
needs = "all"
starts = "closed"
keeps = "6 months"

[[purpose]]
id = "evidence"
title = { fr = "Preuve", en = "Evidence" }
legal_basis = "legitimate_interest"
data = "crm.request"
needs = "all"
kept_in = "archive:evidence"
starts = "deal_ended"
keeps = "10 years"
"#;

fn request_rules() -> Rules {
    rules(MAP, &[POLICY])
}

/// Requests that were closed long ago about contracts that run, whose keys are numbers and texts in a collation of their own.
async fn requests(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let (date, code) = match engine {
        Engine::Sqlite => ("TEXT", "TEXT COLLATE NOCASE"),
        Engine::Postgres => ("date", "varchar(20)"),
        _ => ("date", "varchar(20) CHARACTER SET latin1 COLLATE latin1_general_ci"),
    };
    db.run_sql(&format!(
        "CREATE TABLE deal (house bigint NOT NULL, code {code} NOT NULL, ended_on {date}, PRIMARY KEY (house, code));
         CREATE TABLE request (id integer PRIMARY KEY, house bigint, deal_code {code}, closed_on {date}, body varchar(50) NOT NULL,
             FOREIGN KEY (house, deal_code) REFERENCES deal (house, code));
         INSERT INTO deal VALUES (9007199254740993, 'é''1', NULL), (9007199254740992, 'é''1', NULL), (3, 'c', '9999-12-31');
         INSERT INTO request VALUES (1, 9007199254740993, 'é''1', '2020-01-01', 'one'), (2, 9007199254740993, 'é''1', '2020-01-02', 'two'),
             (3, 9007199254740992, 'é''1', '2020-01-03', 'three'), (4, 3, 'c', '2020-01-04', 'four'),
             (5, 3, 'c', NULL, 'five'), (6, NULL, NULL, '2020-01-06', 'six')"
    ))
    .await;
    Some(db)
}

fn set(fixture: &Fixture<'_>, year: i32, month: u32, day: u32) {
    let at: DateTime<Utc> = Utc.with_ymd_and_hms(year, month, day, 6, 0, 0).unwrap();
    *fixture.clock.0.lock().unwrap() = at;
}

fn evidence(outcome: &RunOutcome) -> &ArchiveOutcome {
    outcome.archives.iter().find(|a| a.purpose == "evidence").unwrap()
}

/// What the journal says of ends: the last day, and how many records.
async fn dated(fixture: &Fixture<'_>) -> Vec<(String, u64)> {
    let said = |event| match event {
        Event::ArchiveDated { until, records, .. } => Some((until.to_string(), records)),
        _ => None,
    };
    entries(fixture).await.into_iter().filter_map(|e| said(e.event)).collect()
}

async fn pending(fixture: &Fixture<'_>) -> u64 {
    number(fixture, &format!("FROM {}", own(fixture.engine, "pending"))).await
}

async fn objects(fixture: &Fixture<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for archive in fixture.archives.0.values() {
        names.extend(archive.store.list(None).await.unwrap().into_iter().map(|o| o.name.to_string()));
    }
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_said_once_by_the_row_that_stays_and_holds_whatever_becomes_of_it() {
    for engine in ENGINES {
        let Some(db) = requests(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, request_rules());
        run_clean(&fixture, &rules).await;
        // The one that is open, and the one of which nobody will ever know when its contract ended, stay.
        assert_eq!(read(&fixture, "SELECT body FROM request ORDER BY id").await, ["five", "six"], "{}", engine.name());
        // One object for each contract.
        let sealed = objects(&fixture).await;
        assert_eq!(sealed.len(), 3, "{}: {sealed:?}", engine.name());
        assert!(sealed.iter().all(|name| name.contains("/open-")), "{sealed:?}");
        assert_eq!(pending(&fixture).await, 3);
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!(
            (evidence(&outcome).records, evidence(&outcome).open, evidence(&outcome).astray),
            (4, 4, 0),
            "{}",
            engine.name()
        );
        assert!(dated(&fixture).await.is_empty());

        db.run_sql("UPDATE deal SET ended_on = '2026-11-20' WHERE house = 9007199254740993").await;
        let noted = read(&fixture, &ways(engine)).await;
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!(dated(&fixture).await, [("2036-11-20".to_owned(), 2)], "{}", engine.name());
        assert_eq!((evidence(&outcome).open, pending(&fixture).await), (2, 2), "{}", engine.name());

        // A contract that is reopened changes nothing any more, nor does one that ends again, nor a database that was set back or a run that died
        // before it had removed the way.
        db.run_sql("UPDATE deal SET ended_on = '2030-01-01' WHERE house = 9007199254740993").await;
        db.run_sql(&put_back(engine, &noted)).await;
        run_clean(&fixture, &rules).await;
        assert_eq!((dated(&fixture).await.len(), pending(&fixture).await), (1, 2), "{}", engine.name());

        set(&fixture, 2036, 11, 20);
        run_clean(&fixture, &rules).await;
        assert_eq!(objects(&fixture).await.len(), 3);
        set(&fixture, 2036, 11, 21);
        assert_eq!(evidence(&run_clean(&fixture, &rules).await).destroyed, 2, "{}", engine.name());
        // What ended long before anybody asked is destroyed by the run that hears of it.
        db.run_sql("UPDATE deal SET ended_on = '2026-11-20' WHERE house = 9007199254740992").await;
        assert_eq!(evidence(&run_clean(&fixture, &rules).await).destroyed, 1, "{}", engine.name());
        assert_eq!(objects(&fixture).await.len(), 1);
        consistent(&fixture).await;
    }
}

/// The ways to the ends that are not known.
fn ways(engine: Engine) -> String {
    let part = if engine == Engine::Postgres { "part::text" } else { "CAST(part AS CHAR)" };
    format!("SELECT source, batch, {part}, data_set, purpose, link FROM {}", own(engine, "pending"))
}

fn put_back(engine: Engine, rows: &[String]) -> String {
    let insert = if engine == Engine::Sqlite { "INSERT OR IGNORE" } else { "INSERT" };
    let (insert, end) = match engine {
        Engine::Postgres => (insert, " ON CONFLICT DO NOTHING"),
        Engine::Sqlite => (insert, ""),
        _ => ("INSERT IGNORE", ""),
    };
    let quoted = |row: &String| {
        let cells: Vec<String> = row.split('|').map(|c| format!("'{}'", c.replace('\'', "''").replace('\\', "\\\\"))).collect();
        format!(
            "{insert} INTO {} (source, batch, part, data_set, purpose, link) VALUES ({}){end}",
            own(engine, "pending"),
            cells.join(", ")
        )
    };
    rows.iter().map(quoted).collect::<Vec<_>>().join(";\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_nobody_can_tell_the_end_of_is_told_of_in_every_run() {
    for engine in ENGINES {
        let Some(db) = requests(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, request_rules());
        run_clean(&fixture, &rules).await;
        // The contract is gone before it ended, by somebody else's hand.
        db.run_sql("DELETE FROM deal WHERE house = 9007199254740992").await;
        for _ in 0..2 {
            let outcome = run_clean(&fixture, &rules).await;
            assert_eq!((evidence(&outcome).open, evidence(&outcome).astray), (4, 1), "{}", engine.name());
        }
        // The database was set back to before anything was sealed, and nobody knows the ways any more.
        db.run_sql(&format!("DELETE FROM {}", own(engine, "pending"))).await;
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!((evidence(&outcome).open, evidence(&outcome).astray), (4, 4), "{}", engine.name());
        assert_eq!(objects(&fixture).await.len(), 3);
        consistent(&fixture).await;
    }
}
