//! Opening what a batch sealed, as a whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::share::Share;
use crate::archive::{Archives, FileLine, Identities};
use crate::enforce::error::EnforceError;
use crate::enforce::unseal::{Rows, Unsealed, Why, file_of, pointed, read_object, rows_of};
use crate::journal::{Event, Journal, JournalError, Mac, Name, ObjectRef};
use crate::plan::key::RecordKey;
use crate::plan::resolve::Resolved;

/// A record of which objects hold something.
#[derive(Debug)]
pub(super) struct Lost {
    /// Its keyed name, under the key of the batch.
    pub(super) mac: Mac,
    /// Its key.
    pub(super) key: RecordKey,
    /// What each object holds of it, the oldest first.
    pub(super) objects: Vec<Unsealed>,
}

/// Opens the objects of a batch, once the journal says so, and takes these records out of them, in the order of the objects.
///
/// # Errors
/// Of the journal, of an archive, of an identity that opens nothing, of an object that is not the one that was sealed.
pub(super) async fn open(
    (journal, archives): (&Journal, &Archives),
    resolved: &Resolved<'_>,
    source: &Name,
    share: &Share,
    wanted: &HashSet<[u8; 16]>,
    identities: &Identities,
    why: &Why,
) -> Result<Vec<Lost>, EnforceError> {
    let d = resolved.dialect;
    let data = resolved.map.data_set(share.data_set.as_str()).ok_or(EnforceError::Unknown("data set of an archived row"))?;
    let columns = resolved.key_columns(data);
    journal.append(opened(source, share, why)).await?;
    let mut all: BTreeMap<usize, Lost> = BTreeMap::new();
    let mut places: HashMap<[u8; 16], usize> = HashMap::new();
    for found in &share.objects {
        let bytes = read_object(archives, source, found).await?;
        let named = |key: &RecordKey| journal.mac_keys().mac(found.key_id, source, &share.data_set, key);
        let left = |key: Option<&RecordKey>| {
            key.and_then(named).is_none_or(|mac| wanted.contains(&mac.0) || !found.sealed.macs.contains(mac))
        };
        let (header, records, files) = rows_of(d, &columns, bytes, identities, &left)?;
        let header = Arc::new(header);
        for Rows { key, rows } in records {
            let key = key.ok_or(EnforceError::Unknown("key of a record in an object: it is read in another way now"))?;
            let mac = named(&key).ok_or(EnforceError::Journal(JournalError::MissingMacKey(found.key_id)))?;
            // Its hash is the journal's: an object that holds another record than it names is a key that is read in another way now.
            if !found.sealed.macs.contains(mac) {
                return Err(EnforceError::Unknown(
                    "record in an object that does not name it: its key is read in another way now",
                ));
            }
            let mut of_record = Vec::new();
            let names = pointed(&header, &rows);
            let own = |line: &&FileLine| names.contains(&(line.store.as_str(), line.path.clone()));
            for line in files.iter().filter(own) {
                of_record.push(file_of(source, found, line)?);
            }
            let object = Unsealed { header: Arc::clone(&header), rows, files: of_record };
            let next = places.len();
            let at = *places.entry(mac.0).or_insert(next);
            all.entry(at).or_insert_with(|| Lost { mac, key, objects: Vec::new() }).objects.push(object);
        }
    }
    Ok(all.into_values().collect())
}

/// What the journal says before anything is opened.
fn opened(source: &Name, share: &Share, why: &Why) -> Event {
    Event::ArchiveOpened {
        source: source.clone(),
        data_set: share.data_set.clone(),
        access: why.access,
        key_id: None,
        mac: None,
        objects: objects_of(share),
        actor: why.actor.clone(),
        reason: why.reason,
        reference: why.reference.clone(),
    }
}

/// The objects that are opened.
pub(super) fn objects_of(share: &Share) -> Vec<ObjectRef> {
    share.objects.iter().map(|found| ObjectRef { batch: share.batch, part: found.row.part }).collect()
}
