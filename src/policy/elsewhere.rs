//! Purposes of one source that keep fields of records in another, of the person whom both are about: "while a contract runs in the contract base, the
//! customer base keeps the identity". Such a purpose never covers a record elsewhere: when it has ended, it says nothing of what becomes of the fields
//! there, and the purposes of their own source do.

use std::collections::BTreeSet;

use super::map::{DataSet, SubjectColumn};
use super::purpose::{Needs, Policy, Purpose};

/// A category of another source: `source.data_set.category`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct There<'n> {
    /// The source.
    pub source: &'n str,
    /// The data set.
    pub data_set: &'n str,
    /// The category.
    pub category: &'n str,
}

/// The category of another source that a need names, if it names one.
#[must_use]
pub fn there(need: &str) -> Option<There<'_>> {
    let mut parts = need.split('.');
    let (source, data_set, category) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(There { source, data_set, category })
}

impl Purpose {
    /// The categories of other sources that it needs.
    pub fn needs_elsewhere(&self) -> impl Iterator<Item = There<'_>> {
        let list = match &self.needs.value {
            Needs::These(list) if self.is_active() => list.as_slice(),
            _ => &[],
        };
        list.iter().filter_map(|need| there(need))
    }

    /// Its name among those of all sources.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.data.source, self.id)
    }
}

/// A purpose of another source that needs fields of a data set.
#[derive(Debug, Clone)]
pub struct Needing<'a> {
    /// The purpose.
    pub purpose: &'a Purpose,
    /// Its policy.
    pub policy: &'a Policy,
    /// The categories that it needs.
    pub categories: BTreeSet<&'a str>,
}

/// The purposes of other sources that need fields of a data set of this one.
pub fn needing<'a>(policies: &'a [Policy], source: &str, data_set: &str) -> Vec<Needing<'a>> {
    let all = policies.iter().flat_map(|policy| policy.purposes.iter().map(move |purpose| (policy, purpose)));
    let needing = all.filter(|(_, purpose)| purpose.data.source != *source).map(|(policy, purpose)| {
        let here = purpose.needs_elsewhere().filter(|n| n.source == source && n.data_set == data_set);
        Needing { purpose, policy, categories: here.map(|n| n.category).collect() }
    });
    needing.filter(|n| !n.categories.is_empty()).collect()
}

/// Whether a policy has a purpose for a source, or one that needs something there.
#[must_use]
pub fn concerns(policy: &Policy, source: &str) -> bool {
    policy.purposes.iter().any(|p| p.data.source == source || p.needs_elsewhere().any(|n| n.source == source))
}

/// The person by whom the records of a data set are found elsewhere: the only one that they are about.
#[must_use]
pub fn person(data: &DataSet) -> Option<&SubjectColumn> {
    match data.subjects.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}
