//! The identifiers that a source's schema really has. An error report may name a constraint, table or column only if it is one of
//! them: what a server says beside its code can be forged by a trigger, or quote a value.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use crate::plan::schema::Schema;

/// Known identifiers, shared between a source and its sessions; empty until the schema was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<RwLock<HashSet<String>>>);

impl Names {
    /// Replaces the known identifiers by those of `schema`.
    pub(super) fn learn(&self, schema: &Schema) {
        let mut names = HashSet::new();
        for table in &schema.tables {
            names.insert(table.name.name.clone());
            names.extend(table.columns.iter().map(|c| c.name.clone()));
            names.extend(table.indexes.iter().map(|i| i.name.clone()));
            names.extend(table.foreign_keys.iter().map(|k| k.name.clone()));
            names.extend(table.checks.iter().map(|c| c.name.clone()));
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// `name`, if the schema has it.
    pub(super) fn confirm(&self, name: Option<&str>) -> Option<String> {
        let name = name?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}
