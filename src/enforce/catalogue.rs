//! Who lies in which archive, by keyed names: nothing is opened for it.

use super::error::EnforceError;
use super::kept::{first_sealed, sealed_of};
use crate::journal::{Journal, KeyId, MacOf, Name, Reader, Sealed};
use crate::plan::key::RecordKey;
use crate::state::{SealedQuery, SealedRow};

/// How many objects are asked for at once.
const PAGE: u32 = 500;

/// An object that was sealed and not destroyed.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it stands in the catalogue.
    pub row: SealedRow,
    /// What the journal says of it.
    pub sealed: Sealed,
    /// The key under which it names its records.
    pub key_id: KeyId,
    /// The entry that sealed what is in it first.
    pub since: u64,
}

/// Goes through the catalogue, a page at a time.
#[derive(Debug, Default)]
pub struct Pages {
    query: SealedQuery,
    over: bool,
}

impl Pages {
    /// The objects of one data set.
    #[must_use]
    pub fn of(source: &Name, data_set: &Name) -> Self {
        let (source, data_set) = (Some(source.to_string()), Some(data_set.to_string()));
        Self { query: SealedQuery { source, data_set, ..SealedQuery::default() }, over: false }
    }

    /// The next objects; `None` when there are no more.
    ///
    /// # Errors
    /// Of the journal.
    pub async fn next(&mut self, reader: &Reader) -> Result<Option<Vec<Found>>, EnforceError> {
        if self.over {
            return Ok(None);
        }
        let page = reader.sealed(self.query.clone(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.query.after = Some((last.batch, last.part));
        self.over = page.len() < PAGE as usize;
        let mut all = Vec::new();
        for row in page {
            let Some((sealed, key_id)) = sealed_of(reader, &row).await? else { continue };
            let since = first_sealed(reader, &row).await?;
            all.push(Found { row, sealed, key_id, since });
        }
        Ok(Some(all))
    }
}

/// The objects in archives that hold something of a record of a root data set, oldest first. Objects whose MAC key was destroyed name nobody any
/// more.
///
/// # Errors
/// Of the journal.
pub async fn find(journal: &Journal, source: &Name, data_set: &Name, key: &RecordKey) -> Result<Vec<Found>, EnforceError> {
    let (reader, mut pages, mut all) = (journal.reader(), Pages::of(source, data_set), Vec::new());
    while let Some(page) = pages.next(&reader).await? {
        all.extend(page.into_iter().filter(|found| {
            let mac = journal.mac_keys().mac_of(MacOf::Record, found.key_id, source, data_set, key);
            mac.is_some_and(|mac| found.sealed.macs.contains(mac))
        }));
    }
    all.sort_by_key(|found| (found.since, found.row.part));
    Ok(all)
}
