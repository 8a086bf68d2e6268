//! Holds and restrictions that reach into archives, by the keyed names of what they cover.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::error::EnforceError;
use super::fence::{Fence, check_slot};
use super::orders::{subject_key, tenant_key};
use super::subjects::text_of;
use crate::journal::{Journal, KeyId, Mac, MacOf, Name, Sealed};
use crate::plan::dialect::Dialect;
use crate::plan::key::RecordKey;
use crate::plan::schema::Column;
use crate::plan::subject::SubjectAt;
use crate::source::{Session, Source};

/// What holds and restrictions of a source cover.
#[derive(Default)]
pub(super) struct Frozen {
    records: Vec<(String, RecordKey)>,
    tenants: Vec<(String, String)>,
    subjects: Vec<(String, RecordKey)>,
    /// Data sets of which an order covers something that cannot be named: nothing of theirs is destroyed.
    whole: BTreeSet<String>,
}

impl Frozen {
    /// Reads the holds and restrictions that stand on this day.
    ///
    /// # Errors
    /// Of the database.
    pub async fn read(
        session: &mut Session,
        (keys, subjects): (&BTreeMap<String, Vec<Column>>, &[SubjectAt]),
        source: &str,
        today: NaiveDate,
    ) -> Result<Self, EnforceError> {
        let d = Dialect { engine: session.engine() };
        let mut all = Self::default();
        for row in session.rows(&d.freezing_orders(source, today)).await? {
            let text = |i: usize| row.get(i).and_then(Option::as_deref).unwrap_or_default();
            let (data_set, scope, target) = (text(0), text(1), text(2));
            if scope == "tenant" {
                all.tenants.push((data_set.to_owned(), target.to_owned()));
                continue;
            }
            if scope == "subject" {
                let mut at = subjects.iter().filter(|at| at.data_set == data_set);
                match at.find_map(|at| Some(subject_key(&at.subject, text_of(&at.person(d, target)?)))) {
                    Some(person) => all.subjects.push((data_set.to_owned(), person)),
                    None => drop(all.whole.insert(data_set.to_owned())),
                }
                continue;
            }
            match keys.get(data_set).and_then(|columns| d.key_of_target(columns, target)) {
                Some(key) => all.records.push((data_set.to_owned(), key)),
                None => {
                    all.whole.insert(data_set.to_owned());
                }
            }
        }
        Ok(all)
    }

    /// Whether no such order stands.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.tenants.is_empty() && self.subjects.is_empty() && self.whole.is_empty()
    }

    /// Whether one of them covers a record of this object, whose MACs are under this key.
    pub fn covers(&self, journal: &Journal, source: &Name, object: &Sealed, key_id: KeyId) -> bool {
        if self.whole.contains(object.data_set.as_str()) {
            return true;
        }
        let data_set = &object.data_set;
        let of = |kind: MacOf, key: &RecordKey| journal.mac_keys().mac_of(kind, key_id, source, data_set, key);
        // Without the key nobody knows whom the object names: it stays.
        let reaches = |macs: &crate::journal::Macs, mac: Option<Mac>| mac.is_none_or(|mac| macs.contains(mac));
        let mut records = self.records.iter().filter(|(d, _)| d == data_set.as_str());
        let mut tenants = self.tenants.iter().filter(|(d, _)| d == data_set.as_str());
        let mut subjects = self.subjects.iter().filter(|(d, _)| d == data_set.as_str());
        records.any(|(_, key)| reaches(&object.macs, of(MacOf::Record, key)))
            // Where no tenant could be read, nobody can say that it is another one.
            || tenants.any(|(_, value)| object.tenants.is_empty() || reaches(&object.tenants, of(MacOf::Tenant, &tenant_key(value))))
            // The same of persons.
            || subjects.any(|(_, person)| object.subjects.is_empty() || reaches(&object.subjects, of(MacOf::Subject, person)))
    }
}

/// Where holds and restrictions are read from, and how they are kept from changing.
pub(super) struct Holds<'h> {
    /// The source.
    pub source: &'h Source,
    /// The right to act, whose first slot is taken.
    pub fence: &'h Fence,
    /// The key columns of each root data set.
    pub keys: &'h BTreeMap<String, Vec<Column>>,
    /// The columns that identify persons.
    pub subjects: &'h [SubjectAt],
    /// The day.
    pub today: NaiveDate,
}

impl Holds<'_> {
    /// The holds and restrictions that stand, and the transaction that keeps others from being placed: whoever places one takes all slots.
    ///
    /// # Errors
    /// Of the database; [`EnforceError::FencedOff`].
    pub async fn keep(&self) -> Result<(Session, Frozen), EnforceError> {
        let mut session = self.source.session().await?;
        let d = Dialect { engine: session.engine() };
        let mut begin = d.begin_patiently();
        let lock = d.lock_slot(&self.fence.source, self.fence.slots.first().copied().unwrap_or_default());
        begin.push(&lock);
        let answer = session.script(&begin).await?.pop().map(|a| a.rows).unwrap_or_default();
        check_slot(&answer, self.fence)?;
        let frozen = Frozen::read(&mut session, (self.keys, self.subjects), &self.fence.source, self.today).await?;
        Ok((session, frozen))
    }
}
