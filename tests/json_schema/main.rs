//! The published JSON Schemas and the reader say the same: the same keys in every table, the same words, and the shipped examples pass both.

#![expect(clippy::unwrap_used, reason = "in a test a failed unwrap is a failed test")]

mod validate;
mod values;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use retentiond::config::load;
use retentiond::policy::located::{Faults, Severity};
use retentiond::policy::{read_map, read_policy};
use serde_json::Value;

const POLICY: &str = include_str!("../../config/schema/policy.schema.json");
const MAP: &str = include_str!("../../config/schema/map.schema.json");
const SETTINGS: &str = include_str!("../../config/schema/settings.schema.json");

/// Where every string literal of the reader stands: a key that it knows is one of them.
const READER: [&str; 7] = [
    include_str!("../../src/config/archives.rs"),
    include_str!("../../src/config/family_shape.rs"),
    include_str!("../../src/config/shape.rs"),
    include_str!("../../src/policy/read_map.rs"),
    include_str!("../../src/policy/read_policy.rs"),
    include_str!("../../src/policy/read_mask.rs"),
    include_str!("../../src/policy/recovery.rs"),
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Policy,
    Map,
    Settings,
}

impl Kind {
    fn schema(self) -> Value {
        let text = match self {
            Self::Policy => POLICY,
            Self::Map => MAP,
            Self::Settings => SETTINGS,
        };
        serde_json::from_str(text).unwrap()
    }

    /// The errors that the reader finds.
    fn errors(self, text: &str) -> Vec<String> {
        let mut faults = Faults::default();
        match self {
            Self::Policy => drop(read_policy::read(text, 0, &mut faults)),
            Self::Map => drop(read_map::read(text, 0, &mut faults)),
            // No such file: what its mode demands is not looked at here.
            Self::Settings => drop(load(text, 0, Path::new("/nowhere"), &mut faults)),
        }
        faults.sorted().iter().filter(|f| f.severity == Severity::Error).map(|f| f.message.clone()).collect()
    }

    /// The faults that the schema finds.
    fn invalid(self, text: &str) -> Vec<String> {
        let document: toml::Table = toml::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        validate::validate(&self.schema(), &json(&toml::Value::Table(document)))
    }
}

fn json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(s) => s.as_str().into(),
        toml::Value::Integer(n) => (*n).into(),
        toml::Value::Float(f) => (*f).into(),
        toml::Value::Boolean(b) => (*b).into(),
        toml::Value::Datetime(d) => d.to_string().into(),
        toml::Value::Array(list) => list.iter().map(json).collect(),
        toml::Value::Table(table) => table.iter().map(|(k, v)| (k.clone(), json(v))).collect(),
    }
}

const HEAD: &str = "id = \"p\", author = \"a\", title = { fr = \"t\", en = \"t\" }";
const PURPOSE: &str =
    "id = \"p\", title = { fr = \"t\", en = \"t\" }, legal_basis = \"consent\", data = \"s.d\", needs = \"all\"";
const DATA_SET: &str = "title = { fr = \"t\", en = \"t\" }, table = \"t\", key = [\"id\"], disposition = \"delete\"";
const EVENT: &str = "title = { fr = \"t\", en = \"t\" }, column = \"c\"";

fn policy(head: &str, purpose: &str) -> String {
    format!("policy = {{ {head} }}\npurpose = [{{ {purpose} }}]\n")
}

fn map(data_set: &str) -> String {
    format!("source = {{ id = \"s\" }}\ndata = {{ d = {{ {data_set} }} }}\n")
}

const SETTINGS_ROOT: &str = "state = \"s\", policies = [\"p\"], sources = { c = { map = \"m\",url = \"sqlite:x\" } }";
const SOURCE: &str = "map = \"m\", url = \"sqlite:x\"";

const RECIPIENTS: &str = "recipients = [\"age1dnagl60sm4x9wecc2e9gegvkcnj4hkzr980tk8l8u9e7xrd2r4ksh00hj8\"]";
const ARCHIVE: &str = "directory = \"d\", recipients = [\"age1dnagl60sm4x9wecc2e9gegvkcnj4hkzr980tk8l8u9e7xrd2r4ksh00hj8\"]";
const LEAST_BUCKET: &str = "name = \"b\", region = \"r\", access_key_id = \"k\", secret_file = \"f\"";
const BUCKET: &str = "name = \"b\", region = \"r\", access_key_id = \"k\"";

/// Settings with this beside the state.
fn settings(more: &str) -> String {
    format!("state = \"s\"\npolicies = [\"p\"]\n{more}\n")
}

/// A table that a schema describes.
type Described = (Kind, &'static str, &'static str, fn(&str) -> String);

/// Every table that the schemas describe: the file, the definition ("" for the root), what the table holds at least, and a document around it.
fn tables() -> Vec<Described> {
    use Kind::{Map, Policy, Settings};
    vec![
        (Policy, "", "policy = {}, purpose = []", |keys| keys.replace(", ", "\n")),
        (Policy, "head", HEAD, |keys| policy(keys, PURPOSE)),
        (Policy, "title", "fr = \"t\", en = \"t\"", |keys| {
            policy(&format!("id = \"p\", author = \"a\", title = {{ {keys} }}"), PURPOSE)
        }),
        (Policy, "purpose", PURPOSE, |keys| policy(HEAD, keys)),
        (Policy, "recovery", "data = \"s.d\", days = 7, kept_in = \"archive:a\"", |keys| {
            format!("{}recovery = [{{ {keys} }}]\n", policy(HEAD, PURPOSE))
        }),
        (Policy, "needs/oneOf/2", "all_but = [\"c\"]", |keys| {
            policy(HEAD, &PURPOSE.replace("\"all\"", &format!("{{ {keys} }}")))
        }),
        (Policy, "combined", "not = \"c\"", |keys| policy(HEAD, &format!("{PURPOSE}, when = {{ {keys} }}"))),
        (Policy, "start_table", "event = \"e\"", |keys| policy(HEAD, &format!("{PURPOSE}, starts = {{ {keys} }}"))),
        (Policy, "financial_year", "financial_year = \"06-30\"", |keys| {
            policy(HEAD, &format!("{PURPOSE}, starts = {{ event = \"e\", end_of = {{ {keys} }} }}"))
        }),
        (Policy, "cap_table", "starts = \"e\", keeps = \"1 day\"", |keys| {
            policy(HEAD, &format!("{PURPOSE}, at_most = [{{ {keys} }}]"))
        }),
        (Map, "", "source = {}, data = {}", |keys| keys.replace(", ", "\n")),
        (Map, "source", "id = \"s\"", |keys| format!("source = {{ {keys} }}\ndata = {{ d = {{ {DATA_SET} }} }}\n")),
        (Map, "data_set", DATA_SET, |keys| map(keys)),
        (Map, "file_column", "column = \"c\", store = \"s\"", |keys| map(&format!("{DATA_SET}, files = {{ f = {{ {keys} }} }}"))),
        (Map, "title", "fr = \"t\", en = \"t\"", |keys| {
            map(&format!("table = \"t\", key = [\"id\"], disposition = \"delete\", title = {{ {keys} }}"))
        }),
        (Map, "table_parts", "name = \"t\"", |keys| map(&DATA_SET.replace("table = \"t\"", &format!("table = {{ {keys} }}")))),
        (Map, "related_table", "table = \"t\", on = { a = \"b\" }", |keys| {
            map(&format!("{DATA_SET}, events = {{ e = {{ {EVENT}, of = {{ {keys} }} }} }}"))
        }),
        (Map, "category", "columns = [\"c\"], mask = \"null\"", |keys| {
            map(&format!("{DATA_SET}, categories = {{ c = {{ {keys} }} }}"))
        }),
        (Map, "mask_table", "first = 1", |keys| {
            map(&format!("{DATA_SET}, categories = {{ c = {{ masks = {{ c = {{ {keys} }} }} }} }}"))
        }),
        (Map, "token", "prefix = \"aa\"", |keys| {
            map(&format!("{DATA_SET}, categories = {{ c = {{ masks = {{ c = {{ token = {{ {keys} }} }} }} }} }}"))
        }),
        (Map, "pseudonym", "prefix = \"aa\"", |keys| {
            map(&format!("{DATA_SET}, categories = {{ c = {{ masks = {{ c = {{ pseudonym = {{ {keys} }} }} }} }} }}"))
        }),
        (Map, "ip_prefix", "v4 = 24, v6 = 48", |keys| {
            map(&format!("{DATA_SET}, categories = {{ c = {{ masks = {{ c = {{ ip_prefix = {{ {keys} }} }} }} }} }}"))
        }),
        (Map, "event", EVENT, |keys| map(&format!("{DATA_SET}, events = {{ e = {{ {keys} }} }}"))),
        (Map, "map_condition", "title = { fr = \"t\", en = \"t\" }, sql = \"a = 1\"", |keys| {
            map(&format!("{DATA_SET}, conditions = {{ c = {{ {keys} }} }}"))
        }),
        (Map, "period_column", "title = { fr = \"t\", en = \"t\" }, column = \"c\", unit = \"days\"", |keys| {
            map(&format!("{DATA_SET}, periods = {{ p = {{ {keys} }} }}"))
        }),
        (Map, "copy", "in = \"s.d\", matched_by = { c = \"c\" }", |keys| {
            map(&format!("{DATA_SET}, copies = {{ p = {{ {keys} }} }}"))
        }),
        (Settings, "", SETTINGS_ROOT, |keys| keys.replace(", ", "\n")),
        (Settings, "source", SOURCE, |keys| settings(&format!("sources = {{ c = {{ {keys} }} }}"))),
        (Settings, "family", "glob = \"t/*.db\"", |keys| {
            settings(&format!("sources = {{ c = {{ map = \"m\", family = {{ {keys} }} }} }}"))
        }),
        (Settings, "files", "directory = \"d\"", |keys| {
            settings(&format!("files = {{ a = {{ {keys} }} }}\nsources = {{ c = {{ {SOURCE} }} }}"))
        }),
        (Settings, "archive", ARCHIVE, |keys| {
            settings(&format!("archives = {{ a = {{ {keys} }} }}\nsources = {{ c = {{ {SOURCE} }} }}"))
        }),
        (Settings, "bucket", LEAST_BUCKET, |keys| {
            let archive = format!("{{ {RECIPIENTS}, bucket = {{ {keys} }} }}");
            settings(&format!("archives = {{ a = {archive} }}\nsources = {{ c = {{ {SOURCE} }} }}"))
        }),
        (Settings, "files_bucket", LEAST_BUCKET, |keys| {
            settings(&format!("files = {{ a = {{ bucket = {{ {keys} }} }} }}\nsources = {{ c = {{ {SOURCE} }} }}"))
        }),
        (Settings, "ceilings", "rows = 1", |keys| {
            settings(&format!("ceilings = {{ {keys} }}\nsources = {{ c = {{ {SOURCE} }} }}"))
        }),
    ]
}

/// The tables of a schema whose keys are closed, by the path of their definition.
fn closed(schema: &Value, at: &str, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            if members.get("additionalProperties") == Some(&Value::Bool(false)) {
                found.push(at.to_owned());
            }
            for (key, inner) in members {
                closed(inner, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(i, inner)| closed(inner, &format!("{at}/{i}"), found)),
        _ => {}
    }
}

#[test]
fn every_table_of_the_schemas_is_compared() {
    for kind in [Kind::Policy, Kind::Map, Kind::Settings] {
        let mut found = Vec::new();
        closed(&kind.schema(), "", &mut found);
        found.sort();
        let mut compared: Vec<String> = tables().iter().filter(|t| t.0 == kind).map(|t| pointer(t.1)).collect();
        compared.sort();
        assert_eq!(found, compared, "{kind:?}");
    }
}

fn pointer(definition: &str) -> String {
    if definition.is_empty() { String::new() } else { format!("/$defs/{definition}") }
}

/// Every word that may be a key: all string literals of the reader and all keys of the schemas.
fn words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for source in READER {
        let literals = source.split('"').skip(1).step_by(2).chain(source.split('"').step_by(2));
        words.extend(
            literals
                .filter(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
                .map(str::to_owned),
        );
    }
    for (kind, definition, ..) in tables() {
        words.extend(keys(kind, definition));
    }
    words
}

fn keys(kind: Kind, definition: &str) -> BTreeSet<String> {
    let schema = kind.schema();
    let table = schema.pointer(&pointer(definition)).unwrap();
    table["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_reader_knows_exactly_the_keys_of_the_schemas() {
    let words = words();
    assert!(words.len() > 80, "only {} words: the literals of the reader were not found", words.len());
    for (kind, definition, least, document) in tables() {
        let allowed = keys(kind, definition);
        let unknown = |text: &str, key: &str| kind.errors(text).contains(&format!("unknown key `{key}`"));
        let standing: toml::Table = toml::from_str(&format!("table = {{ {least} }}")).unwrap();
        let standing = standing["table"].as_table().unwrap();
        let mut compared = 0;
        for word in &words {
            let there = standing.contains_key(word);
            let text = document(&if there { least.to_owned() } else { format!("{least}, {word} = 1") });
            assert_eq!(!unknown(&text, word), allowed.contains(word), "{kind:?} {definition}: `{word}`\n{text}");
            compared += usize::from(allowed.contains(word));
        }
        assert_eq!(compared, allowed.len(), "{kind:?} {definition}");
    }
}

/// Required keys, too: without one of them both find a fault.
#[test]
fn the_reader_requires_what_the_schemas_require() {
    for (kind, definition, least, document) in tables() {
        let schema = kind.schema();
        let table = schema.pointer(&pointer(definition)).unwrap();
        for key in table.get("required").and_then(Value::as_array).into_iter().flatten().map(|k| k.as_str().unwrap()) {
            let text = document(&least.replace(&format!("{key} = "), "x = "));
            let named = |e: &String| e.contains(key) && !e.starts_with("unknown key");
            assert!(kind.errors(&text).iter().any(named), "{kind:?} {definition}: `{key}`\n{text}");
        }
    }
}

#[test]
fn the_shipped_examples_are_valid() {
    let mut files = 0;
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    for folder in std::fs::read_dir(examples).unwrap() {
        for (kind, name) in [(Kind::Policy, "policy.toml"), (Kind::Map, "map.toml")] {
            let path = folder.as_ref().unwrap().path().join(name);
            let faults = kind.invalid(&std::fs::read_to_string(&path).unwrap());
            assert_eq!(faults, Vec::<String>::new(), "{}", path.display());
            files += 1;
        }
    }
    assert_eq!(files, 14);
    let base = include_str!("../faults/base/retentiond.toml");
    assert_eq!(Kind::Settings.invalid(base), Vec::<String>::new());
}

/// Every key of the settings has its line in the page that explains them, and every key of the page is one.
#[test]
fn the_settings_page_names_every_key() {
    let page = include_str!("../../docs/configuration.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!((Kind::Settings.errors(example), Kind::Settings.invalid(example)), (Vec::new(), Vec::new()));
    let named: BTreeSet<String> =
        page.lines().filter_map(|l| Some(l.strip_prefix("| `")?.split('`').next()?.to_owned())).collect();
    let mut all = BTreeSet::new();
    for (_, definition, ..) in tables().iter().filter(|t| t.0 == Kind::Settings) {
        all.extend(keys(Kind::Settings, definition));
    }
    // These are headings of the page.
    let headings = ["sources", "ceilings", "archives", "files"].map(str::to_owned);
    assert!(headings.iter().all(|h| page.contains(&format!("\n## `[{h}"))));
    all.retain(|k| !headings.contains(k));
    assert_eq!(named, all);
}

/// What editors show on a key: every key has a description, its own or that of what it refers to.
#[test]
fn every_key_is_described() {
    for (kind, definition, ..) in tables() {
        let schema = kind.schema();
        let table = schema.pointer(&pointer(definition)).unwrap();
        for (key, value) in table["properties"].as_object().unwrap() {
            let referred = value.get("$ref").and_then(|r| schema.pointer(r.as_str().unwrap().trim_start_matches('#')));
            let described = [Some(value), referred].into_iter().flatten().any(|v| v.get("description").is_some());
            assert!(described, "{kind:?} {definition}: `{key}`");
        }
    }
}
