//! Dates of a record, read back from their text, and the day on which a period after them is over: the forward direction.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::plan::dialect::dates::DateForm;
use crate::policy::bound::instant_of_local;
use crate::policy::period::Period;
use crate::policy::start::Rounding;

/// A point in time as far as a record knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Stamp {
    /// A calendar day.
    Day(NaiveDate),
    /// An instant, in the policy's zone.
    At(DateTime<Tz>),
}

impl Stamp {
    /// Its day in the policy's zone.
    #[must_use]
    pub fn day(self) -> NaiveDate {
        match self {
            Self::Day(day) => day,
            Self::At(at) => at.date_naive(),
        }
    }

    /// The last day before it: with a day on which something ends, the last one on which it still held.
    #[must_use]
    pub fn day_before(self) -> NaiveDate {
        self.day().pred_opt().unwrap_or(NaiveDate::MIN)
    }

    /// The same so many days earlier.
    #[must_use]
    pub fn days_before(self, days: u32) -> Self {
        let earlier = || self.day().checked_sub_days(chrono::Days::new(days.into()));
        match days {
            0 => self,
            _ => earlier().map_or(self, Self::Day),
        }
    }

    /// Whether it has passed or is reached at `now`.
    #[must_use]
    pub fn reached(self, now: DateTime<Utc>, zone: Tz) -> bool {
        match self {
            Self::Day(day) => day <= now.with_timezone(&zone).date_naive(),
            Self::At(at) => at < now,
        }
    }

    fn order(self) -> NaiveDateTime {
        match self {
            Self::Day(day) => day.and_time(chrono::NaiveTime::MIN),
            Self::At(at) => at.naive_local(),
        }
    }
}

impl PartialOrd for Stamp {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stamp {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::At(one), Self::At(two)) => one.cmp(two),
            _ => self.order().cmp(&other.order()),
        }
    }
}

/// The date that `raw`, a column's value as text, holds. `None` for what is no date of this form.
#[must_use]
pub fn read(form: DateForm, raw: &str, policy_zone: Tz) -> Option<Stamp> {
    let at = |instant: DateTime<Utc>| Stamp::At(instant.with_timezone(&policy_zone));
    Some(match form {
        DateForm::Date | DateForm::TextDate => {
            Stamp::Day(usual_date(raw).or_else(|| NaiveDate::parse_from_str(raw, "%Y-%m-%d").ok())?)
        }
        DateForm::TextCompact => Stamp::Day(NaiveDate::parse_from_str(raw, "%Y%m%d").ok()?),
        DateForm::Local(zone) | DateForm::TextLocal(zone) => at(instant_of_local(date_time(raw)?, zone)),
        // The session's zone is UTC.
        DateForm::Instant => at(Utc.from_utc_datetime(&date_time(raw.strip_suffix("+00").unwrap_or(raw))?)),
        DateForm::TextInstant => at(Utc.from_utc_datetime(&date_time(raw.strip_suffix('Z')?)?)),
        DateForm::Epoch(scale) => {
            let units: i64 = raw.parse().ok()?;
            at(DateTime::from_timestamp(units.div_euclid(scale), 0)?)
        }
    })
}

/// Digits as a number.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

/// `2026-02-28`, as nearly all dates are written; anything else is read by the calendar's own reader, at ten times the cost.
fn usual_date(raw: &str) -> Option<NaiveDate> {
    match raw.as_bytes() {
        [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => {
            NaiveDate::from_ymd_opt(i32::try_from(digits(year)?).ok()?, digits(&[*m1, *m2])?, digits(&[*d1, *d2])?)
        }
        _ => None,
    }
}

/// `2026-02-28 23:59:59`, with at most six digits of a fraction behind it.
fn usual_date_time(raw: &str) -> Option<NaiveDateTime> {
    let (date, rest) = raw.split_at_checked(10)?;
    let (time, fraction) = rest.split_at_checked(9)?;
    let [b' ' | b'T', h1, h2, b':', m1, m2, b':', s1, s2] = time.as_bytes() else { return None };
    let micros = match fraction.as_bytes() {
        [] => 0,
        [b'.', of @ ..] if (1..=6).contains(&of.len()) => digits(of)? * 10_u32.pow(6 - of.len() as u32),
        _ => return None,
    };
    usual_date(date)?.and_hms_micro_opt(digits(&[*h1, *h2])?, digits(&[*m1, *m2])?, digits(&[*s1, *s2])?, micros)
}

fn date_time(raw: &str) -> Option<NaiveDateTime> {
    if let Some(usual) = usual_date_time(raw) {
        return Some(usual);
    }
    let text = raw.replacen('T', " ", 1);
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"].iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
}

/// When `period` after `start` is over: the first day, or for hours the instant after which, nothing is kept any more. `None` beyond the calendar.
#[must_use]
pub fn over(start: Stamp, period: Period, rounding: Option<Rounding>) -> Option<Stamp> {
    match (period, start) {
        (Period::Hours(h), Stamp::At(at)) => Some(Stamp::At(at.checked_add_signed(TimeDelta::hours(i64::from(h)))?)),
        (Period::Hours(_), Stamp::Day(_)) => None,
        (period, start) => {
            let day = match rounding {
                Some(rounding) => rounding.round(start.day())?,
                None => start.day(),
            };
            Some(Stamp::Day(period.last_kept_day(day, rounding.is_some())?.succ_opt()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Where the short way reads something, the calendar's own reader reads the same.
        #[test]
        fn the_short_way_reads_what_the_long_one_reads(
            raw in r"[0-9]{4}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,7})?)?|[0-9 :.T-]{8,26}"
        ) {
            if let Some(day) = usual_date(&raw) {
                prop_assert_eq!(NaiveDate::parse_from_str(&raw, "%Y-%m-%d").ok(), Some(day));
            }
            if let Some(at) = usual_date_time(&raw) {
                prop_assert_eq!(NaiveDateTime::parse_from_str(&raw.replacen('T', " ", 1), "%Y-%m-%d %H:%M:%S%.f").ok(), Some(at));
            }
        }
    }

    #[test]
    fn usual_dates_take_the_short_way() {
        assert_eq!(usual_date("2024-02-29").map(|d| d.to_string()).as_deref(), Some("2024-02-29"));
        assert_eq!(usual_date("2023-02-29"), None);
        let at = |raw| usual_date_time(raw).map(|t| t.to_string());
        assert_eq!(at("2024-02-29 23:59:59.5").as_deref(), Some("2024-02-29 23:59:59.500"));
        assert_eq!(at("2024-02-29T00:00:00").as_deref(), Some("2024-02-29 00:00:00"));
        for other in [
            "2024-02-29 24:00:00",
            "2024-02-29 23:59:60",
            "2024-02-29 23:59:59.",
            "2024-02-29 23:59:59.1234567",
            "12024-02-29 00:00:00",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
    }

    #[test]
    fn every_form_of_a_date_is_read_in_the_policys_zone() {
        let paris = chrono_tz::Europe::Paris;
        let day = |form, raw: &str| read(form, raw, paris).map(|s| s.day().to_string());
        assert_eq!(day(DateForm::Date, "2026-02-28").as_deref(), Some("2026-02-28"));
        assert_eq!(day(DateForm::TextCompact, "20260228").as_deref(), Some("2026-02-28"));
        assert_eq!(day(DateForm::Instant, "2026-12-31 23:30:00+00").as_deref(), Some("2027-01-01"));
        assert_eq!(day(DateForm::Instant, "2026-12-31 22:30:00.5").as_deref(), Some("2026-12-31"));
        assert_eq!(day(DateForm::Epoch(1_000), "1798757999999").as_deref(), Some("2026-12-31"));
        assert_eq!(day(DateForm::TextInstant, "2026-12-31T23:30:00.5Z").as_deref(), Some("2027-01-01"));
        assert_eq!(day(DateForm::TextInstant, "2026-12-31T23:30:00").as_deref(), None);
        assert_eq!(day(DateForm::TextLocal(chrono_tz::UTC), "2026-12-31T23:30").as_deref(), Some("2027-01-01"));
        assert_eq!(day(DateForm::Date, "0000-00-00"), None);
    }

    #[test]
    fn a_period_is_over_on_the_day_after_the_last_one_kept() {
        let start = Stamp::Day(NaiveDate::from_ymd_opt(2023, 2, 28).unwrap());
        let years = |n: u32| Period::Calendar { months: n * 12, days: 0 };
        let end = |s: Option<Stamp>| s.unwrap().day().to_string();
        assert_eq!(end(over(start, years(1), None)), "2024-02-29");
        assert_eq!(end(over(start, years(1), Some(Rounding::Month))), "2024-03-01");
        assert_eq!(end(over(start, Period::ZERO, None)), "2023-03-01");
        assert_eq!(over(start, Period::Hours(2), None), None);
        let timed = read(DateForm::Instant, "2026-10-24 22:00:00", chrono_tz::Europe::Paris).unwrap();
        let Some(Stamp::At(end)) = over(timed, Period::Hours(24), None) else { panic!("hours count instants") };
        assert_eq!(end.to_rfc3339(), "2026-10-25T23:00:00+01:00", "the night of 25 hours");
    }
}
