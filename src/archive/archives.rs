//! The archives of the settings, opened.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{InvalidName, ObjectName, Recipients, Store};

/// One archive: where its objects lie, and who can open them.
#[derive(Debug)]
pub struct Archive {
    /// Where they lie.
    pub store: Store,
    /// Who can open them; this program cannot.
    pub recipients: Recipients,
}

/// The archives by name.
#[derive(Debug, Default)]
pub struct Archives(pub BTreeMap<String, Archive>);

impl Archives {
    /// The archive of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Archive> {
        self.0.get(name)
    }
}

/// The name of an object: `source/batch/until-part.jsonl.zst.age`, with `open` instead of a day that is not known when it is sealed.
///
/// # Errors
/// [`InvalidName`] for a source or a batch that is no segment of a name.
pub fn object_name(source: &str, batch: &str, until: Option<NaiveDate>, part: u32) -> Result<ObjectName, InvalidName> {
    let until = until.map_or_else(|| "open".to_owned(), |day| day.to_string());
    ObjectName::new(&format!("{source}/{batch}/{until}-{part}.jsonl.zst.age"))
}

/// The common beginning of the names of a batch's objects.
///
/// # Errors
/// [`InvalidName`] for a source or a batch that is no segment of a name.
pub fn objects_of(source: &str, batch: &str) -> Result<ObjectName, InvalidName> {
    ObjectName::new(&format!("{source}/{batch}"))
}
