//! What a stored value says as a date: a day, an instant, nothing, or something that is no date at all.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use super::dates;
use super::value::Value;
use crate::policy::map::DateFormat;

/// What a stored value says as a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// No date: NULL or a sentinel.
    Missing,
    /// A value that violates its declared type or format.
    Invalid,
    /// A calendar date without a time.
    Day(NaiveDate),
    /// An instant, also from a local time through its zone.
    Instant(DateTime<Utc>),
}

/// Reads a value as a date. `local` is the zone of local times, `policy` the zone in which days are counted.
#[must_use]
pub fn read(value: &Value, format: Option<DateFormat>, local: Tz, policy: Tz) -> Moment {
    match value {
        Value::Null | Value::ZeroDate(_) | Value::Infinity(_) => Moment::Missing,
        Value::Date(day) => day_moment(*day),
        Value::DateTime(time) => local_moment(*time, local),
        Value::Instant(instant) => instant_moment(*instant, policy),
        Value::Text(text) => text_moment(text, format, local, policy),
        Value::Integer(number) => match format {
            Some(DateFormat::CompactDate) => text_moment(&number.to_string(), format, local, policy),
            Some(DateFormat::EpochSeconds | DateFormat::EpochMilliseconds) => epoch(*number, format, policy),
            _ => Moment::Invalid,
        },
        Value::Bool(_) | Value::Decimal(_) | Value::Json(_) | Value::Bytes(_) | Value::Token { .. } | Value::Pseudonym { .. } => {
            Moment::Invalid
        }
    }
}

fn is_sentinel(day: NaiveDate) -> bool {
    let is = |year, month, of| day.year() == year && day.month() == month && day.day() == of;
    day.year() == 0 || is(1, 1, 1) || is(1900, 1, 1) || is(1970, 1, 1) || is(9999, 12, 31) || day.year() > 9999
}

fn day_moment(day: NaiveDate) -> Moment {
    if is_sentinel(day) { Moment::Missing } else { Moment::Day(day) }
}

fn local_moment(time: NaiveDateTime, zone: Tz) -> Moment {
    if is_sentinel(time.date()) { Moment::Missing } else { Moment::Instant(dates::instant_of(time, zone)) }
}

fn instant_moment(instant: DateTime<Utc>, zone: Tz) -> Moment {
    if is_sentinel(instant.date_naive()) || is_sentinel(instant.with_timezone(&zone).date_naive()) {
        Moment::Missing
    } else {
        Moment::Instant(instant)
    }
}

fn epoch(number: i128, format: Option<DateFormat>, policy: Tz) -> Moment {
    let instant = i64::try_from(number).ok().and_then(|n| match format {
        Some(DateFormat::EpochMilliseconds) => DateTime::from_timestamp_millis(n),
        _ => DateTime::from_timestamp(n, 0),
    });
    instant.map_or(Moment::Invalid, |i| instant_moment(i, policy))
}

fn text_moment(text: &str, format: Option<DateFormat>, local: Tz, policy: Tz) -> Moment {
    match format {
        None => Moment::Invalid,
        Some(DateFormat::IsoDate) => match shape(text, "dddd-dd-dd") {
            true => date_of(&text[..4], &text[5..7], &text[8..10]).map_or(Moment::Invalid, Zeroed::day),
            false => Moment::Invalid,
        },
        Some(DateFormat::CompactDate) => match shape(text, "dddddddd") {
            true => date_of(&text[..4], &text[4..6], &text[6..8]).map_or(Moment::Invalid, Zeroed::day),
            false => Moment::Invalid,
        },
        Some(DateFormat::IsoDateTime) => match date_time(text) {
            Some((Zeroed::Zero, _)) => Moment::Missing,
            Some((Zeroed::Day(day), time)) => local_moment(day.and_time(time), local),
            None => Moment::Invalid,
        },
        // Only with its seconds, a `T` and a `Z`.
        Some(DateFormat::IsoInstant) => match text.strip_suffix('Z').filter(|t| t.len() >= 19 && t.as_bytes()[10] == b'T') {
            Some(utc) => match date_time(utc) {
                Some((Zeroed::Zero, _)) => Moment::Missing,
                Some((Zeroed::Day(day), time)) => instant_moment(day.and_time(time).and_utc(), policy),
                None => Moment::Invalid,
            },
            None => Moment::Invalid,
        },
        Some(DateFormat::EpochSeconds | DateFormat::EpochMilliseconds) => match text.parse::<i128>() {
            Ok(number) if !text.starts_with('+') => epoch(number, format, policy),
            _ => Moment::Invalid,
        },
    }
}

/// A date text that has the right shape.
enum Zeroed {
    /// A zero date, whole or partial.
    Zero,
    /// A day of the calendar.
    Day(NaiveDate),
}

impl Zeroed {
    fn day(self) -> Moment {
        match self {
            Self::Zero => Moment::Missing,
            Self::Day(day) => day_moment(day),
        }
    }
}

fn date_of(year: &str, month: &str, day: &str) -> Option<Zeroed> {
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if month == 0 || day == 0 {
        return (month <= 12 && day <= 31).then_some(Zeroed::Zero);
    }
    NaiveDate::from_ymd_opt(year, month, day).map(Zeroed::Day)
}

fn date_time(text: &str) -> Option<(Zeroed, NaiveTime)> {
    let (date, time) = text.split_at_checked(10)?;
    if !shape(date, "dddd-dd-dd") || !time.starts_with([' ', 'T']) {
        return None;
    }
    let time = &time[1..];
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) if time.len() == 8 => (time, Some(fraction)),
        Some(_) => return None,
        None => (time, None),
    };
    let second = match (shape(time, "dd:dd:dd"), shape(time, "dd:dd")) {
        (true, _) => time[6..8].parse().ok()?,
        (_, true) => 0,
        _ => return None,
    };
    let nanoseconds = match fraction {
        Some(f) if (1..=9).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()) => format!("{f:0<9}").parse().ok()?,
        Some(_) => return None,
        None => 0,
    };
    let time = NaiveTime::from_hms_nano_opt(time[..2].parse().ok()?, time[3..5].parse().ok()?, second, nanoseconds)?;
    Some((date_of(&date[..4], &date[5..7], &date[8..10])?, time))
}

/// Whether `text` has the shape of `pattern`, in which `d` is a digit.
fn shape(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(b, p)| if p == b'd' { b.is_ascii_digit() } else { b == p })
}

/// An ISO date or date-time text as a local time.
pub(super) fn iso_text(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = match shape(text, "dddd-dd-dd") {
        true => (date_of(&text[..4], &text[5..7], &text[8..10])?, NaiveTime::MIN),
        false => date_time(text)?,
    };
    match date {
        Zeroed::Day(day) => Some(day.and_time(time)),
        Zeroed::Zero => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, format: DateFormat) -> Moment {
        read(&Value::text(text), Some(format), Tz::Europe__Paris, Tz::Europe__Paris)
    }

    #[test]
    fn texts_are_dates_only_in_their_declared_format() {
        let day = |t: &str| Moment::Day(t.parse().unwrap());
        assert_eq!(text("2020-02-29", DateFormat::IsoDate), day("2020-02-29"));
        assert_eq!(text("20200229", DateFormat::CompactDate), day("2020-02-29"));
        for wrong in ["2021-02-29", "2020-2-29", "2020-02-29 ", "", "2020-13-01", "29/02/2020", "2020-02-29 10:00", "2020-00-99"]
        {
            assert_eq!(text(wrong, DateFormat::IsoDate), Moment::Invalid, "{wrong}");
        }
        for wrong in
            ["2020-02-29", "2020-02-29 24:00", "2020-02-29 10", "2020-02-29 10:00Z", "2020-02-29 10:00.5", "2020-02-29é10:00"]
        {
            assert_eq!(text(wrong, DateFormat::IsoDateTime), Moment::Invalid, "{wrong}");
        }
        let instant = Moment::Instant("2020-02-29T09:00:00Z".parse().unwrap());
        for right in ["2020-02-29T09:00:00Z", "2020-02-29T09:00:00.000Z"] {
            assert_eq!(text(right, DateFormat::IsoInstant), instant, "{right}");
        }
        for wrong in
            ["2020-02-29T09:00Z", "2020-02-29 09:00:00Z", "2020-02-29T09:00:00", "2020-02-29T09:00:00+00:00", "2020-02-29", "Z"]
        {
            assert_eq!(text(wrong, DateFormat::IsoInstant), Moment::Invalid, "{wrong}");
        }
        assert_eq!(text("0000-00-00T00:00:00Z", DateFormat::IsoInstant), Moment::Missing);
        for right in ["2020-02-29 10:00", "2020-02-29T10:00:00", "2020-02-29 10:00:00.000"] {
            assert_eq!(text(right, DateFormat::IsoDateTime), instant, "{right}");
        }
    }

    #[test]
    fn sentinels_are_missing() {
        for sentinel in ["0000-00-00", "2020-00-10", "2020-10-00", "0001-01-01", "1900-01-01", "1970-01-01", "9999-12-31"] {
            assert_eq!(text(sentinel, DateFormat::IsoDate), Moment::Missing, "{sentinel}");
        }
        for value in [Value::Null, Value::Infinity(true), Value::Infinity(false), Value::ZeroDate("0000-00-00".into())] {
            assert_eq!(read(&value, None, Tz::UTC, Tz::UTC), Moment::Missing);
        }
        let epoch = |n| read(&Value::Integer(n), Some(DateFormat::EpochSeconds), Tz::UTC, Tz::Europe__Paris);
        // 1970-01-01 in UTC or in Paris, whose day began an hour earlier.
        assert_eq!([epoch(0), epoch(86_399), epoch(-3_600)], [Moment::Missing; 3]);
        assert!(matches!(epoch(86_400), Moment::Instant(_)));
        assert!(matches!(epoch(-3_601), Moment::Instant(_)));
    }
}
