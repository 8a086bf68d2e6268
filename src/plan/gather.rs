//! Answers that carry many keys: a message for each row costs as much as deleting it.

use super::dialect::Dialect;
use super::schema::{Column, Engine, TypeClass};

/// Whether statements answer with all keys of this kind in one text, separated by commas.
#[must_use]
pub fn gathers(d: Dialect, key: &[Column]) -> bool {
    d.engine == Engine::Postgres && matches!(key, [key] if key.class == TypeClass::Integer)
}

/// A query that answers with the keys which `select` reads as the column `key`.
pub(super) fn gathered(d: Dialect, key: &[Column], select: String) -> String {
    if gathers(d, key) { format!("SELECT string_agg(key, ',') FROM ({select}) AS found (key)") } else { select }
}

/// A statement that answers with the keys (by these expressions) of the rows that it changes.
pub(super) fn returning(d: Dialect, key: &[Column], act: &str, expressions: &str) -> String {
    let act = format!("{act} RETURNING {expressions}");
    if gathers(d, key) { format!("WITH acted (key) AS ({act}) SELECT string_agg(key, ',') FROM acted") } else { act }
}
