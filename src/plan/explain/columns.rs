//! The columns of a statement about one record: what each of them answers, so that they can be read back.

use chrono_tz::Tz;

use super::dates::{self, Stamp};
use crate::plan::boolean::B;
use crate::plan::dialect::dates::DateForm;
use crate::plan::record::{Records, start_events};
use crate::plan::terms::{inner_alias, join};
use crate::policy::map::{DataSet, Event};

/// A row as a statement answered it.
pub type Cells = [Option<String>];

/// Columns while they are collected.
#[derive(Debug, Default)]
pub struct Columns(Vec<String>);

impl Columns {
    /// Adds an expression that yields text; returns its place.
    pub fn text(&mut self, sql: String) -> usize {
        self.0.push(sql);
        self.0.len() - 1
    }

    /// Adds a predicate as `1` or `0`.
    pub fn bit(&mut self, condition: &B) -> usize {
        let sql = match condition {
            B::True => "'1'".to_owned(),
            B::False => "'0'".to_owned(),
            other => format!("CASE WHEN {} THEN '1' ELSE '0' END", other.render()),
        };
        self.text(sql)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The list for a SELECT.
    pub fn list(&self) -> String {
        self.0.join(", ")
    }
}

/// Whether a predicate's column says yes.
pub fn is_set(row: &Cells, at: usize) -> bool {
    cell(row, at) == Some("1")
}

/// A column's text.
pub fn cell(row: &Cells, at: usize) -> Option<&str> {
    row.get(at).and_then(Option::as_deref)
}

/// A column's number; 0 without one.
pub fn number(row: &Cells, at: usize) -> u64 {
    cell(row, at).and_then(|t| t.parse().ok()).unwrap_or(0)
}

/// What a statement says about the purposes of one row: states, the dates of events, per-record periods.
#[derive(Debug, Clone)]
pub struct PurposeColumns {
    /// By purpose: its index, the column of its state letter.
    pub states: Vec<(usize, usize)>,
    events: Vec<EventColumns>,
    /// What is known of each date of the whole tenant without asking the row.
    given: Vec<(String, Members)>,
    periods: Vec<(String, usize)>,
}

#[derive(Debug, Clone)]
struct EventColumns {
    event: String,
    zone: Tz,
    form: DateForm,
    related: bool,
    at: usize,
}

/// The dates of one event of one row: of the row itself at most one, of related rows any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Members {
    /// The first date.
    pub first: Option<Stamp>,
    /// The last date.
    pub last: Option<Stamp>,
    /// How many are dated.
    pub dated: u64,
    /// How many have no date.
    pub missing: u64,
    /// How many break their form, or come from a row of which nobody knows whether it counts.
    pub doubtful: u64,
}

impl PurposeColumns {
    /// The columns about these purposes of the row of `alias`.
    pub fn new(records: &Records<'_>, purposes: &[usize], data: &DataSet, alias: &str, columns: &mut Columns) -> Self {
        let mut all = Self { states: Vec::new(), events: Vec::new(), given: Vec::new(), periods: Vec::new() };
        for i in purposes {
            let timed = records.purposes[*i];
            all.states.push((*i, columns.text(records.terms.state(timed.purpose, timed.run, data, alias))));
            all.read_dates(records, *i, data, alias, columns);
        }
        all
    }

    /// The columns about the dates of these purposes alone.
    pub fn dates(records: &Records<'_>, purposes: &[usize], data: &DataSet, alias: &str, columns: &mut Columns) -> Self {
        let mut all = Self { states: Vec::new(), events: Vec::new(), given: Vec::new(), periods: Vec::new() };
        purposes.iter().for_each(|i| all.read_dates(records, *i, data, alias, columns));
        all
    }

    fn read_dates(&mut self, records: &Records<'_>, purpose: usize, data: &DataSet, alias: &str, columns: &mut Columns) {
        let timed = records.purposes[purpose];
        for name in start_events(timed.purpose) {
            self.event(records, name, timed.run.zone, data, alias, columns);
            if let Some(period) = data.period(name)
                && !self.periods.iter().any(|(n, _)| n == name)
            {
                let d = records.terms.resolved.dialect;
                self.periods.push((name.to_owned(), columns.text(d.as_text(&d.column(alias, &period.column)))));
            }
        }
    }

    fn event(&mut self, records: &Records<'_>, name: &str, zone: Tz, data: &DataSet, alias: &str, columns: &mut Columns) {
        if let Some(given) = data.given(name) {
            let stamp = given.value.map(Stamp::Day);
            let (dated, missing) = (u64::from(stamp.is_some()), u64::from(stamp.is_none()));
            self.given.push((name.to_owned(), Members { first: stamp, last: stamp, dated, missing, doubtful: 0 }));
        }
        let Some(event) = data.event(name) else { return };
        if self.events.iter().any(|e| e.event == name && e.zone == zone) {
            return;
        }
        let resolved = records.terms.resolved;
        let Some((_, form)) = resolved.event_form(data, event) else { return };
        let expressions = match &event.of {
            None => own(records, event, form, zone, data, alias),
            Some(_) => related(records, event, form, zone, data, alias),
        };
        let places: Vec<usize> = expressions.into_iter().map(|sql| columns.text(sql)).collect();
        let Some(at) = places.first().copied() else { return };
        self.events.push(EventColumns { event: name.to_owned(), zone, form, related: event.of.is_some(), at });
        if let Some(otherwise) = &event.otherwise {
            self.event(records, otherwise, zone, data, alias, columns);
        }
    }

    /// The dates of an event, as a policy of this zone reads them.
    pub fn members(&self, row: &Cells, event: &str, zone: Tz) -> Members {
        if let Some((_, members)) = self.given.iter().find(|(name, _)| name == event) {
            return *members;
        }
        let Some(columns) = self.events.iter().find(|e| e.event == event && e.zone == zone) else { return Members::default() };
        let at = columns.at;
        let stamp = |i: usize| cell(row, i).and_then(|raw| dates::read(columns.form, raw, zone));
        if columns.related {
            return Members {
                first: stamp(at),
                last: stamp(at + 1),
                dated: number(row, at + 2),
                missing: number(row, at + 3),
                doubtful: number(row, at + 4),
            };
        }
        match cell(row, at) {
            Some("v") => {
                let own = stamp(at + 1);
                Members { first: own, last: own, dated: 1, ..Members::default() }
            }
            Some("m") => Members { missing: 1, ..Members::default() },
            _ => Members { doubtful: 1, ..Members::default() },
        }
    }

    /// The value of a per-record period.
    pub fn period(&self, row: &Cells, name: &str) -> Option<u32> {
        let (_, at) = self.periods.iter().find(|(n, _)| n == name)?;
        cell(row, *at)?.parse().ok()
    }
}

fn own(records: &Records<'_>, event: &Event, form: DateForm, zone: Tz, _: &DataSet, alias: &str) -> Vec<String> {
    let d = records.terms.resolved.dialect;
    let expr = d.column(alias, &event.column);
    let missing = d.missing(&expr, form, zone).render();
    let invalid = match d.invalid(&expr, form) {
        B::False => String::new(),
        other => format!(" WHEN {} THEN 'i'", other.render()),
    };
    vec![format!("CASE WHEN {missing} THEN 'm'{invalid} ELSE 'v' END"), d.as_text(&expr)]
}

fn related(records: &Records<'_>, event: &Event, form: DateForm, zone: Tz, data: &DataSet, alias: &str) -> Vec<String> {
    let resolved = records.terms.resolved;
    let d = resolved.dialect;
    let Some((of, (table, pairs))) = event.of.as_ref().and_then(|of| Some((of, resolved.related(data, &of.to)?))) else {
        return Vec::new();
    };
    let inner = inner_alias(alias);
    let expr = d.column(&inner, &event.column);
    let missing = d.missing(&expr, form, zone);
    let invalid = d.invalid(&expr, form);
    let counts = of.filter.as_ref().map(|f| d.expression(&inner, f));
    let known = counts.as_ref().map_or(B::True, B::sql);
    let unknown = counts.as_ref().map_or(B::False, |f| B::sql(format!("({f}) IS NULL")));
    let dated = B::and([known.clone(), B::or([missing.clone(), invalid.clone()]).negate()]);
    let select = |what: &str, which: &B| {
        let condition = B::and([join(&resolved, &inner, alias, &pairs), which.clone()]);
        // MariaDB and MySQL would answer from before the locks.
        let how = if resolved.of_keys && d.engine.is_mysql_family() { d.of_read_rows(|| true) } else { "" };
        format!("(SELECT {} FROM {} AS {inner} WHERE {}{how})", d.as_text(what), d.table(&table.name), condition.render())
    };
    vec![
        select(&format!("MIN({expr})"), &dated),
        select(&format!("MAX({expr})"), &dated),
        select("COUNT(*)", &dated),
        select("COUNT(*)", &B::and([known.clone(), missing])),
        select("COUNT(*)", &B::or([unknown, B::and([known, invalid])])),
    ]
}
