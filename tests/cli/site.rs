//! A small organisation whose every personal value contains the word `Canary`, on any engine, and the program under test beside it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate};
use retentiond::clock::{Clock as _, SystemClock};
use retentiond::plan::schema::Engine;
use serde_json::Value;

use crate::support::{TestDatabase, database};

const MAP: &str = include_str!("site/map.toml");
const POLICY: &str = include_str!("site/policy.toml");
const SCHEMA: &str = include_str!("site/schema.sql");

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Fails unless the command exited with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Fails unless the command refused with `code` and these words on standard error.
    #[track_caller]
    pub fn refused(self, code: i32, words: &str) -> Self {
        assert!(self.code == code && self.err.contains(words), "expected {code} and {words:?}: {self:#?}");
        self
    }
}

/// Runs the program in `dir`, with nothing of this process's environment.
pub fn run_in(dir: &Path, args: &[&str], environment: &[(&str, &str)]) -> Answer {
    let output = assert_cmd::Command::cargo_bin("retentiond")
        .expect("the program")
        .current_dir(dir)
        .env_clear()
        .envs(environment.iter().copied())
        .args(args)
        .timeout(std::time::Duration::from_secs(600))
        .output()
        .expect("it ran");
    Answer {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// The organisation.
pub struct Site {
    pub engine: Engine,
    pub database: TestDatabase,
    pub runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    /// The role that setup creates.
    role: String,
}

impl Site {
    /// Files, database and rows; `None` where the engine is not at hand.
    pub fn new(engine: Engine) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let database = runtime.block_on(database(engine))?;
        let folder = tempfile::tempdir().expect("a folder");
        let role = format!("r_{}", &database.name[2..]);
        let site = Self { engine, database, runtime, folder, role };
        site.write("map.toml", MAP);
        site.write("policy.toml", POLICY);
        site.settings("");
        site.write("url", &site.database.url);
        site.sql(SCHEMA);
        site.sql(&rows(SystemClock.now().date_naive()));
        Some(site)
    }

    /// The site with its state and our tables.
    pub fn ready(engine: Engine) -> Option<Self> {
        let site = Self::new(engine)?;
        site.run(&["init"]).expect(0);
        let script = site.run(&["setup", "--source", "crm", "--role", &site.role]).expect(0).out;
        site.sql(&script);
        site.log_in();
        Some(site)
    }

    /// From here on the program connects as the role that setup created, with the rights that the script gave it.
    pub fn log_in(&self) {
        match self.engine {
            Engine::Postgres => self.sql(&format!("ALTER ROLE {} LOGIN PASSWORD 'pw'", self.role)),
            Engine::MariaDb | Engine::MySql => self.sql(&format!("ALTER USER {} IDENTIFIED BY 'pw' ACCOUNT UNLOCK", self.role)),
            Engine::Sqlite => return,
        }
        self.write("url", &self.database.as_user(&self.role));
    }

    /// The folder of the settings.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// The role that setup creates, different for each site.
    pub fn role_name(&self) -> String {
        self.role.clone()
    }

    /// A path beside the settings.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes the settings, with `more` at the end of the general part.
    pub fn settings(&self, more: &str) {
        self.write(
            "retentiond.toml",
            &format!(
                "state = \"state\"\nactors = [\"dpo\", \"ops\"]\npolicies = [\"policy.toml\"]\n{more}\n\n[ceilings]\nshare_percent = 100\n\n\
                 [sources.crm]\nmap = \"map.toml\"\nurl_file = \"url\"\n"
            ),
        );
    }

    /// Writes a file that only its owner may read.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    /// Runs a command.
    pub fn run(&self, args: &[&str]) -> Answer {
        self.run_with(args, &[])
    }

    /// Runs a command with environment variables, with everything logged that can be; no personal value may be said.
    pub fn run_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Answer {
        let mut all = vec!["--config", "retentiond.toml"];
        all.extend(args);
        let answer = run_in(self.dir(), &all, &[environment, &[("RETENTIOND_LOG", "trace")]].concat());
        let said = format!("{}{}", answer.out, answer.err).to_lowercase();
        assert!(args[0] == "locate" || !said.contains("canary"), "{args:?} said a personal value: {answer:#?}");
        assert!(!said.contains("panicked"), "{answer:#?}");
        // What is logged has been looked through; what is said to people remains.
        let logged = |line: &str| ["TRACE ", "DEBUG ", " INFO ", " WARN "].iter().any(|level| line.contains(level));
        Answer { err: answer.err.lines().filter(|l| !logged(l)).map(|l| format!("{l}\n")).collect(), ..answer }
    }

    /// Runs a command for programs and reads its answer.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["--format", "json"];
        all.extend(args);
        let answer = self.run(&args_after(&all));
        assert_eq!(answer.code, 0, "{answer:#?}");
        answer.json()
    }

    /// Runs SQL as the administrator.
    pub fn sql(&self, sql: &str) {
        self.runtime.block_on(self.database.run_sql(sql));
    }

    /// Gives another database the tables and rows that the site's own has.
    pub fn fill(&self, database: &TestDatabase) {
        self.runtime.block_on(database.run_sql(SCHEMA));
        self.runtime.block_on(database.run_sql(&rows(SystemClock.now().date_naive())));
    }

    /// The hash of the plan of now.
    pub fn hash(&self) -> String {
        self.json(&["plan"])[0]["plan"].as_str().expect("a hash").to_owned()
    }

    /// One run of the plan of now.
    pub fn enforce(&self) -> Answer {
        let hash = self.hash();
        self.run(&["enforce", "--source", "crm", "--plan", &hash, "--format", "json"])
    }

    /// Places an order for a lawsuit; returns its id.
    pub fn order(&self, kind: &str, rest: &[&str]) -> String {
        let mut args = vec!["order", kind];
        args.extend(rest);
        args.extend(["--actor", "dpo", "--reason", "litigation", "--reference", "CASE/1"]);
        self.json(&args)["order"].as_str().expect("an id").to_owned()
    }

    /// How many records each data set has, as the plan counts them.
    pub fn records(&self) -> Vec<(String, u64)> {
        let plan = self.json(&["plan"]);
        let sets = plan[0]["data_sets"].as_array().expect("data sets");
        sets.iter()
            .map(|s| (s["data_set"].as_str().expect("an id").to_owned(), s["records"].as_u64().expect("a count")))
            .collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Roles belong to the server and outlive the database.
        match self.engine {
            Engine::Postgres => self.sql(&format!(
                "DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{0}') THEN DROP OWNED BY {0} CASCADE; DROP ROLE {0}; END IF; END $$",
                self.role
            )),
            Engine::MariaDb | Engine::MySql => self.sql(&format!("DROP USER IF EXISTS {}", self.role)),
            Engine::Sqlite => {}
        }
    }
}

/// Global options may stand anywhere; the command's name comes first here so that a failing assertion names it.
fn args_after<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let (options, command) = args.split_at(2);
    [command, options].concat()
}

fn rows(today: NaiveDate) -> String {
    let ago = |days: u64| today.checked_sub_days(Days::new(days)).expect("a day");
    let person = |id: u32, kind: &str, agency: &str, created: Option<NaiveDate>| {
        let created = created.map_or("NULL".to_owned(), |d| format!("'{d}'"));
        format!(
            "({id}, '{kind}', '{agency}', {created}, 'CanaryFirst{id}', 'CanaryLast{id}', 'canary{id}@example.org', 'canary-06{id}')"
        )
    };
    let persons = [
        person(1, "C", "CanaryAgencyA", Some(ago(4_000))),
        person(2, "P", "CanaryAgencyA", Some(ago(800))),
        person(3, "P", "CanaryAgencyA", Some(ago(10))),
        person(4, "C", "CanaryAgencyA", Some(ago(4_000))),
        person(5, "C", "CanaryAgencyB", Some(ago(10))),
        person(6, "P", "CanaryAgencyC", None),
    ];
    format!(
        "INSERT INTO person VALUES {};
         INSERT INTO booking VALUES (1, 1, 'CanaryWish'), (4, 1, 'CanaryWish'), (4, 2, 'CanaryWish'), (5, 1, 'CanaryWish');
         INSERT INTO subscriber VALUES ('canary.old@example.org', '{}', 'CanaryName'), ('canary.new@example.org', '{}', 'CanaryName')",
        persons.join(", "),
        ago(400),
        ago(5)
    )
}
