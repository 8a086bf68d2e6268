//! Masks: what a personal value becomes. Every mask is a fixpoint: masking twice equals masking once.

/// What a personal column's value is replaced by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mask {
    /// NULL.
    Null,
    /// The same value in every record. Numbers and dates are written as texts and take the column's type.
    Fixed(String),
    /// A unique random token of a reserved form: prefix, so many random lower-case hexadecimal digits, suffix.
    Token {
        /// What comes before the digits.
        prefix: String,
        /// What comes after them.
        suffix: String,
        /// How many digits, 8 to 32.
        digits: u8,
    },
    /// A keyed hash of a reserved form: equal values get equal pseudonyms, so that what belongs to one person can still be told to. That is what it
    /// is for and why it is no anonymisation: the record remains personal data (GDPR Art. 4(5)).
    Pseudonym {
        /// What comes before the digits.
        prefix: String,
        /// What comes after them.
        suffix: String,
        /// How many hexadecimal digits of the hash, 16 to 64.
        digits: u8,
    },
    /// A date's floor: the first day of its month, year or decade.
    DateFloor(DateFloor),
    /// A whole or exact decimal number's floor to a multiple of a whole step.
    Band(u32),
    /// The first so many characters of a text.
    First(u32),
    /// An IP address cut to a prefix of so many bits, by family.
    IpPrefix {
        /// Bits kept of an IPv4 address.
        v4: u8,
        /// Bits kept of an IPv6 address.
        v6: u8,
    },
    /// Named members removed from a JSON document, each a path of object keys.
    JsonRemove(Vec<Vec<String>>),
}

/// How far a date is floored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateFloor {
    /// To the first of its month.
    Month,
    /// To 1 January of its year.
    Year,
    /// To 1 January of its decade's first year.
    Decade,
}

impl Mask {
    /// Whether what it leaves is still personal data.
    #[must_use]
    pub fn is_pseudonym(&self) -> bool {
        matches!(self, Self::Pseudonym { .. })
    }

    /// Whether it leaves a part of the value, or a coarser one: a year, a band, a prefix.
    #[must_use]
    pub fn leaves_part(&self) -> bool {
        match self {
            Self::Null | Self::Fixed(_) | Self::Token { .. } | Self::Pseudonym { .. } => false,
            Self::DateFloor(_) | Self::Band(_) | Self::First(_) | Self::IpPrefix { .. } | Self::JsonRemove(_) => true,
        }
    }

    /// How many characters a token or pseudonym has.
    #[must_use]
    pub fn formed_length(&self) -> Option<u64> {
        match self {
            Self::Token { prefix, suffix, digits } | Self::Pseudonym { prefix, suffix, digits } => {
                Some((prefix.len() + suffix.len() + usize::from(*digits)) as u64)
            }
            _ => None,
        }
    }

    /// The word for it, as data maps write it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Fixed(_) => "fixed",
            Self::Token { .. } => "token",
            Self::Pseudonym { .. } => "pseudonym",
            Self::DateFloor(DateFloor::Month) => "month",
            Self::DateFloor(DateFloor::Year) => "year",
            Self::DateFloor(DateFloor::Decade) => "decade",
            Self::Band(_) => "band",
            Self::First(_) => "first",
            Self::IpPrefix { .. } => "ip_prefix",
            Self::JsonRemove(_) => "json_remove",
        }
    }
}
