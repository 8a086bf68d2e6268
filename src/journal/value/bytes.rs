//! Hashes, MACs and ids.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::InvalidValue;

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
        if bytes.len().is_multiple_of(16) { Ok(Self(bytes)) } else { Err(InvalidValue("list of record MACs")) }
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
