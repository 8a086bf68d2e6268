//! Keys as a database answers with them, and as they wait to be acted on.

use super::error::EnforceError;
use crate::plan::dialect::Dialect;
use crate::plan::gather::gathers;
use crate::plan::key::{KeyKind, KeyPart, RecordKey};
use crate::plan::schema::{Column, Engine, TypeClass};
use crate::source::Row;

/// Keys that were looked up. Whole numbers take eight bytes each, any other key more than a hundred.
#[derive(Debug, PartialEq, Eq)]
pub enum Keys {
    /// Whole numbers.
    Numbers(Vec<i64>),
    /// Any.
    Any(Vec<RecordKey>),
}

impl Default for Keys {
    fn default() -> Self {
        Self::Any(Vec::new())
    }
}

impl Keys {
    /// The keys that a statement answered with.
    ///
    /// # Errors
    /// [`EnforceError::Key`] when a value cannot be written back exactly.
    pub fn answered(d: Dialect, key: &[Column], rows: Vec<Row>) -> Result<Self, EnforceError> {
        let texts = rows.iter().flatten().flatten();
        if gathers(d, key) {
            let numbers: Option<Vec<i64>> = texts.flat_map(|keys| keys.split(',')).map(|text| text.parse().ok()).collect();
            return numbers.map(Self::Numbers).ok_or(EnforceError::Key);
        }
        // SQLite's values say themselves what they are.
        if matches!(key, [key] if d.engine == Engine::Sqlite || key.class == TypeClass::Integer) {
            let numbers: Option<Vec<i64>> =
                texts.map(|text| text.parse().ok().filter(|n: &i64| n.to_string() == *text)).collect();
            if let Some(numbers) = numbers.filter(|n| n.len() == rows.len()) {
                return Ok(Self::Numbers(numbers));
            }
        }
        Ok(Self::Any(keys_of(d, key, &rows)?))
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(all) => all.len(),
            Self::Any(all) => all.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them.
    #[must_use]
    pub fn part(&self, range: std::ops::Range<usize>) -> Vec<RecordKey> {
        match self {
            Self::Numbers(all) => all[range].iter().map(|n| number(*n)).collect(),
            Self::Any(all) => all[range].to_vec(),
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(self) -> Vec<RecordKey> {
        match self {
            Self::Numbers(all) => all.into_iter().map(number).collect(),
            Self::Any(all) => all,
        }
    }

    /// Those at these places, in this order.
    #[must_use]
    pub fn chosen(self, order: &[usize]) -> Self {
        match self {
            Self::Numbers(all) => Self::Numbers(order.iter().map(|at| all[*at]).collect()),
            Self::Any(all) => Self::Any(order.iter().map(|at| all[*at].clone()).collect()),
        }
    }

    /// Puts numbers in their order; other keys have only the database's.
    pub fn sort(&mut self) {
        match self {
            Self::Numbers(all) => all.sort_unstable(),
            Self::Any(all) => all.sort_by_cached_key(RecordKey::number),
        }
    }
}

fn number(n: i64) -> RecordKey {
    RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: n.to_string() }])
}

/// Reads keys from rows of key columns.
///
/// # Errors
/// [`EnforceError::Key`] when a value cannot be written back exactly.
pub fn keys_of(d: Dialect, columns: &[Column], rows: &[Row]) -> Result<Vec<RecordKey>, EnforceError> {
    rows.iter()
        .map(|row| {
            let parts: Option<Vec<KeyPart>> = columns.iter().zip(row).map(|(c, text)| d.key_part(c, text.as_deref()?)).collect();
            parts.filter(|p| p.len() == columns.len()).map(RecordKey).ok_or(EnforceError::Key)
        })
        .collect()
}
