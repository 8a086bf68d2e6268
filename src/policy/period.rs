//! Retention periods and their arithmetic on the civil calendar.
//!
//! Two directions exist, written independently of each other and compared by the tests: [`Period::last_kept_day`] goes forward from a
//! start to the last day on which the record is kept; `policy::bound` goes backward from today to the first start that is not yet due.

use std::fmt;

use chrono::{Datelike as _, Days, Months, NaiveDate};

/// A retention period: calendar units added in one step (years and months first, then weeks and days), or hours, never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// Years and months as months, weeks and days as days.
    Calendar {
        /// Months, a year being twelve.
        months: u32,
        /// Days, a week being seven.
        days: u32,
    },
    /// Whole hours, counted on the time line. Needs a start with a time of day.
    Hours(u32),
}

/// Why a text is not a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeriodFault {
    /// Nothing but white space.
    Empty,
    /// A number without a unit after it, or a unit without a number before it.
    Shape,
    /// A number that is negative, fractional or beyond the limit.
    Number(String),
    /// A word that is no unit.
    Unit(String),
    /// The same unit twice, or units not in falling order.
    Order,
    /// Hours together with calendar units.
    MixedHours,
}

impl fmt::Display for PeriodFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the period is empty"),
            Self::Shape => write!(f, "a period is a number and a unit, as in \"3 years\" or \"21 years 3 months\""),
            Self::Number(n) => write!(f, "`{n}` is not a whole number from 0 to {}", Period::LIMIT),
            Self::Unit(u) => write!(f, "`{u}` is not a unit"),
            Self::Order => write!(f, "units stand from the largest to the smallest, each once"),
            Self::MixedHours => write!(f, "hours count instants and cannot be mixed with days, weeks, months or years"),
        }
    }
}

impl std::error::Error for PeriodFault {}

/// The units that a period may use, with what each is worth, from the largest to the smallest.
pub const UNITS: [(&str, &str); 5] =
    [("year", "years"), ("month", "months"), ("week", "weeks"), ("day", "days"), ("hour", "hours")];

impl Period {
    /// The largest number that may stand before a unit.
    pub const LIMIT: u32 = 9_999;

    /// Zero days: ends with the day of the start.
    pub const ZERO: Self = Self::Calendar { months: 0, days: 0 };

    /// Reads "3 years", "21 years 3 months", "72 hours".
    ///
    /// # Errors
    /// See [`PeriodFault`].
    pub fn parse(text: &str) -> Result<Self, PeriodFault> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if words.is_empty() {
            return Err(PeriodFault::Empty);
        }
        if !words.len().is_multiple_of(2) {
            return Err(PeriodFault::Shape);
        }
        let mut amounts = [None::<u32>; UNITS.len()];
        let mut last = None;
        for pair in words.chunks_exact(2) {
            let (number, unit) = (pair[0], pair[1]);
            if !number.bytes().all(|b| b.is_ascii_digit()) {
                return Err(if number.bytes().any(|b| b.is_ascii_digit()) {
                    PeriodFault::Number(number.to_owned())
                } else {
                    PeriodFault::Shape
                });
            }
            let n = number.parse().ok().filter(|n| *n <= Self::LIMIT).ok_or_else(|| PeriodFault::Number(number.to_owned()))?;
            let at = UNITS
                .iter()
                .position(|(one, many)| unit == *one || unit == *many)
                .ok_or_else(|| PeriodFault::Unit(unit.to_owned()))?;
            if last.is_some_and(|l| at <= l) {
                return Err(PeriodFault::Order);
            }
            last = Some(at);
            amounts[at] = Some(n);
        }
        let [years, months, weeks, days, hours] = amounts;
        match hours {
            Some(h) if years.or(months).or(weeks).or(days).is_none() => Ok(Self::Hours(h)),
            Some(_) => Err(PeriodFault::MixedHours),
            None => Ok(Self::Calendar {
                months: years.unwrap_or(0) * 12 + months.unwrap_or(0),
                days: weeks.unwrap_or(0) * 7 + days.unwrap_or(0),
            }),
        }
    }

    /// The last day on which a record that started on `start` is still kept: the forward direction. `None` for hours and beyond the calendar.
    ///
    /// The day number is kept, or becomes the last of the month where that day does not exist. With `month_end`, a start that is
    /// the last day of its month stays the last day of the month reached (rounded starts).
    #[must_use]
    pub fn last_kept_day(self, start: NaiveDate, month_end: bool) -> Option<NaiveDate> {
        let Self::Calendar { months, days } = self else { return None };
        let mut day = start.checked_add_months(Months::new(months))?;
        if month_end && is_month_end(start) {
            day = month_end_of(day)?;
        }
        day.checked_add_days(Days::new(u64::from(days)))
    }

    /// Whether nothing is added.
    #[must_use]
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Calendar { months: 0, days: 0 } | Self::Hours(0))
    }
}

/// As a policy writes it: largest units first, months beyond a year as years where that is exact.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |n: u32, unit: &str| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
        let parts = match *self {
            Self::Hours(h) => vec![one(h, "hour")],
            Self::Calendar { months: 0, days: 0 } => vec![one(0, "day")],
            Self::Calendar { months, days } => {
                let (years, rest) =
                    if months.is_multiple_of(12) || months > 24 { (months / 12, months % 12) } else { (0, months) };
                [(years, "year"), (rest, "month"), (days, "day")]
                    .iter()
                    .filter(|(n, _)| *n > 0)
                    .map(|(n, u)| one(*n, u))
                    .collect()
            }
        };
        f.write_str(&parts.join(" "))
    }
}

/// Whether `day` is the last of its month.
#[must_use]
pub fn is_month_end(day: NaiveDate) -> bool {
    day.succ_opt().is_none_or(|next| next.month() != day.month())
}

/// The last day of the month of `day`; `None` beyond the calendar.
#[must_use]
pub fn month_end_of(day: NaiveDate) -> Option<NaiveDate> {
    day.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_written_back() {
        for (text, period) in [
            ("3 years", Period::Calendar { months: 36, days: 0 }),
            ("1 year", Period::Calendar { months: 12, days: 0 }),
            ("21 years 3 months", Period::Calendar { months: 255, days: 0 }),
            ("13 months", Period::Calendar { months: 13, days: 0 }),
            ("2 weeks 1 day", Period::Calendar { months: 0, days: 15 }),
            ("0 days", Period::ZERO),
            ("72 hours", Period::Hours(72)),
        ] {
            assert_eq!(Period::parse(text), Ok(period));
            assert_eq!(Period::parse(&period.to_string()), Ok(period));
        }
    }

    #[test]
    fn what_is_no_period_says_why() {
        for (text, fault) in [
            ("", PeriodFault::Empty),
            ("7", PeriodFault::Shape),
            ("0", PeriodFault::Shape),
            ("years 3", PeriodFault::Shape),
            ("-3 years", PeriodFault::Number("-3".into())),
            ("0.5 years", PeriodFault::Number("0.5".into())),
            ("10000 days", PeriodFault::Number("10000".into())),
            ("3 yrs", PeriodFault::Unit("yrs".into())),
            ("3 Years", PeriodFault::Unit("Years".into())),
            ("3 months 1 year", PeriodFault::Order),
            ("1 year 1 year", PeriodFault::Order),
            ("1 day 2 hours", PeriodFault::MixedHours),
        ] {
            assert_eq!(Period::parse(text), Err(fault), "{text:?}");
        }
    }
}
