//! One organisation with every shape of batch (`asked.rs` has those that ask a second source), and what must become of each of its rows, worked out here and not by SQL.
//!
//! `log` is deleted alone; `client` with the `note`s that follow it and the `tag`s that its foreign key takes along; a client whose `contract`
//! stays is emptied; `account` is masked, dated by its `visit`s, which are only read; a `reply` goes with those that answer it. Whoever is due ended yesterday, whoever is kept ends
//! today: between any two rows that go there is one that a day keeps. Client 5 is due and on hold.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::plan::schema::Engine;

use crate::asks::schema_here;
use crate::enforcement::{Rules, rules};

const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.log]
title = { fr = "Journal", en = "Log" }
table = "log"
key = ["id"]
disposition = "delete"
categories = { connection = { columns = ["ip"], mask = "null" } }
events = { seen = { title = { fr = "Collecte", en = "Collection" }, column = "seen", format = "iso_date" } }

[data.client]
title = { fr = "Client", en = "Client" }
table = "client"
key = ["id"]
disposition = "delete"
cascades = ["tag"]
categories = { identity = { columns = ["name"], mask = { fixed = "ANONYME" } } }
events = { seen = { title = { fr = "Contact", en = "Contact" }, column = "seen", format = "iso_date" } }

[data.note]
title = { fr = "Note", en = "Note" }
table = "note"
key = ["id"]
follows = "client"
on = { client_id = "id" }
disposition = "delete"
categories = { text = { columns = ["body"], mask = { fixed = "" } } }

[data.contract]
title = { fr = "Contrat", en = "Contract" }
table = "contract"
key = ["id"]
disposition = "delete"
categories = { signature = { columns = ["signed_by"], mask = { fixed = "ANONYME" } } }
events = { signed = { title = { fr = "Signature", en = "Signature" }, column = "seen", format = "iso_date" } }

[data.reply]
title = { fr = "Réponse", en = "Reply" }
table = "reply"
key = ["id"]
disposition = "delete"
categories = { text = { columns = ["body"], mask = { fixed = "" } } }
events = { said = { title = { fr = "Réponse", en = "Reply" }, column = "seen", format = "iso_date" } }

[data.account]
title = { fr = "Compte", en = "Account" }
table = "account"
key = ["id"]
disposition = "anonymise"
categories = { identity = { columns = ["name"], mask = { fixed = "ANONYME" } } }
[data.account.events.visited]
title = { fr = "Visite", en = "Visit" }
of = { table = "visit", on = { account_id = "id" } }
column = "seen"
format = "iso_date"
"#;

/// Purposes as (id, data set, legal basis, start, period).
const PURPOSES: [(&str, &str, &str, &str); 5] = [
    ("log", "legal_obligation", "\"seen\"", "3 years"),
    ("client", "legitimate_interest", "\"seen\"", "3 years"),
    ("contract", "contract", "\"signed\"", "10 years"),
    ("reply", "legitimate_interest", "\"said\"", "3 years"),
    ("account", "contract", "{ latest_of = [\"visited\"] }", "3 years"),
];

/// Data sets whose records go into an archive when they are due, with what follows them, until five years later.
pub const ARCHIVED: [(&str, &str); 4] =
    [("log", "\"seen\""), ("client", "\"seen\""), ("reply", "\"said\""), ("account", "{ latest_of = [\"visited\"] }")];

/// The tables whose rows are in those archives.
pub const IN_ARCHIVES: [&str; 5] = ["log", "client", "note", "reply", "account"];

/// Three years before yesterday and today, in Paris.
pub const DUE: &str = "2023-11-21";
pub const KEPT: &str = "2023-11-22";
/// The client on hold, who is due.
pub const HELD: usize = 5;

pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap()
}

/// When the hold was placed: the run makes a MAC key of its own.
pub fn before() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 10, 5, 8, 0, 0).unwrap()
}

pub fn scene_rules() -> Rules {
    let mut policy = "[policy]\nid = \"crm\"\nauthor = \"dpo\"\ntitle = { fr = \"Politique\", en = \"Policy\" }\n".to_owned();
    for (data, basis, starts, keeps) in PURPOSES {
        policy.push_str(&format!(
            "[[purpose]]\nid = \"{data}s\"\ntitle = {{ fr = \"F\", en = \"P\" }}\nlegal_basis = \"{basis}\"\ndata = \"crm.{data}\"\nneeds = \"all\"\nstarts = {starts}\nkeeps = \"{keeps}\"\n"
        ));
    }
    for (data, starts) in ARCHIVED {
        policy.push_str(&format!(
            "[[purpose]]\nid = \"{data}z\"\ntitle = {{ fr = \"A\", en = \"A\" }}\nlegal_basis = \"legal_obligation\"\ndata = \"crm.{data}\"\nneeds = \"all\"\nkept_in = \"archive:evidence\"\nstarts = {starts}\nkeeps = \"8 years\"\n"
        ));
    }
    rules(MAP, &[&policy])
}

/// The columns of each table, `id` first; children after their parents.
pub const TABLES: [(&str, &[&str]); 10] = [
    ("log", &["id", "ip", "seen"]),
    ("client", &["id", "name", "seen"]),
    ("note", &["id", "client_id", "body"]),
    ("tag", &["id", "client_id"]),
    ("contract", &["id", "client_id", "signed_by", "seen"]),
    ("reply", &["id", "answers", "body", "seen"]),
    ("account", &["id", "name"]),
    ("visit", &["id", "account_id", "seen"]),
    ("request", &["id", "code", "body", "seen"]),
    ("person", &["id", "code", "name", "email", "seen"]),
];

pub fn schema(engine: Engine) -> String {
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    format!(
        "CREATE TABLE log (id integer PRIMARY KEY, ip varchar(45), seen {date} NOT NULL);
         CREATE TABLE client (id integer PRIMARY KEY, name varchar(50) NOT NULL, seen {date} NOT NULL);
         CREATE TABLE note (id integer PRIMARY KEY, client_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id));
         CREATE TABLE tag (id integer PRIMARY KEY, client_id integer NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id) ON DELETE CASCADE);
         CREATE TABLE contract (id integer PRIMARY KEY, client_id integer NOT NULL, signed_by varchar(50) NOT NULL, seen {date} NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id));
         CREATE TABLE reply (id integer PRIMARY KEY, answers integer, body varchar(50) NOT NULL, seen {date} NOT NULL, FOREIGN KEY (answers) REFERENCES reply (id));
         CREATE TABLE account (id integer PRIMARY KEY, name varchar(50) NOT NULL);
         CREATE TABLE visit (id integer PRIMARY KEY, account_id integer NOT NULL, seen {date} NOT NULL, FOREIGN KEY (account_id) REFERENCES account (id));"
    ) + &schema_here(engine)
}

/// What stands for NULL.
pub const NOTHING: &str = "NULL";

/// All rows of all tables: table, id, the other columns.
pub type Rows = BTreeMap<String, BTreeMap<usize, Vec<String>>>;

/// A record: its table, which is also its data set, and its id.
pub type Record = (String, usize);

/// The organisation before a run and as it must be after it.
pub struct Scene {
    pub before: Rows,
    pub after: Rows,
}

impl Scene {
    /// `n` clients, accounts and log lines.
    pub fn new(n: usize) -> Self {
        let mut scene = Self { before: empty(), after: empty() };
        let (mut notes, mut tags, mut visits) = (0, 0, 0);
        for i in 1..=n {
            let kept = i % 4 == 0;
            let day = if kept { KEPT } else { DUE };
            scene.row("log", i, &[&format!("10.0.0.{i}"), day], kept.then(Vec::new));
            let (stays, emptied) = (kept || i == HELD, i % 4 == 3);
            let masked = emptied.then(|| vec![(0, "ANONYME")]);
            scene.row("client", i, &[&format!("C{i}"), day], stays.then(Vec::new).or(masked));
            for _ in 0..if emptied { 0 } else { i % 3 } {
                notes += 1;
                scene.row("note", notes, &[&i.to_string(), &format!("N{notes}")], stays.then(Vec::new));
            }
            for _ in 0..i % 2 {
                tags += 1;
                scene.row("tag", tags, &[&i.to_string()], (stays || emptied).then(Vec::new));
            }
            if emptied {
                scene.row("contract", i, &[&i.to_string(), &format!("S{i}"), DUE], Some(Vec::new()));
            }
            // Four in a row are a thread and one that stands alone: what two others answer goes with both.
            let answers = if i % 4 > 1 { (i - 1).to_string() } else { NOTHING.to_owned() };
            scene.row("reply", i, &[&answers, &format!("R{i}"), day], kept.then(Vec::new));
            scene.row("account", i, &[&format!("A{i}")], Some(if kept { Vec::new() } else { vec![(0, "ANONYME")] }));
            for seen in [DUE, day] {
                visits += 1;
                scene.row("visit", visits, &[&i.to_string(), seen], Some(Vec::new()));
            }
        }
        scene
    }

    /// One row, and which of its columns are something else afterwards; `None` when it is gone.
    pub fn row(&mut self, table: &str, id: usize, values: &[&str], fate: Option<Vec<(usize, &str)>>) {
        let mut row: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        self.before.get_mut(table).unwrap().insert(id, row.clone());
        let Some(changes) = fate else { return };
        for (column, value) in changes {
            row[column] = value.to_owned();
        }
        self.after.get_mut(table).unwrap().insert(id, row);
    }

    /// Statements that put every table back to what it was.
    pub fn fill(&self) -> String {
        let mut sql = String::new();
        // InnoDB looks at foreign keys row by row.
        for last in [3, 2] {
            sql.push_str(&format!("DELETE FROM reply WHERE id % 4 = {last};\n"));
        }
        for (table, _) in TABLES.iter().rev() {
            sql.push_str(&format!("DELETE FROM {table};\n"));
        }
        for (table, _) in TABLES {
            let values: Vec<String> = self.before[table]
                .iter()
                .map(|(id, row)| format!("({id}{})", row.iter().map(|v| literal(v)).collect::<String>()))
                .collect();
            if !values.is_empty() {
                sql.push_str(&format!("INSERT INTO {table} VALUES {};\n", values.join(", ")));
            }
        }
        sql
    }

    /// The records of which something is gone in these rows.
    pub fn changed(&self, found: &Rows) -> BTreeSet<Record> {
        let mut all = BTreeSet::new();
        for (table, rows) in &self.before {
            for (id, row) in rows {
                if found[table].get(id) != Some(row) {
                    all.insert((table.clone(), *id));
                }
            }
        }
        all
    }
}

fn literal(value: &str) -> String {
    if value == NOTHING { format!(", {NOTHING}") } else { format!(", '{value}'") }
}

fn empty() -> Rows {
    TABLES.iter().map(|(table, _)| ((*table).to_owned(), BTreeMap::new())).collect()
}

/// A query for all rows of a table as text.
pub fn read_all(engine: Engine, table: &str, columns: &[&str]) -> String {
    let text = if matches!(engine, Engine::MariaDb | Engine::MySql) { "CHAR" } else { "TEXT" };
    let list: Vec<String> = columns.iter().map(|c| format!("CAST({c} AS {text})")).collect();
    format!("SELECT {} FROM {table}", list.join(", "))
}

#[test]
fn the_scene_has_every_fate() {
    let scene = Scene::new(12);
    let changed = scene.changed(&scene.after);
    for (table, id) in [("log", 1), ("client", 1), ("client", 3), ("note", 1), ("tag", 1), ("account", 1), ("reply", 1)] {
        assert!(changed.contains(&(table.to_owned(), id)), "{table} {id}");
    }
    for (table, id) in [("log", 4), ("client", 4), ("client", HELD), ("account", 4), ("contract", 3), ("visit", 1)] {
        assert!(!changed.contains(&(table.to_owned(), id)), "{table} {id}");
    }
    assert_eq!(scene.after["client"][&3], ["ANONYME", DUE], "emptied: its contract stays");
    assert!(scene.after["note"].len() > 1 && scene.after["tag"].len() > 1, "some stay with whom they belong to");
}
