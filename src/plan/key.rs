//! A record's primary key as a value: typed, canonical, and independent of any driver.

use serde::{Deserialize, Serialize};

/// The kind of one key part; it enters the record's MAC, so `'42'` and `42` are different records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Decimal digits with an optional minus sign; also `BIT(n)` as its unsigned number.
    Integer,
    /// Canonical decimal text as the engine prints it.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// The exact stored characters.
    Text,
    /// Lower-case hexadecimal.
    Binary,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD HH:MM:SS[.ffffff]`, no zone.
    DateTime,
    /// `YYYY-MM-DD HH:MM:SS[.ffffff]` in UTC.
    Instant,
    /// Lower-case, hyphenated.
    Uuid,
}

/// One column of a key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyPart {
    /// How `text` is to be read.
    pub kind: KeyKind,
    /// The canonical text of the value.
    pub text: String,
}

/// A whole primary key, its parts in the data set's declared order. Never printed: `Debug` shows no value.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordKey(pub Vec<KeyPart>);

impl std::fmt::Debug for KeyPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPart({:?}, _)", self.kind)
    }
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordKey({} parts)", self.0.len())
    }
}

impl RecordKey {
    /// The key as a number, where it is one whole number.
    #[must_use]
    pub fn number(&self) -> Option<i128> {
        match self.0.as_slice() {
            [part] if part.kind == KeyKind::Integer => part.text.parse().ok(),
            _ => None,
        }
    }

    /// An injective byte form, over which the record's MAC is computed: for each part its kind (one byte), the length of
    /// its text (u32, big-endian) and the text.
    #[must_use]
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * 24);
        for part in &self.0 {
            out.push(match part.kind {
                KeyKind::Integer => b'i',
                KeyKind::Decimal => b'd',
                KeyKind::Boolean => b'b',
                KeyKind::Text => b't',
                KeyKind::Binary => b'x',
                KeyKind::Date => b'D',
                KeyKind::DateTime => b'N',
                KeyKind::Instant => b'I',
                KeyKind::Uuid => b'u',
            });
            out.extend(u32::try_from(part.text.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend(part.text.as_bytes());
        }
        out
    }
}
