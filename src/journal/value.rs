//! The values that an entry may hold. None of them can carry free text: each is a closed alphabet with a bounded length.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A value that an entry must not hold; says which type refused it, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidValue(pub &'static str);

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}", self.0)
    }
}

impl std::error::Error for InvalidValue {}

/// Implements the text form of a value once: `Display`, `TryFrom<String>`, `Into<String>`, `Debug` from `parse` and `Display`.
macro_rules! text_value {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = InvalidValue;
            fn try_from(text: String) -> Result<Self, InvalidValue> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
        impl std::str::FromStr for $name {
            type Err = InvalidValue;
            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                Self::parse(text)
            }
        }
    };
}

/// A short text over a closed alphabet.
macro_rules! word_value {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads its text form.
            ///
            /// # Errors
            #[doc = concat!("[`InvalidValue`] when the text is empty, longer than ", $max, " bytes or uses another character.")]
            pub fn parse(text: &str) -> Result<Self, InvalidValue> {
                let allowed: fn(u8) -> bool = $allowed;
                if (1..=$max).contains(&text.len()) && text.bytes().all(allowed) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidValue($what))
                }
            }

            /// Its text form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        text_value!($name);
    };
}

word_value!(
    /// The id of a source, data set, purpose, actor: `[a-z0-9_.:-]{1,128}`.
    Name, "name", 128, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'-')
);
word_value!(
    /// The reference of a file or decision outside: `[A-Za-z0-9._/-]{1,64}`.
    Reference, "reference", 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-')
);
word_value!(
    /// A database's error code, SQLSTATE or errno, or this program's own word for a failure: `[A-Za-z0-9_]{1,32}`.
    Code, "error code", 32, |b| b.is_ascii_alphanumeric() || b == b'_'
);
word_value!(
    /// A log's name as checkpoints carry it, for example `retentiond/6f1d`: `[a-z0-9._/-]{1,128}`.
    Origin, "origin", 128, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'/' | b'-')
);
word_value!(
    /// A program version: `[A-Za-z0-9.+-]{1,64}`.
    Version, "version", 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-')
);

impl Name {
    /// A name for an identifier of a database (a table, a column, a constraint): the identifier itself where it is a
    /// valid name, otherwise `sha256:` with the first 32 hexadecimal digits of its hash.
    #[must_use]
    pub fn of_identifier(identifier: &str) -> Self {
        Self::parse(identifier).unwrap_or_else(|_| {
            let hash = hex::encode(Sha256::digest(identifier.as_bytes()));
            Self(format!("sha256:{}", &hash[..32]))
        })
    }
}

/// Fixed bytes, written as lower-case hexadecimal.
macro_rules! bytes_value {
    ($(#[$doc:meta])* $name:ident, $what:literal, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Reads its text form.
            ///
            /// # Errors
            /// [`InvalidValue`] unless it is lower-case hexadecimal of exactly this length.
            pub fn parse(text: &str) -> Result<Self, InvalidValue> {
                let mut bytes = [0; $len];
                if text.bytes().any(|b| b.is_ascii_uppercase()) || hex::decode_to_slice(text, &mut bytes).is_err() {
                    return Err(InvalidValue($what));
                }
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        text_value!($name);
    };
}

bytes_value!(
    /// A SHA-256, 64 hexadecimal digits.
    Hash, "hash", 32
);
bytes_value!(
    /// The keyed name of a record: HMAC-SHA256 cut to 16 bytes, 32 hexadecimal digits.
    Mac, "record MAC", 16
);
bytes_value!(
    /// A random id of a run, a batch or an order, 32 hexadecimal digits.
    Id128, "id", 16
);

impl Hash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl Id128 {
    /// A new random id.
    ///
    /// # Errors
    /// [`InvalidValue`] when the operating system gives no random bytes.
    pub fn random() -> Result<Self, InvalidValue> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| InvalidValue("source of random bytes"))?;
        Ok(Self(bytes))
    }
}

/// Several record MACs, written as the base64 of their concatenation.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Macs(Vec<u8>);

impl Macs {
    /// Reads its text form.
    ///
    /// # Errors
    /// [`InvalidValue`] unless it is standard base64 of a multiple of 16 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| InvalidValue("list of record MACs"))?;
        Self::from_bytes(bytes)
    }

    /// The MACs in these concatenated bytes.
    ///
    /// # Errors
    /// [`InvalidValue`] unless the length is a multiple of 16.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, InvalidValue> {
        if bytes.len() % 16 == 0 { Ok(Self(bytes)) } else { Err(InvalidValue("list of record MACs")) }
    }

    /// Their concatenated bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        (self.0.len() / 16) as u64
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this MAC is one of them.
    #[must_use]
    pub fn contains(&self, mac: Mac) -> bool {
        self.0.chunks_exact(16).any(|chunk| chunk == mac.0)
    }
}

impl FromIterator<Mac> for Macs {
    fn from_iter<I: IntoIterator<Item = Mac>>(macs: I) -> Self {
        Self(macs.into_iter().flat_map(|mac| mac.0).collect())
    }
}

impl fmt::Display for Macs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(&self.0))
    }
}

text_value!(Macs);

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
        NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| InvalidValue("date")).and_then(Self::try_from)
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
        Self::try_from(naive.and_utc())
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

/// A public key in the signed-note form `<name>+<8 hexadecimal digits>+<base64>`, known to be a valid Ed25519 key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerifierKey(String);

impl VerifierKey {
    /// Reads its text form.
    ///
    /// # Errors
    /// [`InvalidValue`] unless it is a well-formed key whose name is an [`Origin`].
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let invalid = InvalidValue("verifier key");
        signed_note::StandardVerifier::new(text).map_err(|_| invalid)?;
        let name = text.split('+').next().unwrap_or_default();
        Origin::parse(name).map_err(|_| invalid)?;
        Ok(Self(text.to_owned()))
    }

    /// Its text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split('+').next().unwrap_or_default()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(VerifierKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_refuse_whatever_could_be_free_text() {
        for bad in ["", "Jean Dupont", "jean@example.org", "é", "a b", "a\n", &"a".repeat(129)] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a@b", &"a".repeat(65)] {
            assert!(Reference::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Code::parse("Duplicate entry").is_err());
        assert!(Hash::parse(&"A".repeat(64)).is_err(), "upper case would be a second form of the same hash");
        assert!(Mac::parse(&"a".repeat(31)).is_err());
        assert!(Macs::parse("AAAA").is_err(), "three bytes are no MAC");
    }

    #[test]
    fn an_identifier_that_is_no_name_is_hashed() {
        assert_eq!(Name::of_identifier("crm.person").as_str(), "crm.person");
        let hashed = Name::of_identifier("Clients de Jean");
        assert!(hashed.as_str().starts_with("sha256:") && hashed.as_str().len() == 39);
        assert_ne!(hashed, Name::of_identifier("Clients de Jeanne"));
    }

    #[test]
    fn dates_and_instants_have_one_form() {
        for good in ["2024-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(Day::parse(good).unwrap().to_string(), good);
        }
        for bad in ["2023-02-29", "2024-2-029", "+024-02-29", "2024-02-2 ", "0000-01-01"] {
            assert!(Day::parse(bad).map(|d| d.to_string()) != Ok(bad.to_owned()), "{bad}");
        }
        assert_eq!(Instant::parse("2026-11-22T08:00:00Z").unwrap().to_string(), "2026-11-22T08:00:00Z");
        assert!(Instant::parse("2026-11-22T08:00:00+").is_err());
        assert_eq!(KeyId::parse("2026-11").unwrap().to_string(), "2026-11");
        assert!(KeyId::parse("2026-13").is_err());
    }
}
