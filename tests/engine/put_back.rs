//! What lies in several objects comes back as one row.

use std::sync::Arc;

use retentiond::archive::Identities;
use retentiond::enforce::catalogue;
use retentiond::enforce::put_back::{PutBack, put_back};
use retentiond::enforce::unseal::{Why, unseal};
use retentiond::journal::{Access, AccessReason, Name, Reference};
use retentiond::plan::compile;
use retentiond::plan::schema::Engine;

use crate::archives::{MAP, at, lies};
use crate::enforcement::{Fixture, Rules, rules};
use crate::restore::record;
use crate::scene::{ENGINES, read, run_clean};
use crate::support::{TestDatabase, database};

/// Two purposes of one period, each of which needs fields that the table wants and the other does not need.
pub const APART: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "service"
title = { fr = "Service", en = "Service" }
legal_basis = "contract"
data = "crm.client"
needs = ["identity", "text"]
starts = "left"
keeps = "1 year"

[[purpose]]
id = "payment"
title = { fr = "Paiement", en = "Payment" }
legal_basis = "contract"
data = "crm.client"
needs = ["bank"]
starts = "left"
keeps = "1 year"

[[recovery]]
data = "crm.client"
days = 30
kept_in = "archive:recovery"
"#;

/// The map of these tests, whose bank details are never missing.
pub fn apart() -> Rules {
    rules(&MAP.replace("columns = [\"iban\"], mask = \"null\"", "columns = [\"iban\"], mask = { fixed = \"-\" }"), &[APART])
}

/// Clients of whom each field must be there.
pub async fn strict(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    db.run_sql(&format!(
        "CREATE TABLE client (id integer PRIMARY KEY, house varchar(20) NOT NULL, ref varchar(20), name varchar(50) NOT NULL, iban varchar(40) NOT NULL, left_on {date});
         CREATE TABLE note (id integer PRIMARY KEY, client_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id));
         INSERT INTO client VALUES (2, 'north', 'R-2', 'Zoé ''O''Neil', 'FR76-2', '2025-05-31'), (3, 'south', 'R-3', 'Noé Petit', 'FR76-3', NULL);
         INSERT INTO note VALUES (21, 2, 'first'), (22, 2, 'second')"
    ))
    .await;
    Some(db)
}

/// Puts one client back, as `archive restore` does, but without the hold.
async fn restore(fixture: &Fixture<'_>, rules: &Rules, id: u64) -> PutBack {
    lies(fixture).await;
    let identities = Arc::new(Identities::read(&fixture._folder.path().join("identity")).unwrap());
    let prepared = fixture.prepare(rules).await;
    let records = compile::records(&rules.map, &rules.policies, &prepared.schema, &prepared.moment);
    let resolved = records.terms.resolved;
    let retentiond::enforce::orders::Target::Record(key) = record(id) else { unreachable!("a record") };
    let (source, data_set) = (Name::parse("crm").unwrap(), Name::parse("client").unwrap());
    let found = catalogue::find(&fixture.journal, &source, &data_set, &key).await.unwrap();
    let why = Why {
        access: Access::Restore,
        actor: Name::parse("dpo").unwrap(),
        reason: AccessReason::ErrorCorrection,
        reference: Reference::parse("R/1").unwrap(),
    };
    let columns = resolved.key_columns(rules.map.data_set("client").unwrap());
    let of = (&source, &data_set, &key);
    let objects =
        unseal((&fixture.journal, &fixture.archives), resolved.dialect, &columns, of, &found, &identities, why).await.unwrap();
    let mut session = fixture.source.session().await.unwrap();
    session.script(&resolved.dialect.begin()).await.unwrap();
    let done = put_back(&mut session, &records, &objects).await.unwrap();
    session.rows(resolved.dialect.commit()).await.unwrap();
    session.done().await.unwrap();
    done
}

const CLIENTS: &str = "SELECT name, iban, house, ref FROM client WHERE id = 2";

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_fields_lie_in_several_objects_is_inserted_with_all_of_them() {
    for engine in ENGINES {
        let Some(db) = strict(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", at(2026, 5, 2)).await;
        let rules = apart();
        run_clean(&fixture, &rules).await;
        assert_eq!(lies(&fixture).await.len(), 2, "{}", engine.name());
        assert_eq!(read(&fixture, CLIENTS).await, Vec::<String>::new());
        let done = restore(&fixture, &rules, 2).await;
        assert_eq!(done, PutBack { inserted: 3, unmasked: 0, lost: 0 }, "{}", engine.name());
        assert_eq!(read(&fixture, CLIENTS).await, ["Zoé 'O'Neil|FR76-2|north|R-2"], "{}", engine.name());
        assert_eq!(read(&fixture, "SELECT body FROM note ORDER BY id").await, ["first", "second"]);
    }
}
