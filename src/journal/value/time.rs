//! Dates, instants and months.

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// The month in which a MAC key was made, `YYYY-MM`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId {
    year: u16,
    month: u8,
}

impl KeyId {
    /// Reads its text form.
    ///
    /// # Errors
    /// [`InvalidValue`] unless it is `YYYY-MM`.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let day = Day::parse(&format!("{text}-01")).map_err(|_| InvalidValue("key id"))?;
        Ok(Self::of_date(day.0))
    }

    /// The id of the key that is made in the month (UTC) of this instant.
    #[must_use]
    pub fn of(now: DateTime<Utc>) -> Self {
        Self::of_date(now.date_naive())
    }

    fn of_date(date: NaiveDate) -> Self {
        Self { year: u16::try_from(date.year()).unwrap_or(0), month: u8::try_from(date.month()).unwrap_or(1) }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

text_value!(KeyId);

/// A calendar date, `YYYY-MM-DD`, years 0001 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(NaiveDate);

impl Day {
    /// Reads its text form.
    ///
    /// # Errors
    /// [`InvalidValue`] unless it is an existing date written with exactly ten characters.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        if text.len() != 10 {
            return Err(InvalidValue("date"));
        }
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| InvalidValue("date")).and_then(Self::try_from)?;
        // The library also takes blanks and signs for digits.
        if date.to_string() == text { Ok(date) } else { Err(InvalidValue("date")) }
    }

    /// The date.
    #[must_use]
    pub fn date(self) -> NaiveDate {
        self.0
    }
}

impl TryFrom<NaiveDate> for Day {
    type Error = InvalidValue;
    fn try_from(date: NaiveDate) -> Result<Self, InvalidValue> {
        if (1..=9999).contains(&date.year()) { Ok(Self(date)) } else { Err(InvalidValue("date")) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

text_value!(Day);

/// An instant in whole seconds, `YYYY-MM-DDTHH:MM:SSZ`, years 0001 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(DateTime<Utc>);

impl Instant {
    /// Reads its text form.
    ///
    /// # Errors
    /// [`InvalidValue`] unless it is an existing instant written with exactly twenty characters.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        if text.len() != 20 {
            return Err(InvalidValue("instant"));
        }
        let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").map_err(|_| InvalidValue("instant"))?;
        let at = Self::try_from(naive.and_utc())?;
        if at.to_string() == text { Ok(at) } else { Err(InvalidValue("instant")) }
    }

    /// The instant.
    #[must_use]
    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }
}

impl TryFrom<DateTime<Utc>> for Instant {
    type Error = InvalidValue;
    /// Cuts to whole seconds.
    fn try_from(at: DateTime<Utc>) -> Result<Self, InvalidValue> {
        let whole = DateTime::from_timestamp(at.timestamp(), 0).ok_or(InvalidValue("instant"))?;
        if (1..=9999).contains(&whole.year()) { Ok(Self(whole)) } else { Err(InvalidValue("instant")) }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%SZ"))
    }
}

text_value!(Instant);
