//! Counting before anything is touched, in one pass over each root table.
//!
//! The statement groups the rows by the states of all purposes and by what would be done to them; the few distinct combinations carry every figure.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::action::{Action, ActionKind, ROW};
use super::boolean::B;
use super::dialect::dates::DateForm;
use super::explain::dates;
use super::record::Records;
use super::schema::TableName;
use crate::policy::map::DataSet;

/// The census of one root data set.
#[derive(Debug, Clone)]
pub struct Census {
    /// The data set's id.
    pub data_set: String,
    /// Purpose ids, in the order of the state columns.
    pub purposes: Vec<String>,
    /// Action ids and kinds, in the order of the action columns.
    pub actions: Vec<(String, ActionKind)>,
    /// Which of the actions empty (their rows are done, not due, once masked).
    pub table: TableName,
    /// The oldest start of each purpose.
    oldest: Vec<Oldest>,
    /// What else is counted, in the order of the last columns.
    pub notes: Vec<(Note, String)>,
    /// The statement. Columns: one state letter a purpose; `1`/`0` for frozen, and for done; `1`/`0` an action; the oldest start a purpose; the count; the notes.
    pub sql: String,
}

/// Something that nobody may act on but somebody must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// A field that no purpose covers; its categories.
    UncoveredField,
    /// A field that archive purposes alone cover; its categories.
    ArchiveOnly,
    /// A field that is due in the active base, while nobody knows until when its archive would keep it; its categories.
    WaitsForDate,
    /// A value that breaks its declared date format; its event.
    InvalidDate,
    /// A period per record that is zero or negative; its name.
    InvalidPeriod,
    /// A value that must never be stored, in a record that a hold or restriction freezes; its category.
    NeverStoredFrozen,
}

/// The figures of one purpose. What it covers is the sum of running, due, kept while, undated, undecided, done and ended; held records are in these, too.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct PurposeCounts {
    /// Records that the purpose covers.
    pub covered: u64,
    /// Covered and still running by their start, condition or period.
    pub running: u64,
    /// Ended, and something would be done about it now.
    pub due: u64,
    /// Covered, and frozen by a hold or restriction.
    pub held: u64,
    /// Kept while a condition holds.
    pub kept_while: u64,
    /// Nobody knows the start.
    pub undated: u64,
    /// Whether the purpose covers them is unknown.
    pub undecided: u64,
    /// Every personal field is masked for good.
    pub done: u64,
    /// Ended without anything to do now: another purpose or an order keeps every field, or what had to be cleared is.
    pub ended: u64,
    /// The oldest start among the due.
    pub oldest_due_start: Option<NaiveDate>,
}

/// The figures of one data set.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// All records.
    pub records: u64,
    /// Records frozen by an order.
    pub frozen: u64,
    /// Records of which every personal field is masked for good.
    pub done: u64,
    /// By purpose.
    pub purposes: Vec<(String, PurposeCounts)>,
    /// Rows that each action would change.
    pub actions: Vec<(String, u64)>,
    /// By action, the most rows that a run finds due for it at once or step by step: what its ceilings are held against. Where rows are emptied, those
    /// that go later in the same run are still among them.
    #[serde(skip)]
    pub found_due: Vec<u64>,
    /// Records that no purpose covers.
    pub uncovered: u64,
    /// What else was found: what, about what, how many records.
    pub notes: Vec<(Note, String, u64)>,
}

impl Census {
    /// The census of a root data set with the actions of its plan; `None` when its table is unknown.
    #[must_use]
    pub fn new(records: &Records<'_>, data: &DataSet, actions: &[Action]) -> Option<Self> {
        let resolved = records.terms.resolved;
        let d = resolved.dialect;
        let table = resolved.table(data)?.name.clone();
        let own = records.own_purposes(data);
        let bit = |condition: &str| format!("CASE WHEN {condition} THEN '1' ELSE '0' END");
        let mut columns: Vec<String> = Vec::new();
        for i in &own {
            let t = records.purposes[*i];
            columns.push(records.terms.state(t.purpose, t.run, data, ROW));
        }
        columns.push(bit(&records.frozen(data, ROW).render()));
        let done = records.not_done(data, ROW).negate();
        columns.push(if done.is_false() { "'0'".to_owned() } else { bit(&done.render()) });
        let mine: Vec<&Action> = actions.iter().filter(|a| a.data_set == data.id.value).collect();
        // What waits only for rows that go in the same run is gone at its end: people are told the end, not the way.
        columns.push(bit(&records.foreseen_gone(data, ROW).render()));
        columns.extend(mine.iter().map(|a| bit(&a.predicate.render())));
        let group_by: Vec<String> = (1..=columns.len()).map(|n| n.to_string()).collect();
        let oldest: Vec<Oldest> = own.iter().map(|i| Oldest::new(records, *i, data)).collect();
        columns.extend(oldest.iter().map(|o| o.sql.clone()));
        columns.push(d.as_text("COUNT(*)"));
        let notes = notes(records, data);
        columns.extend(notes.iter().map(|(_, _, condition)| d.count_if(&condition.render())));
        let sql = format!("SELECT {} FROM {} AS {ROW} GROUP BY {}", columns.join(", "), d.table(&table), group_by.join(", "));
        Some(Self {
            data_set: data.id.value.clone(),
            purposes: own.iter().map(|i| records.purposes[*i].purpose.id.value.clone()).collect(),
            actions: mine.iter().map(|a| (a.id.clone(), a.kind)).collect(),
            table,
            oldest,
            notes: notes.into_iter().map(|(note, subject, _)| (note, subject)).collect(),
            sql,
        })
    }

    /// The figures from the rows that the statement returned.
    #[must_use]
    pub fn read(&self, rows: &[Vec<Option<String>>]) -> Counts {
        let (p, a) = (self.purposes.len(), self.actions.len());
        let mut counts = Counts {
            purposes: self.purposes.iter().map(|id| (id.clone(), PurposeCounts::default())).collect(),
            actions: self.actions.iter().map(|(id, _)| (id.clone(), 0)).collect(),
            found_due: vec![0; a],
            notes: self.notes.iter().map(|(note, subject)| (*note, subject.clone(), 0)).collect(),
            ..Counts::default()
        };
        for row in rows {
            let cell = |i: usize| row.get(i).and_then(Option::as_deref);
            let n: u64 = cell(p + 3 + a + p).and_then(|t| t.parse().ok()).unwrap_or(0);
            let frozen = cell(p) == Some("1");
            let done = cell(p + 1) == Some("1");
            let gone = cell(p + 2) == Some("1");
            let acted = self.actions.iter().enumerate().map(|(i, (_, kind))| {
                let chosen = cell(p + 3 + i) == Some("1");
                match kind {
                    ActionKind::Delete => chosen || gone,
                    ActionKind::Empty => chosen && !gone,
                    _ => chosen,
                }
            });
            let acted: Vec<bool> = acted.collect();
            counts.records += n;
            counts.frozen += if frozen { n } else { 0 };
            counts.done += if done { n } else { 0 };
            for (i, (_, total)) in counts.actions.iter_mut().enumerate() {
                let chosen = cell(p + 3 + i) == Some("1");
                *total += if acted[i] { n } else { 0 };
                counts.found_due[i] += if acted[i] || chosen { n } else { 0 };
            }
            let due = acted.iter().zip(&self.actions).any(|(on, (_, kind))| *on && *kind != ActionKind::NeverStored);
            let mut any_covers = false;
            for (i, (_, figures)) in counts.purposes.iter_mut().enumerate() {
                let state = cell(i).unwrap_or("d");
                any_covers |= state != "n";
                // Nothing is left of a done record that a purpose could keep or wait for.
                let state = if done && state != "n" { "t" } else { state };
                figures.add(state, n, [frozen, due, done], self.oldest[i].read(cell(p + 3 + a + i)));
            }
            counts.uncovered += if any_covers || done { 0 } else { n };
            for (i, (_, _, found)) in counts.notes.iter_mut().enumerate() {
                *found += cell(p + 3 + a + p + 1 + i).and_then(|t| t.parse().ok()).unwrap_or(0);
            }
        }
        counts.notes.retain(|(_, _, n)| *n > 0);
        counts
    }
}

/// The oldest start of a purpose among the rows of a group: of a single own event; several have none.
#[derive(Debug, Clone)]
pub(super) struct Oldest {
    /// The expression.
    pub sql: String,
    form: Option<(DateForm, Tz)>,
}

impl Oldest {
    pub(super) fn new(records: &Records<'_>, i: usize, data: &DataSet) -> Self {
        let (timed, resolved) = (records.purposes[i], records.terms.resolved);
        let d = resolved.dialect;
        let events: Vec<_> = timed.purpose.starts.iter().flat_map(|s| &s.events).filter_map(|n| data.event(n)).collect();
        let column = match events.as_slice() {
            [event] if event.of.is_none() && timed.purpose.starts.iter().all(|s| s.events.len() == 1) => {
                resolved.event_form(data, event)
            }
            _ => None,
        };
        let Some((c, form)) = column else { return Self { sql: "NULL".to_owned(), form: None } };
        let expr = d.column(ROW, &c.name);
        let dated = B::or([d.missing(&expr, form, timed.run.zone), d.invalid(&expr, form)]).negate();
        let sql = d.as_text(&format!("MIN(CASE WHEN {} THEN {expr} END)", dated.render()));
        Self { sql, form: Some((form, timed.run.zone)) }
    }

    /// The day that the expression answered, in the policy's zone.
    pub(super) fn read(&self, answer: Option<&str>) -> Option<NaiveDate> {
        let (form, zone) = self.form?;
        Some(dates::read(form, answer?, zone)?.day())
    }
}

/// What is counted besides the states, with the condition of each.
fn notes(records: &Records<'_>, data: &DataSet) -> Vec<(Note, String, B)> {
    let resolved = records.terms.resolved;
    let d = resolved.dialect;
    let mut notes = Vec::new();
    for group in records.groups(data) {
        let names: std::collections::BTreeSet<&str> = group.categories.iter().map(|(_, category)| category.as_str()).collect();
        let name = names.into_iter().collect::<Vec<_>>().join(".");
        notes.push((Note::ArchiveOnly, name.clone(), records.archive_only(&group, data, ROW)));
        notes.push((Note::WaitsForDate, name.clone(), records.waits_for_date(&group, data, ROW)));
        notes.push((Note::UncoveredField, name, records.group_uncovered(&group, data, ROW)));
    }
    for event in data.events.iter().filter(|e| e.of.is_none()) {
        if let Some((column, form)) = resolved.event_form(data, event) {
            notes.push((Note::InvalidDate, event.name.value.clone(), d.invalid(&d.column(ROW, &column.name), form)));
        }
    }
    for period in &data.periods {
        notes.push((Note::InvalidPeriod, period.name.value.clone(), B::sql(format!("{} <= 0", d.column(ROW, &period.column)))));
    }
    for category in resolved.map.record_of(data).iter().flat_map(|m| &m.categories).filter(|c| c.never_stored) {
        let todo = records.todo(data, ROW, &|_, name, never| never && name == category.name.value);
        notes.push((Note::NeverStoredFrozen, category.name.value.clone(), B::and([records.frozen(data, ROW), todo])));
    }
    notes.retain(|(_, _, condition)| !condition.is_false());
    notes
}

impl PurposeCounts {
    fn add(&mut self, state: &str, n: u64, [frozen, due, done]: [bool; 3], oldest: Option<NaiveDate>) {
        if state == "n" {
            return;
        }
        self.covered += n;
        self.held += if frozen { n } else { 0 };
        match state {
            "u" => self.undecided += n,
            "w" => self.kept_while += n,
            "d" => self.undated += n,
            "c" | "o" | "x" | "t" if due => {
                self.due += n;
                self.oldest_due_start = [self.oldest_due_start, oldest].into_iter().flatten().min();
            }
            "c" | "o" | "x" | "t" if done => self.done += n,
            "c" | "o" | "x" | "t" => self.ended += n,
            _ => self.running += n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_start_is_read_in_the_form_of_its_column() {
        let read = |form, answer: &str| {
            let oldest = Oldest { sql: String::new(), form: Some((form, chrono_tz::Europe::Paris)) };
            oldest.read(Some(answer)).map(|day| day.to_string())
        };
        assert_eq!(read(DateForm::TextCompact, "20110517").as_deref(), Some("2011-05-17"));
        assert_eq!(read(DateForm::Epoch(1_000), "1305633600000").as_deref(), Some("2011-05-17"));
        assert_eq!(read(DateForm::Instant, "2011-05-16 22:30:00+00").as_deref(), Some("2011-05-17"));
        assert_eq!(read(DateForm::Date, ""), None);
    }
}
