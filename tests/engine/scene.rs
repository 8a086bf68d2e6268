//! One organisation with each shape of action: `log` (deleted, the predicate reads the row alone), `client` with `note`s that follow it (deleted
//! together), `account` (anonymised, dated by its `visit`s, which are read and not changed).

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::enforce::{Point, RunOutcome, Settings, Silent, Watch};
use retentiond::journal::{Entry, Event, export, verify};
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, Rules, rules, unlimited};
pub use crate::support::ENGINES;
use crate::support::{TestDatabase, database};

/// The engines with row locks, where several sessions write at the same time.
pub const LOCKING: [Engine; 3] = [Engine::Postgres, Engine::MariaDb, Engine::MySql];

pub const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.log]
title = { fr = "Journal", en = "Log" }
table = "log"
key = ["id"]
disposition = "delete"
triggers = ["veto"]
[data.log.categories]
connection = { columns = ["ip"], mask = "null" }
[data.log.events.seen]
title = { fr = "Collecte", en = "Collection" }
column = "seen"
format = "iso_date"

[data.client]
title = { fr = "Client", en = "Client" }
table = "client"
key = ["id"]
disposition = "delete"
triggers = ["veto_client"]
[data.client.categories]
identity = { columns = ["name"], mask = { fixed = "ANONYME" } }
[data.client.events.seen]
title = { fr = "Contact", en = "Contact" }
column = "seen"
format = "iso_date"

[data.note]
title = { fr = "Note", en = "Note" }
table = "note"
key = ["id"]
follows = "client"
on = { client_id = "id" }
disposition = "delete"
[data.note.categories]
text = { columns = ["body"], mask = { fixed = "" } }

[data.account]
title = { fr = "Compte", en = "Account" }
table = "account"
key = ["id"]
disposition = "anonymise"
[data.account.categories]
identity = { columns = ["name"], mask = { fixed = "ANONYME" } }
[data.account.events.visited]
title = { fr = "Visite", en = "Visit" }
of = { table = "visit", on = { account_id = "id" } }
column = "seen"
format = "iso_date"
"#;

pub const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "connection"
title = { fr = "Connexion", en = "Connection data" }
legal_basis = "legal_obligation"
data = "crm.log"
needs = "all"
starts = "seen"
keeps = "3 years"

[[purpose]]
id = "clients"
title = { fr = "Clients", en = "Clients" }
legal_basis = "legitimate_interest"
data = "crm.client"
needs = "all"
starts = "seen"
keeps = "3 years"

[[purpose]]
id = "accounts"
title = { fr = "Comptes", en = "Accounts" }
legal_basis = "contract"
data = "crm.account"
needs = "all"
starts = { latest_of = ["visited"] }
keeps = "3 years"
"#;

/// A day that is due, and one that is not.
pub const DUE: &str = "2020-01-01";
pub const KEPT: &str = "2026-01-01";

pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap()
}

/// Map and policy; triggers are listed in the map only where a test creates them.
pub fn scene_rules(triggers: &[&str]) -> Rules {
    let map: Vec<&str> =
        MAP.lines().filter(|l| !l.starts_with("triggers") || triggers.iter().any(|t| l.contains(&format!("\"{t}\"")))).collect();
    rules(&map.join("\n"), &[POLICY])
}

pub fn schema(engine: Engine) -> String {
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    format!(
        "CREATE TABLE log (id integer PRIMARY KEY, ip varchar(45), seen {date} NOT NULL);
         CREATE TABLE client (id integer PRIMARY KEY, name varchar(50) NOT NULL, seen {date} NOT NULL);
         CREATE TABLE note (id integer PRIMARY KEY, client_id integer NOT NULL REFERENCES client (id), body varchar(50) NOT NULL);
         CREATE TABLE account (id integer PRIMARY KEY, name varchar(50) NOT NULL);
         CREATE TABLE visit (id integer PRIMARY KEY, account_id integer NOT NULL REFERENCES account (id), seen {date} NOT NULL);"
    )
}

/// `n` due rows in each data set, from id 1 on.
pub fn fill(n: usize) -> String {
    let values = |row: &dyn Fn(usize) -> String| (1..=n).map(row).collect::<Vec<_>>().join(", ");
    format!(
        "INSERT INTO log VALUES {};\nINSERT INTO client VALUES {};\nINSERT INTO note VALUES {};\nINSERT INTO account VALUES {};\nINSERT INTO visit VALUES {};",
        values(&|i| format!("({i}, '10.0.0.{}', '{DUE}')", i % 250)),
        values(&|i| format!("({i}, 'C{i}', '{DUE}')")),
        values(&|i| format!("({i}, {i}, 'N{i}')")),
        values(&|i| format!("({i}, 'A{i}')")),
        values(&|i| format!("({i}, {i}, '{DUE}')")),
    )
}

/// A database with the organisation in it.
pub async fn organisation(engine: Engine, n: usize) -> Option<TestDatabase> {
    let db = database(engine).await?;
    db.run_sql(&schema(engine)).await;
    db.run_sql(&fill(n)).await;
    Some(db)
}

/// The rows of a query, columns joined by `|`.
pub async fn read(fixture: &Fixture<'_>, sql: &str) -> Vec<String> {
    let mut session = fixture.source.session().await.unwrap();
    let rows = session.rows(sql).await.unwrap();
    session.done().await.unwrap();
    rows.into_iter().map(|r| r.into_iter().map(|c| c.unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join("|")).collect()
}

/// One number that a query answers.
pub async fn number(fixture: &Fixture<'_>, what: &str) -> u64 {
    let text = match fixture.engine {
        Engine::Postgres => format!("SELECT (COUNT(*))::text {what}"),
        Engine::Sqlite => format!("SELECT CAST(COUNT(*) AS TEXT) {what}"),
        _ => format!("SELECT CAST(COUNT(*) AS CHAR) {what}"),
    };
    read(fixture, &text).await[0].parse().unwrap()
}

/// Our own table's name.
pub fn own(engine: Engine, table: &str) -> String {
    if engine == Engine::Postgres { format!("retentiond.{table}") } else { format!("retentiond_{table}") }
}

/// All entries of the journal.
pub async fn entries(fixture: &Fixture<'_>) -> Vec<Entry> {
    let reader = fixture.journal.reader();
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let page = reader.entries(from, 5_000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        from += page.len() as u64;
        all.extend(page);
    }
}

/// An export of the journal is sound; each ledger row has exactly one `applied` that was not reverted, and the other way round.
pub async fn consistent(fixture: &Fixture<'_>) {
    fixture.journal.checkpoint().await.unwrap();
    let mut file = Vec::new();
    export(&fixture.journal.reader(), &mut file).await.unwrap();
    let report = verify(&mut file.as_slice(), &fixture.journal.verifier_key().await, &[]).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
    let all = entries(fixture).await;
    let mut applied: Vec<String> = Vec::new();
    for entry in &all {
        match &entry.event {
            Event::Applied { batch, .. } => applied.push(batch.to_string()),
            Event::Reverted { batch, .. } => applied.retain(|b| *b != batch.to_string()),
            // What is put back has a ledger row of its own.
            Event::Undone { undo, .. } => applied.push(undo.to_string()),
            _ => {}
        }
    }
    let mut ledger = read(fixture, &format!("SELECT batch FROM {}", own(fixture.engine, "ledger"))).await;
    applied.sort();
    ledger.sort();
    assert_eq!(applied, ledger, "{}", fixture.engine.name());
    assert_eq!(fixture.journal.reader().open_batches().await.unwrap().len(), 0);
    assert_eq!(fixture.journal.reader().open_undos().await.unwrap().len(), 0);
}

/// Whether a run left nothing due and nothing refused.
pub fn clean(outcome: &RunOutcome) {
    for a in &outcome.actions {
        assert_eq!((a.due_after, a.failed, a.busy, a.too_large), (0, 0, 0, 0), "{a:?}");
    }
}

/// Another run, after which nothing is due.
pub async fn run_clean(fixture: &Fixture<'_>, rules: &Rules) -> RunOutcome {
    let outcome = fixture.run_with(rules, unlimited(), &Silent).await.unwrap();
    clean(&outcome);
    outcome
}

/// Batches of this many records, however long they take.
pub fn batches_of(n: usize) -> Settings {
    let target_time = std::time::Duration::from_secs(5);
    Settings { first_batch: n, largest_batch: n * 2, target_time, chunk: n as u64, ..unlimited() }
}

type Step<'a> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> + Send + Sync + 'a>;

/// Does something once, when a point of an action is reached for the nth time.
pub struct Once<'a> {
    point: Point,
    action: &'a str,
    nth: usize,
    seen: AtomicUsize,
    step: Step<'a>,
}

impl<'a> Once<'a> {
    pub fn new(point: Point, action: &'a str, nth: usize, step: Step<'a>) -> Self {
        Self { point, action, nth, seen: AtomicUsize::new(0), step }
    }

    pub fn happened(&self) -> bool {
        self.seen.load(Ordering::SeqCst) > self.nth
    }
}

impl Watch for Once<'_> {
    fn at<'b>(&'b self, point: Point, action: &'b str) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>> {
        let now = point == self.point && action == self.action && self.seen.fetch_add(1, Ordering::SeqCst) == self.nth;
        if now { (self.step)() } else { Box::pin(std::future::ready(())) }
    }
}

/// Counts what a run cost: (action, rows, round trips) of each batch.
#[derive(Default)]
pub struct Costs(pub Mutex<Vec<(String, usize, u64)>>);

impl Watch for Costs {
    fn cost(&self, action: &str, rows: usize, round_trips: u64) {
        self.0.lock().unwrap().push((action.to_owned(), rows, round_trips));
    }
}
