//! The state of one purpose for one record, as predicates: which records it covers, for which it has ended, and why.
//!
//! Follows SEMANTICS line by line: `member`, `start` and `state` below are its pseudo-code turned into SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::boolean::B;
use super::orders::Orders;
use super::resolve::Resolved;
use super::schema::Table;
use super::starts::{Starts, is_before};
use crate::policy::bound::{RunTime, bound};
use crate::policy::map::{DataSet, Event, Missing, PeriodColumn, PeriodUnit, Related, RelatedTo, Test};
use crate::policy::period::Period;
use crate::policy::purpose::{Cap, Purpose, When};
use crate::policy::start::Start;

/// What is needed to write the terms of one source's purposes.
#[derive(Debug, Clone)]
pub struct Terms<'a> {
    /// Map and schema.
    pub resolved: Resolved<'a>,
    /// The orders table and the date on which orders are read.
    pub orders: Orders<'a>,
    /// What per-record periods are in use.
    pub periods: &'a PeriodsInUse,
    /// What was written of starts before, with the same map, schema and periods.
    pub starts: Arc<Starts>,
}

/// The distinct values of each per-record period column, by (data set, period): they are read before a plan is compiled, because no engine
/// computes dates as the policy counts them, and each value needs its own bound. A value that appears later keeps until the next run.
pub type PeriodsInUse = BTreeMap<(String, String), BTreeSet<u32>>;

impl<'a> Terms<'a> {
    /// `when` is not false: the purpose covers the record.
    #[must_use]
    pub fn covers(&self, purpose: &Purpose, data: &DataSet, alias: &str) -> B {
        purpose.when.as_ref().map_or(B::True, |w| self.when_is(false, w, data, alias).negate())
    }

    /// `when` is false.
    #[must_use]
    pub fn not_covering(&self, purpose: &Purpose, data: &DataSet, alias: &str) -> B {
        purpose.when.as_ref().map_or(B::False, |w| self.when_is(false, w, data, alias))
    }

    /// The purpose covers the record and has ended, for whatever reason.
    #[must_use]
    pub fn ended(&self, purpose: &Purpose, run: RunTime, data: &DataSet, alias: &str) -> B {
        let when = purpose.when.as_ref().map_or(B::True, |w| self.when_is(true, w, data, alias));
        let not_kept = purpose.kept_while.as_ref().map_or(B::True, |w| self.when_is(false, w, data, alias));
        let ends = B::or([
            purpose.ends_when.as_ref().map_or(B::False, |w| self.when_is(true, w, data, alias)),
            self.orders.end(purpose, data, alias, &self.resolved),
            self.any_cap(purpose, run, data, alias),
            self.start_due(purpose, run, data, alias),
        ]);
        B::and([when, not_kept, ends])
    }

    /// The purpose covers the record and keeps.
    #[must_use]
    pub fn keeps(&self, purpose: &Purpose, run: RunTime, data: &DataSet, alias: &str) -> B {
        B::and([self.covers(purpose, data, alias), self.ended(purpose, run, data, alias).negate()])
    }

    /// The purpose covers the record and keeps, and its end is known: what it needs can move into its archive until then.
    #[must_use]
    pub fn end_known(&self, purpose: &Purpose, run: RunTime, data: &DataSet, alias: &str) -> B {
        let (Some(start), Some(keeps)) = (&purpose.starts, &purpose.keeps) else { return B::False };
        let covers = purpose.when.as_ref().map_or(B::True, |when| self.when_is(true, when, data, alias));
        let settled = self.start(start, bound(keeps.value, start.end_of, run), run, data, alias).settled;
        B::and([covers, settled, self.ended(purpose, run, data, alias).negate()])
    }

    /// The purpose covers the record and keeps, and what its end waits for has not happened yet. Whether that can be read once the record has left
    /// is another question: see [`crate::policy::open_end`].
    #[must_use]
    pub fn end_open(&self, purpose: &Purpose, run: RunTime, data: &DataSet, alias: &str) -> B {
        let (Some(start), Some(keeps)) = (&purpose.starts, &purpose.keeps) else { return B::False };
        let covers = purpose.when.as_ref().map_or(B::True, |when| self.when_is(true, when, data, alias));
        let open = self.start(start, bound(keeps.value, start.end_of, run), run, data, alias).open;
        B::and([covers, open, self.ended(purpose, run, data, alias).negate()])
    }

    /// Of a record that has left: its start is known for good, because it is due or nothing is missing that could still move it; or what it waits for has
    /// not happened yet. Reads nothing but what the start reads.
    #[must_use]
    pub fn start_later(&self, purpose: &Purpose, run: RunTime, data: &DataSet, alias: &str) -> (B, B) {
        let (Some(start), Some(keeps)) = (&purpose.starts, &purpose.keeps) else { return (B::False, B::False) };
        let terms = self.start(start, bound(keeps.value, start.end_of, run), run, data, alias);
        (B::or([terms.due, terms.settled]), terms.open)
    }

    fn start_due(&self, purpose: &Purpose, run: RunTime, data: &DataSet, alias: &str) -> B {
        match (&purpose.starts, &purpose.keeps) {
            (Some(start), Some(keeps)) => self.start(start, bound(keeps.value, start.end_of, run), run, data, alias).due,
            _ => B::False,
        }
    }

    /// The state of the purpose as one letter, for census and explanation: `n` not covering, `u` undecided, `w` kept while, `c` ended by its
    /// condition, `o` by an order, `x` by a cap, `r` running without a period, `g` its start still running, `y` not yet, `d` undated, `t` ended by time.
    #[must_use]
    pub fn state(&self, purpose: &Purpose, run: RunTime, data: &DataSet, alias: &str) -> String {
        let mut arms: Vec<(B, char)> = Vec::new();
        if let Some(when) = &purpose.when {
            arms.push((self.when_is(false, when, data, alias), 'n'));
            arms.push((self.when_is(true, when, data, alias).negate(), 'u'));
        }
        if let Some(kept) = &purpose.kept_while {
            arms.push((self.when_is(false, kept, data, alias).negate(), 'w'));
        }
        if let Some(ends) = &purpose.ends_when {
            arms.push((self.when_is(true, ends, data, alias), 'c'));
        }
        arms.push((self.orders.end(purpose, data, alias, &self.resolved), 'o'));
        arms.push((self.any_cap(purpose, run, data, alias), 'x'));
        let last = match (&purpose.starts, &purpose.keeps) {
            (Some(start), Some(keeps)) => {
                let terms = self.start(start, bound(keeps.value, start.end_of, run), run, data, alias);
                arms.push((terms.due, 't'));
                arms.push((terms.running, 'g'));
                arms.push((terms.not_yet, 'y'));
                'd'
            }
            _ => 'r',
        };
        let mut text = String::from("CASE");
        for (condition, letter) in arms {
            if !condition.is_false() {
                text.push_str(&format!(" WHEN {} THEN '{letter}'", condition.render()));
            }
        }
        if text == "CASE" { format!("'{last}'") } else { format!("{text} ELSE '{last}' END") }
    }

    fn any_cap(&self, purpose: &Purpose, run: RunTime, data: &DataSet, alias: &str) -> B {
        B::or(purpose.at_most.iter().map(|cap| match cap {
            Cap::Start(start, keeps) => self.start(start, bound(keeps.value, start.end_of, run), run, data, alias).due,
            Cap::Named(name) if data.given(name).is_some() => {
                let day = data.given(name).and_then(|given| given.value);
                B::from(day.is_some_and(|day| is_before(day, bound(Period::ZERO, None, run))))
            }
            Cap::Named(name) => match (data.event(name), data.period(name), &purpose.starts) {
                (Some(event), _, _) => self.dated_and_over(event, run, data, alias),
                (None, Some(period), Some(start)) => self.per_record(period, start, run, data, alias),
                _ => B::False,
            },
        }))
    }

    /// A date column as a cap: over once its day has passed. A missing date is no cap, whatever the event says of missing dates.
    fn dated_and_over(&self, event: &Event, run: RunTime, data: &DataSet, alias: &str) -> B {
        let bound = bound(Period::ZERO, None, run);
        let alone = Event { missing: Missing::Undated, otherwise: None, ..event.clone() };
        match &event.of {
            None => self.member(&alone, None, bound, run, data, alias).due,
            Some(of) => {
                self.exists(of, data, alias, &|inner| self.member(&alone, Some((of, inner)), bound, run, data, alias).due)
            }
        }
    }

    /// A period per record: one bound for each value in use. NULL, zero and negative values are no cap.
    fn per_record(&self, period: &PeriodColumn, start: &Start, run: RunTime, data: &DataSet, alias: &str) -> B {
        let column = self.resolved.dialect.column(alias, &period.column);
        let values = self.periods.get(&(data.id.value.clone(), period.name.value.clone()));
        B::or(values.into_iter().flatten().filter(|n| (1..=Period::LIMIT).contains(n)).map(|n| {
            let length = match period.unit {
                PeriodUnit::Years => Period::Calendar { months: n * 12, days: 0 },
                PeriodUnit::Months => Period::Calendar { months: *n, days: 0 },
                PeriodUnit::Weeks => Period::Calendar { months: 0, days: n * 7 },
                PeriodUnit::Days => Period::Calendar { months: 0, days: *n },
            };
            let due = self.start(start, bound(length, start.end_of, run), run, data, alias).due;
            B::and([B::sql(format!("{column} = {n}")), due])
        }))
    }

    /// Whether a related row exists for which `inner` holds; rows whose filter is false do not count.
    pub(super) fn exists(&self, of: &Related, data: &DataSet, alias: &str, inner: &dyn Fn(&str) -> B) -> B {
        let Some((table, pairs)) = self.resolved.related(data, &of.to) else { return B::False };
        let name = inner_alias(alias);
        let counts = of
            .filter
            .as_ref()
            .map_or(B::True, |filter| B::sql(format!("(({}) IS NOT FALSE)", self.resolved.dialect.expression(&name, filter))));
        exists(&self.resolved, table, [&name, alias], &pairs, &B::and([counts, inner(&name)]))
    }

    /// Whether a combination of conditions is true (or, with `false`, is false). What is neither is unknown.
    #[must_use]
    pub fn when_is(&self, truth: bool, when: &When, data: &DataSet, alias: &str) -> B {
        match when {
            When::Condition(name) => data.condition(name).map_or(B::False, |c| self.test_is(truth, &c.test, data, alias)),
            When::Not(inner) => self.when_is(!truth, inner, data, alias),
            When::All(all) if truth => B::and(all.iter().map(|w| self.when_is(truth, w, data, alias))),
            When::Any(all) if !truth => B::and(all.iter().map(|w| self.when_is(truth, w, data, alias))),
            When::All(all) | When::Any(all) => B::or(all.iter().map(|w| self.when_is(truth, w, data, alias))),
        }
    }

    fn test_is(&self, truth: bool, test: &Test, data: &DataSet, alias: &str) -> B {
        let d = self.resolved.dialect;
        let (related, truth) = match test {
            Test::Row(expr) => {
                let text = d.expression(alias, expr);
                return B::sql(if truth { text } else { format!("(NOT {text})") });
            }
            Test::Some(related) => (related, truth),
            Test::No(related) => (related, !truth),
        };
        let Some((table, pairs)) = self.resolved.related(data, &related.to) else { return B::False };
        let name = inner_alias(alias);
        let filter = related.filter.as_ref().map(|f| d.expression(&name, f));
        if truth {
            exists(&self.resolved, table, [&name, alias], &pairs, &filter.map_or(B::True, B::sql))
        } else {
            let possible = filter.map_or(B::True, |f| B::sql(format!("(({f}) IS NOT FALSE)")));
            exists(&self.resolved, table, [&name, alias], &pairs, &possible).negate()
        }
    }

    /// Whether the terms of a purpose read other tables than the record's own.
    #[must_use]
    pub fn related_tables(&self, purpose: &Purpose, data: &DataSet) -> Vec<(&'a Table, Vec<(String, String)>)> {
        let mut found: Vec<&RelatedTo> = Vec::new();
        let starts = purpose.starts.iter().chain(purpose.at_most.iter().filter_map(|c| match c {
            Cap::Start(s, _) => Some(s),
            Cap::Named(_) => None,
        }));
        let named = purpose.at_most.iter().filter_map(|c| match c {
            Cap::Named(n) => Some(n),
            Cap::Start(..) => None,
        });
        for event in starts.flat_map(|s| &s.events).chain(named).filter_map(|n| data.event(n)) {
            found.extend(event.of.as_ref().map(|of| &of.to));
        }
        for when in [&purpose.when, &purpose.kept_while, &purpose.ends_when].into_iter().flatten() {
            let mut names = Vec::new();
            condition_names(when, &mut names);
            for name in names {
                if let Some(Test::Some(r) | Test::No(r)) = data.condition(name).map(|c| &c.test) {
                    found.push(&r.to);
                }
            }
        }
        found.into_iter().filter_map(|to| self.resolved.related(data, to)).collect()
    }
}

/// The names of all conditions that a combination uses.
pub fn condition_names<'w>(when: &'w When, names: &mut Vec<&'w str>) {
    match when {
        When::Condition(name) => names.push(name),
        When::Not(inner) => condition_names(inner, names),
        When::All(all) | When::Any(all) => all.iter().for_each(|w| condition_names(w, names)),
    }
}

/// An alias for a row nested inside the row of `alias`; unique on any path of nesting.
#[must_use]
pub fn inner_alias(alias: &str) -> String {
    format!("{alias}c")
}

/// `inner.column = outer.column` for each pair.
#[must_use]
pub fn join(resolved: &Resolved<'_>, inner: &str, outer: &str, pairs: &[(String, String)]) -> B {
    let d = resolved.dialect;
    B::and(pairs.iter().map(|(there, here)| B::sql(format!("{} = {}", d.column(inner, there), d.column(outer, here)))))
}

/// Whether rows of a table exist that are joined to the row of `outer` by these columns (there, here), and of which the condition holds.
#[must_use]
pub fn exists(resolved: &Resolved<'_>, table: &Table, [alias, outer]: [&str; 2], pairs: &[(String, String)], condition: &B) -> B {
    if condition.is_false() {
        return B::False;
    }
    let found = B::and([join(resolved, alias, outer, pairs), condition.clone()]);
    let indexed = || table.indexes.iter().any(|i| i.leads_to(|column| pairs.iter().any(|(there, _)| there == column)));
    let how = if resolved.of_keys { resolved.dialect.of_read_rows(indexed) } else { "" };
    B::sql(format!("EXISTS (SELECT 1 FROM {} AS {alias} WHERE {}{how})", resolved.dialect.table(&table.name), found.render()))
}
