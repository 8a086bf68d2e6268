//! A column's value as it is, for moving rows into an archive and back.

use std::fmt;

/// One value of one column. Comes back from a sealed object exactly as it went in; of the many "not a number" values one comes back.
///
/// `Debug` shows the kind and the length only: the values are personal data.
#[derive(Clone)]
pub enum Cell {
    /// SQL's NULL.
    Null,
    /// A text, or any value that is written as one: dates, decimals, UUIDs.
    Text(String),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// A binary floating point number.
    Real(f64),
}

impl PartialEq for Cell {
    /// Real numbers are equal when their bits are, so `-0.0` is not `0.0`; "not a number" equals itself.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            _ => false,
        }
    }
}

impl Eq for Cell {}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Integer(_) => f.write_str("Integer"),
            Self::Real(_) => f.write_str("Real"),
        }
    }
}
