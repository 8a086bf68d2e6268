//! Values of a row as the reference model sees them: typed, comparable, and never printed.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::moment;

/// One stored value. `Debug` shows its kind only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// An exact decimal number in canonical form: no exponent, no superfluous zeros. See [`Value::decimal`].
    Decimal(String),
    /// Characters.
    Text(String),
    /// A JSON document in canonical form. See [`Value::json`].
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A calendar date.
    Date(NaiveDate),
    /// A date and time without a zone.
    DateTime(NaiveDateTime),
    /// An instant.
    Instant(DateTime<Utc>),
    /// A date that no calendar has, as some engines store it: `0000-00-00`, `2020-00-10`, with or without a time.
    ZeroDate(String),
    /// `infinity` or, if false, `-infinity` of a date or timestamp.
    Infinity(bool),
    /// A random token of the reserved form, with so many digits between prefix and suffix: what a token mask leaves behind.
    Token {
        /// What comes before the digits.
        prefix: String,
        /// What comes after them.
        suffix: String,
        /// How many digits.
        digits: u8,
    },
    /// The pseudonym of a text: of the reserved form, the digits a keyed hash of it. What a pseudonym mask leaves behind; see
    /// [`PseudonymKey::stored`](super::PseudonymKey::stored).
    Pseudonym {
        /// What comes before the digits.
        prefix: String,
        /// What comes after them.
        suffix: String,
        /// How many digits.
        digits: u8,
        /// The text.
        of: String,
    },
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool(_)",
            Self::Integer(_) => "Integer(_)",
            Self::Decimal(_) => "Decimal(_)",
            Self::Text(_) => "Text(_)",
            Self::Json(_) => "Json(_)",
            Self::Bytes(_) => "Bytes(_)",
            Self::Date(_) => "Date(_)",
            Self::DateTime(_) => "DateTime(_)",
            Self::Instant(_) => "Instant(_)",
            Self::ZeroDate(_) => "ZeroDate(_)",
            Self::Infinity(_) => "Infinity(_)",
            Self::Token { .. } => "Token(_)",
            Self::Pseudonym { .. } => "Pseudonym(_)",
        })
    }
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An exact decimal number from plain digits with an optional sign and fraction. `None` if it is none.
    #[must_use]
    pub fn decimal(text: &str) -> Option<Self> {
        Number::parse(text).map(|n| Self::Decimal(n.to_string()))
    }

    /// A JSON document, its members sorted, without white space. `None` if it is none.
    #[must_use]
    pub fn json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(|v| Self::Json(sorted(v).to_string()))
    }

    /// Whether it is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether a stored value is this one; any text of the reserved form is a [`Value::Token`], and may be a
    /// [`Value::Pseudonym`] as far as one can tell without the key.
    #[must_use]
    pub fn is_stored_as(&self, stored: &Self) -> bool {
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match (self, stored) {
            (Self::Token { prefix, suffix, digits } | Self::Pseudonym { prefix, suffix, digits, .. }, Self::Text(text)) => text
                .strip_prefix(prefix.as_str())
                .and_then(|t| t.strip_suffix(suffix.as_str()))
                .is_some_and(|t| t.len() == usize::from(*digits) && t.bytes().all(hexadecimal)),
            _ => self == stored,
        }
    }

    /// The form in which values of a join are compared for equality; `None` for NULL, which joins nothing.
    #[must_use]
    pub fn join_form(&self) -> Option<Value> {
        match self {
            Self::Null => None,
            Self::Decimal(text) => Some(text.parse().map_or_else(|_| self.clone(), Self::Integer)),
            Self::Bool(b) => Some(Self::Integer(i128::from(*b))),
            other => Some(other.clone()),
        }
    }

    /// Its number, if it is one or (a text) reads as one.
    #[must_use]
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Integer(n) => Some(Number { mantissa: *n, scale: 0 }),
            Self::Bool(b) => Some(Number { mantissa: i128::from(*b), scale: 0 }),
            Self::Decimal(text) | Self::Text(text) => Number::parse(text),
            _ => None,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::Bool(_) | Self::Decimal(_))
    }

    fn is_dated(&self) -> bool {
        matches!(self, Self::Date(_) | Self::DateTime(_) | Self::Instant(_) | Self::ZeroDate(_) | Self::Infinity(_))
    }

    /// How two values compare; `None` (unknown) where one is NULL or they do not compare. A date is its midnight; an instant
    /// beside a date or a local time is read in `zone`; a text beside a date or number is read as one.
    #[must_use]
    pub fn compare(&self, other: &Self, zone: Tz) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Instant(a), Self::Instant(b)) => Some(a.cmp(b)),
            (a, b) if a.is_dated() || b.is_dated() => Some(a.line(zone)?.cmp(&b.line(zone)?)),
            (a, b) if a.is_number() || b.is_number() => Some(a.number()?.compare(b.number()?)),
            (a, b) => (a == b).then_some(Ordering::Equal),
        }
    }

    /// Its place on the line of local times: zero dates first, then -infinity, times, infinity.
    fn line(&self, zone: Tz) -> Option<(i8, NaiveDateTime)> {
        let local = match self {
            Self::Date(d) => d.and_time(NaiveTime::MIN),
            Self::DateTime(t) => *t,
            Self::Instant(t) => zone.from_utc_datetime(&t.naive_utc()).naive_local(),
            Self::Text(text) => moment::iso_text(text)?,
            Self::ZeroDate(_) => return Some((-2, NaiveDateTime::MIN)),
            Self::Infinity(false) => return Some((-1, NaiveDateTime::MIN)),
            Self::Infinity(true) => return Some((1, NaiveDateTime::MIN)),
            _ => return None,
        };
        Some((0, local))
    }
}

/// An exact number: `mantissa / 10^scale`, without superfluous zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) mantissa: i128,
    pub(super) scale: u32,
}

impl Number {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let mantissa: i128 = format!("0{whole}{fraction}").parse().ok()?;
        Some(Self { mantissa: sign * mantissa, scale: u32::try_from(fraction.len()).ok()? })
    }

    fn compare(self, other: Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        let at = |n: Self| n.mantissa.checked_mul(10i128.checked_pow(scale - n.scale)?);
        match (at(self), at(other)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => self.whole().cmp(&other.whole()),
        }
    }

    /// The largest whole number that is not larger.
    pub(super) fn whole(self) -> i128 {
        10i128.checked_pow(self.scale).map_or(0, |unit| self.mantissa.div_euclid(unit))
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = format!("{:0>width$}", self.mantissa.unsigned_abs(), width = self.scale as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.scale as usize);
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

/// The document with the members of every object in order.
pub(super) fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(members) => {
            let mut all: Vec<(String, serde_json::Value)> = members.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            serde_json::Value::Object(all.into_iter().collect())
        }
        serde_json::Value::Array(items) => serde_json::Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_one_form_and_compare_by_value() {
        for (text, form) in [("120.00", "120"), ("-0.50", "-0.5"), ("007", "7"), ("0.05", "0.05"), ("-3", "-3"), (".5", "0.5")] {
            assert!(Value::decimal(text) == Some(Value::Decimal(form.into())), "{text}");
        }
        for text in ["", ".", "1e3", "1.2.3", "--1", " 1"] {
            assert!(Value::decimal(text).is_none(), "{text}");
        }
        let compare = |a: &str, b: &str| Value::decimal(a)?.compare(&Value::decimal(b)?, Tz::UTC);
        assert_eq!(compare("1.5", "1.45"), Some(Ordering::Greater));
        assert_eq!(compare("-1.5", "-1.45"), Some(Ordering::Less));
        assert_eq!(Value::Integer(2).compare(&Value::Text("2.0".into()), Tz::UTC), Some(Ordering::Equal));
    }

    #[test]
    fn null_compares_with_nothing_and_joins_nothing() {
        assert_eq!(Value::Null.compare(&Value::Null, Tz::UTC), None);
        assert_eq!(Value::Null.join_form(), None);
        assert_eq!(Value::Decimal("5".into()).join_form(), Value::Integer(5).join_form());
    }

    #[test]
    fn json_documents_have_one_form() {
        assert_eq!(Value::json("{\"b\": 1, \"a\": [ {\"d\":2,\"c\":3} ]}"), Value::json("{\"a\":[{\"c\":3,\"d\":2}],\"b\":1}"));
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(format!("{:?}", Value::text("Jeanne")), "Text(_)");
    }
}
