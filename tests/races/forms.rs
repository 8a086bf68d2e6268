//! Shapes of a batch in so many words: simpler ones than the engine's, and the engine's own.

use retentiond::plan::schema::Engine;

use crate::scene::{MASKED, Shape};

/// A batch in so many words. `{P}` is the predicate over the row `r`, `{keys}` what was found before, `{all}` the keys of the scene.
pub struct Form {
    pub name: &'static str,
    pub engine: Engine,
    pub shape: Shape,
    /// What the application does.
    pub changes: &'static [&'static str],
    /// Reads keys outside the transaction.
    pub find: Option<&'static str>,
    pub begin: &'static str,
    /// Reads keys inside it, and locks them.
    pub lock: Option<&'static str>,
    pub lock_children: Option<&'static str>,
    pub act: &'static str,
    /// Beside one transaction.
    pub loses: bool,
    /// Beside two.
    pub loses_to_two: bool,
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
    loses_to_two: false,
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
    loses_to_two: true,
    ..BASE
};

const MARIADB: Form = Form {
    engine: Engine::MariaDb,
    begin: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION",
    lock: None,
    lock_children: None,
    ..BASE
};

pub const FORMS: [Form; 16] = [
    Form { name: "lock, lock children, act by key", ..BASE },
    Form {
        name: "one statement at READ COMMITTED",
        lock: None,
        lock_children: None,
        act: "UPDATE account AS r SET name = 'ANONYME' WHERE {P}",
        loses: true,
        loses_to_two: true,
        ..BASE
    },
    Form {
        name: "a CTE that locks, and the act in the same statement",
        lock: None,
        lock_children: None,
        act: "WITH due AS (SELECT id FROM account AS r WHERE {P} FOR UPDATE) UPDATE account AS r SET name = 'ANONYME' FROM due WHERE r.id = due.id AND {P}",
        loses: true,
        loses_to_two: true,
        ..BASE
    },
    Form {
        name: "REPEATABLE READ",
        begin: "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT ''",
        loses: true,
        loses_to_two: true,
        ..BASE
    },
    Form {
        name: "SERIALIZABLE",
        begin: "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT ''",
        loses: true,
        loses_to_two: true,
        ..BASE
    },
    Form {
        name: "FOR NO KEY UPDATE",
        lock: Some("SELECT id::text FROM account AS r WHERE {P} FOR NO KEY UPDATE OF r"),
        loses: true,
        loses_to_two: true,
        ..BASE
    },
    Form { name: "children not locked", lock_children: None, loses: true, loses_to_two: true, ..BASE },
    Form {
        name: "the predicate not repeated",
        act: "UPDATE account AS r SET name = 'ANONYME' WHERE r.id IN ({keys})",
        loses: true,
        loses_to_two: true,
        ..BASE
    },
    Form {
        name: "the children counted instead of locked, and their number compared",
        changes: &["insert keeping child", "delete child"],
        find: Some(
            "DROP TABLE IF EXISTS counted; \
             CREATE TEMPORARY TABLE counted AS SELECT account_id AS id, count(*) AS n FROM visit GROUP BY account_id; \
             SELECT id::text FROM account AS r WHERE {P}",
        ),
        lock: Some("SELECT id::text FROM account AS r WHERE r.id IN ({keys}) FOR UPDATE OF r"),
        lock_children: None,
        act: "UPDATE account AS r SET name = 'ANONYME' FROM counted AS c \
              WHERE r.id IN ({keys}) AND c.id = r.id AND c.n = (SELECT count(*) FROM visit AS v WHERE v.account_id = r.id)",
        loses_to_two: true,
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
        loses_to_two: true,
        ..MARIADB
    },
    Form {
        name: "READ COMMITTED, children locked, no foreign key",
        shape: Shape::Unguarded,
        lock: Some("SELECT CAST(id AS CHAR) FROM reader AS r WHERE {P} FOR UPDATE"),
        lock_children: Some("SELECT CAST(id AS CHAR) FROM opening WHERE reader_id IN ({keys}) LOCK IN SHARE MODE"),
        act: "UPDATE reader AS r SET name = 'ANONYME' WHERE r.id IN ({keys}) AND {P}",
        loses: true,
        loses_to_two: true,
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
    /// A text with its places filled; a share is one of two halves of all records, those with an even or an odd number.
    pub fn sql(&self, text: &str, keys: &[String], share: Option<i64>) -> String {
        let mut over = "r.seen < '2023-01-01'".to_owned();
        if let Some(share) = share {
            over = format!("{over} AND r.id % 2 = {share}");
        }
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
}
