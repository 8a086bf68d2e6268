//! A purpose of one source that keeps fields in another: what people are told of it, before and after.

use retentiond::plan::schema::Engine;

use crate::site::Site;
use crate::subjects::two_sources;

/// What an action of a plan would change.
fn due(plan: &serde_json::Value, action: &str) -> u64 {
    let sets = plan[0]["data_sets"].as_array().expect("data sets").clone();
    let mut all = sets.iter().flat_map(|s| s["actions"].as_array().expect("actions").clone());
    all.find(|a| a[0] == action).and_then(|a| a[1].as_u64()).unwrap_or_default()
}

fn told(site: &Site, key: &str, lang: &str) -> String {
    site.run(&["explain", "--data", "crm.person", "--key", key, "--lang", lang]).expect(0).out
}

/// Two files of persons are due. The shop has a running purchase of person 4 and one that is over of person 3.
fn kept(engine: Engine) {
    let Some((site, sql)) = two_sources(engine) else { return };
    let before = site.json(&["plan", "--source", "crm"]);
    let persons = due(&before, "person.delete");
    let policy = std::fs::read_to_string(site.path("shop-policy.toml")).expect("the policy");
    let needs = "needs = [\"contact\", \"crm.person.identity\"";
    site.write("shop-policy.toml", &policy.replace("needs = \"all\"", &format!("{needs}]")));
    // The identifier may not go before the purpose.
    site.run(&["check", "--source", "crm"]).refused(78, "has the column by which the person is known");
    site.write("shop-policy.toml", &policy.replace("needs = \"all\"", &format!("{needs}, \"crm.person.contact\"]")));
    let checked = site.run(&["check", "--source", "crm"]);
    assert!(
        checked.err.contains("no index of the data set in `shop`") || checked.out.contains("no index of the data set in `shop`"),
        "{checked:?}"
    );

    // Fields are masked now of which only whole rows went before.
    site.sql(&site.run(&["setup", "--source", "crm", "--role", &site.role_name()]).expect(0).out);
    let plan = site.json(&["plan", "--source", "crm"]);
    assert_eq!((due(&plan, "person.delete"), due(&plan, "person.clear.wishes")), (persons - 1, 1), "{plan:#}");
    assert!(told(&site, "4", "en").contains("It still needs the person there"), "{}", told(&site, "4", "en"));
    assert!(told(&site, "4", "fr").contains("Elle a encore besoin de la personne"));
    assert!(told(&site, "3", "en").contains("It does not need the person there, or not any more"));

    // Nobody can be asked: nothing goes that it might need, and everybody is told.
    std::fs::rename(site.path("shop.db"), site.path("away.db")).expect("the file");
    let plan = site.json(&["plan", "--source", "crm"]);
    assert_eq!((due(&plan, "person.delete"), plan[0]["unasked_elsewhere"].as_array().map(Vec::len)), (0, Some(1)), "{plan:#}");
    assert!(
        site.run(&["plan", "--source", "crm"]).expect(0).out.contains("could not be asked: everything that it may need stays")
    );
    assert!(told(&site, "3", "fr").contains("n’a pas pu être interrogée"));
    let hash = plan[0]["plan"].as_str().expect("a hash").to_owned();
    let run = ["enforce", "--source", "crm", "--plan", &hash];
    assert!(site.run(&run).expect(1).out.contains("shop.sales: could not be asked"), "the exit code says so, too");
    let left = || {
        site.json(&["plan", "--source", "crm"])[0]["data_sets"]
            .as_array()
            .expect("sets")
            .iter()
            .find(|s| s["data_set"] == "person")
            .expect("persons")["records"]
            .as_u64()
    };
    let all = left();
    std::fs::rename(site.path("away.db"), site.path("shop.db")).expect("the file");
    sql(&site, "DELETE FROM buyer");
    assert!(site.run(&["plan", "--source", "crm"]).expect(0).out.contains("its table is empty"));
    sql(&site, "INSERT INTO buyer VALUES (4, 'canary4@example.org', '2999-01-01')");
    site.run(&run).expect(0);
    assert_eq!(left(), all.map(|n| n - (persons - 1)));
    let after = site.json(&["plan", "--source", "crm"]);
    assert_eq!((due(&after, "person.delete"), due(&after, "person.clear.wishes")), (0, 0));
    sql(&site, "UPDATE buyer SET bought_on = '2020-01-01'");
    site.run(&run).expect(0);
    assert_eq!(left(), all.map(|n| n - persons));
    crate::tenants::sound(&site);
}

#[test]
fn a_purpose_of_the_shop_keeps_fields_in_sqlite() {
    kept(Engine::Sqlite);
}

#[test]
fn a_purpose_of_the_shop_keeps_fields_in_postgres() {
    kept(Engine::Postgres);
}

#[test]
fn a_purpose_of_the_shop_keeps_fields_in_mariadb() {
    kept(Engine::MariaDb);
}
