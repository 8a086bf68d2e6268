//! What was written before while one plan is compiled: predicates repeat themselves.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::boolean::B;
use crate::policy::map::DataSet;

/// What was written before: of a purpose, by its index, over a row of its data set of some alias, as every predicate about a record speaks of its
/// purposes; and of a record, while it is asked about others.
#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<HashMap<(&'static str, usize, String), B>>);

impl Memo {
    /// Of a record of this alias, while it is asked about those of other data sets.
    pub(super) fn of_record(
        &self,
        what: &'static str,
        data: &DataSet,
        alias: &str,
        stack: &[&str],
        write: impl FnOnce() -> B,
    ) -> B {
        // Neither ids nor aliases have white space.
        self.of((what, stack.len(), &format!("{alias} {} {}", data.id, stack.join(" "))), write)
    }

    /// Of a purpose, by its index, over a row of this alias.
    pub(super) fn of(&self, (what, purpose, place): (&'static str, usize, &str), write: impl FnOnce() -> B) -> B {
        let key = (what, purpose, place.to_owned());
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let written = write();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, written.clone());
            written
        })
    }
}
