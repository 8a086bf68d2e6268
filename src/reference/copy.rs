//! Whether a record has its copy, in this source or in another.

use std::borrow::Cow;

use super::value::Value;
use super::view::{RowId, View};
use crate::policy::map::DataSet;

/// How a value is written; `None` for NULL and for what no copy is found by.
fn spelled(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Text(text) | Value::Decimal(text) => Cow::Borrowed(text),
        Value::Integer(n) => Cow::Owned(n.to_string()),
        Value::Bool(b) => Cow::Owned(b.to_string()),
        Value::Date(day) => Cow::Owned(day.to_string()),
        _ => return None,
    })
}

impl<'w> View<'w> {
    /// Whether the copy of this name is there: a row of the data set that holds copies, all of whose matching values are written as the record's own.
    pub(super) fn has_copy(&self, row: RowId, data: &'w DataSet, name: &str) -> bool {
        let Some(copy) = data.copies.iter().find(|c| c.name.value == name) else { return false };
        let same = |theirs: Option<&Value>, own: &str| {
            let theirs = theirs.and_then(spelled);
            theirs.is_some() && theirs == self.value(row, own).and_then(spelled)
        };
        if copy.of.source == self.reference.map.source.value {
            let is_one = |there: RowId| copy.matched_by.iter().all(|(theirs, own)| same(self.value(there, theirs), own));
            return self.rows(&copy.of.data_set).any(is_one);
        }
        let of = self.reference.others.iter().find(|(source, _)| *source == copy.of.source);
        let Some(table) = of.and_then(|(_, world)| world.data_set(&copy.of.data_set)) else { return false };
        let value = |there: &'w [Value], column: &str| table.position(column).and_then(|at| there.get(at));
        table.rows.values().any(|there| copy.matched_by.iter().all(|(theirs, own)| same(value(there, theirs), own)))
    }
}
