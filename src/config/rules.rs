//! The rules of all sources. Those of a family are kept once: a tenant's are made from them when they are asked for, so that a thousand tenants take
//! hardly more memory than one.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use crate::enforce::Documents;
use crate::policy::map::DataMap;
use crate::policy::purpose::Policy;
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
    /// The same rules for the source of one tenant, with the dates that its control database gave. They stand in the map's text: plans and journal
    /// say by its hash which they were.
    fn for_tenant(&self, source: &str, given: &Given) -> Self {
        let mut rules = self.clone();
        let date = |column: &str| given.iter().find(|(name, _)| **name == *column).and_then(|(_, day)| *day);
        for column in rules.map.given_columns() {
            let day = date(&column).map_or_else(|| "no date".to_owned(), |day| day.to_string());
            rules.documents.map.push_str(&format!("\n# given to {source}: {} = {day}", shown(&column)));
        }
        rules.map.give(date);
        let family = std::mem::replace(&mut rules.map.source.value, source.to_owned());
        for purpose in rules.policies.iter_mut().flat_map(|p| &mut p.purposes).filter(|p| p.data.source == family) {
            purpose.data.value.source = source.to_owned();
        }
        rules
    }
}

/// What applies to each source.
#[derive(Debug, Default)]
pub struct Rules {
    of: BTreeMap<String, (Arc<SourceRules>, Given)>,
}

/// The dates that a control database gave for one tenant, by the columns of its answer.
pub type Given = Vec<(Arc<str>, Option<NaiveDate>)>;

impl Rules {
    /// The rules of a source.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<SourceRules>> {
        let (of, given) = self.of.get(id)?;
        Some(if of.map.source.value == id { Arc::clone(of) } else { Arc::new(of.for_tenant(id, given)) })
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
