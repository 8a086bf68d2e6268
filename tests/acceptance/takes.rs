//! What a case says of archive purposes: what each takes, and until when it keeps it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use toml::Value;

use crate::case::{array, plain, text_of};

/// What an archive purpose takes.
pub struct Takes {
    /// Its archive.
    pub archive: String,
    /// The personal columns that it takes, by table; rows of other tables are not taken.
    pub columns: BTreeMap<String, Vec<String>>,
}

/// What an archive purpose keeps of a row.
#[derive(Clone)]
pub struct Kept {
    /// The last day; `None` for one that is not known yet.
    pub until: Option<NaiveDate>,
    /// Its personal columns.
    pub columns: Vec<String>,
}

/// `[archived.<purpose>]`: `in` names the archive, every other key is a table with its columns.
pub fn read(value: &Value) -> BTreeMap<String, Takes> {
    let of = |purpose: &Value| {
        let keys = purpose.as_table().unwrap().iter().filter(|(key, _)| *key != "in");
        let columns = keys.map(|(table, columns)| (table.clone(), array(columns).iter().map(text_of).collect()));
        Takes { archive: text_of(&purpose["in"]), columns: columns.collect() }
    };
    value.as_table().unwrap().iter().map(|(purpose, value)| (purpose.clone(), of(value))).collect()
}

/// The last day that a purpose keeps, and what it takes where that is not what it always takes.
#[derive(Clone)]
pub struct End {
    until: Option<NaiveDate>,
    columns: Option<Vec<String>>,
}

impl End {
    /// What it keeps of a row; `None` if the purpose takes no row of that table.
    pub fn of(self, table: &str, takes: &Takes) -> Option<Kept> {
        let always = takes.columns.get(table)?;
        Some(Kept { until: self.until, columns: self.columns.unwrap_or_else(|| always.clone()) })
    }
}

/// Purposes, each with the last day that it keeps.
pub fn ends(value: &Value) -> BTreeMap<String, End> {
    let day = |day: &Value| (day.as_str() != Some("open")).then(|| plain(day).parse().unwrap());
    let end = |end: &Value| match end {
        Value::Table(end) => {
            End { until: day(&end["until"]), columns: Some(array(&end["columns"]).iter().map(text_of).collect()) }
        }
        until => End { until: day(until), columns: None },
    };
    value.as_table().unwrap().iter().map(|(purpose, of)| (purpose.clone(), end(of))).collect()
}
