//! What a case expects, and how a run is held against it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use retentiond::demo::SeedValue;
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;
use toml::{Table, Value};

use crate::case::{self, Case, Record, Row, Run};
use crate::stage::{NOBODYS, Stage, Stored};

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing.
    Untouched,
    /// It is gone.
    Deleted,
    /// These columns have these values; a NULL stays NULL.
    Masked(BTreeMap<String, Masked>),
}

/// What a masked column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Masked {
    /// NULL.
    Null,
    /// Exactly this text.
    Text(String),
    /// A token: prefix, number of hexadecimal digits, suffix.
    Token(String, usize, String),
    /// A JSON document that means this.
    Json(String),
}

/// The outcome of a record's rows by table.
pub enum Becomes {
    Every(Value, Table),
    Some(BTreeMap<String, Outcome>),
}

impl Becomes {
    pub fn read(value: &Value, masked: &Table) -> Self {
        match value {
            Value::Table(tables) => Self::Some(tables.iter().map(|(t, v)| (t.clone(), Outcome::read(v, t, masked))).collect()),
            word => Self::Every(word.clone(), masked.clone()),
        }
    }

    pub fn of(&self, table: &str) -> Outcome {
        match self {
            Self::Every(word, masked) => Outcome::read(word, table, masked),
            Self::Some(tables) => tables.get(table).cloned().unwrap_or(Outcome::Untouched),
        }
    }
}

impl Outcome {
    pub fn read(value: &Value, table: &str, masked: &Table) -> Self {
        let all =
            || -> &Table { masked.get(table).and_then(Value::as_table).unwrap_or_else(|| panic!("[masked.{table}] is missing")) };
        let columns: Table = match value {
            Value::String(word) => match word.as_str() {
                "untouched" => return Self::Untouched,
                "deleted" => return Self::Deleted,
                "masked" => all().clone(),
                other => panic!("`{other}` is no outcome"),
            },
            Value::Array(list) => {
                list.iter().map(|c| (c.as_str().unwrap().to_owned(), all()[c.as_str().unwrap()].clone())).collect()
            }
            Value::Table(columns) => columns.clone(),
            other => panic!("{other:?} is no outcome"),
        };
        Self::Masked(columns.iter().map(|(c, v)| (c.clone(), Masked::read(v))).collect())
    }
}

impl Masked {
    fn read(value: &Value) -> Self {
        let Some(text) = value.as_str() else { return Self::Text(case::plain(value)) };
        if text == "<null>" {
            return Self::Null;
        }
        if let Some(json) = text.strip_prefix("<json ").and_then(|t| t.strip_suffix('>')) {
            return Self::Json(json.to_owned());
        }
        if let Some(token) = text.strip_prefix("<token ").and_then(|t| t.strip_suffix('>')) {
            let parts: Vec<&str> = token.split(' ').collect();
            return Self::Token(
                parts[0].to_owned(),
                parts[1].parse().unwrap(),
                parts.get(2).copied().unwrap_or_default().to_owned(),
            );
        }
        assert!(!text.starts_with('<'), "`{text}` is no masked value");
        Self::Text(text.to_owned())
    }

    /// Whether `now` is right where `before` stood.
    fn accepts(&self, before: Option<&str>, now: Option<&str>) -> bool {
        if before.is_none() {
            return now.is_none();
        }
        match (self, now) {
            (Self::Null, now) => now.is_none(),
            (_, None) => false,
            (Self::Text(text), Some(now)) => text == now,
            (Self::Token(prefix, digits, suffix), Some(now)) => {
                let middle = now.strip_prefix(prefix.as_str()).and_then(|t| t.strip_suffix(suffix.as_str()));
                middle.is_some_and(|t| t.len() == *digits && t.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
            }
            (Self::Json(text), Some(now)) => {
                let parsed = serde_json::from_str::<serde_json::Value>(now);
                parsed.is_ok_and(|now| now == serde_json::from_str::<serde_json::Value>(text).unwrap())
            }
        }
    }

    /// A value that it accepts, for row `n`.
    fn example(&self, n: usize) -> SeedValue {
        match self {
            Self::Null => SeedValue::Null,
            Self::Text(text) | Self::Json(text) => SeedValue::Text(text.clone()),
            Self::Token(prefix, digits, suffix) => SeedValue::Text(format!("{prefix}{n:0digits$x}{suffix}")),
        }
    }
}

/// An order as it stands when the run begins.
pub struct Placed {
    pub kind: OrderKind,
    /// The data set of the row that it was placed on; it may follow another.
    pub data_set: String,
    /// The row's key, in the order of the data map.
    pub key: Vec<SeedValue>,
    /// The tenant, where the order stands on all of its rows in the data set.
    pub tenant: Option<SeedValue>,
    /// The last day on which it holds.
    pub until: Option<NaiveDate>,
    pub lifted: bool,
}

/// A run of a case on a database that holds its rows.
pub struct Scene<'a> {
    pub stage: Stage,
    /// The second source, with its rows.
    pub there: Option<Stage>,
    pub run: &'a Run,
    pub before: BTreeMap<String, Stored>,
}

impl<'a> Scene<'a> {
    /// Creates the organisation's database with the run's rows. `None` where the engine is not there.
    pub async fn set(case: &Case, run: &'a Run, engine: Engine) -> Option<Self> {
        let stage = Stage::new(&case.organisation, engine).await?;
        let rows: Vec<&Row> = run.records.iter().filter(|r| r.on(engine)).flat_map(|r| &r.rows).collect();
        for table in &case.tables {
            stage.insert(rows.iter().copied().filter(|r| r.table == *table)).await;
        }
        let before = stage.look(&case.tables).await;
        let there = match &case.there {
            None => None,
            Some(of) => {
                let there = Stage::new(&of.organisation, engine).await?;
                let rows = run.records.iter().filter(|r| r.on(engine)).flat_map(|r| &r.there);
                for table in &of.tables {
                    there.insert(rows.clone().filter(|r| r.table == *table)).await;
                }
                Some(there)
            }
        };
        Some(Self { stage, there, run, before })
    }

    /// The records that exist on this engine.
    pub fn records(&self) -> impl Iterator<Item = &'a Record> {
        let engine = self.stage.engine;
        self.run.records.iter().filter(move |r| r.on(engine))
    }

    /// The orders that were placed before the run.
    pub fn orders(&self) -> Vec<Placed> {
        let place = |record: &Record| {
            let order = record.order.as_ref()?;
            let of =
                |row: &&Row| self.stage.data_set(&row.table).filter(|d| order.data.as_ref().is_none_or(|o| *o == d.id.value));
            let row = record.rows.iter().find(|r| of(r).is_some());
            let row = row.unwrap_or_else(|| panic!("{}: the order names no row of the record", record.says));
            let kind = OrderKind::WORDS.iter().find(|(word, _)| *word == order.kind);
            let data = self.stage.data_set(&row.table)?;
            Some(Placed {
                kind: kind.unwrap_or_else(|| panic!("{}: `{}` is no order", record.says, order.kind)).1,
                data_set: data.id.value.clone(),
                key: data.key.iter().map(|k| row.columns[&k.value].clone()).collect(),
                tenant: order.tenant.then(|| row.columns[&data.tenant.as_ref().unwrap().value].clone()),
                until: order.until,
                lifted: order.lifted,
            })
        };
        self.records().filter_map(place).collect()
    }

    /// What differs from what the case says, one line for each row.
    pub async fn differences(&self) -> Vec<String> {
        let tables: Vec<String> = self.before.keys().cloned().collect();
        let after = self.stage.look(&tables).await;
        let mut differences = Vec::new();
        for record in self.records() {
            for row in record.rows.iter().filter(|r| self.before.contains_key(&r.table)) {
                let key = self.stage.key_of(row);
                let before = &self.before[&row.table][&key];
                if let Some(what) = difference(&row.becomes, before, after[&row.table].get(&key)) {
                    differences.push(format!("{} {key:?} ({}): {what}", row.table, record.says));
                }
            }
        }
        differences
    }

    /// The files that the case says are left: those of which a row that stays still has the path, and the one that is nobody's.
    pub fn files_left(&self) -> BTreeSet<String> {
        let stays = |row: &Row, column: &str| match &row.becomes {
            Outcome::Untouched => true,
            Outcome::Deleted => false,
            Outcome::Masked(columns) => !columns.contains_key(column),
        };
        let rows = self.records().flat_map(|r| &r.rows);
        let files = rows.flat_map(|row| self.stage.files_of(row).into_iter().filter(|(column, _)| stays(row, column)));
        files.map(|(_, file)| file.to_owned()).chain([NOBODYS.to_owned()]).collect()
    }

    /// Does by hand what the case says a run does.
    pub async fn act_as_the_case_says(&self) {
        let rows: Vec<&Row> = self.records().flat_map(|r| &r.rows).collect();
        // Children first: rows were inserted parents first within each record.
        for (n, row) in rows.into_iter().rev().enumerate() {
            match &row.becomes {
                Outcome::Untouched => {}
                Outcome::Deleted => self.stage.delete(row).await,
                Outcome::Masked(columns) => {
                    let before = &self.before[&row.table][&self.stage.key_of(row)];
                    let values = columns.iter().filter(|(c, _)| before[*c].is_some());
                    self.stage.update(row, &values.map(|(c, m)| (c.as_str(), m.example(n))).collect::<Vec<_>>()).await;
                }
            }
        }
    }
}

type Columns = BTreeMap<String, Option<String>>;

fn difference(expected: &Outcome, before: &Columns, after: Option<&Columns>) -> Option<String> {
    let (masked, after) = match (expected, after) {
        (Outcome::Deleted, None) => return None,
        (Outcome::Deleted, Some(_)) => return Some("is still there".to_owned()),
        (_, None) => return Some("is gone".to_owned()),
        (Outcome::Untouched, Some(after)) => (None, after),
        (Outcome::Masked(columns), Some(after)) => (Some(columns), after),
    };
    if let Some(unknown) = masked.into_iter().flatten().find(|(c, _)| !before.contains_key(*c)) {
        return Some(format!("has no column `{}`", unknown.0));
    }
    let wrong = before.iter().filter_map(|(column, was)| {
        let now = &after[column];
        let right = match masked.and_then(|m| m.get(column)) {
            Some(mask) => mask.accepts(was.as_deref(), now.as_deref()),
            None => was == now,
        };
        (!right).then(|| format!("`{column}` was {was:?} and is {now:?}"))
    });
    let wrong: Vec<String> = wrong.collect();
    (!wrong.is_empty()).then(|| wrong.join(", "))
}
