//! A small organisation with everything in order, of which each test spoils one thing.

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::enforce::{Checked, check};
use retentiond::plan::schema::Engine;
use retentiond::policy::located::{Fault, Faults, Severity};
use retentiond::policy::map::DataMap;
use retentiond::policy::purpose::Policy;
use retentiond::policy::{link, read_map, read_policy};
use retentiond::source::setup::{SetupRequest, TableGrant, script};
use retentiond::source::{Source, Target};

use crate::support::{TestDatabase, database};

/// The organisation as files and as SQL; `{date}` becomes the engine's type for dates.
#[derive(Clone)]
pub struct Case {
    pub map: String,
    pub policy: String,
    pub sql: String,
}

const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.person]
title = { fr = "Personne", en = "Person" }
table = "person"
key = ["id"]
disposition = "anonymise"
plain = ["kind"]

[data.person.categories]
identity = { columns = ["name"], mask = { fixed = "ANONYME" } }
contact = { columns = ["email"], mask = "null" }

[data.person.events.last_contact]
title = { fr = "Dernier contact", en = "Last contact" }
column = "last_contact"
format = "iso_date"

[data.note]
title = { fr = "Note", en = "Note" }
table = "note"
key = ["id"]
follows = "person"
on = { person_id = "id" }
disposition = "delete"
[data.note.categories]
text = { columns = ["body"], mask = { fixed = "" } }

[data.log]
title = { fr = "Journal", en = "Log" }
table = "log"
key = ["id", "part"]
disposition = "delete"
[data.log.categories]
connection = { columns = ["ip"], mask = "null" }
[data.log.events.seen]
title = { fr = "Collecte", en = "Collection" }
column = "seen"
format = "iso_date"
"#;

const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "prospects"
title = { fr = "Prospection", en = "Prospecting" }
legal_basis = "legitimate_interest"
data = "crm.person"
needs = "all"
starts = "last_contact"
keeps = "3 years"

[[purpose]]
id = "newsletter"
title = { fr = "Lettre", en = "Newsletter" }
legal_basis = "consent"
data = "crm.person"
needs = ["contact"]
starts = "last_contact"
keeps = "4 years"

[[purpose]]
id = "connection"
title = { fr = "Connexion", en = "Connection data" }
legal_basis = "legal_obligation"
data = "crm.log"
needs = "all"
starts = "seen"
keeps = "13 months"
"#;

const SQL: &str = "
CREATE TABLE person (id integer PRIMARY KEY, name varchar(50) NOT NULL, email varchar(80), kind varchar(9), last_contact {date});
CREATE TABLE note (id integer PRIMARY KEY, person_id integer NOT NULL REFERENCES person (id), body varchar(50) NOT NULL);
CREATE TABLE log (id integer NOT NULL, part varchar(8) NOT NULL, ip varchar(45), seen {date} NOT NULL, PRIMARY KEY (id, part));
CREATE INDEX person_start ON person (last_contact);
CREATE INDEX note_person ON note (person_id);
CREATE INDEX log_start ON log (seen);
INSERT INTO person VALUES (1, 'A', 'a@example.invalid', 'P', '2020-11-22'), (2, 'B', 'b@example.invalid', 'P', '2023-11-21'),
  (3, 'C', 'c@example.invalid', 'Q', '2023-11-22'), (4, 'D', 'd@example.invalid', NULL, NULL);
INSERT INTO note VALUES (10, 1, 'n1'), (11, 3, 'n2'), (12, 1, 'n3'), (13, 2, 'n4');
INSERT INTO log VALUES (1, 'a', '10.1.2.3', '2025-10-21'), (1, 'b', '10.1.2.3', '2025-10-22'), (2, 'a', NULL, '2024-01-01');
";

/// Everything in order.
pub fn case() -> Case {
    Case { map: MAP.to_owned(), policy: POLICY.to_owned(), sql: SQL.to_owned() }
}

impl Case {
    /// Replaces a text of the map, which must be there.
    pub fn map(mut self, old: &str, new: &str) -> Self {
        assert!(self.map.contains(old), "{old}");
        self.map = self.map.replace(old, new);
        self
    }

    /// Replaces a text of the schema, which must be there.
    pub fn sql(mut self, old: &str, new: &str) -> Self {
        assert!(self.sql.contains(old), "{old}");
        self.sql = self.sql.replace(old, new);
        self
    }

    /// Without the rows that follow a person, and with one purpose for people alone.
    pub fn alone(mut self) -> Self {
        let cut = |text: &str, from: &str, to: &str| {
            let (a, b) = (text.find(from).unwrap(), text.find(to).unwrap());
            format!("{}{}", &text[..a], &text[b..])
        };
        self.map = cut(&self.map, "[data.note]", "[data.log]");
        self.policy = cut(&self.policy, "[[purpose]]\nid = \"newsletter\"", "[[purpose]]\nid = \"connection\"");
        let notes = |line: &&str| !line.contains(" note");
        self.sql = self.sql.lines().filter(notes).collect::<Vec<_>>().join("\n");
        self
    }

    /// Adds statements.
    pub fn and(mut self, sql: &str) -> Self {
        self.sql.push_str(sql);
        self
    }

    /// The database of this case on one engine.
    pub async fn start(&self, engine: Engine) -> Option<Place> {
        let place = self.start_bare(engine).await?;
        let request = place.request("nobody", Vec::new());
        place.database.run_sql(&script(engine, &request).unwrap()).await;
        Some(place)
    }

    /// The same without this program's own tables.
    pub async fn start_bare(&self, engine: Engine) -> Option<Place> {
        let database = database(engine).await?;
        let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
        database.run_sql(&self.sql.replace("{date}", date)).await;
        let source = Source::connect(&Target::new(database.url.clone())).await.unwrap();
        let (map, policies) = read(&self.map, &self.policy);
        Some(Place { engine, database, source, map, policies })
    }

    /// What check says of this case, probe included.
    pub async fn findings(&self, engine: Engine) -> Option<Findings> {
        let place = self.start(engine).await?;
        Some(place.check(true).await)
    }
}

fn read(map: &str, policy: &str) -> (DataMap, Vec<Policy>) {
    let mut faults = Faults::default();
    let map = read_map::read(map, 0, &mut faults);
    let policy = read_policy::read(policy, 1, &mut faults);
    assert!(!faults.any_error(), "{:#?}", faults.sorted());
    let (map, policies) = (map.unwrap(), vec![policy.unwrap()]);
    link::link(std::slice::from_ref(&map), &policies, &mut faults);
    assert!(!faults.any_error(), "{:#?}", faults.sorted());
    (map, policies)
}

/// A case on one engine.
pub struct Place {
    pub engine: Engine,
    pub database: TestDatabase,
    pub source: Source,
    pub map: DataMap,
    pub policies: Vec<Policy>,
}

/// The instant of every check here.
pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap()
}

impl Place {
    /// A setup script's request with these grants, for a role of this database alone.
    pub fn request(&self, role: &str, tables: Vec<TableGrant>) -> SetupRequest {
        SetupRequest {
            source: "crm".to_owned(),
            role: format!("{role}_{}", self.database.name),
            host: None,
            slots: 1,
            database: self.database.name.clone(),
            tables,
        }
    }

    /// Runs check over the place's own connection.
    pub async fn check(&self, probe: bool) -> Findings {
        self.check_as(&self.source, probe).await
    }

    /// Runs check over another connection.
    pub async fn check_as(&self, source: &Source, probe: bool) -> Findings {
        let mut faults = Faults::default();
        let checked = check(source, &self.map, &self.policies, now(), probe, &mut faults).await.unwrap();
        Findings { all: faults.sorted().into_iter().cloned().collect(), checked, engine: self.engine }
    }

    /// One column of all rows, in the order of the statement.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let mut session = self.source.session().await.unwrap();
        let rows = session.rows(sql).await.unwrap();
        session.done().await.unwrap();
        rows.into_iter().map(|mut r| r.remove(0).unwrap_or_else(|| "-".to_owned())).collect()
    }
}

/// What check said.
pub struct Findings {
    pub all: Vec<Fault>,
    pub checked: Checked,
    pub engine: Engine,
}

impl Findings {
    fn of(&self, severity: Severity, parts: &[&str]) -> Option<&Fault> {
        self.all.iter().find(|f| f.severity == severity && parts.iter().all(|p| f.message.contains(p)))
    }

    fn list(&self) -> String {
        self.all.iter().map(|f| format!("\n{:?}: {} [{:?}] [{:?}]", f.severity, f.message, f.expected, f.help)).collect()
    }

    /// The error whose message has all these parts.
    #[track_caller]
    pub fn error(&self, parts: &[&str]) -> &Fault {
        let found = self.of(Severity::Error, parts);
        assert!(found.is_some(), "{}: no error with {parts:?} in {}", self.engine.name(), self.list());
        let found = found.unwrap();
        assert!(found.at.is_some());
        found
    }

    /// The warning whose message has all these parts.
    #[track_caller]
    pub fn warning(&self, parts: &[&str]) -> &Fault {
        let found = self.of(Severity::Warning, parts);
        assert!(found.is_some(), "{}: no warning with {parts:?} in {}", self.engine.name(), self.list());
        found.unwrap()
    }

    /// No fault has these parts.
    #[track_caller]
    pub fn silent(&self, parts: &[&str]) {
        let found = self.of(Severity::Error, parts).or(self.of(Severity::Warning, parts));
        assert!(found.is_none(), "{}: {found:#?}", self.engine.name());
    }

    /// No error at all.
    #[track_caller]
    pub fn no_error(&self) {
        assert!(!self.all.iter().any(|f| f.severity == Severity::Error), "{}: {}", self.engine.name(), self.list());
    }

    /// Nothing but what an administrator's role and a test server earn.
    #[track_caller]
    pub fn clean(&self) {
        let about_server = ["superuser", "secure_delete", "binary log", "logs every statement", "logs statements"];
        let other = self.all.iter().any(|f| !about_server.iter().any(|a| f.message.contains(a)));
        assert!(!other, "{}: {}", self.engine.name(), self.list());
    }
}
