//! What differs between the engines when SQL is written, by topic: literals and keys here and in `keys`, dates, masks
//! (tokens and pseudonyms in `reserved`), expressions.
//!
//! Constants are literals, never bind parameters: a partial index is only used for a predicate that the planner can read.

pub mod cells;
pub mod dates;
pub mod expressions;
pub mod keys;
pub mod masks;
mod reserved;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::own_tables::OwnTable;
use super::quote;
use super::schema::{Column, Engine, TableName, TypeClass};

/// Writes SQL for one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The engine.
    pub engine: Engine,
}

impl Dialect {
    /// A quoted name.
    #[must_use]
    pub fn ident(self, name: &str) -> String {
        quote::identifier(self.engine, name)
    }

    /// A qualified, quoted table.
    #[must_use]
    pub fn table(self, table: &TableName) -> String {
        quote::table(self.engine, table)
    }

    /// One of our own tables.
    #[must_use]
    pub fn own(self, table: OwnTable) -> &'static str {
        table.sql(self.engine)
    }

    /// A column of an alias; of the only table in sight without one.
    #[must_use]
    pub fn column(self, alias: &str, name: &str) -> String {
        if alias.is_empty() { self.ident(name) } else { format!("{alias}.{}", self.ident(name)) }
    }

    /// A text literal. U+0000, which no policy can contain and PostgreSQL cannot hold, is left out.
    #[must_use]
    pub fn text(self, text: &str) -> String {
        quote::text_literal(self.engine, text)
            .or_else(|_| quote::text_literal(self.engine, &text.replace('\0', "")))
            .unwrap_or_else(|_| "''".to_owned())
    }

    /// An ASCII constant of ours, compared with an ASCII column of ours.
    #[must_use]
    pub fn word(self, word: &str) -> String {
        debug_assert!(word.bytes().all(|b| b.is_ascii_graphic() && b != b'\'' && b != b'\\'));
        format!("'{word}'")
    }

    /// A date literal.
    #[must_use]
    pub fn date(self, day: NaiveDate) -> String {
        match self.engine {
            Engine::Sqlite => format!("'{}'", day.format("%Y-%m-%d")),
            _ => format!("DATE '{}'", day.format("%Y-%m-%d")),
        }
    }

    /// A date-time literal without a zone.
    #[must_use]
    pub fn date_time(self, at: NaiveDateTime) -> String {
        match self.engine {
            Engine::Sqlite => format!("'{}'", at.format("%Y-%m-%d %H:%M:%S")),
            _ => format!("TIMESTAMP '{}'", at.format("%Y-%m-%d %H:%M:%S")),
        }
    }

    /// An instant as a literal, for a session whose zone is UTC.
    #[must_use]
    pub fn instant(self, at: DateTime<Utc>) -> String {
        match self.engine {
            Engine::Postgres => format!("TIMESTAMPTZ '{}+00'", at.format("%Y-%m-%d %H:%M:%S")),
            _ => self.date_time(at.naive_utc()),
        }
    }

    /// An expression's value as text, for reading it without knowing its type.
    #[must_use]
    pub fn as_text(self, expr: &str) -> String {
        match self.engine {
            Engine::Postgres => format!("({expr})::text"),
            Engine::MariaDb | Engine::MySql => format!("CAST({expr} AS CHAR)"),
            Engine::Sqlite => format!("CAST({expr} AS TEXT)"),
        }
    }

    /// How many rows satisfy a condition, in an aggregate over a table.
    #[must_use]
    pub fn count_if(self, condition: &str) -> String {
        self.as_text(&format!("COALESCE(SUM(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)"))
    }

    /// A literal of a column's type from its text, as masks and keys write it.
    #[must_use]
    pub fn literal_for(self, column: &Column, text: &str) -> String {
        match column.class {
            TypeClass::Integer | TypeClass::Decimal if is_number(text) => text.to_owned(),
            TypeClass::Boolean if self.engine != Engine::Postgres => match text {
                "true" => "1".to_owned(),
                "false" => "0".to_owned(),
                other => self.text(other),
            },
            TypeClass::Date if self.engine != Engine::Sqlite => format!("DATE {}", self.text(text)),
            _ => self.text(text),
        }
    }
}

/// Whether a text is a plain number: digits with an optional sign and fraction.
#[must_use]
pub fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    all(whole) && all(fraction)
}
