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
    /// The word for it in journals and plans.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Fixed(_) => "fixed",
            Self::Token { .. } => "token",
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
