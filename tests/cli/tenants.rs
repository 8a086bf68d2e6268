//! Families of tenants: each tenant is a source of its own, and one that is broken is named and stands in nobody's way.

use std::collections::BTreeMap;

use retentiond::plan::schema::Engine;
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use crate::site::{Answer, Site, run_in};
use crate::support::{TestDatabase, database};

/// A key of nobody, made up for tests.
const RECIPIENT: &str = "age1dnagl60sm4x9wecc2e9gegvkcnj4hkzr980tk8l8u9e7xrd2r4ksh00hj8";

/// Customers' wishes move into an archive, each tenant's into the same.
const EVIDENCE: &str = r#"
[[purpose]]
id = "evidence"
title = { fr = "Preuve", en = "Evidence" }
legal_basis = "legitimate_interest"
data = "crm.person"
when = "is_client"
needs = ["identity", "wishes"]
kept_in = "archive:evidence"
starts = "created"
keeps = "30 years"
"#;

/// Two more records that are due, of a customer and of a prospect.
const MORE: &str = "INSERT INTO person VALUES (11, 'C', 'CanaryAgencyA', '2001-01-01', 'CanaryF', 'CanaryL', NULL, NULL),
    (12, 'P', 'CanaryAgencyA', '2001-01-01', 'CanaryF', 'CanaryL', NULL, NULL)";

/// The settings with this family.
pub fn settings(site: &Site, family: &str) {
    let archive = format!("[archives.evidence]\ndirectory = \"vault\"\nrecipients = [\"{RECIPIENT}\"]");
    let text = format!(
        "state = \"state\"\nactors = [\"dpo\"]\npolicies = [\"policy.toml\"]\n\n[ceilings]\nshare_percent = 100\n\n{archive}\n\n\
         [sources.crm]\nmap = \"map.toml\"\n\n[sources.crm.family]\n{family}\n"
    );
    site.write("retentiond.toml", &text);
}

/// The organisation with the archive.
pub fn site(engine: Engine) -> Option<Site> {
    let site = Site::new(engine)?;
    let policy = std::fs::read_to_string(site.path("policy.toml")).expect("the policy");
    site.write("policy.toml", &format!("{policy}{EVIDENCE}"));
    Some(site)
}

/// The answer of a command about the family, by source.
pub fn by_source(answer: &Answer) -> BTreeMap<String, Value> {
    let all = answer.json();
    let list = all.as_array().expect("a list").iter();
    list.map(|v| (v["source"].as_str().expect("an id").to_owned(), v.clone())).collect()
}

/// The hashes of the plans that are shown; the command exits with `code`.
pub fn plans(site: &Site, code: i32) -> Vec<String> {
    let shown = site.run(&["plan", "--source", "crm", "--format", "json"]).expect(code);
    let mut all: Vec<String> = by_source(&shown).values().filter_map(|v| Some(v["plan"].as_str()?.to_owned())).collect();
    all.sort();
    all.dedup();
    all
}

/// One run over the family.
pub fn enforce(site: &Site, plans: &[String]) -> Answer {
    let mut args = vec!["enforce", "--source", "crm", "--format", "json"];
    plans.iter().for_each(|hash| args.extend(["--plan", hash]));
    site.run(&args)
}

/// How many records the run over a tenant changed.
pub fn changed(of: &BTreeMap<String, Value>, id: &str) -> u64 {
    let actions = of[id]["outcome"]["actions"].as_array().unwrap_or_else(|| panic!("{id} was not enforced: {of:#?}"));
    actions.iter().map(|a| a["changed"].as_u64().expect("a count")).sum()
}

/// The journal of all tenants verifies, no run or batch is open, and every archived object is there.
pub fn sound(site: &Site) {
    let key = site.json(&["journal", "key"])["public_key"].as_str().expect("a key").to_owned();
    let _ = std::fs::remove_file(site.path("journal.export"));
    site.json(&["journal", "export", "--out", "journal.export"]);
    let verdict = run_in(site.dir(), &["journal", "verify", "journal.export", "--key", &key, "--format", "json"], &[]);
    let verdict = verdict.expect(0).json();
    assert!(verdict["sound"] == true && verdict["open_batches"].as_u64().is_none_or(|n| n == 0), "{verdict}");
    site.run(&["archive", "verify"]).expect(0);
}

fn listed(engine: Engine) {
    let Some(site) = site(engine) else { return };
    let more = ["south", "drift", "gone"].map(|name| (name, site.runtime.block_on(database(engine)).expect("a server")));
    more.iter().for_each(|(_, database)| site.fill(database));
    let all: Vec<(&str, &TestDatabase)> =
        [("north", &site.database)].into_iter().chain(more.iter().map(|(n, d)| (*n, d))).collect();
    let list = |url: &dyn Fn(&str, &TestDatabase) -> String| {
        let lines: String = all.iter().map(|(name, d)| format!("{name} = \"{}\"\n", url(name, d))).collect();
        settings(&site, &format!("at_once = 3\n\n[sources.crm.family.list]\n{lines}"));
    };
    list(&|_, d| d.url.clone());
    site.run(&["init"]).expect(0);
    site.run(&["setup", "--source", "crm"]).refused(64, "`crm` is a family: name one of its tenants, such as `crm:drift`");
    for (name, database) in &all {
        let script = site.run(&["setup", "--source", &format!("crm:{name}"), "--role", &site.role_name()]).expect(0).out;
        site.runtime.block_on(database.run_sql(&script));
    }
    site.log_in();
    list(&|_, d| d.as_user(&site.role_name()));
    site.run(&["check"]).expect(0);

    // An order on a record of one tenant is none on the record of the same key of another.
    site.order("hold", &["--data", "crm:north.person", "--key", "4"]);
    site.run(&["enforce", "--source", "crm"]).refused(77, "--plan");
    let run = enforce(&site, &plans(&site, 0)).expect(0);
    let of = by_source(&run);
    let counts = ["crm:drift", "crm:gone", "crm:north", "crm:south"].map(|id| changed(&of, id));
    assert_eq!(counts, [4, 4, 3, 4], "{of:#?}");
    sound(&site);

    for (name, database) in &all {
        let sql = if *name == "drift" { "ALTER TABLE person DROP COLUMN phone" } else { MORE };
        site.runtime.block_on(database.run_sql(sql));
    }
    list(&|name, d| d.as_user(&site.role_name()) + if name == "gone" { "_not" } else { "" });
    let told = site.run(&["check"]).expect(78).err;
    assert!(told.contains("source crm:drift") && told.contains("source crm:gone"), "{told}");
    let run = enforce(&site, &plans(&site, 1)).expect(1);
    let of = by_source(&run);
    assert_eq!(["crm:north", "crm:south"].map(|id| changed(&of, id)), [2, 2], "{of:#?}");
    // What the server says of a database that is not there depends on the rights of who asks.
    let told = |id: &str| (of[id]["exit"].as_u64(), of[id]["error"].as_str().expect("an error").to_owned());
    let (drift, gone) = (told("crm:drift"), told("crm:gone"));
    assert!(drift.0 == Some(78) && drift.1.contains("phone") && gone.0 == Some(69) && !gone.1.is_empty(), "{drift:?} {gone:?}");
    sound(&site);

    // A tenant alone is a source like any other; for people each has its lines. A plan that nobody saw is not carried out.
    let text = site.run(&["enforce", "--source", "crm", "--plan", &"0".repeat(64)]).expect(1).out;
    assert!(
        text.contains("Source crm:north: BROKEN, ") && text.contains("Family crm: tenants done 0, broken 4, not begun 0"),
        "{text}"
    );
    let plan = site.json(&["plan", "--source", "crm:south"])[0]["plan"].as_str().expect("a hash").to_owned();
    site.run(&["enforce", "--source", "crm:south", "--plan", &plan]).expect(0);
    let destroyed = by_source(&site.run(&["archive", "destroy", "--source", "crm", "--format", "json"]).expect(1));
    assert!(destroyed["crm:north"]["archives"].is_array() && destroyed["crm:gone"]["error"].is_string(), "{destroyed:#?}");
    sound(&site);
}

#[test]
fn a_broken_tenant_of_a_list_is_named_and_the_others_are_enforced_on_postgres() {
    listed(Engine::Postgres);
}

#[test]
fn a_broken_tenant_of_a_list_is_named_and_the_others_are_enforced_on_mariadb() {
    listed(Engine::MariaDb);
}

#[test]
fn a_broken_tenant_of_a_glob_is_named_and_the_others_are_enforced() {
    let site = site(Engine::Sqlite).expect("SQLite");
    let file = |name: &str| site.path(&format!("tenants/crm-{name}.db"));
    let url = |name: &str| format!("sqlite:{}", file(name).display());
    let sql = |name: &str, sql: &str| {
        let url = url(name);
        site.runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.expect("the tenant");
            connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.expect("the statement");
            connection.close().await.expect("its end");
        });
    };
    std::fs::create_dir(site.path("tenants")).expect("a folder");
    settings(&site, "glob = \"tenants/crm-*.db\"\nat_once = 4");
    site.run(&["init"]).expect(0);
    let empty = site.run(&["plan"]).refused(1, "family crm: no tenant");
    assert!(empty.out.is_empty(), "{empty:?}");
    let own = site.database.url.strip_prefix("sqlite:").expect("a file");
    let healthy: Vec<String> = (1..=24).map(|n| format!("{n:02}")).collect();
    let all = ["north", "south", "corrupt", "locked", "drift", "gone"].into_iter().chain(healthy.iter().map(String::as_str));
    std::fs::copy(own, file("north")).expect("a copy");
    let script = site.run(&["setup", "--source", "crm:north"]).expect(0).out;
    for name in all {
        std::fs::copy(own, file(name)).expect("a copy");
        sql(name, &script.replace("crm:north", &format!("crm:{name}")));
    }
    let first = enforce(&site, &plans(&site, 0)).expect(0);
    let of = by_source(&first);
    assert!(of.len() == 30 && of.keys().all(|id| changed(&of, id) == 4), "{of:#?}");
    sound(&site);

    healthy.iter().map(String::as_str).chain(["north", "south", "locked"]).for_each(|name| sql(name, MORE));
    sql("drift", "ALTER TABLE person DROP COLUMN phone");
    for companion in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(site.path(&format!("tenants/crm-corrupt.db{companion}")));
    }
    std::fs::write(file("corrupt"), "no database at all ".repeat(5_000)).expect("garbage");
    std::fs::remove_file(file("gone")).expect("it was there");
    std::os::unix::fs::symlink("nowhere.db", file("lost")).expect("a link");
    std::fs::write(file("Upper"), "").expect("a file");
    let plans = plans(&site, 1);
    let url = url("locked");
    let mut holder = site.runtime.block_on(SqliteConnection::connect(&url)).expect("the tenant");
    site.runtime.block_on(holder.execute("BEGIN EXCLUSIVE")).expect("the lock");
    let run = enforce(&site, &plans).expect(1);
    assert!(run.err.contains("family crm: the file `crm-Upper.db` names no tenant"), "{run:?}");
    let of = by_source(&run);
    assert_eq!(["crm:north", "crm:south"].map(|id| changed(&of, id)), [2, 2], "{of:#?}");
    assert!(healthy.iter().all(|name| changed(&of, &format!("crm:{name}")) == 2), "{of:#?}");
    for id in ["crm:corrupt", "crm:locked", "crm:drift", "crm:lost"] {
        assert!(of[id]["error"].as_str().is_some_and(|e| !e.is_empty()), "{id}: {of:#?}");
    }
    assert!(of["crm:gone"]["gone"] == true && of.len() == 31, "{of:#?}");
    sound(&site);

    // Once the lock is gone, what it kept is done, and nothing twice.
    site.runtime.block_on(holder.execute("ROLLBACK")).expect("the lock is gone");
    let of = by_source(&enforce(&site, &plans).expect(1));
    assert_eq!(["crm:locked", "crm:north", "crm:south"].map(|id| changed(&of, id)), [2, 0, 0], "{of:#?}");
    sound(&site);
}

pub const HUB_MAP: &str = r#"
[source]
id = "hub"
[data.customer]
title = { fr = "Clients", en = "Customers" }
table = "customer"
key = ["code"]
disposition = "delete"
plain = ["url", "left_on"]
[data.customer.categories.contact]
columns = ["contact"]
mask = "null"
[data.customer.events.left]
title = { fr = "départ", en = "departure" }
column = "left_on"
missing = "running"
"#;

pub const HUB_POLICY: &str = r#"
[policy]
id = "hub"
author = "dpo"
title = { fr = "Clients", en = "Customers" }
[[purpose]]
id = "customers"
title = { fr = "Clients", en = "Customers" }
legal_basis = "contract"
data = "hub.customer"
needs = "all"
starts = "left"
keeps = "5 years"
"#;

/// A control database says which tenants there are: it names no password, one of its rows is no tenant, and when it cannot be asked nobody is worked on.
fn controlled(engine: Engine) {
    let Some(site) = site(engine) else { return };
    let (south, hub) = (site.runtime.block_on(database(engine)), site.runtime.block_on(database(engine)));
    let (south, hub) = (south.expect("a server"), hub.expect("a server"));
    site.fill(&south);
    let settings = |login: &str, hub: &str| {
        site.write("hub.toml", HUB_MAP);
        site.write("hub-policy.toml", HUB_POLICY);
        let family = format!(
            "control = \"hub\"\nquery = \"SELECT code AS tenant, url, contact FROM customer WHERE left_on IS NULL -- all that are here\"\n{login}"
        );
        settings(&site, &family);
        let text = std::fs::read_to_string(site.path("retentiond.toml")).expect("the settings");
        let text = text.replace("[\"policy.toml\"]", "[\"policy.toml\", \"hub-policy.toml\"]");
        site.write("retentiond.toml", &format!("{text}\n[sources.hub]\nmap = \"hub.toml\"\nurl = \"{hub}\"\n"));
    };
    let plain = |url: &str| match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.split_once('@').map_or(rest, |(_, place)| place)),
        None => url.to_owned(),
    };
    let row = |code: &str, url: &str| format!("INSERT INTO customer VALUES ('{code}', '{url}', 'CanaryContact', NULL);");
    let sql = |sql: &str| site.runtime.block_on(hub.run_sql(sql));
    sql("CREATE TABLE customer (code VARCHAR(40) PRIMARY KEY, url VARCHAR(300), contact VARCHAR(80), left_on DATE)");
    // An administrator sets up, by a list.
    let both = format!("[sources.crm.family.list]\nnorth = \"{}\"\nsouth = \"{}\"", site.database.url, south.url);
    self::settings(&site, &both);
    site.run(&["init"]).expect(0);
    for (name, database) in [("north", &site.database), ("south", &south)] {
        let script = site.run(&["setup", "--source", &format!("crm:{name}"), "--role", &site.role_name()]).expect(0).out;
        site.runtime.block_on(database.run_sql(&script));
    }
    site.log_in();
    sql(&format!(
        "{}{}{}",
        row("north", &plain(&site.database.url)),
        row("south", &plain(&south.url)),
        row("Bad Name", "sqlite:x")
    ));
    site.write("password", "pw\n");
    let login = match engine {
        Engine::Sqlite => String::new(),
        _ => format!("user = \"{}\"\npassword_file = \"password\"", site.role_name()),
    };
    settings(&login, &hub.url);
    let run = enforce(&site, &plans(&site, 1)).expect(1);
    assert!(run.err.contains("family crm: `Bad Name` cannot be the name of a tenant"), "{run:?}");
    let of = by_source(&run);
    assert_eq!(["crm:north", "crm:south"].map(|id| changed(&of, id)), [4, 4], "{of:#?}");
    sound(&site);

    sql("UPDATE customer SET url = 'postgres://app:secret@db/x' WHERE code = 'south'");
    let told = site.run(&["check", "--source", "crm"]).expect(78).err;
    assert!(told.contains("password for tenant `south`") && !told.contains("secret"), "{told}");
    site.run(&["explain", "--data", "crm:south.person", "--key", "1"])
        .refused(64, "the family `crm` has no tenant `crm:south`: the control database has a password for tenant `south`");
    sql("DROP TABLE customer");
    let told = site.run(&["plan", "--source", "crm"]).expect(1).err;
    assert!(told.contains("the control database cannot be asked, and no tenant is worked on"), "{told}");
    // Nor is an order on a person placed in silence where the tenants are not known.
    let map = std::fs::read_to_string(site.path("map.toml")).expect("the map");
    site.write("map.toml", &map.replace("tenant = \"agency\"\n", "tenant = \"agency\"\nsubjects = { member = \"email\" }\n"));
    let why = ["--actor", "dpo", "--reason", "litigation", "--reference", "C-1"];
    let said = site.run(&[&["order", "hold", "--subject", "member", "--id", "x@example.org"], &why[..]].concat()).expect(1);
    assert!(format!("{}{}", said.out, said.err).contains("no tenant is worked on"), "{said:?}");
    site.write("map.toml", &map);
    settings(&login, "sqlite:nowhere.db");
    let told = enforce(&site, &["0".repeat(64)]).expect(1);
    assert!(told.err.contains("no tenant is worked on"), "{told:?}");
    sound(&site);
    site.run(&["check", "--offline"]).expect(0);
    settings(&login, &hub.url);
    let text = std::fs::read_to_string(site.path("retentiond.toml")).expect("the settings");
    site.write("retentiond.toml", &text.replace("control = \"hub\"", "control = \"crm\""));
    site.run(&["check", "--offline"]).refused(78, "is `crm`, which is no single source");
}

#[test]
fn a_control_database_names_the_tenants_on_sqlite() {
    controlled(Engine::Sqlite);
}

#[test]
fn a_control_database_names_the_tenants_on_postgres() {
    controlled(Engine::Postgres);
}

#[test]
fn a_control_database_names_the_tenants_on_mariadb() {
    controlled(Engine::MariaDb);
}
