//! A plan's hash stands for its rules and its day: it is the same at every hour of that day, although what is due is not.

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, rules};
use crate::support::database;

const MAP: &str = r#"
[source]
id = "web"

[data.visit]
table = "visit"
title = { fr = "Visites", en = "Visits" }
key = ["id"]
disposition = "delete"

[data.visit.categories]
address = { columns = ["address"], mask = "null" }

[data.visit.events.seen]
column = "seen_at"
format = "epoch_seconds"
missing = "undated"
title = { fr = "la visite", en = "the visit" }
"#;

/// Clients whose dates are those of their orders, which move into an archive by purposes of their own, and go with them.
const SHOP_MAP: &str = r#"
[source]
id = "shop"
time_zone = "Europe/Paris"

[data.client]
title = { fr = "Clients", en = "Clients" }
table = "client"
key = ["id"]
disposition = "delete"
[data.client.categories]
identity = { columns = ["name"], mask = "null" }
[data.client.events.ordered]
title = { fr = "la commande", en = "the order" }
of = { table = "purchase", on = { client_id = "id" } }
column = "made_on"
format = "iso_date"

[data.purchase]
title = { fr = "Commandes", en = "Orders" }
table = "purchase"
key = ["id"]
belongs_to = "client"
on = { client_id = "id" }
disposition = "delete"
plain = ["client_id", "made_on"]
[data.purchase.categories]
address = { columns = ["address"], mask = "null" }
[data.purchase.events.made]
title = { fr = "la commande", en = "the order" }
column = "made_on"
format = "iso_date"
"#;

const SHOP_POLICY: &str = r#"
[policy]
id = "shop"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "relations"
title = { fr = "Relation", en = "Relations" }
legal_basis = "contract"
data = "shop.client"
needs = "all"
starts = { latest_of = ["ordered"] }
keeps = "3 years"

[[purpose]]
id = "handling"
title = { fr = "Traitement", en = "Handling" }
legal_basis = "contract"
data = "shop.purchase"
needs = "all"
starts = "made"
keeps = "2 years"

[[purpose]]
id = "accounting"
title = { fr = "Comptabilité", en = "Accounting" }
legal_basis = "legal_obligation"
data = "shop.purchase"
needs = "all"
kept_in = "archive:evidence"
starts = { event = "made", end_of = "calendar_year" }
keeps = "10 years"
"#;

#[tokio::test]
async fn a_plan_in_which_archived_records_go_with_others_has_one_hash_all_day_and_can_be_approved() {
    let db = database(Engine::Sqlite).await.unwrap();
    db.run_sql(
        "CREATE TABLE client (id integer PRIMARY KEY, name text);
         CREATE TABLE purchase (id integer PRIMARY KEY, client_id integer REFERENCES client (id), made_on text, address text)",
    )
    .await;
    let at = |hour: u32, second: u32| Utc.with_ymd_and_hms(2026, 11, 22, hour, 0, second).unwrap();
    let fixture = Fixture::new(Engine::Sqlite, &db, "shop", at(8, 0)).await;
    let rules = rules(SHOP_MAP, &[SHOP_POLICY]);
    let first = fixture.prepare_at(&rules, at(8, 0)).await.plan;
    let with_them =
        |plan: &retentiond::plan::compile::Plan| plan.actions.iter().flat_map(|a| &a.companions).any(|c| c.archiving.is_some());
    assert!(with_them(&first), "orders that move into an archive go with their client");
    for now in [at(8, 1), at(20, 0)] {
        assert_eq!(fixture.prepare_at(&rules, now).await.plan.hash, first.hash, "{now}");
    }
}

fn policy(id: &str, zone: &str, keeps: &str) -> String {
    format!(
        r#"
[policy]
id = "{id}"
author = "dpo"
time_zone = "{zone}"
title = {{ fr = "Politique", en = "Policy" }}

[[purpose]]
id = "{id}"
title = {{ fr = "Mesure", en = "Measuring" }}
legal_basis = "legitimate_interest"
data = "web.visit"
needs = "all"
starts = "seen"
keeps = "{keeps}"
"#
    )
}

#[tokio::test]
async fn a_plan_has_one_hash_at_all_hours_of_its_day_whatever_is_due_by_then() {
    let db = database(Engine::Sqlite).await.unwrap();
    db.run_sql("CREATE TABLE visit (id integer PRIMARY KEY, address text, seen_at integer)").await;
    // 22 November in Paris, from its first instant to its last.
    let at = |day: u32, hour: u32| Utc.with_ymd_and_hms(2026, 11, day, hour, 0, 0).unwrap();
    let day: [DateTime<Utc>; 4] = [at(21, 23), at(22, 2), at(22, 12), at(22, 22)];
    let fixture = Fixture::new(Engine::Sqlite, &db, "web", day[0]).await;
    let paris = policy("a", "Europe/Paris", "1 year");
    for (other, moves) in [
        (policy("b", "Europe/Paris", "2 years"), false),
        // What is kept for hours is due at another time each hour; where the sun rises earlier, another day begins meanwhile.
        (policy("b", "Europe/Paris", "48 hours"), true),
        (policy("b", "Pacific/Auckland", "30 days"), true),
    ] {
        let rules = rules(MAP, &[&paris, &other]);
        let mut seen = Vec::new();
        for now in day {
            let plan = fixture.prepare_at(&rules, now).await.plan;
            seen.push((plan.hash.clone(), plan.actions[0].predicate.render()));
        }
        assert!(seen.iter().all(|(hash, _)| *hash == seen[0].0), "{other}");
        assert_eq!(seen.iter().any(|(_, due)| *due != seen[0].1), moves, "{other}");
        for beside in [at(21, 22), at(22, 23)] {
            assert_ne!(fixture.prepare_at(&rules, beside).await.plan.hash, seen[0].0, "{other}");
        }
    }
}
