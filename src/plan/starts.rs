//! The start of a purpose as predicates: whether it is due, running, dated or not, for one bound.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::boolean::B;
use super::terms::Terms;
use crate::policy::bound::{Bound, RunTime};
use crate::policy::given::GivenDate;
use crate::policy::map::{DataSet, Event, Missing, Related};
use crate::policy::start::{Combine, Start};

/// Starts that were written before: every predicate about a record asks for them again.
#[derive(Debug, Default)]
pub struct Starts(Mutex<HashMap<StartKey, StartTerms>>);

/// All that the text of a start depends on, in one map and one schema. Rounding is in the bound.
#[derive(Debug, PartialEq, Eq, Hash)]
struct StartKey {
    combine: Combine,
    events: Vec<String>,
    bound: Option<Bound>,
    zone: Tz,
    data: String,
    alias: String,
    of_keys: bool,
}

impl Starts {
    fn lock(&self) -> MutexGuard<'_, HashMap<StartKey, StartTerms>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A dated value of one event, classified: exactly one holds.
pub(super) struct Member {
    pub(super) due: B,
    none: B,
    running: B,
    undated: B,
    not_yet: B,
}

/// The answers of a start, each a predicate.
#[derive(Debug, Clone)]
pub struct StartTerms {
    /// Due: the period after the start is over.
    pub due: B,
    /// Running: the event has not happened.
    pub running: B,
    /// Dated, and the period not over.
    pub not_yet: B,
    /// The same, and nothing is missing that could still move the end: it is known.
    pub settled: B,
    /// Something has not happened yet, and nothing is undated.
    pub open: B,
}

impl Terms<'_> {
    /// A start's answers for one bound.
    pub(super) fn start(&self, start: &Start, bound: Option<Bound>, run: RunTime, data: &DataSet, alias: &str) -> StartTerms {
        let key = StartKey {
            combine: start.combine,
            events: start.events.iter().map(|e| e.value.clone()).collect(),
            bound,
            zone: run.zone,
            data: data.id.value.clone(),
            alias: alias.to_owned(),
            of_keys: self.resolved.of_keys,
        };
        if let Some(known) = self.starts.lock().get(&key) {
            return known.clone();
        }
        let written = self.write_start(start, bound, run, data, alias);
        self.starts.lock().insert(key, written.clone());
        written
    }

    fn write_start(&self, start: &Start, bound: Option<Bound>, run: RunTime, data: &DataSet, alias: &str) -> StartTerms {
        let (mut own, mut related) = (Vec::new(), Vec::new());
        for event in start.events.iter().filter_map(|name| data.event(name)) {
            match &event.of {
                None => own.push(self.member(event, None, bound, run, data, alias)),
                Some(of) => related.push((event, of)),
            }
        }
        own.extend(start.events.iter().filter_map(|name| data.given(name)).map(|given| of_tenant(given, bound)));
        let in_related = |pick: &dyn Fn(Member) -> B| -> Vec<B> {
            related
                .iter()
                .map(|(event, of)| {
                    self.exists(of, data, alias, &|inner| pick(self.member(event, Some((of, inner)), bound, run, data, alias)))
                })
                .collect()
        };
        let any = |pick: fn(Member) -> B, own_pick: fn(&Member) -> B| {
            B::or(own.iter().map(own_pick).chain(in_related(&move |m| pick(m))))
        };
        let due = any(|m| m.due, |m| m.due.clone());
        let running = any(|m| m.running, |m| m.running.clone());
        let not_yet = any(|m| m.not_yet, |m| m.not_yet.clone());
        let undated = any(|m| m.undated, |m| m.undated.clone());
        let settled = B::and([not_yet.clone(), undated.clone().negate(), running.clone().negate()]);
        let open = B::and([running.clone(), undated.clone().negate()]);
        match start.combine {
            Combine::Latest => {
                let all_done = own.iter().map(|m| B::or([m.due.clone(), m.none.clone()]));
                let no_other = in_related(&|m: Member| B::or([m.due, m.none]).negate()).into_iter().map(B::negate);
                StartTerms {
                    due: B::and(all_done.chain(no_other).chain([due])),
                    not_yet: B::and([running.clone().negate(), not_yet]),
                    running,
                    settled,
                    open,
                }
            }
            Combine::Earliest => {
                let dated_later = B::and([undated.clone().negate(), not_yet.clone()]);
                StartTerms {
                    running: B::and([undated.negate(), not_yet.negate(), running]),
                    due,
                    not_yet: dated_later,
                    settled,
                    open,
                }
            }
        }
    }

    /// One dated value, classified. `related` is the relation and the alias of the related row, whose filter may be unknown: then it is undated.
    pub(super) fn member(
        &self,
        event: &Event,
        related: Option<(&Related, &str)>,
        bound: Option<Bound>,
        run: RunTime,
        data: &DataSet,
        alias: &str,
    ) -> Member {
        let d = self.resolved.dialect;
        let row = related.map_or(alias, |(_, inner)| inner);
        let Some((column, form)) = self.resolved.event_form(data, event) else {
            return Member { due: B::False, none: B::False, running: B::False, undated: B::True, not_yet: B::False };
        };
        let expr = d.column(row, &column.name);
        let missing = d.missing(&expr, form, run.zone);
        let invalid = d.invalid(&expr, form);
        let before = d.before(&expr, form, bound, run.zone);
        let has_date = B::or([missing.clone(), invalid.clone()]).negate();
        let mut member = Member {
            not_yet: B::and([before.clone().negate(), has_date]),
            due: before,
            none: B::False,
            running: B::False,
            undated: invalid,
        };
        match (event.missing, event.otherwise.as_ref().and_then(|name| data.event(name))) {
            (Missing::Running, _) => member.running = missing,
            (Missing::Ignore, _) => member.none = missing,
            (Missing::Undated, None) => member.undated = B::or([member.undated, missing]),
            (Missing::Undated, Some(otherwise)) => {
                let other = self.member(otherwise, None, bound, run, data, alias);
                let instead = |answer: B| B::and([missing.clone(), answer]);
                member.due = B::or([member.due, instead(other.due)]);
                member.not_yet = B::or([member.not_yet, instead(other.not_yet)]);
                member.none = instead(other.none);
                member.running = instead(other.running);
                member.undated = B::or([member.undated, instead(other.undated)]);
            }
        }
        match related.and_then(|(of, inner)| of.filter.as_ref().map(|f| d.expression(inner, f))) {
            None => member,
            Some(filter) => {
                // Rows whose filter is false were left out by the relation; where it is unknown, doubt keeps.
                let known = B::sql(filter.clone());
                let unknown = B::sql(format!("({filter}) IS NULL"));
                let only = |b: B| B::and([known.clone(), b]);
                Member {
                    due: only(member.due),
                    none: only(member.none),
                    running: only(member.running),
                    not_yet: only(member.not_yet),
                    undated: B::or([unknown, only(member.undated)]),
                }
            }
        }
    }
}

/// A date of the whole tenant, classified.
fn of_tenant(given: &GivenDate, bound: Option<Bound>) -> Member {
    let is = |missing| B::from(given.value.is_none() && given.missing == missing);
    let before = given.value.is_some_and(|day| is_before(day, bound));
    Member {
        due: B::from(before),
        not_yet: B::from(given.value.is_some() && !before),
        none: is(Missing::Ignore),
        running: is(Missing::Running),
        undated: is(Missing::Undated),
    }
}

/// Whether a day lies before a bound.
pub(super) fn is_before(day: NaiveDate, bound: Option<Bound>) -> bool {
    bound.and_then(Bound::for_dates).is_some_and(|bound| day < bound)
}
