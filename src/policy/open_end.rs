//! Ends of archive purposes that nobody knows yet, and that can be read once the record has left.
//!
//! A request is kept until ten years after the end of a contract that still runs. The request can leave for its archive all the same: the row of the
//! contract stays, and says one day when it ended. What is kept of the request in the source is the way to that row, and nothing else.

use super::map::{DataMap, DataSet, RelatedTo};
use super::purpose::Purpose;

/// The columns of a record by which the rows are found that date an archive purpose, in a fixed order; `None` where its end cannot be read without the
/// record: a date in the record itself, or in what follows it or refers to it; a cap, which is reckoned from the record; or a way that leads through
/// personal fields, which must not stay behind. A recovery window's end is known, or nothing is sealed.
#[must_use]
pub fn link_columns(map: &DataMap, data: &DataSet, purpose: &Purpose) -> Option<Vec<String>> {
    let start = purpose.starts.as_ref()?;
    if purpose.is_active() || purpose.is_window() || purpose.keeps.is_none() || !purpose.at_most.is_empty() {
        return None;
    }
    let mut columns: Vec<String> = Vec::new();
    for event in &start.events {
        let event = data.event(event).filter(|e| e.otherwise.is_none())?;
        for column in way(map, data, &event.of.as_ref()?.to)? {
            let is_key = data.key.iter().any(|k| k.value == column);
            let is_personal = data.categories.iter().flat_map(|c| &c.columns).any(|c| c.name.value == column);
            if is_key || is_personal {
                return None;
            }
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
    }
    (!columns.is_empty()).then_some(columns)
}

/// The record's columns by which related rows are found that stay when it leaves.
fn way(map: &DataMap, data: &DataSet, to: &RelatedTo) -> Option<Vec<String>> {
    match to {
        RelatedTo::DataSet(id) => {
            let parent = data.parent.as_ref().filter(|p| p.data.value == id.value && !p.follows)?;
            Some(parent.on.iter().map(|(here, _)| here.value.clone()).collect())
        }
        RelatedTo::Table(table, on) => {
            let leaves = map.record_of(data).iter().any(|member| member.table.name == table.name);
            (!leaves).then(|| on.iter().map(|(_, here)| here.value.clone()).collect())
        }
    }
}
