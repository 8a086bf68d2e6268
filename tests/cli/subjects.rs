//! One person in several sources: orders that are placed everywhere at once, and the whole story.

use retentiond::plan::schema::Engine;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use crate::site::Site;

const SHOP: &str = r#"
[source]
id = "shop"

[data.buyer]
title = { fr = "Acheteurs", en = "Buyers" }
table = "buyer"
key = ["id"]
subjects = { member = "mail" }
disposition = "delete"
plain = ["id", "bought_on"]
[data.buyer.categories]
contact = { columns = ["mail"], mask = "null" }
[data.buyer.events.bought]
title = { fr = "achat", en = "purchase" }
column = "bought_on"
format = "iso_date"
"#;

const POLICY: &str = r#"
[policy]
id = "shop"
author = "dpo"
title = { fr = "Boutique", en = "Shop" }

[[purpose]]
id = "sales"
title = { fr = "Ventes", en = "Sales" }
legal_basis = "consent"
data = "shop.buyer"
needs = "all"
starts = "bought"
keeps = "1 year"
"#;

const WHY: [&str; 6] = ["--actor", "dpo", "--reason", "litigation", "--reference", "CASE-7"];

/// The site, and a shop beside it whose buyers are known by the same addresses; and what changes the shop.
pub fn two_sources(engine: Engine) -> Option<(Site, impl Fn(&Site, &str))> {
    let site = Site::ready(engine)?;
    let map = std::fs::read_to_string(site.path("map.toml")).expect("the map");
    site.write("map.toml", &map.replace("tenant = \"agency\"\n", "tenant = \"agency\"\nsubjects = { member = \"email\" }\n"));
    site.write("shop.toml", SHOP);
    site.write("shop-policy.toml", POLICY);
    site.write("shop.db", "");
    site.settings("");
    let settings = std::fs::read_to_string(site.path("retentiond.toml")).expect("the settings");
    let settings = settings.replace("\"policy.toml\"", "\"policy.toml\", \"shop-policy.toml\"");
    site.write("retentiond.toml", &format!("{settings}\n[sources.shop]\nmap = \"shop.toml\"\nurl = \"sqlite:shop.db\"\n"));
    let sql = |site: &Site, sql: &str| {
        let url = format!("sqlite:{}", site.path("shop.db").display());
        site.runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.expect("the shop");
            connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.expect("the statement");
            connection.close().await.expect("its end");
        });
    };
    sql(
        &site,
        "CREATE TABLE buyer (id INTEGER PRIMARY KEY, mail TEXT, bought_on TEXT);
         INSERT INTO buyer VALUES (1, 'canary4@example.org', '2020-01-01'), (2, 'canary3@example.org', '2020-01-01'),
             (3, 'Canary4@example.org', '2020-01-01'), (4, 'canary4@example.org', '2999-01-01')",
    );
    let script = site.run(&["setup", "--source", "shop"]).expect(0).out;
    sql(&site, &script);
    Some((site, sql))
}

fn due(site: &Site, source: &str) -> u64 {
    let plan = site.json(&["plan", "--source", source]);
    let sets = plan[0]["data_sets"].as_array().expect("data sets").clone();
    sets.iter().flat_map(|s| s["actions"].as_array().expect("actions").clone()).map(|a| a[1].as_u64().expect("a count")).sum()
}

/// Options are given to programs, not read by people: the identifier comes as one, and no answer says it.
fn persons(engine: Engine) {
    let Some((site, sql)) = two_sources(engine) else { return };
    let on = |what: &[&str], id: &str, rest: &[&str]| {
        let who = ["--subject", "member", "--id", id, "--format", "json"];
        site.run(&[what, who.as_slice(), rest].concat())
    };
    let (crm, shop) = (due(&site, "crm"), due(&site, "shop"));
    assert_eq!((crm, shop), (4, 3));
    let four = "canary4@example.org";
    let held = on(&["order", "hold"], four, &WHY).expect(0).json();
    let records = |answer: &serde_json::Value| {
        let orders = answer["orders"].as_array().expect("orders").clone();
        orders.iter().map(|o| (o["data_set"].to_string(), o["did"].to_string(), o["records"].as_u64())).collect::<Vec<_>>()
    };
    let line = |set: &str, did: &str, n: u64| (format!("\"{set}\""), format!("\"{did}\""), Some(n));
    assert_eq!(records(&held), [line("crm.person", "placed", 1), line("shop.buyer", "placed", 2)]);
    assert_eq!((due(&site, "crm"), due(&site, "shop")), (crm - 1, shop - 1));
    // Given again, it leaves what stands.
    let again = on(&["order", "hold"], four, &WHY).expect(0).json();
    assert_eq!(records(&again), [line("crm.person", "stood already", 1), line("shop.buyer", "stood already", 2)]);
    assert_eq!(site.json(&["order", "list"]).as_array().map(Vec::len), Some(2));

    let told = on(&["explain"], four, &[]).code;
    assert_eq!(told, 0);
    let told = site.run(&["explain", "--subject", "member", "--id", four]).expect(0).out;
    assert_eq!(told.matches("For everything about the person whom the record is about, a legal hold").count(), 3, "{told}");
    on(&["explain"], "nobody@example.org", &[]).refused(1, "no record is about this person");
    on(&["order", "erase"], "nobody@example.org", &WHY).refused(1, "no record is about this person");
    site.run(&[&["order", "hold", "--subject", "buyer", "--id", "1"], WHY.as_slice()].concat())
        .refused(64, "no data map names a subject");

    // One source is gone: the other is not kept from it, and the same command does the rest later.
    std::fs::rename(site.path("shop.db"), site.path("away.db")).expect("the file");
    let part = on(&["order", "erase"], "canary3@example.org", &WHY).expect(1).json();
    assert_eq!(records(&part), [line("crm.person", "placed", 1)]);
    assert_eq!(part["failed"][0]["at"], "shop");
    std::fs::rename(site.path("away.db"), site.path("shop.db")).expect("the file");
    let rest = on(&["order", "erase"], "canary3@example.org", &WHY).expect(0).json();
    assert_eq!(records(&rest), [line("crm.person", "stood already", 1), line("shop.buyer", "placed", 1)]);
    assert_eq!(due(&site, "crm"), crm);

    // What ends purposes masks the identifier, and yet is done to the end.
    sql(&site, "UPDATE buyer SET bought_on = '2999-01-01'");
    assert_eq!(due(&site, "shop"), 1);

    on(&["order", "lift"], four, &[WHY.as_slice(), &["--placed-under", "CASE-8"]].concat()).refused(1, "no order on this person");
    let lifted = on(&["order", "lift"], four, &[WHY.as_slice(), &["--placed-under", "CASE-7"]].concat()).expect(0).json();
    assert_eq!(records(&lifted), [line("crm.person", "lifted", 1), line("shop.buyer", "lifted", 2)]);
    let erased = on(&["order", "lift"], "canary3@example.org", &[WHY.as_slice(), &["--placed-under", "CASE-7"]].concat());
    assert_eq!(records(&erased.expect(0).json()).len(), 2);
    assert_eq!((due(&site, "crm"), due(&site, "shop")), (crm, 0));
    on(&["order", "restrict"], four, &WHY).expect(0);
    let lift = [WHY.as_slice(), &["--placed-under", "CASE-7"]].concat();
    on(&["order", "lift"], four, &lift).refused(64, "Art. 18(3)");
    on(&["order", "lift"], four, &[&lift[..], &["--person-informed", "true"]].concat()).expect(0);
    crate::tenants::sound(&site);
}

#[test]
fn an_order_on_a_person_is_placed_in_all_sources_from_sqlite() {
    persons(Engine::Sqlite);
}

#[test]
fn an_order_on_a_person_is_placed_in_all_sources_from_postgres() {
    persons(Engine::Postgres);
}

#[test]
fn an_order_on_a_person_is_placed_in_all_sources_from_mariadb() {
    persons(Engine::MariaDb);
}
