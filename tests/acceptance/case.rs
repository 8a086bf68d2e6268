//! Reading the cases.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use retentiond::demo::SeedValue;
use retentiond::plan::schema::Engine;
use toml::{Table, Value};

use crate::play::{Becomes, Outcome};

/// The cases of one statement.
pub struct Case {
    pub statement: String,
    /// Folder of `config/examples`.
    pub organisation: String,
    /// Tables that the records use, parents first.
    pub tables: Vec<String>,
    pub runs: Vec<Run>,
}

/// One database at one instant.
pub struct Run {
    pub now: DateTime<Utc>,
    /// Values in it that must never be stored.
    pub incidents: usize,
    pub records: Vec<Record>,
}

/// Rows that belong together, and an order on them.
pub struct Record {
    pub says: String,
    only: Vec<String>,
    pub rows: Vec<Row>,
    pub order: Option<Order>,
}

/// A row, and what becomes of it.
#[derive(Clone)]
pub struct Row {
    pub table: String,
    pub columns: BTreeMap<String, SeedValue>,
    pub becomes: Outcome,
}

/// An order that was placed before the run.
pub struct Order {
    /// Its word.
    pub kind: String,
    /// The data set; the data set of the record's first row if `None`.
    pub data: Option<String>,
    pub until: Option<NaiveDate>,
    pub lifted: bool,
}

impl Record {
    /// Whether its values can exist on the engine.
    pub fn on(&self, engine: Engine) -> bool {
        let word = match engine {
            Engine::Postgres => "postgres",
            Engine::MariaDb => "mariadb",
            Engine::MySql => "mysql",
            Engine::Sqlite => "sqlite",
        };
        self.only.is_empty() || self.only.iter().any(|o| o == word)
    }
}

impl Case {
    /// All of them, in the order of their file names.
    pub fn all() -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/acceptance/cases");
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "toml"));
        files.sort();
        files.iter().map(|f| Self::read(&std::fs::read_to_string(f).unwrap(), &f.display().to_string())).collect()
    }

    fn read(text: &str, file: &str) -> Self {
        let table: Table = toml::from_str(text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let tables: Vec<String> = array(&table["tables"]).iter().map(text_of).collect();
        let (defaults, masked) = (inner(&table, "defaults"), inner(&table, "masked"));
        let run = |run: &Value| Run {
            now: instant(&run["now"]),
            incidents: run.get("incidents").map_or(0, |n| usize::try_from(n.as_integer().unwrap()).unwrap()),
            records: array(&run["records"])
                .iter()
                .enumerate()
                .map(|(i, r)| record(i + 1, r.as_table().unwrap(), &tables, &defaults, &masked, file))
                .collect(),
        };
        Self {
            statement: text_of(&table["statement"]),
            organisation: text_of(&table["organisation"]),
            runs: array(&table["run"]).iter().map(run).collect(),
            tables,
        }
    }
}

const RESERVED: [&str; 4] = ["says", "only", "becomes", "order"];

fn record(n: usize, record: &Table, tables: &[String], defaults: &Table, masked: &Table, file: &str) -> Record {
    let says = text_of(&record["says"]);
    for key in record.keys() {
        assert!(RESERVED.contains(&key.as_str()) || tables.contains(key), "{file}: {says}: `{key}` is neither a table nor a key");
    }
    let of_all = Becomes::read(&record["becomes"], masked);
    let mut rows = Vec::new();
    for table in tables {
        let given = match record.get(table) {
            None => Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(one) => vec![one.clone()],
        };
        for (position, row) in given.iter().enumerate() {
            let numbers = Numbers { n, k: 100 * n + position };
            let mut columns = BTreeMap::new();
            let mut becomes = of_all.of(table);
            for (column, value) in
                defaults.get(table).and_then(Value::as_table).into_iter().flatten().chain(row.as_table().unwrap())
            {
                if column == "becomes" {
                    becomes = Outcome::read(value, table, masked);
                } else {
                    columns.insert(column.clone(), numbers.value(value));
                }
            }
            rows.push(Row { table: table.clone(), columns, becomes });
        }
    }
    assert!(!rows.is_empty(), "{file}: {says}: no row");
    Record {
        only: record.get("only").map(|o| array(o).iter().map(text_of).collect()).unwrap_or_default(),
        order: record.get("order").map(order),
        says,
        rows,
    }
}

fn order(value: &Value) -> Order {
    let Some(table) = value.as_table() else { return Order { kind: text_of(value), data: None, until: None, lifted: false } };
    for key in table.keys() {
        assert!(["kind", "data", "until", "lifted"].contains(&key.as_str()), "`{key}` in an order");
    }
    Order {
        kind: text_of(&table["kind"]),
        data: table.get("data").map(text_of),
        until: table.get("until").map(|d| plain(d).parse().unwrap()),
        lifted: table.get("lifted").is_some_and(|l| l.as_bool().unwrap()),
    }
}

/// What `{n}`, `{nn}` and `{k}` stand for in a row.
struct Numbers {
    n: usize,
    k: usize,
}

impl Numbers {
    fn value(&self, value: &Value) -> SeedValue {
        match value {
            Value::Integer(n) => SeedValue::Integer(*n),
            Value::Boolean(b) => SeedValue::Bool(*b),
            Value::Datetime(d) => match (d.date, d.time, d.offset) {
                (Some(_), None, None) => SeedValue::Date(d.to_string().parse().unwrap()),
                (Some(_), Some(_), None) => SeedValue::DateTime(d.to_string().parse().unwrap()),
                _ => SeedValue::Instant(instant(value)),
            },
            Value::String(text) => match text.as_str() {
                "<null>" => SeedValue::Null,
                "{n}" => SeedValue::Integer(i64::try_from(self.n).unwrap()),
                "{k}" => SeedValue::Integer(i64::try_from(self.k).unwrap()),
                text => {
                    let text = text.replace("{nn}", &format!("{:02}", self.n));
                    SeedValue::Text(text.replace("{n}", &self.n.to_string()).replace("{k}", &self.k.to_string()))
                }
            },
            other => panic!("{other:?} cannot be a column's value"),
        }
    }
}

fn inner(table: &Table, key: &str) -> Table {
    table[key].as_table().unwrap().clone()
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is not a text")).to_owned()
}

fn instant(value: &Value) -> DateTime<Utc> {
    plain(value).parse().unwrap_or_else(|_| panic!("{value:?} is not an instant"))
}

/// A number, date or truth value as text.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Integer(n) => n.to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Datetime(d) => d.to_string(),
        other => panic!("{other:?} is no plain value"),
    }
}
