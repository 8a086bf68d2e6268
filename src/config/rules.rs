//! The rules of all sources. Those of a family are kept once: a tenant's are made from them when they are asked for, so that a thousand tenants take
//! hardly more memory than one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::family::{source_of, tenant_of};
use crate::enforce::{AskedOf, Documents};
use crate::policy::bound::RunTime;
use crate::policy::elsewhere::there;
use crate::policy::map::DataMap;
use crate::policy::purpose::{Needs, Policy};
use crate::policy::reader::shown;

/// Everything that applies to one source.
#[derive(Debug, Clone)]
pub struct SourceRules {
    /// Its data map.
    pub map: DataMap,
    /// The policies with a purpose for it, or with one that keeps something of it.
    pub policies: Vec<Policy>,
    /// The texts of both.
    pub documents: Documents,
}

impl SourceRules {
    /// The zone in which the source's days are counted where no purpose says otherwise: that of its first policy.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.policies.first().map_or(chrono_tz::Europe::Paris, |p| p.time_zone)
    }

    /// The day that it is for the source: that of its orders, and of runs.
    #[must_use]
    pub fn today(&self, now: DateTime<Utc>) -> NaiveDate {
        RunTime { now, zone: self.zone() }.today()
    }

    /// The day that it is for a purpose, in its policy's zone; for one that no policy has any more, the source's.
    #[must_use]
    pub fn today_of(&self, purpose: &str, now: DateTime<Utc>) -> NaiveDate {
        let of = self.policies.iter().find(|policy| policy.purposes.iter().any(|p| p.id.value == purpose));
        RunTime { now, zone: of.map_or_else(|| self.zone(), |policy| policy.time_zone) }.today()
    }

    /// The same rules for the source of one tenant, with the dates that its control database gave. They stand in the map's text: plans and journal
    /// say by its hash which they were. Where they name a family, its own or another, they name the source of that family's tenant of the same name: nothing
    /// of another tenant is ever a copy of this one's, or asked about its people.
    fn for_tenant(&self, source: &str, given: &Given, families: &BTreeSet<String>) -> Self {
        let mut rules = self.clone();
        let tenant = tenant_of(source).unwrap_or_default();
        let own = |id: &mut String| {
            if families.contains(id) {
                *id = source_of(id, tenant);
            }
        };
        let date = |column: &str| given.iter().find(|(name, _)| **name == *column).and_then(|(_, day)| *day);
        for column in rules.map.given_columns() {
            let day = date(&column).map_or_else(|| "no date".to_owned(), |day| day.to_string());
            rules.documents.map.push_str(&format!("\n# given to {source}: {} = {day}", shown(&column)));
        }
        rules.map.give(date);
        own(&mut rules.map.source.value);
        for copy in rules.map.data_sets.iter_mut().flat_map(|d| &mut d.copies) {
            own(&mut copy.of.value.source);
        }
        for purpose in rules.policies.iter_mut().flat_map(|p| &mut p.purposes) {
            own(&mut purpose.data.value.source);
            if let Needs::These(list) = &mut purpose.needs.value {
                for need in list {
                    let Some(at) = there(need).map(|of| of.source.len()) else { continue };
                    let mut of = need[..at].to_owned();
                    own(&mut of);
                    need.value.replace_range(..at, &of);
                }
            }
        }
        rules
    }

    /// The other sources that are asked while this one is worked on: for copies, and whether they need somebody.
    #[must_use]
    pub fn asked(&self) -> BTreeSet<String> {
        let copies = self.map.data_sets.iter().flat_map(|d| &d.copies).map(|c| c.of.source.clone());
        copies.chain(AskedOf::all(&self.map, &self.policies).into_keys()).collect()
    }
}

/// What applies to each source.
#[derive(Debug, Default)]
pub struct Rules {
    of: BTreeMap<String, (Arc<SourceRules>, Given)>,
    /// The ids of the families, also of those whose tenants are not known yet.
    pub(super) families: BTreeSet<String>,
}

/// The dates that a control database gave for one tenant, by the columns of its answer.
pub type Given = Vec<(Arc<str>, Option<NaiveDate>)>;

impl Rules {
    /// The rules of a source.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<SourceRules>> {
        let (of, given) = self.of.get(id)?;
        Some(if of.map.source.value == id { Arc::clone(of) } else { Arc::new(of.for_tenant(id, given, &self.families)) })
    }

    /// Whether there is such a source.
    #[must_use]
    pub fn contains_key(&self, id: &str) -> bool {
        self.of.contains_key(id)
    }

    /// The ids of all sources, in order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.of.keys()
    }

    /// All sources with their rules as they were read: those of a tenant name its family.
    pub fn as_read(&self) -> impl Iterator<Item = (&String, &SourceRules)> {
        self.of.iter().map(|(id, (rules, _))| (id, &**rules))
    }

    /// How many sources there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there is no source.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub(super) fn insert(&mut self, id: String, rules: Arc<SourceRules>, given: Given) {
        self.of.insert(id, (rules, given));
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Arc<SourceRules>> {
        self.of.remove(id).map(|(rules, _)| rules)
    }
}
