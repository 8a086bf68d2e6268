//! Date arithmetic, forward only: from a start to the last day on which it is kept, compared with today. Shares nothing with the
//! cut-offs that statements are made of, which go backward.

use chrono::{
    DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Timelike as _, Utc,
};
use chrono_tz::Tz;

use crate::policy::start::Rounding;

/// How many days a month has.
fn days_in(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// `day` after so many months (before them, if negative): the same day number, or the last of the month where that does not exist. With
/// `month_end`, the last day of a month stays the last day of a month. `None` beyond the calendar.
#[must_use]
pub fn plus_months(day: NaiveDate, months: i64, month_end: bool) -> Option<NaiveDate> {
    let count = i64::from(day.year()) * 12 + i64::from(day.month0()) + months;
    let (year, month) = (i32::try_from(count.div_euclid(12)).ok()?, u32::try_from(count.rem_euclid(12)).ok()? + 1);
    let last = days_in(year, month);
    let at_end = month_end && day.day() == days_in(day.year(), day.month());
    NaiveDate::from_ymd_opt(year, month, if at_end { last } else { day.day().min(last) })
}

/// The last day of the cycle that holds `day`.
#[must_use]
pub fn cycle_end(day: NaiveDate, rounding: Rounding) -> Option<NaiveDate> {
    let end_in = |year: i32, month: u32, last: u32| NaiveDate::from_ymd_opt(year, month, last.min(days_in(year, month)));
    match rounding {
        Rounding::Month => end_in(day.year(), day.month(), 31),
        Rounding::CalendarYear => end_in(day.year(), 12, 31),
        Rounding::FinancialYear { month, day: last } => {
            let this_year = end_in(day.year(), month, last)?;
            if this_year >= day { Some(this_year) } else { end_in(day.year() + 1, month, last) }
        }
    }
}

/// The last day on which something that started on `start` is kept.
#[must_use]
pub fn last_kept(start: NaiveDate, rounding: Option<Rounding>, months: u32, days: u32) -> Option<NaiveDate> {
    let start = match rounding {
        Some(rounding) => cycle_end(start, rounding)?,
        None => start,
    };
    plus_months(start, i64::from(months), rounding.is_some())?.checked_add_days(Days::new(u64::from(days)))
}

/// The local date of an instant, as starts count it: the latest local date that the clocks of `zone` had shown up to then. It
/// differs from what the clocks show only in the hours after they were set back over midnight.
#[must_use]
pub fn day_of(instant: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let offset = |t: DateTime<Utc>| i64::from(zone.offset_from_utc_datetime(&t.naive_utc()).fix().local_minus_utc());
    let shown = |t: DateTime<Utc>, offset: i64| (t.naive_utc() + TimeDelta::seconds(offset)).date();
    let mut day = shown(instant, offset(instant));
    let mut later = instant;
    // Clocks are set at most once in six hours, and never back by more than a day.
    for hours in (6..=48).step_by(6) {
        let earlier = instant - TimeDelta::hours(hours);
        let (before, after) = (offset(earlier), offset(later));
        if before > after {
            // The last second of the old offset lies between them.
            let (mut old, mut new) = (earlier, later);
            while (new - old).num_seconds() > 1 {
                let middle = old + TimeDelta::seconds((new - old).num_seconds() / 2);
                if offset(middle) == before { old = middle } else { new = middle }
            }
            let old = old.with_nanosecond(0).unwrap_or(old);
            let last_second = if offset(old + TimeDelta::seconds(1)) == before { old + TimeDelta::seconds(1) } else { old };
            day = day.max(shown(last_second, before));
        }
        later = earlier;
    }
    day
}

/// The instant that a local time means in `zone`: one that the clocks skipped means the instant at which they did, one that they
/// showed twice the second time.
#[must_use]
pub fn instant_of(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let latest = |t: &NaiveDateTime| zone.from_local_datetime(t).latest().map(|t| t.with_timezone(&Utc));
    if let Some(instant) = latest(&local) {
        return instant;
    }
    // How many seconds before it the clocks last showed a time: less than that is inside the gap.
    let local = local.with_nanosecond(0).unwrap_or(local);
    let (mut inside, mut outside) = (0, 30 * 3_600);
    while outside - inside > 1 {
        let middle = (inside + outside) / 2;
        if latest(&(local - TimeDelta::seconds(middle))).is_some() { outside = middle } else { inside = middle }
    }
    let last_shown = latest(&(local - TimeDelta::seconds(outside)));
    last_shown.map_or_else(|| Utc.from_utc_datetime(&local), |t| t + TimeDelta::seconds(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn periods_follow_the_civil_calendar() {
        for (start, rounding, months, days, last) in [
            ("2024-01-31", None, 1, 0, "2024-02-29"),
            ("2023-01-31", None, 1, 0, "2023-02-28"),
            ("2024-02-29", None, 12, 0, "2025-02-28"),
            ("2024-02-29", None, 48, 0, "2028-02-29"),
            ("2023-02-28", None, 1, 0, "2023-03-28"),
            ("2023-02-10", Some(Rounding::Month), 1, 0, "2023-03-31"),
            ("2023-01-31", None, 1, 2, "2023-03-02"),
            ("2020-05-05", Some(Rounding::CalendarYear), 12, 0, "2021-12-31"),
            ("2020-06-30", Some(Rounding::FinancialYear { month: 6, day: 30 }), 12, 0, "2021-06-30"),
            ("2020-07-01", Some(Rounding::FinancialYear { month: 6, day: 30 }), 12, 0, "2022-06-30"),
            ("2023-02-28", Some(Rounding::FinancialYear { month: 2, day: 29 }), 12, 0, "2024-02-29"),
            ("2024-02-29", Some(Rounding::FinancialYear { month: 2, day: 29 }), 12, 0, "2025-02-28"),
            ("2024-03-01", Some(Rounding::FinancialYear { month: 2, day: 29 }), 0, 0, "2025-02-28"),
        ] {
            assert_eq!(last_kept(d(start), rounding, months, days), Some(d(last)), "{start} {rounding:?} {months} {days}");
        }
    }

    #[test]
    fn months_before_a_day_are_clamped_too() {
        assert_eq!(plus_months(d("2024-03-31"), -1, false), Some(d("2024-02-29")));
        assert_eq!(plus_months(d("2024-01-15"), -13, false), Some(d("2022-12-15")));
    }

    #[test]
    fn an_instant_belongs_to_its_local_day() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(day_of(at("2024-06-30T22:30:00Z"), Tz::Europe__Paris), d("2024-07-01"));
        assert_eq!(day_of(at("2024-06-30T21:59:59Z"), Tz::Europe__Paris), d("2024-06-30"));
        // Havana showed 00:00 to 00:59 of 2024-11-03 twice: no day is shown again.
        assert_eq!(day_of(at("2024-11-03T04:30:00Z"), Tz::America__Havana), d("2024-11-03"));
        // Azores 2024-10-27: at 01:00 UTC the clocks went from 01:00 back to 00:00. Sao Paulo 2018-02-17: from midnight back to 23:00.
        assert_eq!(day_of(at("2018-02-18T01:59:59Z"), Tz::America__Sao_Paulo), d("2018-02-17"));
        assert_eq!(day_of(at("2018-02-18T02:30:00Z"), Tz::America__Sao_Paulo), d("2018-02-17"));
        // Scoresbysund 2000-10-29: at 01:00 UTC from 01:00 back to 00:00. Toronto 1999..: never over midnight.
        // St John's 2010-11-07: at 00:01 back to 23:01 of the day before, which 00:00 had already left.
        assert_eq!(day_of(at("2010-11-07T02:45:00Z"), Tz::America__St_Johns), d("2010-11-07"));
        assert_eq!(day_of(at("2010-11-07T02:29:59Z"), Tz::America__St_Johns), d("2010-11-06"));
    }

    #[test]
    fn skipped_local_times_are_the_transition_and_repeated_ones_the_second() {
        let local = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(instant_of(local("2024-03-31T02:30:00"), Tz::Europe__Paris), at("2024-03-31T01:00:00Z"));
        assert_eq!(instant_of(local("2024-10-27T02:30:00"), Tz::Europe__Paris), at("2024-10-27T01:30:00Z"));
        assert_eq!(instant_of(local("2011-12-30T12:00:00"), Tz::Pacific__Apia), at("2011-12-30T10:00:00Z"));
    }
}
