//! Shapes of a batch that are simpler than the engine's, played on the same schedules: each must lose a change, or the harness could not find one.
//! Beside them stand the shapes that the engine uses, written out by hand in the same way, which must not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use retentiond::plan::schema::Engine;

use crate::changes::changes;
use crate::director::Director;
use crate::enforcement::Fixture;
use crate::oracle::Oracle;
use crate::scene::{MASKED, Shape, fixture_now};
use crate::schedule::{ENGINE_STEPS, End, Schedule, Transaction, interleavings};
use crate::session::Wire;
use crate::support::database;

/// A batch in so many words. `{P}` is the predicate over the row `r`, `{keys}` what was found before, `{all}` the keys of the scene.
struct Form {
    name: &'static str,
    engine: Engine,
    shape: Shape,
    /// What the application does.
    changes: &'static [&'static str],
    /// Reads keys outside the transaction.
    find: Option<&'static str>,
    begin: &'static str,
    /// Reads keys inside it, and locks them.
    lock: Option<&'static str>,
    lock_children: Option<&'static str>,
    act: &'static str,
    loses: bool,
}

const OWN: &[&str] = &["revive", "date later", "change key and date later"];
const CHILDREN: &[&str] = &["insert keeping child", "revive child", "move child in", "date later"];

/// A form that keeps to the schedules of a shape that reads children; the others say where they differ.
const BASE: Form = Form {
    name: "",
    engine: Engine::Postgres,
    shape: Shape::LatestOf,
    changes: CHILDREN,
    find: None,
    begin: "BEGIN ISOLATION LEVEL READ COMMITTED",
    lock: Some("SELECT id::text FROM account AS r WHERE {P} FOR UPDATE OF r"),
    lock_children: Some("SELECT id::text FROM visit WHERE account_id IN ({keys}) FOR SHARE"),
    act: "UPDATE account AS r SET name = 'ANONYME' WHERE r.id IN ({keys}) AND {P}",
    loses: false,
};

/// As a tool does it that looks first and acts on what it saw.
const LOOK_FIRST: Form = Form {
    name: "select, then delete by key",
    shape: Shape::OwnDelete,
    changes: OWN,
    find: Some("SELECT CAST(id AS char(9)) FROM log AS r WHERE {P}"),
    begin: "BEGIN",
    lock: None,
    lock_children: None,
    act: "DELETE FROM log WHERE id IN ({keys}) RETURNING CAST(id AS char(9))",
    loses: true,
    ..BASE
};

const MARIADB: Form = Form {
    engine: Engine::MariaDb,
    begin: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION",
    lock: None,
    lock_children: None,
    ..BASE
};

const FORMS: [Form; 15] = [
    Form { name: "lock, lock children, act by key", ..BASE },
    Form {
        name: "one statement at READ COMMITTED",
        lock: None,
        lock_children: None,
        act: "UPDATE account AS r SET name = 'ANONYME' WHERE {P}",
        loses: true,
        ..BASE
    },
    Form {
        name: "a CTE that locks, and the act in the same statement",
        lock: None,
        lock_children: None,
        act: "WITH due AS (SELECT id FROM account AS r WHERE {P} FOR UPDATE) UPDATE account AS r SET name = 'ANONYME' FROM due WHERE r.id = due.id AND {P}",
        loses: true,
        ..BASE
    },
    Form { name: "REPEATABLE READ", begin: "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT ''", loses: true, ..BASE },
    Form { name: "SERIALIZABLE", begin: "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT ''", loses: true, ..BASE },
    Form {
        name: "FOR NO KEY UPDATE",
        lock: Some("SELECT id::text FROM account AS r WHERE {P} FOR NO KEY UPDATE OF r"),
        loses: true,
        ..BASE
    },
    Form { name: "children not locked", lock_children: None, loses: true, ..BASE },
    Form {
        name: "the predicate not repeated",
        act: "UPDATE account AS r SET name = 'ANONYME' WHERE r.id IN ({keys})",
        loses: true,
        ..BASE
    },
    LOOK_FIRST,
    Form { engine: Engine::MariaDb, begin: "START TRANSACTION", ..LOOK_FIRST },
    Form {
        engine: Engine::Sqlite,
        find: Some("SELECT CAST(id AS TEXT) FROM log AS r WHERE {P}"),
        begin: "BEGIN IMMEDIATE",
        act: "DELETE FROM log WHERE id IN ({keys}) RETURNING CAST(id AS TEXT)",
        ..LOOK_FIRST
    },
    Form {
        name: "one statement at READ COMMITTED",
        act: "UPDATE account AS r SET name = 'ANONYME' WHERE r.id IN ({all}) AND {P}",
        loses: true,
        ..MARIADB
    },
    Form {
        name: "READ COMMITTED, children locked, no foreign key",
        shape: Shape::Unguarded,
        lock: Some("SELECT CAST(id AS CHAR) FROM reader AS r WHERE {P} FOR UPDATE"),
        lock_children: Some("SELECT CAST(id AS CHAR) FROM opening WHERE reader_id IN ({keys}) LOCK IN SHARE MODE"),
        act: "UPDATE reader AS r SET name = 'ANONYME' WHERE r.id IN ({keys}) AND {P}",
        loses: true,
        ..MARIADB
    },
    Form {
        name: "exact keys at REPEATABLE READ, no foreign key",
        shape: Shape::Unguarded,
        begin: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION",
        act: "UPDATE reader AS r SET name = 'ANONYME' WHERE r.id IN ({all}) AND {P}",
        ..MARIADB
    },
    Form {
        name: "BEGIN IMMEDIATE, the predicate repeated",
        engine: Engine::Sqlite,
        begin: "BEGIN IMMEDIATE",
        lock: None,
        lock_children: None,
        act: "UPDATE account AS r SET name = 'ANONYME' WHERE {P}",
        ..BASE
    },
];

impl Form {
    fn sql(&self, text: &str, keys: &[String]) -> String {
        let over = "r.seen < '2023-01-01'";
        let predicate = match self.shape.child() {
            None => format!("{over} AND r.open = 0"),
            Some(child) => format!(
                "{over} AND r.name <> '{MASKED}' AND NOT EXISTS (SELECT 1 FROM {child} AS c WHERE c.{}_id = r.id AND NOT c.seen < '2023-01-01')",
                self.shape.root()
            ),
        };
        let keys = if keys.is_empty() { "0".to_owned() } else { keys.join(", ") };
        text.replace("{P}", &predicate).replace("{keys}", &keys).replace("{all}", "5, 6, 7, 8, 9, 7007")
    }

    fn schedules(&self) -> Vec<Schedule> {
        let changes = changes(self.engine, self.shape).into_iter().filter(|c| self.changes.contains(&c.name));
        changes
            .flat_map(|change| {
                let foreign = vec![Transaction { change, end: End::Commit, serializable: false }];
                let turns = interleavings(&[ENGINE_STEPS, 2]);
                turns.into_iter().map(move |turns| Schedule {
                    shape: self.shape,
                    action: String::new(),
                    foreign: foreign.clone(),
                    turns,
                })
            })
            .collect()
    }

    /// Plays one batch and answers the records that it changed although something kept them.
    async fn batch(&self, wire: &mut Wire, director: &Director, oracle: &Oracle<'_>) -> Result<Vec<i64>, String> {
        let read = |rows: Vec<Vec<Option<String>>>| -> Vec<String> {
            rows.into_iter()
                .filter_map(|r| r.into_iter().next()?)
                .map(|k| k.trim().to_owned())
                .filter(|k| !k.is_empty())
                .collect()
        };
        let mut keys = Vec::new();
        director.reached(0).await;
        if let Some(find) = self.find {
            keys = read(wire.rows(&self.sql(find, &[])).await?);
        }
        director.reached(1).await;
        wire.rows(self.begin).await?;
        director.reached(2).await;
        if let Some(lock) = self.lock {
            keys = read(wire.rows(&self.sql(lock, &[])).await?);
        }
        if let Some(lock) = self.lock_children {
            wire.rows(&self.sql(lock, &keys)).await?;
        }
        director.reached(3).await;
        let mut acted = read(wire.rows(&self.sql(self.act, &keys)).await?);
        if self.shape != Shape::OwnDelete {
            let text = if self.engine == Engine::MariaDb { "CHAR" } else { "text" };
            let masked = format!("SELECT CAST(id AS {text}) FROM {} WHERE name = '{MASKED}'", self.shape.root());
            acted = read(wire.rows(&masked).await?);
        }
        director.reached(4).await;
        let last = oracle.snapshot().await;
        wire.rows("COMMIT").await?;
        director.reached(5).await;
        let ids = acted.into_iter().map(|id| id.parse::<i64>().unwrap());
        Ok(ids.filter(|id| !last.fate(self.shape, self.shape.root(), *id).is_due()).collect())
    }

    /// In how many of its schedules it lost a change, of how many; `None` when the server is missing.
    async fn losses(&self) -> Option<(usize, usize)> {
        let db = database(self.engine).await?;
        db.run_sql(&self.shape.schema(self.engine)).await;
        let fixture = Fixture::new(self.engine, &db, "crm", fixture_now()).await;
        let director = Director::new(self.engine, &db.url).await.impatient();
        let oracle = Oracle::new(self.engine, self.shape, &db.url, &fixture.journal, &director).await;
        let mut wire = Wire::connect(self.engine, &db.url).await.unwrap();
        let schedules = self.schedules();
        let mut lost = 0;
        for schedule in &schedules {
            oracle.begin("", &schedule.foreign[0].change.init).await;
            director.begin(self.engine, schedule).await;
            let result = {
                let batch = self.batch(&mut wire, &director, &oracle);
                tokio::pin!(batch);
                loop {
                    tokio::select! {
                        result = &mut batch => break result,
                        () = tokio::time::sleep(Duration::from_millis(10)) => director.nudge().await,
                    }
                }
            };
            match result {
                Ok(records) => lost += usize::from(!records.is_empty()),
                // A conflict that the server noticed: nothing was changed, and it would be tried again.
                Err(_) => drop(wire.execute("ROLLBACK").await),
            }
            director.end().await;
        }
        Some((lost, schedules.len()))
    }
}

#[test]
fn every_simpler_shape_of_a_batch_loses_a_change_and_those_that_the_engine_uses_do_not() {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                while let Some(form) = FORMS.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let Some((lost, of)) = runtime.block_on(form.losses()) else { continue };
                    eprintln!("{} {}: loses in {lost} of {of}", form.engine.name(), form.name);
                    assert!(of >= 60, "{}", form.name);
                    if form.loses != (lost > 0) {
                        wrong.lock().unwrap().push(format!("{} {}: {lost} of {of}", form.engine.name(), form.name));
                    }
                }
            });
        }
    });
    assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new());
}
