//! Cut-offs: from a period and the day of the run back to the first start that is *not yet* due.
//!
//! A bound is exclusive: a record is due when `start < bound`. Dates are compared as dates, instants with the first instant
//! whose local date in the policy's zone has been reached, naive date-times through the zone that the map declares for them.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::period::{Period, is_month_end, month_end_of};
use super::start::Rounding;

/// The instant of a run and the zone in which its policy counts days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunTime {
    /// Fixed at the start of the run, whole seconds.
    pub now: DateTime<Utc>,
    /// The policy's zone.
    pub zone: Tz,
}

impl RunTime {
    /// The local date of the run.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.now.with_timezone(&self.zone).date_naive()
    }

    /// The beginning of the local day that comes so many days later; the same time for none, and beyond the calendar.
    #[must_use]
    pub fn later(self, days: u32) -> Self {
        match self.today().checked_add_days(Days::new(u64::from(days))) {
            Some(day) if days > 0 => Self { now: first_instant(day, self.zone), ..self },
            _ => self,
        }
    }
}

/// The first start that is not yet due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bound {
    /// From a period in calendar units: starts whose local date lies before this day are due.
    Day(NaiveDate),
    /// From a period in hours: starts before this instant are due.
    Instant(DateTime<Utc>),
}

/// The exclusive bound of `period` at `time`, for starts rounded by `rounding` before the period is added.
///
/// `None` where the bound would lie before the calendar that databases share: nothing can be due. The year 1 holds sentinels only.
#[must_use]
pub fn bound(period: Period, rounding: Option<Rounding>, time: RunTime) -> Option<Bound> {
    let found = match period {
        Period::Hours(h) => Some(Bound::Instant(time.now.checked_sub_signed(TimeDelta::hours(i64::from(h)))?)),
        Period::Calendar { months, days } => day_bound(months, days, rounding, time.today()).map(Bound::Day),
    };
    found.filter(|bound| match bound {
        Bound::Day(day) => day.year() > 1,
        Bound::Instant(instant) => instant.year() > 1,
    })
}

fn day_bound(months: u32, days: u32, rounding: Option<Rounding>, today: NaiveDate) -> Option<NaiveDate> {
    // The last day whose addition of `days` still lies before today.
    let reach = today.pred_opt()?.checked_sub_days(Days::new(u64::from(days)))?;
    match rounding {
        None => {
            let clamped = reach.checked_sub_months(Months::new(months))?;
            let last_due = if is_month_end(reach) { month_end_of(clamped)? } else { clamped };
            last_due.succ_opt()
        }
        Some(rounding) => {
            // The last rounded end that is due, found from the end of the cycle that holds the unrounded answer, or the one before.
            let guess = rounding.round(reach.checked_sub_months(Months::new(months))?)?;
            let mut last_due = guess;
            let months_only = Period::Calendar { months, days: 0 };
            while months_only.last_kept_day(last_due, true)? > reach {
                last_due = rounding.previous(last_due)?;
            }
            last_due.succ_opt()
        }
    }
}

impl Bound {
    /// The bound for a column of dates. `None` when it was made from hours, which need a time of day.
    #[must_use]
    pub fn for_dates(self) -> Option<NaiveDate> {
        match self {
            Self::Day(day) => Some(day),
            Self::Instant(_) => None,
        }
    }

    /// The bound for a column of instants: the first instant whose local date in `policy_zone` has reached the day.
    #[must_use]
    pub fn for_instants(self, policy_zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Day(day) => first_instant(day, policy_zone),
            Self::Instant(instant) => instant,
        }
    }

    /// The bound for a column of date-times without a zone that are to be read in `column_zone`.
    ///
    /// A local time that the clocks skipped means the instant of the transition, one that they repeated the later instant:
    /// both keep longer. The answer is the first local time that means an instant at or after the bound.
    #[must_use]
    pub fn for_local_times(self, policy_zone: Tz, column_zone: Tz) -> NaiveDateTime {
        let bound = self.for_instants(policy_zone);
        let local = bound.with_timezone(&column_zone).naive_local();
        // No zone ever moved its clocks by more than a day or so: the answer lies within two days before the plain conversion.
        let (mut due, mut kept) = (local - TimeDelta::days(2), local);
        if instant_of_local(kept, column_zone) < bound {
            kept = local + TimeDelta::days(2);
        }
        while kept - due > TimeDelta::seconds(1) {
            let middle = due + TimeDelta::seconds((kept - due).num_seconds() / 2);
            if instant_of_local(middle, column_zone) < bound { due = middle } else { kept = middle }
        }
        kept
    }
}

/// The first instant whose local date in `zone` is `day` or later.
#[must_use]
pub fn first_instant(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    let utc = Utc.from_utc_datetime(&midnight);
    // Local dates are not monotonic in time where clocks fall back over midnight, so look for the first crossing, minute by minute at most
    // around each transition; between transitions one look suffices because the offset is constant.
    let reached = |instant: DateTime<Utc>| instant.with_timezone(&zone).date_naive() >= day;
    let (mut from, to) = (utc - TimeDelta::hours(30), utc + TimeDelta::hours(30));
    let step = TimeDelta::minutes(15);
    while from < to && !reached(from) {
        from += step;
    }
    // `from` has reached the day, `from - step` had not: the crossing lies in this quarter of an hour.
    let (mut before, mut after) = (from - step, from);
    while after - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if reached(middle) { after = middle } else { before = middle }
    }
    after
}

/// The instant that a local time in `zone` means: skipped times mean the transition, repeated ones the later instant.
#[must_use]
pub fn instant_of_local(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        chrono::LocalResult::Single(t) => t.with_timezone(&Utc),
        chrono::LocalResult::Ambiguous(a, b) => a.max(b).with_timezone(&Utc),
        chrono::LocalResult::None => transition_after(local, zone),
    }
}

/// The instant at which the clocks jumped over `local`.
fn transition_after(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let utc = Utc.from_utc_datetime(&local);
    let passed = |instant: DateTime<Utc>| instant.with_timezone(&zone).naive_local() > local;
    let (mut before, mut after) = (utc - TimeDelta::hours(30), utc + TimeDelta::hours(30));
    while after - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if passed(middle) { after = middle } else { before = middle }
    }
    after
}
