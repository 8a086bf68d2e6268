//! Dates for invented records: most are ordinary, the rest is where a retention engine goes wrong.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Europe::Paris;

use super::random::Random;

/// Dates that mean "no date" in many systems. (9999-12-31 first: the only one that also stands for "without an end".)
pub(super) const SENTINELS: [NaiveDate; 4] = [day(9999, 12, 31), day(1, 1, 1), day(1900, 1, 1), day(1970, 1, 1)];

/// A date that is known to exist.
const fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => NaiveDate::MIN,
    }
}

/// Makes dates around the boundaries of one run day.
pub(super) struct Dates {
    today: NaiveDate,
}

impl Dates {
    /// For a run on `today`.
    pub(super) fn new(today: NaiveDate) -> Self {
        Self { today }
    }

    /// A past date, so many days or fewer ago.
    pub(super) fn within(&self, random: &mut Random, days: i64) -> NaiveDate {
        self.back(random.below(days.max(1)))
    }

    fn back(&self, days: i64) -> NaiveDate {
        self.today - TimeDelta::days(days)
    }

    /// A start for a period of so many months: three in a hundred missing, some sentinels, boundary days, leap days, future days, and the
    /// rest spread over one and a half periods.
    pub(super) fn start(&self, random: &mut Random, months: u32) -> Option<NaiveDate> {
        match random.below(100) {
            0..=2 => None,
            3 => Some(random.pick(&SENTINELS)),
            4..=9 => self.today.checked_sub_months(Months::new(months)).map(|d| d + TimeDelta::days(random.below(5) - 2)),
            10..=11 => {
                Some(day(self.today.year() - self.today.year() % 4 - 4 * i32::try_from(random.below(4)).unwrap_or(0), 2, 29))
            }
            12..=13 => Some(self.back(-1 - random.below(700))),
            14..=15 => Some(self.clock_change(random)),
            _ => Some(self.back(random.below(i64::from(months) * 46 + 3))),
        }
        .map(|d| if d == NaiveDate::MIN { self.today } else { d })
    }

    /// A start that mostly has not come yet: something that still runs in `percent` of the cases.
    pub(super) fn end(&self, random: &mut Random, months: u32, percent: i64) -> Option<NaiveDate> {
        if !random.percent(percent) {
            return self.start(random, months);
        }
        // A tenth of what runs says so with a date that never comes.
        random.sometimes(10, SENTINELS[0])
    }

    /// [`Self::start`] as an instant: boundary days also at the very midnight of Paris and a second before it.
    pub(super) fn instant(&self, random: &mut Random, months: u32) -> Option<DateTime<Utc>> {
        let date = self.start(random, months)?;
        // Instants fit the range that 32-bit timestamps have: sentinels of other years stay a day that means nothing either.
        if SENTINELS.contains(&date) {
            return Some(Utc.from_utc_datetime(&SENTINELS[3].and_time(NaiveTime::MIN)) + TimeDelta::seconds(1));
        }
        Some(self.time_of(random, date))
    }

    /// [`Self::start`] as a date-time without a zone.
    pub(super) fn local(&self, random: &mut Random, months: u32) -> Option<NaiveDateTime> {
        let date = self.start(random, months)?;
        let seconds = match random.below(10) {
            0 => 0,
            1 => 86_399,
            // The hour that is skipped in spring and repeated in autumn.
            2 => 2 * 3_600 + random.below(3_600),
            _ => random.below(86_400),
        };
        Some(date.and_time(NaiveTime::MIN) + TimeDelta::seconds(seconds))
    }

    /// A past instant, so many days or fewer ago.
    pub(super) fn instant_within(&self, random: &mut Random, days: i64) -> DateTime<Utc> {
        let date = self.within(random, days);
        self.time_of(random, date)
    }

    fn time_of(&self, random: &mut Random, date: NaiveDate) -> DateTime<Utc> {
        let midnight = Paris.from_local_datetime(&date.and_time(NaiveTime::MIN)).earliest().map(|t| t.with_timezone(&Utc));
        let midnight = midnight.unwrap_or_else(|| Utc.from_utc_datetime(&date.and_time(NaiveTime::MIN)));
        match random.below(10) {
            0 => midnight,
            1 => midnight - TimeDelta::seconds(1),
            _ => midnight + TimeDelta::seconds(random.below(86_400)),
        }
    }

    /// A Sunday of the last years on which the clocks change.
    fn clock_change(&self, random: &mut Random) -> NaiveDate {
        let year = self.today.year() - 1 - i32::try_from(random.below(5)).unwrap_or(0);
        let last = day(year, random.pick(&[3, 10]), 31);
        last - Days::new(u64::from(last.weekday().num_days_from_sunday()))
    }
}
