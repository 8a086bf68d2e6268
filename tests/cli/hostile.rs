//! Names that are made to hurt whoever reads them: escapes, direction marks, line breaks. They are escaped in every output.

use retentiond::plan::schema::Engine;

use crate::site::Site;

const TABLE: &str = "ta\u{1b}[2Jb\u{202e}le\n2";
const COLUMN: &str = "na\u{1b}]0;x\u{7}\rme\u{200f}";
const KEY: &str = "k\u{9b}e\ty\u{2066}";

fn quoted(engine: Engine, name: &str) -> String {
    match engine {
        Engine::MariaDb | Engine::MySql => format!("`{name}`"),
        _ => format!("\"{name}\""),
    }
}

fn escaped(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\U{:08x}", c as u32) }).collect()
}

fn inert(what: &str, text: &str) {
    let bad = |c: char| c != '\n' && retentiond::policy::reader::hostile(c);
    assert!(!text.chars().any(bad), "{what}: {}", text.escape_debug());
    assert!(!text.contains("le\n2"), "{what}: {}", text.escape_debug());
}

fn hostile(engine: Engine) {
    let Some(site) = Site::new(engine) else { return };
    let (t, c, k) = (quoted(engine, TABLE), quoted(engine, COLUMN), quoted(engine, KEY));
    site.sql(&format!("CREATE TABLE {t} ({k} VARCHAR(40) NOT NULL PRIMARY KEY, {c} VARCHAR(40), d DATE)"));
    site.sql(&format!(
        "INSERT INTO {t} VALUES ('Canary\u{1b}[2J', 'Canary', '2001-01-01'), ('Canary\u{202e}', 'Canary', '2001-01-01')"
    ));
    let map = std::fs::read_to_string(site.path("map.toml")).expect("the map");
    let added = format!(
        "\n[data.hostile]\ntitle = {{ fr = \"Hostile\", en = \"Hostile\" }}\ntable = {{ name = \"{}\" }}\nkey = [\"{}\"]\ndisposition = \"anonymise\"\n\
         plain = [\"d\", \"{}\"]\n\n[data.hostile.categories.identity]\ncolumns = [\"{}\"]\nmask = \"null\"\n\n\
         [data.hostile.events.dated]\ntitle = {{ fr = \"date\", en = \"date\" }}\ncolumn = \"d\"\n",
        escaped(TABLE),
        escaped(KEY),
        escaped(KEY),
        escaped(COLUMN)
    );
    site.write("map.toml", &format!("{map}{added}"));
    let policy = std::fs::read_to_string(site.path("policy.toml")).expect("the policy");
    let added = "\n[[purpose]]\nid = \"hostile\"\ntitle = { fr = \"Hostile\", en = \"Hostile\" }\nlegal_basis = \"consent\"\ndata = \"crm.hostile\"\n\
                 needs = \"all\"\nstarts = \"dated\"\nkeeps = \"1 year\"\n";
    site.write("policy.toml", &format!("{policy}{added}"));
    site.run(&["init"]).expect(0);
    // The script is run as it is printed: names stand in it as the engine quotes them.
    let script = site.run(&["setup", "--source", "crm", "--role", &site.role_name()]).expect(0).out;
    site.sql(&script);
    site.log_in();

    let checked = site.run(&["check"]);
    assert!(checked.err.contains("CREATE") && checked.err.contains("\\u{202e}"), "no index is advised: {checked:?}");
    inert("check", &(checked.out + &checked.err));
    let mut map_draft = vec!["map", "--source", "crm"];
    for command in [
        &["check", "--format", "json"][..],
        &["plan"],
        &["plan", "--format", "json"],
        &["plan", "--lang", "fr"],
        &["setup", "--source", "crm", "--format", "json"],
        &[
            "order",
            "hold",
            "--data",
            "crm.hostile",
            "--key",
            "\u{1b}[2J",
            "--actor",
            "dpo",
            "--reason",
            "litigation",
            "--reference",
            "C",
        ],
        &["order", "list"],
        &[
            "order",
            "hold",
            "--data",
            "crm.\u{1b}[2J\u{202e}",
            "--key",
            "1",
            "--actor",
            "\u{202e}",
            "--reason",
            "\u{1b}",
            "--reference",
            "C",
        ],
        &["plan", "--source", "\u{1b}[2J\u{202e}"],
        &["enforce", "--source", "crm", "--plan", "\u{1b}[2J\u{202e}"],
        &["locate", "\u{1b}[2J\u{202e}", "--data", "crm.hostile"],
        &["journal", "verify", "\u{1b}[2J\u{202e}", "--key", "\u{1b}[2J"],
    ] {
        let answer = site.run(command);
        inert(&format!("{command:?}"), &(answer.out + &answer.err));
    }
    map_draft.extend(["--format", "json"]);
    inert("map", &site.run(&map_draft).out);
    let answer = site.enforce().expect(0);
    inert("enforce", &(answer.out + &answer.err));
    inert("journal show", &site.run(&["journal", "show"]).expect(0).out);
    inert("journal show", &site.run(&["journal", "show", "--format", "json"]).expect(0).out);
    let entries = site.json(&["journal", "prove", "--data", "crm.hostile", "--key", "Canary\u{1b}[2J"]);
    let mac = entries["macs"][0]["mac"].as_str().expect("a MAC").to_owned();
    inert("locate", &site.run(&["locate", &mac, "--data", "crm.hostile"]).expect(0).out);
    inert("locate", &site.run(&["locate", &mac, "--data", "crm.hostile", "--format", "json"]).expect(0).out);
}

#[test]
fn hostile_names_are_inert_in_every_output_on_sqlite() {
    hostile(Engine::Sqlite);
}

#[test]
fn hostile_names_are_inert_in_every_output_on_postgres() {
    hostile(Engine::Postgres);
}

#[test]
fn hostile_names_are_inert_in_every_output_on_mariadb() {
    hostile(Engine::MariaDb);
}

#[test]
fn hostile_names_are_inert_in_every_output_on_mysql() {
    hostile(Engine::MySql);
}

#[test]
fn a_located_key_is_printed_whole() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    let key = format!("{}@example.org", "k".repeat(200));
    site.sql(&format!("INSERT INTO subscriber VALUES ('{key}', '2099-01-01', NULL)"));
    site.enforce().expect(0);
    let proof = site.run(&["journal", "prove", "--data", "crm.subscriber", "--key", &key, "--format", "json"]).expect(1).json();
    let mac = proof["macs"][0]["mac"].as_str().expect("a MAC").to_owned();
    assert_eq!(site.run(&["locate", &mac, "--data", "crm.subscriber"]).expect(0).out, format!("{key}\n"));
}
