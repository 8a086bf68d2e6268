//! A mask for a column that it can hold: by what it holds, its type, and the constraints on it.

use super::kind::Kind;
use crate::plan::dialect::Dialect;
use crate::plan::schema::{Column, Table, TypeClass};
use crate::policy::mask::{DateFloor, Mask};

/// The longest token and the shortest that a map admits.
const DIGITS: std::ops::RangeInclusive<u64> = 8..=32;

/// The first mask of those that suit its kind that the column can hold; `None` when there is none.
#[must_use]
pub fn suggest(dialect: Dialect, table: &Table, column: &Column, kind: Kind) -> Option<Mask> {
    candidates(table, column, kind).into_iter().find(|m| holds(dialect, table, column, m))
}

fn candidates(table: &Table, column: &Column, kind: Kind) -> Vec<Mask> {
    use TypeClass as T;
    let mut all = Vec::new();
    let unique = table.indexes.iter().any(|i| i.unique && i.columns.contains(&column.name));
    if kind == Kind::Birth {
        all.push(Mask::DateFloor(DateFloor::Year));
    }
    if kind == Kind::Ip {
        all.push(Mask::IpPrefix { v4: 16, v6: 32 });
    }
    if unique {
        all.extend(token(column, kind));
    }
    if column.nullable {
        all.push(Mask::Null);
    }
    match column.class {
        T::Text => {
            let texts: &[&str] = match kind {
                Kind::Email => &["anonyme@invalid.invalid", "ANONYME", "-"],
                Kind::Ip => &["0.0.0.0", "-"],
                Kind::Postcode => &["00000", "-"],
                _ => &["ANONYME", "X", "-"],
            };
            all.extend(texts.iter().map(|t| Mask::Fixed((*t).to_owned())));
            all.extend(token(column, kind));
        }
        T::Integer | T::Decimal => all.push(Mask::Fixed("0".into())),
        T::Boolean => all.push(Mask::Fixed("false".into())),
        T::Json => all.push(Mask::Fixed("{}".into())),
        T::Uuid => all.push(Mask::Fixed("00000000-0000-0000-0000-000000000000".into())),
        T::Date | T::DateTime | T::Instant => all.push(Mask::DateFloor(DateFloor::Year)),
        _ => {}
    }
    all
}

/// A token as long as the column has room for.
fn token(column: &Column, kind: Kind) -> Option<Mask> {
    let (prefix, suffix) = if kind == Kind::Email { ("anon-", "@invalid.invalid") } else { ("anon-", "") };
    [(prefix, suffix), ("anon-", ""), ("x-", "")].into_iter().find_map(|(prefix, suffix)| {
        let room = room_of(column).unwrap_or(u64::MAX).saturating_sub((prefix.len() + suffix.len()) as u64);
        let digits = u8::try_from(room.min(*DIGITS.end())).ok()?;
        (room >= *DIGITS.start()).then(|| Mask::Token { prefix: prefix.into(), suffix: suffix.into(), digits })
    })
}

fn holds(dialect: Dialect, table: &Table, column: &Column, mask: &Mask) -> bool {
    let unique = table.indexes.iter().any(|i| i.unique && i.columns.contains(&column.name));
    let fits = match mask {
        Mask::Fixed(text) => {
            !unique && column.class != TypeClass::Enum && room_of(column).is_none_or(|n| text.chars().count() as u64 <= n)
        }
        // A prefix of an address or a floor can collide as well.
        Mask::IpPrefix { .. } => !unique && room_of(column).is_none_or(|n| n >= 15),
        Mask::DateFloor(_) => !unique && column.class != TypeClass::Text,
        _ => true,
    };
    fits && dialect.mask("r", column, mask).is_some()
}

/// How many characters a text may have: as the engine enforces it, or as the declaration of an engine that does not says it.
fn room_of(column: &Column) -> Option<u64> {
    let declared = || column.sql_type.split_once('(')?.1.split_once(')')?.0.trim().parse().ok();
    if column.class == TypeClass::Text { column.max_length.or_else(declared) } else { None }
}
