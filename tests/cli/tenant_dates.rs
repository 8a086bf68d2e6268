//! The end of a tenant's service and its wish for an earlier erasure, which stand in the control database and in no table of the tenant.

use retentiond::plan::schema::Engine;

use crate::site::Site;
use crate::support::{TestDatabase, database};
use crate::tenants::{HUB_MAP, HUB_POLICY, by_source, changed, settings, sound};

const MAP: &str = include_str!("../../config/examples/bsoft-customers/map.toml");
const POLICY: &str = include_str!("../../config/examples/bsoft-customers/policy.toml");

/// The shipped map of a customer, with both dates given by the control database in place of the customer's own columns.
fn map() -> String {
    let mut text = MAP.replace("id = \"bsoft-customers\"", "id = \"crm\"");
    for (own, given) in [("ended_on", "service_ended_on"), ("erasure_asked_on", "asked_on")] {
        for of in ["", "of = \"service\"\n"] {
            let column = format!("column = \"{own}\"\n{of}missing = \"running\"\nformat = \"iso_date\"\n");
            assert!(text.contains(&column), "the shipped map has changed");
            text = text.replace(&column, &format!("given = \"{given}\"\nmissing = \"running\"\n"));
        }
    }
    text
}

fn schema(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => include_str!("../../config/examples/bsoft-customers/schema.postgres.sql"),
        Engine::Sqlite => include_str!("../../config/examples/bsoft-customers/schema.sqlite.sql"),
        _ => include_str!("../../config/examples/bsoft-customers/schema.mariadb.sql"),
    }
}

/// A service, two insured persons with a contract each, and a claim: the claim, the persons and, once these are gone, the service are due together.
const ROWS: &str = "INSERT INTO service VALUES (1, 'S', 'CanaryName', 'canary@example.org', NULL, NULL);
    INSERT INTO insured VALUES (1, 1, 'CanaryName', '1980-01-01', NULL, NULL), (2, 1, 'CanaryName', NULL, NULL, NULL);
    INSERT INTO insurance_contract VALUES (1, 1, 'CT-1', '2010-01-01', 'CanaryIban'), (2, 2, 'CT-2', '2010-01-01', NULL);
    INSERT INTO claim VALUES (1, 1, '2010-01-01', 'CanaryName', 'CanaryFacts')";

/// Days before today in the policy's time zone, as a date in SQL; a negative number is a day to come, `None` is NULL.
fn ago(days: Option<i64>) -> String {
    use retentiond::clock::{Clock as _, SystemClock};
    let today = SystemClock.now().with_timezone(&chrono_tz::Europe::Paris).date_naive();
    days.map_or("NULL".to_owned(), |n| format!("'{}'", today - chrono::TimeDelta::days(n)))
}

fn given(engine: Engine) {
    let Some(site) = Site::new(engine) else { return };
    // When the service ended, when erasure was asked for, and whether that is due.
    // No case lies on the day that a midnight within the test would move over the edge.
    let cases: [(&str, Option<i64>, Option<i64>, bool); 6] = [
        ("open", None, None, false),
        ("ended", Some(1_500), None, true),
        ("lately", Some(700), None, false),
        ("asked", Some(700), Some(3), true),
        ("still", None, Some(3), true),
        ("tomorrow", Some(10), Some(-1), false),
    ];
    let make = || site.runtime.block_on(database(engine)).expect("a server");
    let (databases, hub): (Vec<TestDatabase>, _) = (cases.iter().map(|_| make()).collect(), make());
    let all = || cases.iter().map(|case| case.0).zip(&databases);
    for database in &databases {
        site.runtime.block_on(database.run_sql(schema(engine)));
        site.runtime.block_on(database.run_sql(ROWS));
    }
    let sql = |sql: &str| site.runtime.block_on(hub.run_sql(sql));
    sql(
        "CREATE TABLE customer (code VARCHAR(40) PRIMARY KEY, url VARCHAR(300), contact VARCHAR(80), left_on DATE, asked_on DATE)",
    );
    site.write("map.toml", &map());
    site.write("policy.toml", &POLICY.replace("bsoft-customers.", "crm."));
    site.write("hub.toml", &HUB_MAP.replace("\"left_on\"]", "\"left_on\", \"asked_on\"]"));
    site.write("hub-policy.toml", HUB_POLICY);
    let query = "SELECT code AS tenant, url, left_on AS service_ended_on, asked_on FROM customer";
    let family = |query: &str| {
        let login = match engine {
            Engine::Sqlite => String::new(),
            _ => format!("user = \"{}\"\npassword_file = \"password\"", site.role_name()),
        };
        settings(&site, &format!("at_once = 3\ncontrol = \"hub\"\nquery = \"{query}\"\n{login}"));
        let text = std::fs::read_to_string(site.path("retentiond.toml")).expect("the settings");
        let text = text.replace("[\"policy.toml\"]", "[\"policy.toml\", \"hub-policy.toml\"]");
        site.write("retentiond.toml", &format!("{text}\n[sources.hub]\nmap = \"hub.toml\"\nurl = \"{}\"\n", hub.url));
    };
    let place = |url: &str| match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.split_once('@').map_or(rest, |(_, place)| place)),
        None => url.to_owned(),
    };
    site.write("password", "pw\n");
    family(query);
    site.run(&["init"]).expect(0);
    for ((name, ended, asked, _), database) in cases.iter().zip(&databases) {
        let row = format!("('{name}', '{}', 'CanaryContact', {}, {})", place(&database.url), ago(*ended), ago(*asked));
        sql(&format!("INSERT INTO customer VALUES {row}"));
    }
    for (name, database) in all() {
        site.write("admin.url", &database.url);
        let script = ["setup", "--source", &format!("crm:{name}"), "--role", &site.role_name(), "--url-file", "admin.url"];
        let script = site.run(&script).expect(0).out;
        site.runtime.block_on(database.run_sql(&script));
    }
    site.log_in();

    let shown = by_source(&site.run(&["plan", "--source", "crm", "--format", "json"]).expect(0));
    let plans = |of: &std::collections::BTreeMap<String, serde_json::Value>| -> Vec<String> {
        of.values().map(|v| v["plan"].as_str().expect("a hash").to_owned()).collect()
    };
    let first = plans(&shown);
    let done = by_source(&crate::tenants::enforce(&site, &first).expect(0));
    for (name, _, _, due) in cases {
        assert_eq!(changed(&done, &format!("crm:{name}")) > 0, due, "{name}: {done:#?}");
    }
    let told = site.run(&["plan", "--source", "crm:ended"]).expect(0).out;
    assert!(told.contains("Nothing is due"), "{told}");
    sound(&site);

    // The explanation tells the date that no row has; the NULL is a service that goes on.
    let explained = |tenant: &str, lang: &str| {
        let data = format!("crm:{tenant}.insured");
        site.run(&["--lang", lang, "explain", "--data", &data, "--key", "1"]).expect(0).out
    };
    let (lately, open) = (explained("lately", "fr"), explained("open", "en"));
    assert!(lately.contains("fin du service"), "{lately}");
    assert!(open.contains("has not happened yet"), "{open}");

    // Another date is another plan, and one that nobody saw is not carried out.
    sql(&format!("UPDATE customer SET left_on = {} WHERE code = 'open'", ago(Some(1_500))));
    let refused = by_source(&crate::tenants::enforce(&site, &first).expect(1));
    assert!(refused["crm:open"]["error"].is_string() && refused["crm:lately"]["outcome"].is_object(), "{refused:#?}");
    let now = plans(&by_source(&site.run(&["plan", "--source", "crm", "--format", "json"]).expect(0)));
    let done = by_source(&crate::tenants::enforce(&site, &now).expect(0));
    assert!(changed(&done, "crm:open") > 0 && changed(&done, "crm:lately") == 0, "{done:#?}");
    sound(&site);

    // A query that does not give the date is no answer: nobody is worked on.
    family("SELECT code AS tenant, url, asked_on FROM customer");
    let told = site.run(&["plan", "--source", "crm"]).expect(1).err;
    assert!(told.contains("no tenant is worked on"), "{told}");
    // Nor is a text that is no date.
    family("SELECT code AS tenant, url, code AS service_ended_on, asked_on FROM customer");
    let told = site.run(&["plan", "--source", "crm"]).expect(1).err;
    assert!(told.contains("something else than a date (YYYY-MM-DD) for tenant `open`"), "{told}");
}

#[test]
fn dates_of_the_control_database_start_and_cap_periods_on_sqlite() {
    given(Engine::Sqlite);
}

#[test]
fn dates_of_the_control_database_start_and_cap_periods_on_postgres() {
    given(Engine::Postgres);
}

#[test]
fn dates_of_the_control_database_start_and_cap_periods_on_mariadb() {
    given(Engine::MariaDb);
}

#[test]
fn a_source_without_a_control_database_gives_no_dates() {
    let site = Site::new(Engine::Sqlite).expect("SQLite");
    site.write("map.toml", &map());
    site.write("policy.toml", &POLICY.replace("bsoft-customers.", "crm."));
    site.run(&["check", "--offline"]).refused(78, "`crm` has no control database that could give a date");
    settings(&site, "list = { north = \"sqlite:n.db\" }");
    site.run(&["check", "--offline"]).refused(78, "`crm` has no control database that could give a date");
}
