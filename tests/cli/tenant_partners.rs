//! Families that ask each other, tenant by tenant: for copies, and whether a purpose still needs somebody. Keys and addresses are the same in all tenants:
//! what another tenant has must never count.

use std::collections::BTreeMap;

use retentiond::plan::schema::Engine;
use serde_json::Value;

use crate::site::{Answer, Site};
use crate::support::{TestDatabase, database};
use crate::tenants::{HUB_MAP, HUB_POLICY, by_source, changed, enforce, plans, sound};

const BASE_MAP: &str = r#"
[source]
id = "base"
[data.client]
title = { fr = "Clients", en = "Customers" }
table = "client"
key = ["id"]
subjects = { member = "mail" }
disposition = "delete"
plain = ["id", "crm_id", "ended_on"]
[data.client.categories.contact]
columns = ["mail"]
mask = "null"
[data.client.events.ended]
title = { fr = "fin", en = "end" }
column = "ended_on"
missing = "running"
"#;

const BASE_POLICY: &str = r#"
[policy]
id = "base"
author = "dpo"
title = { fr = "Base", en = "Base" }
[[purpose]]
id = "contracts"
title = { fr = "Contrats", en = "Contracts" }
legal_basis = "contract"
data = "base.client"
needs = "all"
starts = "ended"
keeps = "1 year"
"#;

const COPIES: &str = "\n[data.person.copies.base]\nin = \"base.client\"\nmatched_by = { crm_id = \"id\" }\n";

const KEPT: &str = r#"
[[purpose]]
id = "paper"
title = { fr = "Dossier", en = "File" }
legal_basis = "legal_obligation"
data = "crm.person"
when = "is_client"
needs = "all"
kept_in = "copy:base"
"#;

/// The families `crm`, with the tenants alone, north and south, and `base`, with the same but alone, and one that `crm` does not have.
struct Pair {
    /// First: the role of the site cannot go while a database knows it.
    crm: BTreeMap<&'static str, TestDatabase>,
    base: BTreeMap<&'static str, TestDatabase>,
    site: Site,
}

fn copied(site: &Site) {
    let more = |file: &str, text: &str| site.write(file, &(std::fs::read_to_string(site.path(file)).expect("it") + text));
    more("map.toml", COPIES);
    more("policy.toml", KEPT);
}

fn needed(site: &Site) {
    let map = std::fs::read_to_string(site.path("map.toml")).expect("the map");
    site.write("map.toml", &map.replace("tenant = \"agency\"\n", "tenant = \"agency\"\nsubjects = { member = \"email\" }\n"));
    let needs = "needs = [\"contact\", \"crm.person.identity\", \"crm.person.contact\"]";
    site.write("base-policy.toml", &BASE_POLICY.replace("needs = \"all\"", needs));
}

impl Pair {
    /// With these rows of the tables `client`, by tenant.
    fn new(engine: Engine, rules: fn(&Site), clients: [(&'static str, &str); 3]) -> Option<Self> {
        let site = Site::new(engine)?;
        let databases = |names: [&'static str; 3]| {
            names.map(|name| (name, site.runtime.block_on(database(engine)).expect("a server"))).into_iter().collect()
        };
        let pair = Self { crm: databases(["alone", "north", "south"]), base: databases(clients.map(|(name, _)| name)), site };
        let site = &pair.site;
        site.write("base.toml", BASE_MAP);
        site.write("base-policy.toml", BASE_POLICY);
        rules(site);
        pair.settings(&pair.list("base", "", false), false);
        site.run(&["init"]).expect(0);
        for (tenant, database) in &pair.crm {
            site.fill(database);
            pair.set_up(&format!("crm:{tenant}"), database);
        }
        for (tenant, rows) in clients {
            let table = "CREATE TABLE client (id INTEGER NOT NULL PRIMARY KEY, crm_id INTEGER, mail VARCHAR(80), ended_on DATE)";
            pair.client(tenant, &format!("{table}; INSERT INTO client VALUES {rows}"));
            pair.set_up(&format!("base:{tenant}"), &pair.base[tenant]);
        }
        site.log_in();
        pair.settings(&pair.list("base", "", true), true);
        Some(pair)
    }

    fn set_up(&self, id: &str, database: &TestDatabase) {
        let script = self.site.run(&["setup", "--source", id, "--role", &self.site.role_name()]).expect(0).out;
        self.site.runtime.block_on(database.run_sql(&script));
    }

    fn client(&self, tenant: &str, sql: &str) {
        self.site.runtime.block_on(self.base[tenant].run_sql(sql));
    }

    fn url(&self, database: &TestDatabase, as_role: bool) -> String {
        match as_role && self.site.engine != Engine::Sqlite {
            true => database.as_user(&self.site.role_name()),
            false => database.url.clone(),
        }
    }

    /// A family's list; one that crm does not have is named `other`, or as `alone` says.
    fn list(&self, family: &str, alone: &str, as_role: bool) -> String {
        let all = if family == "crm" { &self.crm } else { &self.base };
        let name = |name: &'static str| if name == "other" && !alone.is_empty() { alone.to_owned() } else { name.to_owned() };
        let lines = all.iter().map(|(tenant, d)| format!("{} = \"{}\"\n", name(tenant), self.url(d, as_role)));
        format!("family.list]\n{}", lines.collect::<String>())
    }

    /// Settings in which `base` is that.
    fn settings(&self, base: &str, as_role: bool) {
        self.both(
            &format!("[sources.crm]\nmap = \"map.toml\"\n[sources.crm.{}", self.list("crm", "", as_role)),
            &format!("[sources.base]\nmap = \"base.toml\"\n[sources.base.{base}"),
        );
    }

    fn both(&self, crm: &str, base: &str) {
        let policies = "policies = [\"policy.toml\", \"base-policy.toml\", \"hub-policy.toml\"]";
        let policies =
            if base.contains("[sources.hub]") { policies.to_owned() } else { policies.replace(", \"hub-policy.toml\"", "") };
        let general = format!("state = \"state\"\nactors = [\"dpo\"]\n{policies}\n\n[ceilings]\nshare_percent = 100\n");
        self.site.write("retentiond.toml", &format!("{general}\n{crm}\n{base}\n"));
    }

    /// Which persons of a tenant are still there, of those that are due.
    fn there(&self, tenant: &str) -> Vec<&'static str> {
        let is_there = |key: &&str| {
            let data = format!("crm:{tenant}.person");
            let told = self.site.run(&["explain", "--data", &data, "--key", key]);
            assert!(told.code == 0 || told.code == 1, "{told:?}");
            told.code == 0
        };
        ["1", "2", "4"].into_iter().filter(is_there).collect()
    }

    fn enforce(&self) -> Answer {
        let plans = plans(&self.site, 0);
        enforce(&self.site, &plans)
    }
}

/// Who could not be asked while a tenant was enforced.
fn unasked(of: &BTreeMap<String, Value>, id: &str, what: &str) -> Vec<Value> {
    assert!(of[id]["outcome"]["run"].is_string(), "{id} was not enforced: {of:#?}");
    of[id]["outcome"][what].as_array().cloned().unwrap_or_default()
}

/// The copy of person 1 is in the base of north, that of person 4 in that of south; another tenant's base has both.
fn copies(engine: Engine) -> Option<Pair> {
    let clients =
        [("north", "(1, 1, NULL, NULL)"), ("south", "(1, 4, NULL, NULL)"), ("other", "(1, 1, NULL, NULL), (2, 4, NULL, NULL)")];
    let pair = Pair::new(engine, copied, clients)?;
    let told = pair.site.run(&["check"]).expect(78).err;
    let why = "cannot be asked for copies: the family `base` has no tenant `base:alone`";
    assert!(told.matches("cannot be asked").count() == 1 && told.contains(why), "{told}");
    let of = by_source(&pair.enforce().expect(1));
    assert_eq!(["crm:alone", "crm:north", "crm:south"].map(|id| changed(&of, id)), [2, 3, 3], "{of:#?}");
    assert_eq!(["alone", "north", "south"].map(|t| pair.there(t)), [vec!["1", "4"], vec!["4"], vec!["1"]], "{of:#?}");
    let told = unasked(&of, "crm:alone", "unasked");
    assert!(told.len() == 1 && told[0][0] == "base:alone.client", "{told:?}");
    assert!(["crm:north", "crm:south"].iter().all(|id| unasked(&of, id, "unasked").is_empty()), "{of:#?}");
    // A partner that comes later is asked from then on.
    pair.settings(&pair.list("base", "alone", true), true);
    let of = by_source(&pair.enforce().expect(0));
    assert_eq!(["alone", "north", "south"].map(|t| pair.there(t)), [vec![], vec!["4"], vec!["1"]], "{of:#?}");
    sound(&pair.site);
    Some(pair)
}

#[test]
fn a_copy_is_looked_for_in_the_database_of_the_same_tenant_on_sqlite() {
    let pair = copies(Engine::Sqlite).expect("SQLite");
    // Also where a control database says who that is.
    let hub = pair.site.runtime.block_on(database(Engine::Sqlite)).expect("SQLite");
    let sql = |sql: &str| pair.site.runtime.block_on(hub.run_sql(sql));
    sql("CREATE TABLE customer (code VARCHAR(40) PRIMARY KEY, url VARCHAR(300), contact VARCHAR(80), left_on DATE)");
    // Who was north's partner is south's now.
    sql(&format!("INSERT INTO customer VALUES ('south', '{}', NULL, NULL)", pair.base["north"].url));
    pair.site.write("hub.toml", HUB_MAP);
    pair.site.write("hub-policy.toml", HUB_POLICY);
    let control = "family]\ncontrol = \"hub\"\nquery = \"SELECT code AS tenant, url FROM customer\"";
    pair.settings(&format!("{control}\n[sources.hub]\nmap = \"hub.toml\"\nurl = \"{}\"", hub.url), true);
    let of = by_source(&pair.enforce().expect(1));
    assert_eq!((pair.there("north"), pair.there("south")), (vec!["4"], vec![]), "{of:#?}");
    assert!(unasked(&of, "crm:north", "unasked").len() == 1 && unasked(&of, "crm:south", "unasked").is_empty(), "{of:#?}");
    sound(&pair.site);
}

#[test]
fn a_copy_is_looked_for_in_the_database_of_the_same_tenant_on_postgres() {
    copies(Engine::Postgres);
}

#[test]
fn a_copy_is_looked_for_in_the_database_of_the_same_tenant_on_mariadb() {
    copies(Engine::MariaDb);
}

/// Person 2 has a running contract in the north, person 1 in the south, person 4 with somebody else.
fn needs(engine: Engine) {
    let clients = [
        ("north", "(1, 0, 'canary2@example.org', NULL)"),
        ("south", "(1, 0, 'canary2@example.org', '2001-01-01'), (2, 0, 'canary1@example.org', NULL)"),
        ("other", "(1, 0, 'canary4@example.org', NULL)"),
    ];
    let Some(pair) = Pair::new(engine, needed, clients) else { return };
    let told = pair.site.run(&["check"]).expect(78).err;
    let why = "`base:alone` cannot be asked whom its purposes need: the family `base` has no tenant `base:alone`";
    assert!(told.matches("cannot be asked").count() == 1 && told.contains(why), "{told}");
    let of = by_source(&pair.enforce().expect(1));
    assert_eq!(["alone", "north", "south"].map(|t| pair.there(t)), [vec!["1", "2", "4"], vec!["2"], vec!["1"]], "{of:#?}");
    let told = unasked(&of, "crm:alone", "unasked_elsewhere");
    assert!(told.len() == 1 && told[0]["purpose"] == "base:alone.contracts", "{told:?}");
    assert!(["crm:north", "crm:south"].iter().all(|id| unasked(&of, id, "unasked_elsewhere").is_empty()), "{of:#?}");
    let told = pair.site.run(&["explain", "--data", "crm:north.person", "--key", "2"]).expect(0).out;
    assert!(told.contains("It still needs the person there"), "{told}");
    assert!(pair.site.run(&["journal", "show"]).expect(0).out.contains("base:alone.contracts"));
    sound(&pair.site);
    pair.settings(&pair.list("base", "alone", true), true);
    let of = by_source(&pair.enforce().expect(0));
    assert_eq!(["alone", "north", "south"].map(|t| pair.there(t)), [vec!["4"], vec!["2"], vec!["1"]], "{of:#?}");
    // Once the contract is over, nobody there needs anybody.
    pair.client("north", "UPDATE client SET ended_on = '2001-01-01'");
    let of = by_source(&pair.enforce().expect(0));
    assert_eq!(["alone", "north", "south"].map(|t| pair.there(t)), [vec!["4"], vec![], vec!["1"]], "{of:#?}");
    sound(&pair.site);
}

#[test]
fn whether_somebody_is_needed_is_asked_of_the_same_tenant_on_sqlite() {
    needs(Engine::Sqlite);
}

#[test]
fn whether_somebody_is_needed_is_asked_of_the_same_tenant_on_postgres() {
    needs(Engine::Postgres);
}

#[test]
fn whether_somebody_is_needed_is_asked_of_the_same_tenant_on_mariadb() {
    needs(Engine::MariaDb);
}

#[test]
fn between_a_family_and_a_single_source_nothing_is_asked() {
    let clients = [("north", "(1, 1, NULL, NULL)"), ("south", "(1, 1, NULL, NULL)"), ("other", "(1, 1, NULL, NULL)")];
    for (rules, words) in [
        (copied as fn(&Site), "of the two sources, one is a family and one is not"),
        (needed, "of it and `base`, one is a family and one is not"),
    ] {
        let pair = Pair::new(Engine::Sqlite, rules, clients).expect("SQLite");
        let family = |id: &str, map: &str| format!("[sources.{id}]\nmap = \"{map}\"\n[sources.{id}.{}", pair.list(id, "", true));
        let single = |id: &str, map: &str| format!("[sources.{id}]\nmap = \"{map}\"\nurl = \"sqlite:x.db\"");
        let check = |crm: &str, base: &str| {
            pair.both(crm, base);
            pair.site.run(&["check", "--offline"])
        };
        check(&family("crm", "map.toml"), &single("base", "base.toml")).refused(78, words);
        check(&single("crm", "map.toml"), &family("base", "base.toml")).refused(78, words);
        check(&family("crm", "map.toml"), &family("base", "base.toml")).expect(0);
        check(&single("crm", "map.toml"), &single("base", "base.toml")).expect(0);
    }
}
