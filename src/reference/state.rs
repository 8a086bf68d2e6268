//! `member`, `start` and `state`: how a purpose stands to a record.

use chrono::{Days, TimeDelta};
use chrono_tz::Tz;

use super::condition::{self, and, or};
use super::moment::{self, Moment};
use super::value::Value;
use super::view::{RowId, View};
use super::{dates, decide::needs_of_parent};
use crate::policy::map::{DataSet, Event, Missing, Related, Test};
use crate::policy::period::Period;
use crate::policy::purpose::{Cap, OrderKind, Policy, Purpose, When, Window};
use crate::policy::start::{Combine, Rounding, Start};

/// How a purpose stands to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It does not cover the record.
    NotCovering,
    /// Nobody knows whether it covers the record: it keeps.
    Undecided,
    /// A condition keeps it from ending.
    KeptWhile,
    /// It has ended.
    Ended(End),
    /// It goes on without an end in sight.
    Running,
    /// Its period has not passed.
    NotYet,
    /// Nobody knows when it started: it keeps.
    Undated,
    /// A hold or restriction of the child through which it reaches the record keeps what it needs.
    Held,
}

/// Why a purpose has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Its `ends_when` holds.
    Condition,
    /// An order ends it.
    Order(OrderKind),
    /// A cap of `at_most` is due.
    Cap,
    /// Its period has passed.
    Time,
}

impl State {
    /// Whether the purpose keeps what it needs.
    #[must_use]
    pub fn keeps(self) -> bool {
        !matches!(self, Self::NotCovering | Self::Ended(_))
    }

    /// Whether the purpose covers the record.
    #[must_use]
    pub fn covers(self) -> bool {
        self != Self::NotCovering
    }
}

/// What one dated value, or a whole start, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Running,
    Undated,
    Nothing,
    Due,
    NotYet,
}

/// What a start is asked for: a record's root row, in the zone of a policy.
#[derive(Clone, Copy)]
pub(super) struct Asked<'w> {
    pub(super) row: RowId,
    pub(super) data: &'w DataSet,
    pub(super) zone: Tz,
    /// How many days before its period ends the purpose keeps no longer: those of its recovery window.
    pub(super) early: u32,
}

impl<'w> View<'w> {
    /// One dated value.
    fn member(&self, asked: Asked<'w>, event: &'w Event, value: &Value, period: Period, rounding: Option<Rounding>) -> Answer {
        match self.moment(event, value, asked.zone) {
            Moment::Invalid => Answer::Undated,
            Moment::Missing => match (event.missing, event.otherwise.as_ref().and_then(|name| asked.data.event(name))) {
                (Missing::Running, _) => Answer::Running,
                (Missing::Ignore, _) => Answer::Nothing,
                (Missing::Undated, None) => Answer::Undated,
                (Missing::Undated, Some(other)) => {
                    let value = self.value(asked.row, &other.column).unwrap_or(&Value::Null);
                    self.member(asked, other, value, period, rounding)
                }
            },
            dated if self.is_due(dated, period, rounding, asked) => Answer::Due,
            _ => Answer::NotYet,
        }
    }

    pub(super) fn moment(&self, event: &Event, value: &Value, policy: Tz) -> Moment {
        let local = event.zone.or(self.reference.map.time_zone).unwrap_or(policy);
        moment::read(value, event.format.as_ref().map(|f| f.value), local, policy)
    }

    /// Whether the last day on which a start keeps lies before today, or its last instant before now; the days of a recovery window are taken from its end.
    fn is_due(&self, moment: Moment, period: Period, rounding: Option<Rounding>, asked: Asked<'w>) -> bool {
        let Asked { zone, early, .. } = asked;
        let day = match moment {
            Moment::Day(day) => day,
            Moment::Instant(instant) => dates::day_of(instant, zone),
            Moment::Missing | Moment::Invalid => return false,
        };
        match (period, moment) {
            (Period::Calendar { months, days }, _) => {
                let last = dates::last_kept(day, rounding, months, days);
                last.and_then(|last| last.checked_sub_days(Days::new(early.into())))
                    .is_some_and(|last| last < self.reference.today(zone))
            }
            (Period::Hours(hours), Moment::Instant(start)) => {
                start.checked_add_signed(TimeDelta::hours(i64::from(hours))).is_some_and(|end| end < self.reference.now)
            }
            (Period::Hours(_), _) => false,
        }
    }

    /// The members of an event: the record's own column, or the same column of each related row.
    fn members(&self, asked: Asked<'w>, event: &'w Event, period: Period, rounding: Option<Rounding>) -> Vec<Answer> {
        let Some(related) = &event.of else {
            let value = self.value(asked.row, &event.column).unwrap_or(&Value::Null);
            return vec![self.member(asked, event, value, period, rounding)];
        };
        let mut all = Vec::new();
        for row in self.related(asked.row, asked.data, &related.to) {
            match self.filter(related, row) {
                Some(false) => {}
                None => all.push(Answer::Undated),
                Some(true) => {
                    let value = self.value(row, &event.column).unwrap_or(&Value::Null);
                    all.push(self.member(asked, event, value, period, rounding));
                }
            }
        }
        all
    }

    /// Whether a related row passes the filter.
    pub(super) fn filter(&self, related: &Related, row: RowId) -> Option<bool> {
        match &related.filter {
            None => Some(true),
            Some(expr) => condition::truth(expr, &|column| self.value(row, column), self.local_zone()),
        }
    }

    fn local_zone(&self) -> Tz {
        self.reference.map.time_zone.unwrap_or(Tz::UTC)
    }

    /// What a start says.
    pub(super) fn start(&self, asked: Asked<'w>, start: &'w Start, period: Period) -> Answer {
        let events = start.events.iter().filter_map(|name| asked.data.event(name));
        let mut members: Vec<Answer> = events.flat_map(|e| self.members(asked, e, period, start.end_of)).collect();
        let given = start.events.iter().filter_map(|name| asked.data.given(name));
        members.extend(given.map(|given| match (given.value, given.missing) {
            (Some(day), _) if self.is_due(Moment::Day(day), period, start.end_of, asked) => Answer::Due,
            (Some(_), _) => Answer::NotYet,
            (None, Missing::Running) => Answer::Running,
            (None, Missing::Undated) => Answer::Undated,
            (None, Missing::Ignore) => Answer::Nothing,
        }));
        members.retain(|m| *m != Answer::Nothing);
        if members.is_empty() {
            return Answer::Undated;
        }
        let (order, otherwise) = match start.combine {
            Combine::Latest => ([Answer::Running, Answer::NotYet, Answer::Undated], Answer::Due),
            Combine::Earliest => ([Answer::Due, Answer::Undated, Answer::NotYet], Answer::Running),
        };
        order.into_iter().find(|answer| members.contains(answer)).unwrap_or(otherwise)
    }

    /// How a purpose stands to the record of a root row.
    #[must_use]
    pub fn state(&self, policy: &'w Policy, purpose: &'w Purpose, row: RowId, data: &'w DataSet) -> State {
        let early = match purpose.window {
            Window::Before(days) => days,
            Window::None | Window::Is => 0,
        };
        let asked = Asked { row, data, zone: policy.time_zone, early };
        let condition = |when: &'w When| self.condition(asked, when);
        match purpose.when.as_ref().map_or(Some(true), |w| condition(&w.value)) {
            Some(false) => return State::NotCovering,
            None => return State::Undecided,
            Some(true) => {}
        }
        if purpose.kept_while.as_ref().is_some_and(|w| condition(&w.value) != Some(false)) {
            return State::KeptWhile;
        }
        if purpose.ends_when.as_ref().is_some_and(|w| condition(&w.value) == Some(true)) {
            return State::Ended(End::Condition);
        }
        if let Some(kind) = self.ending_order(asked, purpose) {
            return State::Ended(End::Order(kind));
        }
        if purpose.at_most.iter().any(|cap| self.cap_is_due(asked, purpose, cap)) {
            return State::Ended(End::Cap);
        }
        let (Some(keeps), Some(start)) = (&purpose.keeps, &purpose.starts) else { return State::Running };
        match self.start(asked, start, keeps.value) {
            Answer::Due => State::Ended(End::Time),
            Answer::Running => State::Running,
            Answer::NotYet => State::NotYet,
            Answer::Undated | Answer::Nothing => State::Undated,
        }
    }

    fn ending_order(&self, asked: Asked<'w>, purpose: &Purpose) -> Option<OrderKind> {
        let mut active = self.orders(asked.row).into_iter().filter(|o| self.reference.is_active(o, asked.zone)).map(|o| o.kind);
        active.find(|kind| match kind {
            OrderKind::Instruction => true,
            OrderKind::Objection | OrderKind::Erasure => purpose.ended_by.contains(kind),
            OrderKind::Hold | OrderKind::Restriction => false,
        })
    }

    fn cap_is_due(&self, asked: Asked<'w>, purpose: &'w Purpose, cap: &'w Cap) -> bool {
        match cap {
            Cap::Start(start, keeps) => self.start(asked, start, keeps.value) == Answer::Due,
            Cap::Named(name) => {
                if let (Some(column), Some(start)) = (asked.data.period(name), &purpose.starts) {
                    return self.period_of(asked, column).is_some_and(|period| self.start(asked, start, period) == Answer::Due);
                }
                let days = Period::Calendar { months: 0, days: 0 };
                let given = asked.data.given(name).and_then(|given| given.value);
                given.is_some_and(|day| self.is_due(Moment::Day(day), days, None, asked))
                    || asked.data.event(name).is_some_and(|event| self.date_cap_is_due(asked, event))
            }
        }
    }

    /// A cap that is a date: it is the last day kept; a missing one is no cap.
    fn date_cap_is_due(&self, asked: Asked<'w>, event: &'w Event) -> bool {
        let is_due = |row: RowId| {
            let moment = self.moment(event, self.value(row, &event.column).unwrap_or(&Value::Null), asked.zone);
            self.is_due(moment, Period::Calendar { months: 0, days: 0 }, None, asked)
        };
        match &event.of {
            None => is_due(asked.row),
            Some(related) => {
                let rows = self.related(asked.row, asked.data, &related.to);
                rows.into_iter().any(|row| self.filter(related, row) == Some(true) && is_due(row))
            }
        }
    }

    /// Whether conditions of the map, combined, hold.
    fn condition(&self, asked: Asked<'w>, when: &'w When) -> Option<bool> {
        match when {
            When::Not(inner) => self.condition(asked, inner).map(|t| !t),
            When::All(all) => and(all.iter().map(|w| self.condition(asked, w))),
            When::Any(all) => or(all.iter().map(|w| self.condition(asked, w))),
            When::Condition(name) => match &asked.data.condition(name)?.test {
                Test::Row(expr) => condition::truth(expr, &|column| self.value(asked.row, column), self.local_zone()),
                Test::Some(related) => self.some(asked, related),
                Test::No(related) => self.some(asked, related).map(|t| !t),
            },
        }
    }

    fn some(&self, asked: Asked<'w>, related: &'w Related) -> Option<bool> {
        or(self.related(asked.row, asked.data, &related.to).into_iter().map(|row| self.filter(related, row)))
    }

    /// The purposes of a data set's own records, each with its policy.
    pub(super) fn purposes(&self, data: &'w DataSet) -> impl Iterator<Item = (&'w Policy, &'w Purpose)> + use<'w> {
        let source = &self.reference.map.source.value;
        let of_policy = |policy: &'w Policy| policy.purposes.iter().map(move |purpose| (policy, purpose));
        let here = move |p: &Purpose| p.data.source == *source && p.data.data_set == data.id.value;
        self.reference.policies.iter().copied().flat_map(of_policy).filter(move |(_, purpose)| here(purpose))
    }

    /// Purposes of a child data set that need a category of its parent.
    pub(super) fn reaching_purposes(
        &self,
        child: &'w DataSet,
        parent: &'w DataSet,
    ) -> impl Iterator<Item = (&'w Policy, &'w Purpose)> + use<'w> {
        self.purposes(child).filter(move |(_, p)| parent.categories.iter().any(|c| needs_of_parent(p, &parent.id, &c.name)))
    }
}
