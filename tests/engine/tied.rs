//! Records of two data sets that read each other for their starts: a contract is kept after its last claim, a claim after the end of its contract.
//! When both are due they go together, and neither goes while anything else keeps one of them.

use retentiond::enforce::Silent;
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{Fixture, Rules, rules, unlimited};
use crate::restore::{place, record};
use crate::scene::{DUE, ENGINES, KEPT, batches_of, clean, consistent, now, read};
use crate::support::database;

const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.contract]
title = { fr = "Contrat", en = "Contract" }
table = "contract"
key = ["id"]
disposition = "delete"
accepts_race = true
[data.contract.categories]
identity = { columns = ["name"], mask = { fixed = "" } }
[data.contract.events.claimed]
title = { fr = "Sinistre", en = "Claim" }
of = "claim"
column = "closed"
format = "iso_date"

[data.claim]
title = { fr = "Sinistre", en = "Claim" }
table = "claim"
key = ["id"]
belongs_to = "contract"
on = { contract_id = "id" }
disposition = "delete"
accepts_race = true
[data.claim.categories]
text = { columns = ["body"], mask = { fixed = "" } }
[data.claim.events.contract_ended]
title = { fr = "Fin du contrat", en = "End of the contract" }
of = "contract"
column = "ended"
format = "iso_date"
"#;

const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "contracts"
title = { fr = "Contrats", en = "Contracts" }
legal_basis = "contract"
data = "crm.contract"
needs = "all"
starts = { latest_of = ["claimed"] }
keeps = "3 years"

[[purpose]]
id = "claims"
title = { fr = "Sinistres", en = "Claims" }
legal_basis = "contract"
data = "crm.claim"
needs = "all"
starts = "contract_ended"
keeps = "3 years"
"#;

fn tied() -> Rules {
    rules(MAP, &[POLICY])
}

fn schema(engine: Engine, foreign_keys: bool) -> String {
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    let (owns, came) = match foreign_keys {
        true => (", FOREIGN KEY (contract_id) REFERENCES contract (id)", ", FOREIGN KEY (taken_from) REFERENCES contract (id)"),
        false => ("", ""),
    };
    format!(
        "CREATE TABLE contract (id integer PRIMARY KEY, name varchar(50) NOT NULL, ended {date});
         CREATE TABLE claim (id integer PRIMARY KEY, contract_id integer NOT NULL, taken_from integer, closed {date}, body varchar(50) NOT NULL{owns}{came});"
    )
}

/// Contract 1 is due with all its claims. Of 2 a claim is too young, 3 has not ended long enough ago for its claim, a claim of 4 will be held.
/// Claim 81 was taken from 9, which is due, but its own contract 8 still reads it.
fn rows() -> String {
    format!(
        "INSERT INTO contract VALUES (1, 'A', '{DUE}'), (2, 'B', '{DUE}'), (3, 'C', '{KEPT}'), (4, 'D', '{DUE}'), (8, 'H', '{DUE}'), (9, 'I', '{DUE}');
         INSERT INTO claim VALUES (11, 1, NULL, '{DUE}', 'a'), (12, 1, 1, '{DUE}', 'b'), (21, 2, NULL, '{DUE}', 'c'), (22, 2, NULL, '{KEPT}', 'd'),
             (31, 3, NULL, '{DUE}', 'e'), (41, 4, NULL, '{DUE}', 'f'), (42, 4, NULL, '{DUE}', 'g'), (81, 8, 9, '{DUE}', 'h'),
             (82, 8, NULL, '{KEPT}', 'i'), (91, 9, NULL, '{DUE}', 'j');"
    )
}

async fn left(fixture: &Fixture<'_>) -> (Vec<String>, Vec<String>) {
    let text = |table: &str, column: &str| match fixture.engine {
        Engine::Postgres => format!("SELECT id::text, {column} FROM {table} ORDER BY id"),
        Engine::Sqlite => format!("SELECT CAST(id AS TEXT), {column} FROM {table} ORDER BY id"),
        _ => format!("SELECT CAST(id AS CHAR), {column} FROM {table} ORDER BY id"),
    };
    (read(fixture, &text("contract", "name")).await, read(fixture, &text("claim", "body")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_read_each_other_go_together_and_only_when_nothing_else_keeps_one() {
    for engine in ENGINES {
        for (foreign_keys, batch) in [(true, 1_000), (true, 1), (false, 1_000), (false, 1)] {
            let Some(db) = database(engine).await else { continue };
            db.run_sql(&schema(engine, foreign_keys)).await;
            db.run_sql(&rows()).await;
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            let rules = tied();
            place(&fixture, &rules, OrderKind::Hold, "claim", record(41)).await;
            clean(&fixture.run_with(&rules, batches_of(batch), &Silent).await.unwrap());
            let (contracts, claims) = left(&fixture).await;
            // Nothing but a foreign key says that claim 81 has to do with contract 9.
            let (nine, ninety_one) = if foreign_keys { (Some("9|"), Some("91|")) } else { (None, None) };
            let expected: Vec<&str> = ["2|B", "3|", "4|", "8|H"].into_iter().chain(nine).collect();
            assert_eq!(contracts, expected, "{} {foreign_keys} {batch}", engine.name());
            let expected: Vec<&str> = ["21|", "22|", "31|e", "41|f", "42|", "81|", "82|"].into_iter().chain(ninety_one).collect();
            assert_eq!(claims, expected, "{} {foreign_keys} {batch}", engine.name());
            consistent(&fixture).await;
            clean(&fixture.run_with(&rules, unlimited(), &Silent).await.unwrap());
            assert_eq!(left(&fixture).await, (contracts, claims), "a second run changes nothing");
        }
    }
}
