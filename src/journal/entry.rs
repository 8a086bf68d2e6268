//! Entries and their canonical bytes, the leaves of the log.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::value::Instant;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its position in the log, from 0.
    pub seq: u64,
    /// When it was appended.
    pub time: Instant,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Bytes that are not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    /// Not JSON, an unknown kind, or a missing, unknown or invalid field.
    Undecodable {
        /// The column in the entry where reading stopped, from 1; 0 when it is the whole that fails.
        column: usize,
    },
    /// A readable entry in another form than the canonical one.
    NotCanonical,
}

impl std::fmt::Display for EntryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Undecodable { column: 0 } => f.write_str("not an entry"),
            Self::Undecodable { column } => write!(f, "not an entry (column {column})"),
            Self::NotCanonical => f.write_str("not in canonical form"),
        }
    }
}

impl std::error::Error for EntryError {}

impl Entry {
    /// The canonical bytes: JSON without spaces, fields in the order of this schema, absent options left out.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads canonical bytes, and only those.
    ///
    /// # Errors
    /// [`EntryError`]; it never repeats what the bytes hold.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let entry: Self = serde_json::from_slice(bytes).map_err(|error| EntryError::Undecodable { column: error.column() })?;
        if entry.to_bytes() == bytes { Ok(entry) } else { Err(EntryError::NotCanonical) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"{"seq":3,"time":"2026-11-22T02:00:00Z","kind":"aborted","run":"00000000000000000000000000000001","batch":"00000000000000000000000000000002","code":"40P01"}"#;

    #[test]
    fn an_entry_has_exactly_one_form() {
        assert_eq!(Entry::from_bytes(ENTRY.as_bytes()).unwrap().to_bytes(), ENTRY.as_bytes());
        let others = [
            ENTRY.replace("\"seq\":3", "\"seq\": 3"),
            ENTRY.replace("\"seq\":3", "\"seq\":3.0"),
            ENTRY.replace("aborted", "abor\\u0074ed"),
            ENTRY.replace("40P01", "40P01\",\"code\":\"40P01"),
            ENTRY.replace("}", ",\"note\":\"Jean Dupont\"}"),
            ENTRY.replace("}", ",\"constraint\":null}"),
            ENTRY.replace("\"kind\":\"aborted\",", ""),
            ENTRY.replace("aborted", "exploded"),
            ENTRY.replace("40P01", "Duplicate entry 'jean@example.org'"),
            format!("{ENTRY}\n"),
            String::new(),
        ];
        for other in others {
            assert!(Entry::from_bytes(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn an_error_never_repeats_what_it_read() {
        let error = Entry::from_bytes(ENTRY.replace("40P01", "jean@example.org").as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("jean"), "{error:?}");
    }
}
