//! Reading the cases.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use retentiond::demo::SeedValue;
use retentiond::plan::schema::Engine;
use toml::{Table, Value};

use crate::later::{Later, later};
use crate::play::{Becomes, Outcome};
use crate::takes::{self, Kept, Takes};

/// The cases of one statement.
pub struct Case {
    pub statement: String,
    /// Folder of `config/examples`.
    pub organisation: String,
    /// Its policy's file there.
    pub policy: String,
    /// Tables that the records use, parents first.
    pub tables: Vec<String>,
    /// A second source, in which copies of records lie.
    pub there: Option<There>,
    /// What archive purposes take, by purpose.
    pub archived: BTreeMap<String, Takes>,
    pub runs: Vec<Run>,
}

/// A second source: its folder of `config/examples`, and the tables there that the records use, parents first.
pub struct There {
    pub organisation: String,
    pub tables: Vec<String>,
}

/// One database at one instant.
pub struct Run {
    pub now: DateTime<Utc>,
    /// Values in it that must never be stored.
    pub incidents: usize,
    /// Records that stay because their copy was not seen.
    pub waiting: u64,
    pub records: Vec<Record>,
    /// Runs of the same database after this one, in their order.
    pub later: Vec<Later>,
}

/// Rows that belong together, and an order on them.
pub struct Record {
    pub says: String,
    only: Vec<String>,
    pub rows: Vec<Row>,
    /// Rows in the second source. Nothing becomes of them.
    pub there: Vec<Row>,
    pub order: Option<Order>,
}

/// A row, and what becomes of it.
#[derive(Clone)]
pub struct Row {
    pub table: String,
    pub columns: BTreeMap<String, SeedValue>,
    pub becomes: Outcome,
    /// The archive purposes that keep something of it after the run.
    pub archived: BTreeMap<String, Kept>,
}

/// An order that was placed before the run.
pub struct Order {
    /// Its word.
    pub kind: String,
    /// The data set; the data set of the record's first row if `None`.
    pub data: Option<String>,
    /// Whether it stands on all rows of that row's tenant in the data set.
    pub tenant: bool,
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
        let there = table.get("there").map(|there| There {
            organisation: text_of(&there["organisation"]),
            tables: array(&there["tables"]).iter().map(text_of).collect(),
        });
        let (defaults, masked) = (inner(&table, "defaults"), inner(&table, "masked"));
        let of_there = there.as_ref().map_or(&[][..], |t| &t.tables);
        let rules =
            Rules { tables: &tables, there: of_there, defaults: &defaults, masked: &masked, archived: &archived_of(&table) };
        let run = |run: &Value| Run {
            now: instant(&run["now"]),
            later: run.get("later").map(|l| array(l).iter().map(later).collect()).unwrap_or_default(),
            incidents: run.get("incidents").map_or(0, |n| usize::try_from(n.as_integer().unwrap()).unwrap()),
            waiting: run.get("waiting").map_or(0, |n| u64::try_from(n.as_integer().unwrap()).unwrap()),
            records: array(&run["records"])
                .iter()
                .enumerate()
                .map(|(i, r)| record(i + 1, r.as_table().unwrap(), &rules, file))
                .collect(),
        };
        Self {
            statement: text_of(&table["statement"]),
            organisation: text_of(&table["organisation"]),
            policy: table.get("policy").map_or_else(|| "policy.toml".to_owned(), text_of),
            runs: array(&table["run"]).iter().map(run).collect(),
            archived: archived_of(&table),
            there,
            tables,
        }
    }
}

fn archived_of(case: &Table) -> BTreeMap<String, Takes> {
    case.get("archived").map(takes::read).unwrap_or_default()
}

const RESERVED: [&str; 5] = ["says", "only", "becomes", "order", "archived"];

/// What a case says of all its rows.
struct Rules<'c> {
    tables: &'c [String],
    there: &'c [String],
    defaults: &'c Table,
    masked: &'c Table,
    archived: &'c BTreeMap<String, Takes>,
}

fn record(n: usize, record: &Table, rules: &Rules<'_>, file: &str) -> Record {
    let Rules { tables, there, defaults, masked, archived: taken } = *rules;
    let says = text_of(&record["says"]);
    for key in record.keys() {
        assert!(
            RESERVED.contains(&key.as_str()) || tables.contains(key) || there.contains(key),
            "{file}: {says}: `{key}` is neither a table nor a key"
        );
    }
    let of_all = Becomes::read(&record["becomes"], masked);
    let archived_all = record.get("archived").map(takes::ends).unwrap_or_default();
    let unknown = archived_all.keys().find(|p| !taken.contains_key(*p));
    assert!(unknown.is_none(), "{file}: {says}: [archived.{}] is missing", unknown.unwrap());
    let (mut rows, mut rows_there) = (Vec::new(), Vec::new());
    for table in tables.iter().chain(there) {
        let given = match record.get(table) {
            None => Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(one) => vec![one.clone()],
        };
        for (position, row) in given.iter().enumerate() {
            let numbers = Numbers { n, k: 100 * n + position };
            let mut columns = BTreeMap::new();
            let (mut becomes, mut archived) = (of_all.of(table), archived_all.clone());
            for (column, value) in
                defaults.get(table).and_then(Value::as_table).into_iter().flatten().chain(row.as_table().unwrap())
            {
                if column == "becomes" {
                    becomes = Outcome::read(value, table, masked);
                } else if column == "archived" {
                    archived = takes::ends(value);
                } else {
                    columns.insert(column.clone(), numbers.value(value));
                }
            }
            let archived =
                archived.into_iter().filter_map(|(purpose, end)| Some((purpose.clone(), end.of(table, &taken[&purpose])?)));
            let row = Row { table: table.clone(), columns, becomes, archived: archived.collect() };
            if tables.contains(table) { rows.push(row) } else { rows_there.push(row) }
        }
    }
    assert!(!rows.is_empty(), "{file}: {says}: no row");
    Record {
        only: record.get("only").map(|o| array(o).iter().map(text_of).collect()).unwrap_or_default(),
        order: record.get("order").map(order),
        says,
        rows,
        there: rows_there,
    }
}

fn order(value: &Value) -> Order {
    let Some(table) = value.as_table() else {
        return Order { kind: text_of(value), data: None, tenant: false, until: None, lifted: false };
    };
    for key in table.keys() {
        assert!(["kind", "data", "tenant", "until", "lifted"].contains(&key.as_str()), "`{key}` in an order");
    }
    Order {
        kind: text_of(&table["kind"]),
        data: table.get("data").map(text_of),
        until: table.get("until").map(|d| plain(d).parse().unwrap()),
        tenant: table.get("tenant").is_some_and(|t| t.as_bool().unwrap()),
        lifted: table.get("lifted").is_some_and(|l| l.as_bool().unwrap()),
    }
}

/// What `{n}`, `{nn}` and `{k}` stand for in a row.
pub struct Numbers {
    pub n: usize,
    pub k: usize,
}

impl Numbers {
    pub fn value(&self, value: &Value) -> SeedValue {
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

pub fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

pub fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is not a text")).to_owned()
}

pub fn instant(value: &Value) -> DateTime<Utc> {
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
