//! Files of families: each tenant has a root of its own, and nothing that is done for one touches the files of another.

use retentiond::plan::schema::Engine;

use crate::archives::{IDENTITY, WHY};
use crate::bucket::{Fresh, Kind};
use crate::site::Site;
use crate::support::{TestDatabase, database};
use crate::tenants::{by_source, changed, enforce, plans, site, sound};

const FILES: &str = r#"
[data.booking.files.wish]
column = "wishes"
store = "wishes"
[data.person.files.scan]
column = "phone"
store = "scans"
"#;

/// Nobody is due, but one subscriber.
const RECENT: &str = "UPDATE person SET created_on = '2999-01-01'";

/// A family, each tenant with the same rows and paths.
struct Family {
    /// First: the role of the site cannot go while a database knows it.
    tenants: Vec<(&'static str, TestDatabase)>,
    site: Site,
}

impl Family {
    /// Its tenants, set up; `stores` are the tables of the settings.
    fn new(engine: Engine, names: &[&'static str], stores: &str) -> Option<Self> {
        let site = site(engine)?;
        let tenants: Vec<_> =
            names.iter().map(|name| (*name, site.runtime.block_on(database(engine)).expect("a server"))).collect();
        let family = Self { tenants, site };
        let site = &family.site;
        let map = std::fs::read_to_string(site.path("map.toml")).expect("the map");
        site.write("map.toml", &format!("{map}{FILES}"));
        site.write("identity", IDENTITY);
        family.settings(stores, &|d| d.url.clone());
        site.run(&["init"]).expect(0);
        for (name, database) in &family.tenants {
            site.fill(database);
            let own = ["a/CanaryWish1", "a/CanaryWish4"].into_iter().zip([1, 4]);
            let own = own.map(|(path, id)| format!("UPDATE booking SET wishes = '{path}' WHERE person_id = {id} AND nr = 1;"));
            site.runtime.block_on(database.run_sql(&own.collect::<String>()));
            let script = site.run(&["setup", "--source", &format!("crm:{name}"), "--role", &site.role_name()]).expect(0).out;
            site.runtime.block_on(database.run_sql(&script));
        }
        site.log_in();
        family.log_in(stores);
        Some(family)
    }

    fn log_in(&self, stores: &str) {
        self.settings(stores, &|d| {
            if self.site.engine == Engine::Sqlite { d.url.clone() } else { d.as_user(&self.site.role_name()) }
        });
    }

    fn settings(&self, stores: &str, url: &dyn Fn(&TestDatabase) -> String) {
        let list: String = self.tenants.iter().map(|(name, d)| format!("{name} = \"{}\"\n", url(d))).collect();
        crate::tenants::settings(&self.site, &format!("at_once = 3\n\n[sources.crm.family.list]\n{list}"));
        let text = std::fs::read_to_string(self.site.path("retentiond.toml")).expect("the settings");
        self.site.write("retentiond.toml", &text.replace("[sources.crm]\n", &format!("{stores}\n[sources.crm]\n")));
    }

    fn sql(&self, tenant: &str, sql: &str) {
        let (_, database) = self.tenants.iter().find(|(name, _)| *name == tenant).expect("a tenant");
        self.site.runtime.block_on(database.run_sql(sql));
    }

    /// Writes a file below the folder of the site, with the folders that it needs.
    fn write(&self, path: &str, content: &str) {
        let path = self.site.path(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        std::fs::write(path, content).expect("a file");
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.site.path(path)).ok()
    }

    /// Puts a record of a tenant back from the archive.
    fn restore(&self, tenant: &str, key: &str) -> serde_json::Value {
        let (_, database) = self.tenants.iter().find(|(name, _)| *name == tenant).expect("a tenant");
        self.site.write("admin", &database.url);
        let data = format!("crm:{tenant}.person");
        let of = ["archive", "restore", "--data", &data, "--key", key, "--identity", "identity", "--url-file", "admin"];
        self.site.json(&[&of[..], &WHY].concat())
    }
}

const DIRECTORIES: &str = "[files.wishes]\ndirectory = \"wishes/{tenant}/kept\"\n[files.scans]\ndirectory = \"scans/{tenant}\"\n";

const PATHS: [&str; 8] =
    ["canary-061", "canary-062", "canary-063", "canary-064", "canary-065", "canary-066", "a/CanaryWish1", "a/CanaryWish4"];

/// Where a path of a tenant lies.
fn place(tenant: &str, path: &str) -> String {
    if path.starts_with("a/") { format!("wishes/{tenant}/kept/{path}") } else { format!("scans/{tenant}/{path}") }
}

fn lived(engine: Engine) {
    let Some(family) = Family::new(engine, &["bare", "north", "south"], DIRECTORIES) else { return };
    let site = &family.site;
    for tenant in ["north", "south"] {
        PATHS.iter().for_each(|path| family.write(&place(tenant, path), &format!("canary of {tenant}")));
        family.write(&place(tenant, "a/../CanaryWish"), "canary shared");
    }
    family.sql("south", RECENT);
    let told = site.run(&["check"]).expect(78).err;
    assert!(told.contains("source crm:bare") && told.contains("store of files `scans` cannot be used"), "{told}");
    assert_eq!(told.matches("cannot be used: ").count(), 2, "{told}");

    let left = |tenant: &str| {
        PATHS.iter().filter(|path| family.read(&place(tenant, path)) == Some(format!("canary of {tenant}"))).count()
    };
    let plans = plans(site, 0);
    let run = enforce(site, &plans).expect(1);
    let of = by_source(&run);
    assert_eq!(["crm:bare", "crm:north", "crm:south"].map(|id| changed(&of, id)), [1, 4, 1], "{of:#?}");
    assert_eq!((left("north"), left("south")), (3, 8), "{of:#?}");
    assert_eq!(of["crm:north"]["outcome"]["left"]["removed"], 2, "{of:#?}");
    let shown = site.run(&["journal", "show"]).expect(0).out;
    assert!(shown.contains("file_store"), "{shown}");
    sound(site);

    // A root that leads to another tenant's is none.
    std::fs::create_dir_all(site.path("wishes")).expect("a folder");
    for link in ["scans/bare", "wishes/bare"] {
        std::os::unix::fs::symlink("south", site.path(link)).expect("a link");
    }
    let of = by_source(&enforce(site, &plans).expect(1));
    assert_eq!((changed(&of, "crm:bare"), left("south")), (0, 8), "{of:#?}");
    let told = site.run(&["check", "--source", "crm:bare"]).expect(78).err;
    assert!(told.contains("`bare` is no directory, or a link"), "{told}");
    for link in ["scans/bare", "wishes/bare"] {
        std::fs::remove_file(site.path(link)).expect("it was there");
    }
    // Nor an empty one. With one that is its own, it goes.
    std::fs::create_dir_all(site.path("scans/bare")).expect("a root");
    let of = by_source(&enforce(site, &plans).expect(1));
    assert_eq!(changed(&of, "crm:bare"), 0, "{of:#?}");
    PATHS.iter().for_each(|path| family.write(&place("bare", path), "canary of bare"));
    let of = by_source(&enforce(site, &plans).expect(0));
    assert_eq!((changed(&of, "crm:bare"), left("bare"), left("north"), left("south")), (3, 3, 3, 8), "{of:#?}");
    sound(site);

    // What was sealed comes back to where it was: one record by itself, the others with their run.
    let back = family.restore("bare", "1");
    assert_eq!((&back["done"]["inserted"], &back["files"]["written"]), (&2.into(), &1.into()), "{back}");
    assert_eq!((left("bare"), left("north"), left("south")), (4, 3, 8));
    let run = of["crm:bare"]["outcome"]["run"].as_str().expect("a run").to_owned();
    let undo = ["undo", "--source", "crm:bare", "--run", &run];
    let plan = site.json(&undo)["plan"].as_str().expect("a hash").to_owned();
    let done = site.json(&[&undo[..], &["--plan", &plan, "--identity", "identity", "--url-file", "admin"], &WHY[..]].concat());
    assert!(done["done"]["files"].as_u64() > Some(0), "{done}");
    assert_eq!((left("bare"), left("north"), left("south")), (5, 3, 8), "{done}");
    sound(site);
}

#[test]
fn each_tenants_files_lie_below_its_own_root_on_sqlite() {
    lived(Engine::Sqlite);
}

#[test]
fn each_tenants_files_lie_below_its_own_root_on_postgres() {
    lived(Engine::Postgres);
}

#[test]
fn each_tenants_files_lie_below_its_own_root_on_mariadb() {
    lived(Engine::MariaDb);
}

#[test]
fn each_tenants_objects_lie_below_its_own_prefix() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let Some(fresh) = runtime.block_on(Fresh::new(Kind::Versions, None, "")) else { return };
    let (endpoint, name) = (fresh.settings.endpoint.as_deref().expect("a service"), &fresh.settings.bucket);
    let bucket = |store: &str, prefix: &str| {
        format!(
            "[files.{store}.bucket]\nname = \"{name}\"\nregion = \"us-east-1\"\nendpoint = \"{endpoint}\"\nprefix = \"{prefix}\"\n\
             access_key_id = \"key\"\nsecret_file = \"secret\"\nallow_http = true\n"
        )
    };
    let stores = bucket("wishes", "wishes/{tenant}/kept") + &bucket("scans", "scans/{tenant}");
    let Some(family) = Family::new(Engine::Sqlite, &["bare", "north", "south"], &stores) else { return };
    let site = &family.site;
    site.write("secret", "canary-secret");
    let all = || PATHS.iter().chain(&["a/../CanaryWish"]);
    let key = |tenant: &str, path: &str| place(tenant, &path.replace("a/../CanaryWish", "a/Shared"));
    for tenant in ["north", "south"] {
        all().for_each(|path| runtime.block_on(fresh.put(&key(tenant, path), format!("canary of {tenant}").as_bytes())));
    }
    for (tenant, _) in &family.tenants {
        family.sql(tenant, "UPDATE booking SET wishes = 'a/Shared' WHERE wishes = 'CanaryWish'");
    }
    family.sql("south", RECENT);
    site.run(&["check"]).expect(0);
    let left = |tenant: &str| {
        let own =
            |path: &&&str| runtime.block_on(fresh.get(&key(tenant, path))) == Some(format!("canary of {tenant}").into_bytes());
        PATHS.iter().filter(own).count()
    };
    // A prefix without any object is what a wrong one looks like: that tenant alone waits.
    let of = by_source(&enforce(site, &plans(site, 0)).expect(1));
    assert_eq!(["crm:bare", "crm:north", "crm:south"].map(|id| changed(&of, id)), [1, 4, 1], "{of:#?}");
    assert_eq!((left("north"), left("south")), (3, 8), "{of:#?}");
    let back = family.restore("north", "1");
    assert_eq!((&back["files"]["written"], left("north"), left("south")), (&1.into(), 4, 8), "{back}");
    sound(site);

    // No store, and no archive, where a tenant could have the name.
    for other in [bucket("other", "scans/x"), bucket("other", "scans"), bucket("other", "scans/{tenant}/b")] {
        family.log_in(&format!("{stores}{other}"));
        site.run(&["check"]).refused(78, "lie in each other");
    }
}

/// What cannot be told apart is refused before anything runs.
#[test]
fn a_family_and_only_a_family_has_stores_with_a_root_for_each_tenant() {
    let Some(family) = Family::new(Engine::Sqlite, &["north"], DIRECTORIES) else { return };
    let site = &family.site;
    let with = |stores: &str| {
        family.log_in(stores);
        site.run(&["check", "--offline"])
    };
    with(DIRECTORIES).expect(0);
    let one = "[files.wishes]\ndirectory = \"wishes/{tenant}\"\n";
    for (scans, words) in [
        ("directory = \"scans\"", "the tenants of the family `crm` would share the store of files `scans`"),
        ("directory = \"{tenant}/scans/{tenant}\"", "does not say which part of the root is the tenant"),
        ("directory = \"scans-{tenant}\"", "does not say which part of the root is the tenant"),
        ("directory = \"scans/{tenant}/..\"", "does not say which part of the root is the tenant"),
        (
            "bucket = { name = \"b\", region = \"r\", access_key_id = \"k\", secret_file = \"s\", prefix = \"x{tenant}\" }",
            "does not say which part of the root is the tenant",
        ),
    ] {
        with(&format!("{one}[files.scans]\n{scans}\n")).refused(78, words);
    }
    // Another family, or a single source, in the same store; a single source in a store for tenants.
    let map = std::fs::read_to_string(site.path("map.toml")).expect("the map");
    let policy = std::fs::read_to_string(site.path("policy.toml")).expect("the policy");
    site.write("other.toml", &map.replace("id = \"crm\"", "id = \"other\""));
    site.write("other-policy.toml", &policy.replace("\"crm", "\"other"));
    family.log_in(DIRECTORIES);
    let text = std::fs::read_to_string(site.path("retentiond.toml")).expect("the settings");
    let text = text.replace("[\"policy.toml\"]", "[\"policy.toml\", \"other-policy.toml\"]");
    let other = |of: &str| {
        site.write("retentiond.toml", &format!("{text}\n[sources.other]\nmap = \"other.toml\"\n{of}\n"));
        site.run(&["check", "--offline"])
    };
    other("family = { list = { north = \"sqlite:o.db\" } }").refused(78, "source `crm` points into store `scans`, too");
    site.write(
        "other.toml",
        &std::fs::read_to_string(site.path("other.toml")).expect("it").replace("store = \"", "store = \"o-"),
    );
    let stores = |root: &str| {
        format!("[files.o-wishes]\ndirectory = \"o/wishes{root}\"\n[files.o-scans]\ndirectory = \"o/scans{root}\"\n")
    };
    let text = text.replace("[sources.crm]\n", &format!("{}\n[sources.crm]\n", stores("/{tenant}")));
    let other = |of: &str, text: &str| {
        site.write("retentiond.toml", &format!("{text}\n[sources.other]\nmap = \"other.toml\"\n{of}\n"));
        site.run(&["check", "--offline"])
    };
    other("family = { list = { north = \"sqlite:o.db\" } }", &text).expect(0);
    other("url = \"sqlite:o.db\"", &text).refused(78, "has a root for each tenant, and `other` is no family");
    other(
        "url = \"sqlite:o.db\"",
        &text.replace("/{tenant}\"\n[files.o-", "\"\n[files.o-").replace("o/scans/{tenant}", "o/scans"),
    )
    .expect(0);

    // Two stores at one place: a tenant of one could have the name of a tenant of the other.
    for directory in ["scans", "scans/anybody", "scans/{tenant}/below", "wishes/../scans/{tenant}"] {
        family.write("scans/anybody/x", "x");
        family.write("wishes/x", "x");
        family.log_in(&format!("{DIRECTORIES}[files.other]\ndirectory = \"{directory}\"\n"));
        site.run(&["check"]).refused(78, "lie in each other");
        site.run(&["archive", "verify"]).expect(0);
        let of = by_source(&enforce(site, &plans(site, 0)).expect(1));
        assert!(of["crm:north"]["error"].as_str().is_some_and(|e| e.contains("lie in each other")), "{of:#?}");
    }
}
