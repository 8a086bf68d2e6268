//! What would fail or surprise later, decided from map, policies, schema and plan alone.
//!
//! Names and types are compared before ([`Resolved::check`]); this looks at what the database would do by itself (`foreign_keys`, `triggers`),
//! at what it would compare otherwise than expected (`joins`),
//! at what it could not do (`tables`), at what would be slow (`indexes`) at what nobody declared (`coverage`),
//! and at what stays personal (`pseudonyms`). Whatever only a
//! trial can tell is left to the probe of the masks.

mod coverage;
mod foreign_keys;
mod indexes;
mod joins;
mod pseudonyms;
mod tables;
mod triggers;

pub use coverage::{declared_columns, unmapped_columns, unmapped_tables};
pub use joins::on_sqlite;

use std::collections::BTreeMap;

use super::compile::Plan;
use super::resolve::Resolved;
use super::schema::{Table, TableName};
use super::touch::{Touch, touches};
use crate::policy::located::Faults;
use crate::policy::map::DataSet;
use crate::policy::purpose::{Policy, Purpose};
use crate::policy::reader::shown;

/// What is inspected.
pub struct Inspection<'a> {
    /// The map with the live schema; it has passed its own check.
    pub resolved: Resolved<'a>,
    /// The policies.
    pub policies: &'a [Policy],
    /// What they compile to.
    pub plan: &'a Plan,
    /// Whether the connected role sees every trigger: a trigger that it cannot see is not called missing.
    pub sees_triggers: bool,
}

impl<'a> Inspection<'a> {
    /// Notes everything that would fail or surprise.
    pub fn inspect(&self, faults: &mut Faults) {
        let touched = touches(self.plan);
        self.hazards(faults);
        indexes::inspect(self, &touched, faults);
        coverage::inspect(self, faults);
        pseudonyms::inspect(self, faults);
    }

    /// Notes only what no run may begin with: tables that cannot be trusted, joins that find others, cascades and triggers that nobody declared, races.
    pub fn hazards(&self, faults: &mut Faults) {
        let touched = touches(self.plan);
        tables::inspect(self, faults);
        foreign_keys::inspect(self, &touched, faults);
        joins::inspect(self, faults);
        triggers::inspect(self, &touched, faults);
    }

    /// Data sets whose table exists, with it.
    fn mapped(&self) -> impl Iterator<Item = (&'a DataSet, &'a Table)> {
        let resolved = self.resolved;
        resolved.map.data_sets.iter().filter_map(move |d| Some((d, resolved.table(d)?)))
    }

    /// The purposes that cover records of this data set.
    fn purposes_of(&self, data: &DataSet) -> impl Iterator<Item = &'a Purpose> {
        let (source, id) = (self.resolved.map.source.value.clone(), data.id.value.clone());
        let policies: &'a [Policy] = self.policies;
        policies.iter().flat_map(|p| &p.purposes).filter(move |p| p.data.source == source && p.data.data_set == id)
    }

    /// A table as messages name it: with its schema where its own name would not be found.
    fn name(&self, table: &TableName) -> String {
        let first = self.resolved.schema.search_path.first();
        if first.is_some_and(|s| *s == table.schema) {
            shown(&table.name)
        } else {
            format!("{}.{}", shown(&table.schema), shown(&table.name))
        }
    }
}

/// What the plan does to a table, nothing when it does not name it.
fn touch(touched: &BTreeMap<TableName, Touch>, table: &TableName) -> Touch {
    touched.get(table).cloned().unwrap_or_default()
}

/// Names between backticks, separated by commas; the first fifty of them.
fn listed(names: &[String]) -> String {
    let more = if names.len() > 50 { format!(" and {} more", names.len() - 50) } else { String::new() };
    format!("{}{more}", names.iter().take(50).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "))
}
