//! When an archive purpose ends for a record, reckoned forward: only an end that is known lets anything move.

use chrono::NaiveDate;

use super::dates;
use super::moment::Moment;
use super::state::{Asked, State};
use super::value::Value;
use super::view::{RowId, View};
use crate::policy::map::{DataSet, Event, Missing, PeriodColumn, PeriodUnit};
use crate::policy::open_end;
use crate::policy::period::Period;
use crate::policy::purpose::{Cap, Policy, Purpose, Window};
use crate::policy::start::{Combine, Start};

/// What the dates behind a start come to.
struct Dated {
    /// The days of its members, each rounded and with the period added.
    ends: Vec<NaiveDate>,
    /// Something may still happen that dates a member.
    running: bool,
    /// A member that nobody can date.
    undated: bool,
}

impl Dated {
    /// The end by the start's rule, whatever is missing.
    fn end(&self, combine: Combine) -> Option<NaiveDate> {
        match combine {
            Combine::Latest => self.ends.iter().max().copied(),
            Combine::Earliest => self.ends.iter().min().copied(),
        }
    }

    /// Whether what is missing could still move the end of a cap.
    fn settles_a_cap(&self, combine: Combine) -> bool {
        !self.undated && (combine == Combine::Earliest || !self.running)
    }
}

impl<'w> View<'w> {
    /// The last day on which an archive purpose keeps what is moved now; `None` while nobody knows it.
    #[must_use]
    pub fn known_end(&self, policy: &'w Policy, purpose: &'w Purpose, row: RowId, data: &'w DataSet) -> Option<NaiveDate> {
        if self.state(policy, purpose, row, data) != State::NotYet {
            return None;
        }
        let asked = Asked { row, data, zone: policy.time_zone, early: 0 };
        let (start, keeps) = (purpose.starts.as_ref()?, purpose.keeps.as_ref()?);
        let dated = self.dated(asked, start, keeps.value);
        if dated.running || dated.undated {
            return None;
        }
        let caps = purpose.at_most.iter().filter_map(|cap| self.end_of_cap(asked, purpose, cap));
        caps.chain(dated.end(start.combine)).min()
    }

    /// Whether an archive purpose keeps until a day that is not known because something has not happened yet, and that rows will say which stay when the
    /// record leaves.
    #[must_use]
    pub fn end_is_open(&self, policy: &'w Policy, purpose: &'w Purpose, row: RowId, data: &'w DataSet) -> bool {
        if purpose.window == Window::Is {
            return false;
        }
        let state = self.state(policy, purpose, row, data);
        if !matches!(state, State::Running | State::NotYet) || open_end::link_columns(self.reference.map, data, purpose).is_none()
        {
            return false;
        }
        let asked = Asked { row, data, zone: policy.time_zone, early: 0 };
        let Some((start, keeps)) = purpose.starts.as_ref().zip(purpose.keeps.as_ref()) else { return false };
        let dated = self.dated(asked, start, keeps.value);
        dated.running && !dated.undated
    }

    fn end_of_cap(&self, asked: Asked<'w>, purpose: &'w Purpose, cap: &'w Cap) -> Option<NaiveDate> {
        let (start, period) = match cap {
            Cap::Start(start, period) => (start, period.value),
            Cap::Named(name) => match asked.data.period(name) {
                Some(column) => (purpose.starts.as_ref()?, self.period_of(asked, column)?),
                None => return self.end_of_date(asked, asked.data.event(name)?),
            },
        };
        let dated = self.dated(asked, start, period);
        if dated.settles_a_cap(start.combine) { dated.end(start.combine) } else { None }
    }

    /// The period that a record says itself; `None` where it says none.
    pub(super) fn period_of(&self, asked: Asked<'w>, column: &PeriodColumn) -> Option<Period> {
        let number = self.value(asked.row, &column.column).and_then(|v| match v {
            Value::Bool(_) | Value::Text(_) => None,
            other => other.number().filter(|n| n.scale == 0).map(|n| n.mantissa),
        });
        let n = number.and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=9_999).contains(n))?;
        Some(match column.unit {
            PeriodUnit::Years => Period::Calendar { months: n * 12, days: 0 },
            PeriodUnit::Months => Period::Calendar { months: n, days: 0 },
            PeriodUnit::Weeks => Period::Calendar { months: 0, days: n * 7 },
            PeriodUnit::Days => Period::Calendar { months: 0, days: n },
        })
    }

    /// A date that is a cap: the earliest of them is the last day kept.
    fn end_of_date(&self, asked: Asked<'w>, event: &'w Event) -> Option<NaiveDate> {
        let rows = match &event.of {
            None => vec![asked.row],
            Some(related) => {
                let rows = self.related(asked.row, asked.data, &related.to);
                rows.into_iter().filter(|row| self.filter(related, *row) == Some(true)).collect()
            }
        };
        rows.into_iter().filter_map(|row| self.day(asked, event, row)).min()
    }

    fn day(&self, asked: Asked<'w>, event: &Event, row: RowId) -> Option<NaiveDate> {
        match self.moment(event, self.value(row, &event.column).unwrap_or(&Value::Null), asked.zone) {
            Moment::Day(day) => Some(day),
            Moment::Instant(instant) => Some(dates::day_of(instant, asked.zone)),
            Moment::Missing | Moment::Invalid => None,
        }
    }

    fn dated(&self, asked: Asked<'w>, start: &'w Start, period: Period) -> Dated {
        let mut all = Dated { ends: Vec::new(), running: false, undated: false };
        let Period::Calendar { months, days } = period else { return Dated { undated: true, ..all } };
        let mut none = true;
        for event in start.events.iter().filter_map(|name| asked.data.event(name)) {
            let rows = match &event.of {
                None => vec![(asked.row, Some(true))],
                Some(related) => {
                    let rows = self.related(asked.row, asked.data, &related.to);
                    rows.into_iter().map(|row| (row, self.filter(related, row))).collect()
                }
            };
            for (row, counts) in rows {
                match counts {
                    Some(false) => continue,
                    None => all.undated = true,
                    Some(true) => self.dated_member(asked, event, row, &mut |day| match day {
                        Ok(day) => {
                            let end = dates::last_kept(day, start.end_of, months, days);
                            all.undated |= end.is_none();
                            all.ends.extend(end);
                        }
                        Err(Missing::Running) => all.running = true,
                        Err(_) => all.undated = true,
                    }),
                }
                none = false;
            }
        }
        all.undated |= none;
        all
    }

    /// Tells the day of one value, or what its absence means; nothing where it does not count.
    fn dated_member(&self, asked: Asked<'w>, event: &'w Event, row: RowId, tell: &mut dyn FnMut(Result<NaiveDate, Missing>)) {
        let value = self.value(row, &event.column).unwrap_or(&Value::Null);
        match self.moment(event, value, asked.zone) {
            Moment::Day(day) => tell(Ok(day)),
            Moment::Instant(instant) => tell(Ok(dates::day_of(instant, asked.zone))),
            Moment::Invalid => tell(Err(Missing::Undated)),
            Moment::Missing => match (event.missing, event.otherwise.as_ref().and_then(|name| asked.data.event(name))) {
                (Missing::Ignore, _) => {}
                (Missing::Undated, Some(other)) => self.dated_member(asked, other, asked.row, tell),
                (missing, _) => tell(Err(missing)),
            },
        }
    }
}
