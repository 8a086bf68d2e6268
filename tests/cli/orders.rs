//! Orders: where they reach, what they end, what is refused.

use retentiond::plan::schema::Engine;

use crate::site::Site;

const WHY: [&str; 6] = ["--actor", "dpo", "--reason", "litigation", "--reference", "CASE-1"];

fn due(site: &Site) -> u64 {
    let plan = site.json(&["plan"]);
    let sets = plan[0]["data_sets"].as_array().expect("data sets").clone();
    sets.iter().flat_map(|s| s["actions"].as_array().expect("actions").clone()).map(|a| a[1].as_u64().expect("a count")).sum()
}

fn orders(engine: Engine) {
    let Some(site) = Site::ready(engine) else { return };
    assert_eq!(due(&site), 4);
    // A hold by the key of a row that follows is a hold on its record.
    let hold = site.order("hold", &["--data", "crm.booking", "--key", "4", "--key", "2"]);
    assert_eq!(due(&site), 3);
    let again = ["order", "hold", "--data", "crm.booking", "--key", "4", "--key", "1"];
    let again = site.run(&[again.as_slice(), WHY.as_slice()].concat()).expect(0).out;
    assert!(again.contains("on the record of crm.person that this row follows"), "{again}");
    assert!(again.contains("1 of the same kind stood there already"), "{again}");
    let again = again.split([' ', ':']).nth(1).expect("an id");
    site.run(&[&["order", "lift", "--source", "crm", "--order", again], WHY.as_slice()].concat()).expect(0);
    let restriction = site.order("restrict", &["--data", "crm.person", "--key", "1", "--until", "2099-12-31"]);
    assert_eq!(due(&site), 2);
    // Objection and erasure end what rests on consent, not what rests on a contract.
    site.order("object", &["--data", "crm.person", "--key", "3"]);
    assert_eq!(due(&site), 3);
    site.order("erase", &["--data", "crm.subscriber", "--key", "canary.new@example.org"]);
    assert_eq!(due(&site), 4);
    site.order("erase", &["--data", "crm.person", "--key", "5"]);
    assert_eq!(due(&site), 4);
    // An instruction ends everything of a tenant.
    site.order("instruct", &["--data", "crm.person", "--tenant", "CanaryAgencyB"]);
    assert_eq!(due(&site), 5);

    let list = site.json(&["order", "list"]);
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), 7, "{list:?}");
    let until = |id: &str| list.iter().find(|o| o["order"]["order"] == id).map(|o| o["order"]["until"].clone());
    assert_eq!(until(&restriction), Some("2099-12-31".into()));
    assert_eq!(until(&hold), Some(serde_json::Value::Null));
    let text = site.run(&["order", "list", "--source", "crm"]).expect(0).out;
    assert!(text.contains("crm.person") && text.contains("restriction") && text.contains("tenant"), "{text}");
    assert!(text.contains("CASE-1") && text.contains("litigation") && text.contains("dpo"), "{text}");

    // A restriction is lifted only by somebody who says whether the person was informed.
    let lift = |order: &str, rest: &[&str]| {
        site.run(&[&["order", "lift", "--source", "crm", "--order", order], WHY.as_slice(), rest].concat())
    };
    lift(&restriction, &[]).refused(64, "Art. 18(3)");
    lift(&restriction, &["--person-informed", "true"]).expect(0);
    assert_eq!(due(&site), 6);
    lift(&restriction, &["--person-informed", "true"]).refused(1, "no such order stands");
    let answer = lift(&hold, &["--format", "json"]).expect(0).json();
    assert_eq!((answer["order"].as_str(), answer["lifted"].as_bool()), (Some(hold.as_str()), Some(true)));
    assert_eq!(due(&site), 7);
    lift(&"0".repeat(32), &[]).refused(1, "no such order stands");
    lift("zero", &[]).expect(64);
    let all = site.json(&["order", "list"]);
    let lifted = all.as_array().expect("a list").iter().filter(|o| !o["order"]["lifted_on"].is_null()).count();
    assert_eq!(lifted, 3);
    // All of it is in the journal, and nothing but it.
    let shown = site.run(&["journal", "show"]).expect(0).out;
    assert_eq!((shown.matches("order_placed").count(), shown.matches("order_lifted").count()), (7, 3), "{shown}");
}

#[test]
fn orders_reach_records_followers_and_tenants_on_sqlite() {
    orders(Engine::Sqlite);
}

#[test]
fn orders_reach_records_followers_and_tenants_on_postgres() {
    orders(Engine::Postgres);
}

#[test]
fn orders_reach_records_followers_and_tenants_on_mariadb() {
    orders(Engine::MariaDb);
}

#[test]
fn orders_reach_records_followers_and_tenants_on_mysql() {
    orders(Engine::MySql);
}

#[test]
fn an_order_that_cannot_be_understood_is_not_placed() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    let place = |args: &[&str]| site.run(&[&["order", "hold"], args].concat());
    let person = ["--data", "crm.person", "--key", "1"];
    let with = |actor: &str, reason: &str, reference: &str| {
        place(&[person.as_slice(), &["--actor", actor, "--reason", reason, "--reference", reference]].concat())
    };
    with("nobody", "litigation", "C").refused(77, "`nobody` is not one of the `actors`");
    with("dpo", "because", "C").refused(64, "`because` is not a reason: ");
    with("dpo", "litigation", "Jean Dupont").refused(64, "not a valid reference");
    with("dpo", "litigation", "").refused(64, "not a valid reference");
    let on = |args: &[&str]| place(&[args, WHY.as_slice()].concat());
    on(&["--data", "crm.person", "--key", "99"]).refused(1, "no such record");
    on(&["--data", "crm.person", "--key", "1", "--key", "2"]).refused(64, "1 column");
    on(&["--data", "crm.booking", "--key", "4"]).refused(64, "(person_id, nr)");
    on(&["--data", "crm.person", "--key", "one"]).refused(64, "cannot be a key");
    on(&["--data", "crm.person"]).expect(64);
    on(&["--data", "crm.person", "--key", "1", "--tenant", "a"]).expect(64);
    on(&["--data", "crm.subscriber", "--tenant", "a"]).refused(64, "no tenant");
    on(&["--data", "person", "--key", "1"]).refused(64, "source.data_set");
    on(&["--data", "crm.people", "--key", "1"]).refused(64, "crm.people");
    on(&["--data", "erp.person", "--key", "1"]).refused(64, "unknown source `erp` (configured: crm)");
    on(&["--data", "crm.person", "--key", "1", "--until", "tomorrow"]).expect(64);
    on(&["--data", "crm.person", "--key", "1", "--until", "2001-01-01"]).refused(64, "2001-01-01");
    assert_eq!(site.json(&["order", "list"]), serde_json::json!([]));
    assert!(!site.run(&["journal", "show"]).expect(0).out.contains("order_placed"));
}
