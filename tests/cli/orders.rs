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
    let instruct = |tenant: &str, lang: &str| {
        let order = ["order", "instruct", "--data", "crm.person", "--tenant", tenant, "--lang", lang];
        site.run(&[order.as_slice(), WHY.as_slice()].concat()).expect(0).out
    };
    let told = instruct("CanaryAgencyB", "en");
    assert!(told.contains("instruction on crm.person. It stands on 1 record now."), "{told}");
    assert_eq!(due(&site), 5);
    // A name that nobody has reaches nobody, and whoever places it hears so.
    for (lang, said) in [("en", "no record of this tenant: check the name"), ("fr", "aucune fiche de ce client")] {
        let told = instruct("canaryagencyb", lang);
        assert!(told.contains(said), "{told}");
        let id = told.split([' ', ':', '\u{a0}']).nth(1).expect("an id").to_owned();
        site.run(&[&["order", "lift", "--source", "crm", "--order", &id], WHY.as_slice()].concat()).expect(0);
    }

    let list = site.json(&["order", "list"]);
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), 9, "{list:?}");
    let until = |id: &str| list.iter().find(|o| o["order"]["order"] == id).map(|o| o["order"]["until"].clone());
    assert_eq!(until(&restriction), Some("2099-12-31".into()));
    assert_eq!(until(&hold), Some(serde_json::Value::Null));
    let text = site.run(&["order", "list", "--source", "crm"]).expect(0).out;
    assert!(text.contains("crm.person") && text.contains("restriction") && text.contains("tenant"), "{text}");
    assert!(text.contains("CASE-1") && text.contains("litigation") && text.contains("dpo"), "{text}");

    let text = site.run(&["order", "list", "--source", "crm", "--lang", "fr"]).expect(0).out;
    for word in ["jeu de données", "prise le", "gel", "limitation", "opposition", "effacement", "client", "31/12/2099"] {
        assert!(text.contains(word), "{word}: {text}");
    }

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
    assert_eq!(lifted, 5);
    // All of it is in the journal, and nothing but it.
    let shown = site.run(&["journal", "show", "--format", "json"]).expect(0).out;
    assert_eq!((shown.matches("order_placed").count(), shown.matches("order_lifted").count()), (9, 5), "{shown}");
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

/// A data set whose key is of this type; returns the site with one record in it.
fn keyed(engine: Engine, column_type: &str, value: &str) -> Option<Site> {
    let site = Site::new(engine)?;
    site.sql(&format!("CREATE TABLE member (ref {column_type} NOT NULL PRIMARY KEY, name VARCHAR(40), left_on DATE)"));
    site.sql(&format!("INSERT INTO member VALUES ('{value}', 'CanaryName', '2099-01-01')"));
    let add = |file: &str, more: &str| {
        let text = std::fs::read_to_string(site.path(file)).expect("a file");
        site.write(file, &format!("{text}\n{more}"));
    };
    add(
        "map.toml",
        "[data.member]\ntitle = { fr = \"Membres\", en = \"Members\" }\ntable = \"member\"\nkey = [\"ref\"]\ndisposition = \"anonymise\"\n\
         plain = [\"ref\", \"left_on\"]\n[data.member.categories.identity]\ncolumns = [\"name\"]\nmask = \"null\"\n\
         [data.member.events.left]\ntitle = { fr = \"fin\", en = \"end\" }\ncolumn = \"left_on\"\n",
    );
    add(
        "policy.toml",
        "[[purpose]]\nid = \"members\"\ntitle = { fr = \"Membres\", en = \"Members\" }\nlegal_basis = \"contract\"\ndata = \"crm.member\"\n\
         needs = \"all\"\nstarts = \"left\"\nkeeps = \"1 year\"\n",
    );
    site.run(&["init"]).expect(0);
    let script = site.run(&["setup", "--source", "crm", "--role", &site.role_name()]).expect(0).out;
    site.sql(&script);
    site.log_in();
    Some(site)
}

fn a_mistyped_key(engine: Engine) {
    let id = "6f1d0a52-3f0e-4f6e-9d3c-0a1b2c3d4e5f";
    let asked = |site: &Site, key: &str| site.run(&["explain", "--data", "crm.member", "--key", key]);
    let Some(site) = keyed(engine, "uuid", id) else { return };
    for wrong in ["not-a-uuid", "6f1d0a52", "6f1d0a52-3f0e-4f6e-9d3c-0a1b2c3d4e5g"] {
        asked(&site, wrong).refused(64, "part 1 of the key is not a UUID: the key of `member` has 1 column: ref (a UUID)");
        site.run(&["journal", "prove", "--data", "crm.member", "--key", wrong]).refused(64, "ref (a UUID)");
        let place = ["order", "hold", "--data", "crm.member", "--key", wrong];
        site.run(&[&place[..], &WHY].concat()).refused(64, "ref (a UUID)");
    }
    for right in [id.to_owned(), id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}")] {
        asked(&site, &right).expect(0);
    }
    let answer = asked(&site, &id.replace('6', "7")).refused(1, "no such record");
    assert!(answer.err.contains("retentiond journal prove"), "{answer:?}");
    let two = site.run(&["explain", "--data", "crm.member", "--key", id, "--key", id]);
    two.refused(64, "2 parts of a key were given: the key of `member` has 1 column: ref (a UUID)");
    drop(site);
    let Some(site) = keyed(engine, "date", "2001-02-03") else { return };
    asked(&site, "2001-02-03").expect(0);
    asked(&site, "some day")
        .refused(64, "the database cannot read this key: the key of `member` has 1 column: ref (a date, YYYY-MM-DD)");
    let place = ["order", "hold", "--data", "crm.member", "--key", "2001-13-99"];
    site.run(&[&place[..], &WHY].concat()).refused(64, "ref (a date, YYYY-MM-DD)");
}

#[test]
fn a_key_of_another_type_is_refused_with_what_is_expected_on_postgres() {
    a_mistyped_key(Engine::Postgres);
}

#[test]
fn a_key_of_another_type_is_refused_with_what_is_expected_on_mariadb() {
    a_mistyped_key(Engine::MariaDb);
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
    with("dpo", "litigation", "Jean Dupont").refused(64, "not a valid reference: 1 to 64 of A-Z a-z 0-9 . _ / -");
    with("dpo", "litigation", "").refused(64, "not a valid reference");
    let on = |args: &[&str]| place(&[args, WHY.as_slice()].concat());
    on(&["--data", "crm.person", "--key", "99"]).refused(1, "no such record");
    on(&["--data", "crm.person", "--key", "1", "--key", "2"])
        .refused(64, "2 parts of a key were given: the key of `person` has 1 column: id (a whole number)");
    on(&["--data", "crm.booking", "--key", "4"]).refused(64, "2 columns: person_id (a whole number), nr (a whole number)");
    on(&["--data", "crm.person", "--key", "one"])
        .refused(64, "part 1 of the key is not a whole number: the key of `person` has 1 column: id (a whole number)");
    on(&["--data", "crm.person"]).expect(64);
    on(&["--data", "crm.person", "--key", "1", "--tenant", "a"]).expect(64);
    on(&["--data", "crm.subscriber", "--tenant", "a"]).refused(64, "no tenant");
    on(&["--data", "person", "--key", "1"]).refused(64, "source.data_set");
    on(&["--data", "crm.people", "--key", "1"]).refused(64, "crm.people");
    on(&["--data", "erp.person", "--key", "1"]).refused(64, "unknown source `erp`; known: `crm`");
    on(&["--data", "crn.person", "--key", "1"]).refused(64, "unknown source `crn`; did you mean `crm`?");
    on(&["--data", "crm.persons", "--key", "1"])
        .refused(64, "`crm.persons` names no data set of the source; did you mean `person`?");
    on(&["--data", "crm.person", "--key", "1", "--until", "tomorrow"]).expect(64);
    on(&["--data", "crm.person", "--key", "1", "--until", "2001-01-01"]).refused(64, "2001-01-01");
    assert_eq!(site.json(&["order", "list"]), serde_json::json!([]));
    assert!(!site.run(&["journal", "show", "--format", "json"]).expect(0).out.contains("order_placed"));
}

/// An order ends on a day of its source's policy, wherever the machine's clock stands: at any moment it is another day than UTC's in one of these zones.
#[test]
fn an_order_ends_on_a_day_of_the_policys_zone() {
    use retentiond::clock::{Clock as _, SystemClock};
    let site = Site::ready(Engine::Sqlite).expect("nothing is missing");
    let policy = std::fs::read_to_string(site.path("policy.toml")).expect("the policy");
    let mut apart = 0;
    for zone in [chrono_tz::Pacific::Kiritimati, chrono_tz::Etc::GMTPlus12] {
        site.write("policy.toml", &policy.replace("Europe/Paris", zone.name()));
        let here = || SystemClock.now().with_timezone(&zone).date_naive();
        let place = |until: chrono::NaiveDate| {
            let until = until.to_string();
            let order = ["order", "hold", "--data", "crm.person", "--key", "1", "--until", &until];
            site.run(&[order.as_slice(), WHY.as_slice()].concat())
        };
        // A midnight may come in between; not twice.
        let day = loop {
            let day = here();
            let (last, past) = (place(day), place(day.pred_opt().expect("a day")));
            if day == here() {
                last.expect(0);
                past.refused(64, "is past");
                break day;
            }
        };
        apart += u32::from(day != SystemClock.now().date_naive());
        let list = site.json(&["order", "list"]);
        let placed = list.as_array().and_then(|l| l.iter().find(|o| o["order"]["until"] == day.to_string().as_str()).cloned());
        assert_eq!(placed.expect("the order")["order"]["placed_on"], day.to_string().as_str());
    }
    assert!(apart > 0);
}
