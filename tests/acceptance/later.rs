//! What a case says of runs after the first one.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use retentiond::demo::SeedValue;
use toml::Value;

use crate::case::{Numbers, array, instant, plain};

/// A run after the first one: what happened before it, which open ends it dates, and what it destroys in archives.
pub struct Later {
    pub now: DateTime<Utc>,
    pub happens: Vec<Happening>,
    /// The number of a record in its run, a purpose, and the last day that was not known before.
    pub dated: BTreeSet<(usize, String, NaiveDate)>,
    /// Purposes, each with the last day that was kept.
    pub destroyed: BTreeSet<Ended>,
}

/// What the application changed in one row.
pub struct Happening {
    pub table: String,
    /// The value of the row's key.
    pub key: String,
    /// Columns and their new values.
    pub set: Vec<(String, SeedValue)>,
}

/// The objects of an archive purpose that are kept until the same day, or of which nobody knows it yet.
pub type Ended = (String, Option<NaiveDate>);

pub fn later(value: &Value) -> Later {
    let each = |(purpose, days): (&String, &Value)| -> Vec<Ended> {
        array(days).iter().map(|day| (purpose.clone(), Some(plain(day).parse().unwrap()))).collect()
    };
    let in_table = |key: &str| value.get(key).and_then(Value::as_table).into_iter().flatten();
    let dated = in_table("dated").flat_map(|(purpose, records)| {
        let of = |(number, day): (&String, &Value)| (number.parse().unwrap(), purpose.clone(), plain(day).parse().unwrap());
        records.as_table().unwrap().iter().map(of).collect::<Vec<_>>()
    });
    let happens = in_table("happens").flat_map(|(table, rows)| {
        let numbers = Numbers { n: 0, k: 0 };
        let of = |(key, set): (&String, &Value)| {
            let set = set.as_table().unwrap().iter().map(|(column, value)| (column.clone(), numbers.value(value)));
            Happening { table: table.clone(), key: key.clone(), set: set.collect() }
        };
        rows.as_table().unwrap().iter().map(of).collect::<Vec<_>>()
    });
    Later {
        now: instant(&value["now"]),
        happens: happens.collect(),
        dated: dated.collect(),
        destroyed: in_table("destroyed").flat_map(each).collect(),
    }
}
