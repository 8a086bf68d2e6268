//! A source with pseudonyms in two tables, and the hash computed apart from the product.

use std::future::Future;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::enforce::{EnforceError, Point, Prepared, RunOutcome, Silent, Watch, check, explain};
use retentiond::plan::explain::{Language, text};
use retentiond::plan::listing::{Step, listing};
use retentiond::plan::quote::text_literal;
use retentiond::plan::schema::Engine;
use retentiond::policy::located::Faults;
use retentiond::reference::PseudonymKey;
use retentiond::source::SourceError;
use retentiond::source::setup::{SetupRequest, script};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection};

use crate::enforcement::{Fixture, Rules, rules, unlimited};
use crate::pseudonym_key;
use crate::support::TestDatabase;

const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.person]
title = { fr = "Personne", en = "Person" }
table = "person"
key = ["id"]
disposition = "pseudonymise"
[data.person.categories]
contact = { columns = ["email"], mask = "pseudonym" }
name = { columns = ["nick"], mask = { pseudonym = { prefix = "n.", suffix = "@x", digits = 64 } } }
[data.person.events.last_contact]
title = { fr = "Dernier contact", en = "Last contact" }
column = "last_contact"

[data.contact]
title = { fr = "Contact", en = "Contact" }
table = "contact"
key = ["id"]
disposition = "pseudonymise"
[data.contact.categories]
contact = { columns = ["address"], mask = { pseudonym = { prefix = "pseu-" } } }
[data.contact.events.seen]
title = { fr = "Vu", en = "Seen" }
column = "seen"
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
id = "contacts"
title = { fr = "Contacts", en = "Contacts" }
legal_basis = "contract"
data = "crm.contact"
needs = "all"
starts = "seen"
keeps = "1 year"
"#;

/// A text with what SQL, formats and hashes could stumble over.
pub const ODD: &str = " b\\'\"$1%s ";

pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap()
}

fn schema(engine: Engine) -> String {
    // Where the engine has one, a column in another character set: its text is hashed all the same.
    let latin = if engine == Engine::Postgres { "" } else { " CHARACTER SET latin1 COLLATE latin1_german2_ci" };
    let odd = text_literal(engine, ODD).unwrap();
    let done = format!("n.{}@x", "0".repeat(64));
    format!(
        "CREATE TABLE person (id integer PRIMARY KEY, email varchar(80), nick varchar(80), last_contact date);
         CREATE TABLE contact (id integer PRIMARY KEY, address varchar(80){latin} NOT NULL, seen date);
         INSERT INTO person VALUES (1, 'zoé@example.invalid', 'Zoé 🌍', '2020-01-01'), (2, 'zoé@example.invalid', NULL, '2020-01-01'),
           (3, {odd}, '', '2020-01-01'), (4, NULL, '{done}', '2020-01-01'), (5, 'kept@example.invalid', 'kept', '2026-01-01');
         INSERT INTO contact VALUES (1, 'zoé@example.invalid', '2020-01-01'), (2, 'zoé@example.invalid', '2026-11-01');"
    )
}

/// What a pseudonym has to be, computed apart from the product and its model.
pub fn pseudonym(key: &PseudonymKey, prefix: &str, digits: usize, suffix: &str, text: &str) -> Option<String> {
    let inner = Sha256::digest([key.inner.as_slice(), text.as_bytes()].concat());
    let hash = hex::encode(Sha256::digest([key.outer.as_slice(), &inner[..]].concat()));
    Some(format!("{prefix}{}{suffix}", &hash[..digits]))
}

pub struct Place<'d> {
    pub fixture: Fixture<'d>,
    rules: Rules,
}

impl<'d> Place<'d> {
    /// The tables with their rows, set up as `check` says.
    pub async fn new(engine: Engine, database: &'d TestDatabase) -> Self {
        database.run_sql(&schema(engine)).await;
        let fixture = Fixture::new(engine, database, "crm", now()).await;
        let place = Self { fixture, rules: rules(MAP, &[POLICY]) };
        place.set_up().await;
        place
    }

    /// Runs the setup script with the grants that `check` derives.
    pub async fn set_up(&self) {
        let checked = self.checked(&mut Faults::default()).await;
        let name = &self.fixture.database.name;
        let request = SetupRequest {
            source: "crm".to_owned(),
            role: format!("r_{}", &name[name.len() - 12..]),
            host: None,
            slots: 4,
            database: name.clone(),
            tables: checked.grants,
        };
        self.fixture.database.run_sql(&script(self.fixture.engine, &request).unwrap()).await;
    }

    async fn checked(&self, faults: &mut Faults) -> retentiond::enforce::Checked {
        check(&self.fixture.source, &self.rules.map, &self.rules.policies, now(), true, faults).await.unwrap()
    }

    /// Everything that `check` says.
    pub async fn check(&self) -> Vec<String> {
        let mut faults = Faults::default();
        self.checked(&mut faults).await;
        faults.sorted().iter().map(|f| f.message.clone()).collect()
    }

    pub fn key_table(&self) -> &'static str {
        if self.fixture.engine == Engine::Postgres { "retentiond.pseudonym_key" } else { "retentiond_pseudonym_key" }
    }

    pub async fn key(&self) -> PseudonymKey {
        pseudonym_key::read(self.fixture.engine, self.fixture.database).await
    }

    pub async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut session = self.fixture.source.session().await.unwrap();
        let rows = session.rows(sql).await.unwrap();
        session.done().await.unwrap();
        rows
    }

    /// The personal values of all people.
    pub async fn people(&self) -> Vec<Vec<Option<String>>> {
        self.rows("SELECT email, nick FROM person ORDER BY id").await
    }

    pub async fn prepare(&self) -> Prepared {
        self.fixture.prepare(&self.rules).await
    }

    pub async fn run(&self) -> Result<RunOutcome, EnforceError> {
        self.run_watched(&Silent).await
    }

    pub async fn run_watched(&self, watch: &dyn Watch) -> Result<RunOutcome, EnforceError> {
        self.fixture.run_prepared(&self.prepare().await, unlimited(), watch).await
    }

    /// The statement that acts on people, for two keys.
    pub async fn acting_statement(&self) -> String {
        let prepared = self.prepare().await;
        let listed = listing(&prepared.plan);
        listed.into_iter().find(|l| l.step == Step::Act && l.action.starts_with("person.")).unwrap().sql
    }

    /// Sends a statement, and rolls it back.
    pub async fn attempt(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, SourceError> {
        let mut session = self.fixture.source.session().await.unwrap();
        session.rows(if self.fixture.engine == Engine::Postgres { "BEGIN" } else { "START TRANSACTION" }).await.unwrap();
        let answer = session.rows(sql).await;
        session.discard().await;
        answer
    }

    /// The story of a person in both languages, and as machines read it.
    pub async fn story(&self, key: &str) -> Vec<String> {
        let prepared = self.prepare().await;
        let key = [key.to_owned()];
        let (map, policies) = (&self.rules.map, &self.rules.policies);
        let told = explain(&self.fixture.source, &prepared, map, policies, "person", &key).await.unwrap();
        vec![text(&told, Language::French), text(&told, Language::English), serde_json::to_string(&told).unwrap()]
    }

    /// Every file of the state, with its content.
    pub fn state_files(&self) -> Vec<(String, Vec<u8>)> {
        let mut folders = vec![self.fixture._folder.path().to_owned()];
        let mut all = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => all.push((entry.path().display().to_string(), std::fs::read(entry.path()).unwrap())),
                }
            }
        }
        all
    }
}

/// Takes the key away when a batch is about to act.
pub struct Thief {
    pub sql: String,
    pub url: String,
    pub engine: Engine,
}

impl Watch for Thief {
    fn at<'a>(&'a self, point: Point, _: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if point == Point::Intended {
                let sql = AssertSqlSafe(self.sql.clone());
                match self.engine {
                    Engine::Postgres => {
                        PgConnection::connect(&self.url).await.unwrap().execute(sql).await.unwrap();
                    }
                    _ => {
                        MySqlConnection::connect(&self.url).await.unwrap().execute(sql).await.unwrap();
                    }
                }
            }
        })
    }
}

/// What the server logs of every statement from now on.
pub struct Log {
    path: PathBuf,
    from: u64,
}

impl Log {
    /// `None`, said loudly, where the log is not known.
    pub fn of(engine: Engine) -> Option<Self> {
        let variable = if engine == Engine::Postgres { "RETENTIOND_TEST_POSTGRES_LOG" } else { "RETENTIOND_TEST_MARIADB_LOG" };
        let Some(path) = std::env::var_os(variable).map(PathBuf::from) else {
            assert!(std::env::var_os("CI").is_none(), "{variable} is not set");
            eprintln!("SKIPPED: {variable} is not set, run ./test");
            return None;
        };
        let from = path.metadata().unwrap().len();
        Some(Self { path, from })
    }

    pub fn read(&self) -> Vec<u8> {
        let mut file = std::fs::File::open(&self.path).unwrap();
        file.seek(SeekFrom::Start(self.from)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

pub fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}
