//! What every run counts, before and after its work: what is due, what an order keeps from going, what waits for a condition, what nobody
//! has dated.
//!
//! Each statement narrows by the conditions of the action or purpose that it is about, so the index that finds what is due answers it too, and
//! a night with nothing to do costs no table. What cannot be counted that way (covered, running, undecided, uncovered) is in the full
//! [census](super::census).

use chrono::NaiveDate;

use super::action::{Action, ActionKind, Path, ROW};
use super::boolean::B;
use super::census::Oldest;
use super::dialect::Dialect;
use super::record::Records;
use super::schema::Engine;
use super::to_do;
use crate::policy::map::{DataSet, Missing};
use crate::policy::purpose::Purpose;

/// The due census of one root data set.
#[derive(Debug, Clone)]
pub struct DueCensus {
    /// The data set's id.
    pub data_set: String,
    /// Purpose ids, in the order of the columns.
    pub purposes: Vec<String>,
    /// Whether each purpose has ended for a row: without looking for orders, and with.
    ended: [Vec<B>; 2],
    oldest: Vec<Oldest>,
    /// What belongs to one purpose alone.
    pub asides: Vec<Aside>,
}

/// A statement that answers one number about one purpose.
#[derive(Debug, Clone)]
pub struct Aside {
    /// The purpose, as an index.
    pub purpose: usize,
    /// What is counted.
    pub kind: AsideKind,
    /// The statement; `None` where the number is always zero.
    pub sql: Option<String>,
}

/// What an aside counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsideKind {
    /// Records whose time is over and that a condition still keeps.
    KeptWhile,
    /// Records whose start date is missing.
    Undated,
}

/// The figures of one purpose that every run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct DueFigures {
    /// Records for which it ended and something is to be done.
    pub due: u64,
    /// The same, but a hold or a restriction keeps them.
    pub held: u64,
    /// Its time is over, but its `kept_while` holds or is unknown.
    pub kept_while: u64,
    /// Records whose start date is missing; `None` when related rows date them, which only a full census counts.
    pub undated: Option<u64>,
    /// The oldest start among the due.
    pub oldest_due_start: Option<NaiveDate>,
}

/// What was counted for one data set.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct DueCounts {
    /// By purpose.
    pub purposes: Vec<(String, DueFigures)>,
    /// Rows that each action would change, by its id.
    pub actions: Vec<(String, u64)>,
    /// Rows that each action would change if no order kept them, by its id.
    pub held: Vec<(String, u64)>,
}

impl DueCensus {
    /// The due census of a root data set. `records` looks for orders only when some stand.
    #[must_use]
    pub fn new(light: &Records<'_>, full: &Records<'_>, records: &Records<'_>, data: &DataSet) -> Self {
        let own = full.own_purposes(data);
        let ended = [light, full].map(|r| own.iter().map(|i| r.ended(*i, data, ROW)).collect());
        let asides = own.iter().enumerate().flat_map(|(n, i)| asides(records, data, n, *i)).collect();
        Self {
            data_set: data.id.value.clone(),
            purposes: own.iter().map(|i| full.purposes[*i].purpose.id.value.clone()).collect(),
            ended,
            oldest: own.iter().map(|i| Oldest::new(full, *i, data)).collect(),
            asides,
        }
    }

    /// Counts the rows of an action by the purposes that ended: those that it would change, or those that only an order keeps. `earlier` are actions of
    /// the same data set that were counted before.
    #[must_use]
    pub fn count(&self, d: Dialect, path: Path, action: &Action, of: Of, orders: bool, earlier: &[&Action]) -> String {
        let condition = match of {
            Of::Due if orders => &action.predicate,
            Of::Due => &action.candidates,
            Of::Held => &action.held,
        };
        // Only groups of fields overlap: a record is counted for a purpose once.
        let clears = |a: &&Action| a.kind == ActionKind::Clear && action.kind == ActionKind::Clear;
        let before = B::or(earlier.iter().copied().filter(clears).map(|a| match of {
            Of::Due if orders => a.predicate.clone(),
            Of::Due => a.candidates.clone(),
            Of::Held => a.held.clone(),
        }));
        let bits = self.ended[usize::from(orders)].iter().chain([&before]);
        let mut columns: Vec<String> = bits.map(|b| bit(&b.where_holds(condition))).collect();
        let group_by: Vec<String> = (1..=columns.len()).map(|n| n.to_string()).collect();
        columns.extend(self.oldest.iter().map(|o| o.sql.clone()));
        columns.push(d.as_text("COUNT(*)"));
        format!(
            "SELECT {} FROM {} WHERE {} GROUP BY {}",
            columns.join(", "),
            action.table_by(d, path),
            condition.render(),
            group_by.join(", ")
        )
    }

    /// Counts with everything still to be filled in.
    #[must_use]
    pub fn nothing(&self) -> DueCounts {
        let mut counts = DueCounts {
            purposes: self.purposes.iter().map(|id| (id.clone(), DueFigures::default())).collect(),
            ..DueCounts::default()
        };
        for aside in self.asides.iter().filter(|a| a.kind == AsideKind::Undated) {
            counts.purposes[aside.purpose].1.undated = Some(0);
        }
        counts
    }

    /// Adds what [`Self::count`] returned.
    pub fn add(&self, counts: &mut DueCounts, action: &Action, of: Of, rows: &[Vec<Option<String>>]) {
        let p = self.purposes.len();
        let mut total = 0;
        for row in rows {
            let cell = |i: usize| row.get(i).and_then(Option::as_deref);
            let n: u64 = cell(p + 1 + p).and_then(|t| t.parse().ok()).unwrap_or(0);
            total += n;
            if cell(p) == Some("1") || action.kind == ActionKind::NeverStored {
                continue;
            }
            for (i, (_, figures)) in counts.purposes.iter_mut().enumerate().filter(|(i, _)| cell(*i) == Some("1")) {
                match of {
                    Of::Held => figures.held += n,
                    Of::Due => {
                        figures.due += n;
                        let start = self.oldest[i].read(cell(p + 1 + i));
                        figures.oldest_due_start = [figures.oldest_due_start, start].into_iter().flatten().min();
                    }
                }
            }
        }
        match of {
            Of::Due => counts.actions.push((action.id.clone(), total)),
            Of::Held => counts.held.push((action.id.clone(), total)),
        }
    }
}

/// What is counted of an action's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Those that it would change.
    Due,
    /// Those that it would change if no hold or restriction kept them.
    Held,
}

fn bit(condition: &B) -> String {
    match condition {
        B::True => "'1'".to_owned(),
        B::False => "'0'".to_owned(),
        other => format!("CASE WHEN {} THEN '1' ELSE '0' END", other.render()),
    }
}

fn asides(records: &Records<'_>, data: &DataSet, n: usize, i: usize) -> Vec<Aside> {
    let (terms, timed) = (&records.terms, records.purposes[i]);
    let (d, purpose) = (terms.resolved.dialect, timed.purpose);
    let Some(table) = terms.resolved.table(data) else { return Vec::new() };
    let count = |condition: B| match condition {
        B::False => None,
        other => {
            Some(format!("SELECT {} FROM {} AS {ROW} WHERE {}", d.as_text("COUNT(*)"), d.table(&table.name), other.render()))
        }
    };
    let left = records.not_done(data, ROW);
    // What is not done is left to do, where a column says so.
    let left = if left == B::True { left } else { B::and([to_do::left(&terms.resolved, data, ROW), left]) };
    let mut all = Vec::new();
    if let Some(kept) = &purpose.kept_while {
        let freed = Purpose { kept_while: None, ..purpose.clone() };
        let waits = terms.when_is(false, kept, data, ROW).negate();
        let condition = B::and([terms.ended(&freed, timed.run, data, ROW), waits, left.clone()]);
        all.push(Aside { purpose: n, kind: AsideKind::KeptWhile, sql: count(condition) });
    }
    let events: Vec<_> = purpose.starts.iter().flat_map(|s| &s.events).filter_map(|name| data.event(name)).collect();
    if purpose.keeps.is_some() && events.iter().all(|e| e.of.is_none()) {
        let missing = events.iter().filter(|e| e.missing == Missing::Undated).flat_map(|event| {
            let found = terms.resolved.event_form(data, event);
            found.map_or_else(Vec::new, |(column, form)| {
                d.missing_ranges(&d.column(ROW, &column.name), column.nullable, form, timed.run.zone)
            })
        });
        let given = purpose.starts.iter().flat_map(|s| &s.events).filter_map(|name| data.given(name));
        let nobody_knows = given.filter(|g| g.missing == Missing::Undated && g.value.is_none()).map(|_| B::True);
        let missing = missing.chain(nobody_knows);
        // SQLite goes by a partial index only where each alternative says what the index is about.
        let narrowed = match d.engine {
            Engine::Sqlite => B::or(missing.map(|m| B::sql(format!("({})", B::and([m, left.clone()]).render())))),
            _ => B::and([B::or(missing), left.clone()]),
        };
        let undated = B::sql(format!("{} = 'd'", terms.state(purpose, timed.run, data, ROW)));
        let condition = B::and([narrowed, terms.covers(purpose, data, ROW), undated]);
        all.push(Aside { purpose: n, kind: AsideKind::Undated, sql: count(condition) });
    }
    all
}
