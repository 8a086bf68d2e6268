//! How a sealed object spells the values of its rows.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

pub use crate::plan::cell::Cell;

/// The shortest text that reads back as the same number; `inf`, `-inf` or `nan`.
fn real_text(real: f64) -> String {
    if real.is_nan() { "nan".to_owned() } else { format!("{real:?}") }
}

fn real_of(text: &str) -> Option<f64> {
    let real = match text {
        "inf" => f64::INFINITY,
        "-inf" => f64::NEG_INFINITY,
        "nan" => f64::NAN,
        // Rust also reads "infinity" and "NaN": only what we write is taken.
        _ if text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => text.parse().ok()?,
        _ => return None,
    };
    // A number too large for the type reads as infinity: it would not be what was written.
    (real.is_finite() || matches!(text, "inf" | "-inf" | "nan")).then_some(real)
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, text) = match self {
            Self::Null => return serializer.serialize_unit(),
            Self::Text(text) => return serializer.serialize_str(text),
            Self::Integer(integer) => return serializer.serialize_i64(*integer),
            Self::Bytes(bytes) => ("base64", BASE64_STANDARD.encode(bytes)),
            Self::Real(real) => ("real", real_text(*real)),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(kind, &text)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Cell, E> {
        Ok(Cell::Text(text))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Cell, E> {
        Ok(Cell::Integer(integer))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Cell, E> {
        i64::try_from(integer).map(Cell::Integer).map_err(|_| E::custom("an integer of more than 64 bits"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell, A::Error> {
        let wrong = |what| <A::Error as de::Error>::custom(what);
        let Some((kind, text)) = map.next_entry::<String, String>()? else { return Err(wrong("an empty object")) };
        let cell = match kind.as_str() {
            "base64" => BASE64_STANDARD.decode(&text).map(Cell::Bytes).map_err(|_| wrong("no base64"))?,
            "real" => real_of(&text).map(Cell::Real).ok_or_else(|| wrong("no number"))?,
            _ => return Err(wrong("an unknown kind of cell")),
        };
        if map.next_entry::<String, de::IgnoredAny>()?.is_some() {
            return Err(wrong("more than one kind of cell"));
        }
        Ok(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_one_spelling() {
        let of = |cell: Cell| serde_json::to_string(&cell).unwrap();
        assert_eq!(of(Cell::Null), "null");
        assert_eq!(of(Cell::Text("a\u{0}\"\n\t".to_owned())), r#""a\u0000\"\n\t""#);
        assert_eq!(of(Cell::Bytes(vec![0, 255])), r#"{"base64":"AP8="}"#);
        assert_eq!(of(Cell::Integer(i64::MIN)), "-9223372036854775808");
        assert_eq!(of(Cell::Real(-0.0)), r#"{"real":"-0.0"}"#);
        assert_eq!(of(Cell::Real(1e300)), r#"{"real":"1e300"}"#);
        assert_eq!(of(Cell::Real(f64::NEG_INFINITY)), r#"{"real":"-inf"}"#);
        assert_eq!(of(Cell::Real(-f64::NAN)), r#"{"real":"nan"}"#);
    }

    #[test]
    fn what_is_no_cell_is_refused() {
        for text in [
            "true",
            "1.5",
            "1e2",
            "9223372036854775808",
            "-9223372036854775809",
            "[]",
            "{}",
            r#"{"hex":"00"}"#,
            r#"{"base64":"A"}"#,
            r#"{"base64":"AP9="}"#,
            r#"{"base64":1}"#,
            r#"{"real":"infinity"}"#,
            r#"{"real":"NaN"}"#,
            r#"{"real":"1e999"}"#,
            r#"{"real":""}"#,
            r#"{"real":"1","base64":""}"#,
        ] {
            assert!(serde_json::from_str::<Cell>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let cells = [Cell::Text("Durand".to_owned()), Cell::Bytes(b"Durand".to_vec()), Cell::Integer(4711), Cell::Real(4711.5)];
        let shown = format!("{cells:?}");
        assert_eq!(shown, "[Text(6 bytes), Bytes(6 bytes), Integer, Real]");
    }
}
