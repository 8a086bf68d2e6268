//! Columns that are compared otherwise in one table than in another: what a subquery answered for one row is not the answer for another.

use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, rules};
use crate::scene::{consistent, now, read, run_clean};
use crate::support::database;

const MAP: &str = r#"
[source]
id = "crm"

[data.person]
title = { fr = "Personne", en = "Person" }
table = "person"
key = ["id"]
tenant = "house"
disposition = "delete"

[data.person.categories]
identity = { columns = ["email"], mask = "null" }

[data.person.events.left]
title = { fr = "Départ", en = "Departure" }
column = "left_on"
missing = "running"

[data.person.conditions.open_case]
title = { fr = "une affaire est en cours", en = "a case is open" }
some = { table = "case_file", on = { email = "email" } }
where = "open = 1"
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
data = "crm.person"
needs = "all"
starts = "left"
keeps = "1 year"
kept_while = "open_case"
"#;

#[tokio::test]
async fn who_differs_by_capitals_alone_is_somebody_else_wherever_the_database_says_so() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(
            "CREATE TABLE person (id integer PRIMARY KEY, house varchar(20) NOT NULL, email varchar(50) COLLATE utf8mb4_general_ci, left_on date) DEFAULT CHARSET utf8mb4;
             CREATE TABLE case_file (id integer PRIMARY KEY, email varchar(50) COLLATE utf8mb4_bin, open integer NOT NULL, KEY (email)) DEFAULT CHARSET utf8mb4;
             INSERT INTO person VALUES (1, 'a', 'abc@example.org', '2020-01-01'), (2, 'a', 'ABC@example.org', '2020-01-01'), (3, 'a', 'abC@example.org', '2020-01-01'),
                 (4, 'a', 'abc@example.org', '2020-01-01');
             INSERT INTO case_file VALUES (1, 'abc@example.org', 0), (2, 'ABC@example.org', 1)",
        )
        .await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = rules(MAP, &[POLICY]);
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!((outcome.actions[0].due_before, outcome.actions[0].due_after), (3, 0), "{}", engine.name());
        assert_eq!(read(&fixture, "SELECT id FROM person").await, ["2"], "{}", engine.name());
        consistent(&fixture).await;
    }
}
