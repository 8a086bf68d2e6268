//! Keys of records as people type them, part by part.

use super::exit::{Exit, Failure};
use crate::enforce::EnforceError;
use crate::plan::dialect::keys::kind_of;
use crate::plan::key::{KeyKind, RecordKey};
use crate::plan::resolve::Resolved;
use crate::plan::schema::TypeClass;
use crate::policy::map::DataSet;
use crate::policy::reader::shown;

/// The key that was typed, part by part.
///
/// # Errors
/// [`Exit::Usage`], with the parts that are expected.
pub fn typed_key(resolved: &Resolved<'_>, data: &DataSet, typed: &[String]) -> Result<RecordKey, Failure> {
    let columns = resolved.key_columns(data);
    let wrong = |what: String| Failure::new(Exit::Usage, format!("{what}: {}", expected(resolved, data)));
    if typed.len() != columns.len() {
        let given = if typed.len() == 1 {
            "1 part of a key was given".to_owned()
        } else {
            format!("{} parts of a key were given", typed.len())
        };
        return Err(wrong(given));
    }
    let mut parts = Vec::new();
    for (n, (column, text)) in columns.iter().zip(typed).enumerate() {
        let part = resolved.dialect.typed_part(column, text);
        parts.push(part.ok_or_else(|| wrong(format!("part {} of the key is not {}", n + 1, kind(column.class))))?);
    }
    Ok(RecordKey(parts))
}

/// What to say of an error after a key was looked for: of one that the database cannot read, what it expects.
#[must_use]
pub fn refused(error: EnforceError, resolved: &Resolved<'_>, data: &DataSet) -> Failure {
    match error {
        EnforceError::NotAKey => {
            Failure::new(Exit::Usage, format!("the database cannot read this key: {}", expected(resolved, data)))
        }
        other => other.into(),
    }
}

/// How many parts a key has, their columns and types.
fn expected(resolved: &Resolved<'_>, data: &DataSet) -> String {
    let columns = resolved.key_columns(data);
    let names: Vec<String> = columns.iter().map(|c| format!("{} ({})", shown(&c.name), kind(c.class))).collect();
    let plural = if columns.len() == 1 { "" } else { "s" };
    format!("the key of `{}` has {} column{plural}: {}; give `--key` once for each", data.id, columns.len(), names.join(", "))
}

fn kind(class: TypeClass) -> &'static str {
    match kind_of(class) {
        Some(KeyKind::Integer) if class == TypeClass::Integer => "a whole number",
        Some(KeyKind::Integer) => "bits",
        Some(KeyKind::Decimal) => "a decimal number",
        Some(KeyKind::Boolean) => "true or false",
        Some(KeyKind::Text) => "a text",
        Some(KeyKind::Binary) => "hexadecimal digits",
        Some(KeyKind::Date) => "a date, YYYY-MM-DD",
        Some(KeyKind::DateTime) => "a date and time, YYYY-MM-DD HH:MM:SS",
        Some(KeyKind::Instant) => "a date and time in UTC, YYYY-MM-DD HH:MM:SS",
        Some(KeyKind::Uuid) => "a UUID",
        None => "of a type that can identify a record",
    }
}
