//! A source that asks a second one: `request`s leave once their copy was seen there, `person`s go unless a contract there needs them.

use chrono::{DateTime, Utc};
use retentiond::enforce::{AskedOf, Copies, CopyBase, Elsewhere, EnforceError, Questions, run_documents};
use retentiond::plan::schema::Engine;
use retentiond::policy::located::Faults;
use retentiond::policy::map::DataMap;
use retentiond::policy::{link, read_map, read_policy};
use retentiond::source::{Source, Target};

use crate::enforcement::{Rules, prepare};

const MAP: &str = r#"
[source]
id = "crm"

[data.request]
title = { fr = "Demande", en = "Request" }
table = "request"
key = ["id"]
plain = ["code"]
disposition = "delete"
categories = { text = { columns = ["body"], mask = { fixed = "" } } }
events = { seen = { title = { fr = "Clôture", en = "Closure" }, column = "seen", format = "iso_date" } }
copies = { paper = { in = "base.paper", matched_by = { number = "id", code = "code" } } }

[data.person]
title = { fr = "Personne", en = "Person" }
table = "person"
key = ["id"]
plain = ["code"]
subjects = { person = "code" }
disposition = "delete"
[data.person.categories]
identity = { columns = ["name"], mask = { fixed = "" } }
contact = { columns = ["email"], mask = "null" }
[data.person.events.seen]
title = { fr = "Contact", en = "Contact" }
column = "seen"
format = "iso_date"
"#;

const BASE_MAP: &str = r#"
[source]
id = "base"

[data.paper]
title = { fr = "Dossier", en = "File" }
table = "paper"
key = ["id"]
plain = ["number", "code"]
disposition = "delete"
categories = { text = { columns = ["body"], mask = { fixed = "" } } }

[data.contract]
title = { fr = "Contrat", en = "Contract" }
table = "contract"
key = ["id"]
plain = ["holder"]
subjects = { person = "holder" }
disposition = "delete"
categories = { text = { columns = ["body"], mask = { fixed = "" } } }
[data.contract.events.ended]
title = { fr = "Fin", en = "End" }
column = "ended"
format = "iso_date"
missing = "running"
"#;

/// Purposes as (id, data set, the rest).
const PURPOSES: [(&str, &str, &str); 3] = [
    ("requests", "request", "needs = \"all\"\nstarts = \"seen\"\nkeeps = \"3 years\""),
    ("evidence", "request", "needs = \"all\"\nkept_in = \"copy:paper\""),
    ("persons", "person", "needs = \"all\"\nstarts = \"seen\"\nkeeps = \"3 years\""),
];
const THERE: [(&str, &str, &str); 2] = [
    ("papers", "paper", "needs = \"all\"\nended_by = [\"instruction\"]"),
    ("contracts", "contract", "needs = [\"text\", \"crm.person.identity\"]\nstarts = \"ended\"\nkeeps = \"1 year\""),
];

fn policy(source: &str, purposes: &[(&str, &str, &str)]) -> String {
    let mut text = format!("[policy]\nid = \"{source}\"\nauthor = \"dpo\"\ntitle = {{ fr = \"F\", en = \"P\" }}\n");
    for (id, data, rest) in purposes {
        text.push_str(&format!(
            "[[purpose]]\nid = \"{id}\"\ntitle = {{ fr = \"F\", en = \"P\" }}\nlegal_basis = \"contract\"\ndata = \"{source}.{data}\"\n{rest}\n"
        ));
    }
    text
}

/// The rules of the source that asks, and the map of the one that is asked.
pub fn both_rules() -> (Rules, DataMap) {
    let mut faults = Faults::default();
    let texts = [policy("crm", &PURPOSES), policy("base", &THERE)];
    let maps = [MAP, BASE_MAP].map(|text| read_map::read(text, 0, &mut faults).unwrap());
    let policies = texts.each_ref().map(|text| read_policy::read(text, 1, &mut faults).unwrap());
    link::link(&maps, &policies, &mut faults);
    assert!(!faults.any_error(), "{:#?}", faults.sorted());
    let documents = run_documents(MAP, &mut [("crm", &texts[0]), ("base", &texts[1])]);
    let [map, base] = maps;
    (Rules { map, policies: policies.to_vec(), documents }, base)
}

/// The tables that ask.
pub fn schema_here(engine: Engine) -> String {
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    format!(
        "CREATE TABLE request (id integer PRIMARY KEY, code varchar(20) NOT NULL, body varchar(20) NOT NULL, seen {date} NOT NULL);
         CREATE TABLE person (id integer PRIMARY KEY, code varchar(20), name varchar(50) NOT NULL, email varchar(50), seen {date} NOT NULL);"
    )
}

/// The tables that are asked.
pub fn schema_there(engine: Engine) -> String {
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    format!(
        "CREATE TABLE paper (id integer PRIMARY KEY, number integer, code varchar(20), body varchar(20) NOT NULL);
         CREATE TABLE contract (id integer PRIMARY KEY, holder varchar(20), ended {date}, body varchar(20) NOT NULL);
         CREATE INDEX paper_number ON paper (number); CREATE INDEX contract_holder ON contract (holder);"
    )
}

/// A copy of two requests in three, the third under another code; a running contract of one person in three, one that is over of another.
pub fn fill_there(n: usize) -> String {
    let mut sql = "DELETE FROM paper;\nDELETE FROM contract;\n".to_owned();
    for i in 1..=n {
        let (code, ended) = (if i.is_multiple_of(3) { "r" } else { "R" }, if i % 3 == 1 { "NULL" } else { "'2020-01-01'" });
        sql.push_str(&format!("INSERT INTO paper VALUES ({i}, {i}, '{code}{i}', 'x');\n"));
        if !i.is_multiple_of(3) {
            sql.push_str(&format!("INSERT INTO contract VALUES ({i}, 'P{i}', {ended}, 'x');\n"));
        }
    }
    sql
}

/// What a process asks.
///
/// # Errors
/// The second source is not to be had.
pub async fn ask(url: &str, rules: &Rules, base: &DataMap, now: DateTime<Utc>) -> Result<(Copies, Elsewhere), EnforceError> {
    let source = Source::connect(&Target::new(url.to_owned())).await?;
    let (mut copies, mut elsewhere) = (Copies::default(), Elsewhere::default());
    for copy in rules.map.data_sets.iter().flat_map(|data| &data.copies) {
        let there = CopyBase::open(source.clone(), base, &copy.of.data_set).await?.unwrap();
        copies.add(copy.of.value.clone(), Ok(there));
    }
    let of = Rules { map: base.clone(), policies: rules.policies.clone(), documents: rules.documents.clone() };
    let prepared = prepare(&source, &of, now).await;
    for asked in AskedOf::all(&rules.map, &rules.policies).into_values() {
        elsewhere.add(&source, Questions::new(&prepared, &of.map, &of.policies, &asked).unwrap());
    }
    Ok((copies, elsewhere))
}
