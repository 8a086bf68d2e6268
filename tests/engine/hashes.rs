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
