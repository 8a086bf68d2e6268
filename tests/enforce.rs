//! Enforcement from end to end on the real engines: the smallest organisation that has every kind of action.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "support/enforcement.rs"]
mod enforcement;
#[path = "support/mod.rs"]
mod support;

use chrono::{TimeZone as _, Utc};
use enforcement::{Fixture, rules};
use support::{ENGINES, database};

const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.person]
title = { fr = "Personne", en = "Person" }
table = "person"
key = ["id"]
disposition = "anonymise"

[data.person.categories]
identity = { columns = ["name"], mask = { fixed = "ANONYME" } }
contact = { columns = ["email"], mask = "null" }

[data.person.events.last_contact]
title = { fr = "Dernier contact", en = "Last contact" }
column = "last_contact"
format = "iso_date"

[data.note]
title = { fr = "Note", en = "Note" }
table = "note"
key = ["id"]
follows = "person"
on = { person_id = "id" }
disposition = "delete"
[data.note.categories]
text = { columns = ["body"], mask = { fixed = "" } }

[data.log]
title = { fr = "Journal", en = "Log" }
table = "log"
key = ["id", "part"]
disposition = "delete"
[data.log.categories]
connection = { columns = ["ip"], mask = { ip_prefix = { v4 = 24, v6 = 48 } } }
[data.log.events.seen]
title = { fr = "Collecte", en = "Collection" }
column = "seen"
format = "iso_date"
"#;

const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "prospects"
title = { fr = "Prospection", en = "Prospecting" }
legal_basis = "legitimate_interest"
data = "crm.person"
needs = "all"
starts = "last_contact"
keeps = "3 years"

[[purpose]]
id = "newsletter"
title = { fr = "Lettre", en = "Newsletter" }
legal_basis = "consent"
data = "crm.person"
needs = ["contact"]
starts = "last_contact"
keeps = "4 years"

[[purpose]]
id = "connection"
title = { fr = "Connexion", en = "Connection data" }
legal_basis = "legal_obligation"
data = "crm.log"
needs = "all"
starts = "seen"
keeps = "13 months"
"#;

fn schema(engine: retentiond::plan::schema::Engine) -> String {
    let date = if engine == retentiond::plan::schema::Engine::Sqlite { "TEXT" } else { "date" };
    format!(
        "CREATE TABLE person (id integer PRIMARY KEY, name varchar(50) NOT NULL, email varchar(80), last_contact {date});
         CREATE TABLE note (id integer PRIMARY KEY, person_id integer NOT NULL REFERENCES person (id), body varchar(50) NOT NULL);
         CREATE TABLE log (id integer NOT NULL, part varchar(8) NOT NULL, ip varchar(45), seen {date} NOT NULL, PRIMARY KEY (id, part));
         INSERT INTO person VALUES (1, 'A', 'a@example.invalid', '2020-11-22'), (2, 'B', 'b@example.invalid', '2023-11-21'),
           (3, 'C', 'c@example.invalid', '2023-11-22'), (4, 'D', 'd@example.invalid', NULL), (5, 'E', NULL, '2022-11-21'), (6, 'F', 'f@x', '2022-11-22');
         INSERT INTO note VALUES (10, 1, 'n1'), (11, 3, 'n2'), (12, 1, 'n3'), (13, 2, 'n4');
         INSERT INTO log VALUES (1, 'a', '10.1.2.3', '2025-10-21'), (1, 'b', '10.1.2.3', '2025-10-22'), (2, 'a', NULL, '2024-01-01');"
    )
}

#[tokio::test]
async fn a_small_organisation_is_enforced_and_stays_so() {
    let now = Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap();
    let rules = rules(MAP, &[POLICY]);
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&schema(engine)).await;
        let fixture = Fixture::new(engine, &db, "crm", now).await;
        let outcome = fixture.run(&rules).await;
        for a in &outcome.actions {
            eprintln!("{}: {a:?}", engine.name());
            assert_eq!(a.due_after, 0, "{a:?}");
        }
        let mut session = fixture.source.session().await.unwrap();
        let people = session.rows("SELECT name, email FROM person ORDER BY id").await.unwrap();
        let text = |rows: &[Vec<Option<String>>]| {
            rows.iter()
                .map(|r| r.iter().map(|c| c.clone().unwrap_or("-".into())).collect::<Vec<_>>().join("|"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            text(&people),
            ["ANONYME|-", "ANONYME|b@example.invalid", "C|c@example.invalid", "D|d@example.invalid", "ANONYME|-", "ANONYME|f@x"],
            "{}",
            engine.name()
        );
        let notes = session.rows("SELECT body FROM note ORDER BY id").await.unwrap();
        assert_eq!(text(&notes), ["n2", ""]);
        let log = session.rows("SELECT part FROM log ORDER BY part").await.unwrap();
        assert_eq!(text(&log), ["b"]);
        session.done().await.unwrap();
        let again = fixture.run(&rules).await;
        assert_eq!(again.changed(), 0, "{again:?}");
    }
}
