//! One row to insert, as plain data.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// A value to insert, independent of any engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedValue {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text; also UUIDs, network addresses and JSON documents, in the form that every engine reads.
    Text(String),
    /// A calendar date.
    Date(NaiveDate),
    /// An instant: with its zone where the engine has such a type, otherwise the date and time in UTC.
    Instant(DateTime<Utc>),
    /// A date and time without a zone.
    DateTime(NaiveDateTime),
    /// True or false; 1 or 0 where the engine has no such type.
    Bool(bool),
    /// An exact decimal number, in digits.
    Decimal(String),
}

impl SeedValue {
    /// The value as engines read it between quotes; an instant in UTC without its zone. `None` for NULL.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Integer(n) => n.to_string(),
            Self::Text(text) | Self::Decimal(text) => text.clone(),
            Self::Date(day) => day.format("%Y-%m-%d").to_string(),
            Self::Instant(at) => at.naive_utc().format("%Y-%m-%d %H:%M:%S").to_string(),
            Self::DateTime(at) => at.format("%Y-%m-%d %H:%M:%S").to_string(),
            Self::Bool(true) => "1".to_owned(),
            Self::Bool(false) => "0".to_owned(),
        })
    }
}

/// A row to insert. Columns that it does not name take their default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// The table, without a schema.
    pub table: &'static str,
    /// Columns, in the order of the values.
    pub columns: &'static [&'static str],
    /// One value for each column.
    pub values: Vec<SeedValue>,
}

impl<T: Into<SeedValue>> From<Option<T>> for SeedValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$type> for SeedValue {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

from! {
    i64 => Integer,
    &str => Text,
    String => Text,
    NaiveDate => Date,
    DateTime<Utc> => Instant,
    NaiveDateTime => DateTime,
    bool => Bool,
}

/// An exact amount of cents, written with two decimals.
pub(super) fn amount(cents: i64) -> SeedValue {
    SeedValue::Decimal(format!("{}.{:02}", cents / 100, cents % 100))
}

/// `row!("table"; column = value, …)`.
macro_rules! row {
    ($table:literal; $($column:ident = $value:expr),+ $(,)?) => {
        $crate::demo::insert::Insert {
            table: $table,
            columns: &[$(stringify!($column)),+],
            values: vec![$($crate::demo::insert::SeedValue::from($value)),+],
        }
    };
}
pub(super) use row;
