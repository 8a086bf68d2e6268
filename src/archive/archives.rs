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

/// The segment of a source in names of objects: its id, with `.`, which no id has, for the `:` of a tenant's.
fn segment(source: &str) -> String {
    source.replace(':', ".")
}

/// The name of an object: `source/batch/until-part.jsonl.zst.age`, with `open` instead of a day that is not known when it is sealed.
///
/// # Errors
/// [`InvalidName`] for a source or a batch that is no segment of a name.
pub fn object_name(source: &str, batch: &str, until: Option<NaiveDate>, part: u32) -> Result<ObjectName, InvalidName> {
    let until = until.map_or_else(|| "open".to_owned(), |day| day.to_string());
    let source = segment(source);
    ObjectName::new(&format!("{source}/{batch}/{until}-{part}.jsonl.zst.age"))
}

/// The name of a file that was sealed beside an object: `source/batch/until-part.file-n.zst.age`.
///
/// # Errors
/// [`InvalidName`] for a source or a batch that is no segment of a name.
pub fn file_name(source: &str, batch: &str, until: Option<NaiveDate>, part: u32, file: u64) -> Result<ObjectName, InvalidName> {
    let until = until.map_or_else(|| "open".to_owned(), |day| day.to_string());
    ObjectName::new(&format!("{}/{batch}/{until}-{part}.file-{file}.zst.age", segment(source)))
}

/// The number, among the objects of its batch, of the object that has this name, or beside which the file was sealed that has it.
#[must_use]
pub fn part_of(name: &ObjectName) -> Option<u32> {
    let (_, last) = name.split();
    let (before, _) = last.split_once(".jsonl.").or_else(|| last.split_once(".file-"))?;
    before.rsplit_once('-')?.1.parse().ok()
}

/// The common beginning of the names of a batch's objects.
///
/// # Errors
/// [`InvalidName`] for a source or a batch that is no segment of a name.
pub fn objects_of(source: &str, batch: &str) -> Result<ObjectName, InvalidName> {
    ObjectName::new(&format!("{}/{batch}", segment(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_of_a_tenant_have_a_segment_of_their_own() {
        let names =
            ["crm:north", "crm:north-1", "crm-north", "crm_north", "crm"].map(|s| objects_of(s, "0f").unwrap().to_string());
        assert_eq!(names, ["crm.north/0f", "crm.north-1/0f", "crm-north/0f", "crm_north/0f", "crm/0f"]);
        let name = object_name("crm:north", "0f", None, 0).unwrap();
        assert_eq!(name.to_string(), "crm.north/0f/open-0.jsonl.zst.age");
        let name = file_name("crm:north", "0f", None, 0, 12).unwrap();
        assert_eq!(name.to_string(), "crm.north/0f/open-0.file-12.zst.age");
    }
}
