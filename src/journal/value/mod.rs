//! The values that an entry may hold. None of them can carry free text: each is a closed alphabet with a bounded length.

use std::fmt;

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

mod bytes;
mod time;

pub use bytes::{Hash, Id128, Mac, Macs};
pub use time::{Day, Instant, KeyId};

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
    Name, "name: 1 to 128 of a-z 0-9 _ . : -", 128, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'-')
);
word_value!(
    /// The reference of a file or decision outside: `[A-Za-z0-9._/-]{1,64}`.
    Reference, "reference: 1 to 64 of A-Z a-z 0-9 . _ / -", 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-')
);
word_value!(
    /// A database's error code, SQLSTATE or errno, or this program's own word for a failure: `[A-Za-z0-9_]{1,32}`.
    Code, "error code: 1 to 32 of A-Z a-z 0-9 _", 32, |b| b.is_ascii_alphanumeric() || b == b'_'
);
word_value!(
    /// A log's name as checkpoints carry it, for example `retentiond/6f1d`: `[a-z0-9._/-]{1,128}`.
    Origin, "origin: 1 to 128 of a-z 0-9 . _ / -", 128, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'/' | b'-')
);
word_value!(
    /// A program version: `[A-Za-z0-9.+-]{1,64}`.
    Version, "version: 1 to 64 of A-Z a-z 0-9 . + -", 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-')
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
        let invalid = InvalidValue("verifier key: `name+8 hexadecimal digits+base64`, as `init` prints it");
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
