//! What is told about a record is what the next run does to it: row by row, column by column.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;
use retentiond::plan::explain::{Explanation, Operation, Outcome, State};
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use super::enforcement::{Fixture, rules};
use super::support::{ENGINES, database};
use super::{now, order, organisation, today, told};

type Row = BTreeMap<&'static str, Option<String>>;
type Table = BTreeMap<Vec<String>, Row>;

/// Data set, table, key columns, other columns; and the roots with the follower that shares their fate.
const TABLES: [(&str, &str, &[&str], &[&str]); 5] = [
    ("person", "person", &["id"], &["name", "email", "phone", "cvv", "kind", "last_contact"]),
    ("note", "note", &["id"], &["person_id", "author", "body"]),
    ("contract", "contract", &["id"], &["person_id", "terms", "ended"]),
    ("call", "phone_call", &["id"], &["contract_id", "voice", "called_at"]),
    ("visit", "visit", &["contract_id", "n"], &["place", "visited"]),
];

/// A small generator: the same rows in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// A date near one of the days that decide, or one that is none.
    fn date(&mut self, engine: Engine, years: &[u64]) -> String {
        match self.below(12) {
            0 => "NULL".to_owned(),
            1 => format!("'{}'", self.one_of(&["9999-12-31", "1900-01-01", "1970-01-01", "2024-02-29"])),
            2 if engine == Engine::Sqlite => format!("'{}'", self.one_of(&["2020-02-30", "soon", "2020-1-1"])),
            _ => {
                let years = years[usize::try_from(self.below(years.len() as u64)).unwrap()];
                let months = chrono::Months::new(u32::try_from(years * 12).unwrap());
                let near = today().checked_sub_months(months).unwrap();
                format!("'{}'", near.checked_add_days(Days::new(self.below(5))).unwrap().checked_sub_days(Days::new(2)).unwrap())
            }
        }
    }

    fn maybe(&mut self, text: &str) -> String {
        if self.below(4) == 0 { "NULL".to_owned() } else { format!("'{text}'") }
    }
}

fn rows(engine: Engine, seed: u64) -> String {
    let mut c = Chance(seed);
    let mut sql = String::new();
    for id in 1..=60 {
        let kind = c.one_of(&["'p'", "'t'", "'c'", "NULL", "'p'", "'t'"]);
        let dispute = c.one_of(&["0", "0", "0", "1", "NULL"]);
        let months = c.one_of(&["NULL", "NULL", "6", "0", "-3", "24"]);
        let date = c.date(engine, &[0, 1, 2, 3, 4, 9]);
        let name = c.one_of(&["'A'", "'B'", "'ANONYME'", "NULL"]);
        let (email, phone) = (c.maybe("a@x"), c.maybe("1"));
        let cvv = c.one_of(&["NULL", "NULL", "'123'"]);
        let subscribed = c.below(2);
        sql.push_str(&format!(
            "INSERT INTO person (id, kind, subscribed, dispute, form_months, name, email, phone, cvv, last_contact)
               VALUES ({id}, {kind}, {subscribed}, {dispute}, {months}, {name}, {email}, {phone}, {cvv}, {date});\n"
        ));
        for n in 0..c.below(3) {
            let (author, body) = (c.maybe("X"), c.one_of(&["", "n"]));
            sql.push_str(&format!("INSERT INTO note VALUES ({}, {id}, {author}, '{body}');\n", id * 10 + n));
        }
        for n in 0..c.below(3) {
            let contract = id * 10 + n;
            // The end of the year of the end, and five years.
            let (ended, terms) = (c.date(engine, &[1, 5, 6, 7]), c.one_of(&["", "t"]));
            sql.push_str(&format!("INSERT INTO contract VALUES ({contract}, {id}, '{terms}', {ended});\n"));
            for k in 0..c.below(2) {
                let called = c.one_of(&[
                    "NULL",
                    "'2026-05-26 09:59:59'",
                    "'2026-05-26 10:00:00'",
                    "'2026-11-01 10:00:00'",
                    "'2020-01-01 00:00:00'",
                ]);
                let voice = c.maybe("v");
                sql.push_str(&format!("INSERT INTO phone_call VALUES ({}, {contract}, {voice}, {called});\n", contract * 10 + k));
            }
            for k in 0..c.below(2) {
                let (place, visited) = (c.maybe("p"), c.date(engine, &[1, 2, 3]));
                sql.push_str(&format!("INSERT INTO visit VALUES ({contract}, 'v{k}', {place}, {visited});\n"));
            }
        }
    }
    sql
}

async fn read(fixture: &Fixture<'_>) -> BTreeMap<&'static str, Table> {
    let mut session = fixture.source.session().await.unwrap();
    let mut all = BTreeMap::new();
    for (data, table, key, columns) in TABLES {
        let names: Vec<String> = key
            .iter()
            .chain(columns)
            .map(|c| match fixture.engine {
                Engine::Postgres => format!("{c}::text"),
                Engine::Sqlite => format!("CAST({c} AS TEXT)"),
                _ => format!("CAST({c} AS CHAR)"),
            })
            .collect();
        let rows = session.rows(&format!("SELECT {} FROM {table}", names.join(", "))).await.unwrap();
        let split = |row: Vec<Option<String>>| {
            let (k, v) = row.split_at(key.len());
            let values: Row = columns.iter().copied().zip(v.iter().cloned()).collect();
            (k.iter().map(|t| t.clone().unwrap()).collect::<Vec<String>>(), values)
        };
        all.insert(data, rows.into_iter().map(split).collect::<Table>());
    }
    session.done().await.unwrap();
    all
}

/// The changes of a record that the tables show: (data set, operation, column) with the number of rows.
fn seen(
    before: &BTreeMap<&'static str, Table>,
    after: &BTreeMap<&'static str, Table>,
    data: &'static str,
    key: &[String],
) -> BTreeMap<(String, Operation, Option<String>), u64> {
    let mut rows: Vec<(&'static str, Vec<String>)> = vec![(data, key.to_vec())];
    if data == "person" {
        let notes = before["note"].iter().filter(|(_, row)| row["person_id"].as_deref() == Some(&key[0]));
        rows.extend(notes.map(|(k, _)| ("note", k.clone())));
    }
    let mut found = BTreeMap::new();
    for (data, key) in rows {
        let old = &before[data][&key];
        match after[data].get(&key) {
            None => *found.entry((data.to_owned(), Operation::Delete, None)).or_insert(0) += 1,
            Some(new) => {
                for (column, value) in new.iter().filter(|(c, v)| old[**c] != **v) {
                    assert!(value.is_none() || *column != "last_contact", "no start moves");
                    *found.entry((data.to_owned(), Operation::Mask, Some((*column).to_owned()))).or_insert(0) += 1;
                }
            }
        }
    }
    found
}

/// The plan's predicates reckon backward from today, the story forward from the start: both must meet.
fn both_directions_agree(e: &Explanation) {
    let zone = chrono_tz::Europe::Paris;
    for p in e.purposes.iter() {
        let over = p.ends.map(|end| end.reached(now(), zone));
        match p.state {
            State::EndedByTime | State::EndedByCap => assert_eq!(over, Some(true), "{p:#?}"),
            State::NotYet if p.starts.iter().all(|s| s.missing + s.doubtful == 0) => assert_eq!(over, Some(false), "{p:#?}"),
            State::NotYet | State::StartToCome | State::Undated | State::Running => assert_ne!(over, Some(true), "{p:#?}"),
            _ => {}
        }
    }
}

async fn comes_true(engine: Engine, seed: u64) -> Option<BTreeSet<String>> {
    let rules = rules(organisation::MAP, &[organisation::POLICY]);
    let db = database(engine).await?;
    db.run_sql(&organisation::schema(engine)).await;
    db.run_sql(&rows(engine, seed)).await;
    let fixture = Fixture::new(engine, &db, "crm", now()).await;
    let kinds = [OrderKind::Hold, OrderKind::Restriction, OrderKind::Objection, OrderKind::Erasure, OrderKind::Instruction];
    for (id, kind) in (1..=60).step_by(4).zip(kinds.iter().cycle()) {
        let until = (id % 4 == 1).then(today).and_then(|t| t.checked_sub_days(Days::new(id as u64 % 8 / 4)));
        order(&fixture, &rules, "person", id, *kind, until).await;
    }
    let before = read(&fixture).await;
    let prepared = fixture.prepare(&rules).await;
    let mut all: Vec<(&'static str, Vec<String>, Explanation)> = Vec::new();
    for data in ["person", "contract", "call", "visit"] {
        for key in before[data].keys() {
            let typed: Vec<&str> = key.iter().map(String::as_str).collect();
            let e = told(&fixture, &rules, &prepared, data, &typed).await;
            both_directions_agree(&e);
            all.push((data, key.clone(), e));
        }
    }
    assert!(all.len() > 150, "{}", all.len());
    assert_eq!(read(&fixture).await, before, "an explanation changes nothing");
    fixture.run(&rules).await;
    let after = read(&fixture).await;
    let mut outcomes = BTreeSet::new();
    for (data, key, e) in &all {
        let said: BTreeMap<_, _> =
            e.changes.iter().map(|c| ((c.data_set.clone(), c.operation, c.column.clone()), c.rows)).collect();
        assert_eq!(said, seen(&before, &after, data, key), "{data} {key:?} on {}: {e:#?}", engine.name());
        outcomes.insert(format!("{:?}", e.outcome));
    }
    // The run is over: nothing is told to change any more.
    let prepared = fixture.prepare(&rules).await;
    for key in after["person"].keys().take(20) {
        let e = told(&fixture, &rules, &prepared, "person", &[&key[0]]).await;
        assert_eq!(e.changes, [], "{e:#?}");
        assert!(!matches!(e.outcome, Outcome::Anonymise | Outcome::Delete | Outcome::Clear | Outcome::Empty), "{e:#?}");
    }
    Some(outcomes)
}

#[tokio::test]
async fn what_is_told_is_what_the_run_does() {
    for engine in ENGINES {
        let mut outcomes = BTreeSet::new();
        for seed in [1, 2] {
            outcomes.extend(comes_true(engine, seed).await.unwrap_or_default());
        }
        if outcomes.is_empty() {
            continue;
        }
        let every = ["Anonymise", "Clear", "Delete", "Done", "Empty", "Held", "Kept", "KeptInPart", "Uncovered", "WaitsEmptied"];
        assert_eq!(outcomes.iter().map(String::as_str).collect::<Vec<_>>(), every, "on {}", engine.name());
    }
}
