//! What a batch took of one data set: where each of its records lies, and which of them can come back.

use std::collections::{BTreeSet, HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use super::walk::{Applied, Undone};
use crate::enforce::catalogue::Found;
use crate::enforce::error::EnforceError;
use crate::enforce::kept::sealed_of;
use crate::journal::{Action, Day, Event, Hash, Id128, KeyId, Macs, Name, RESTS_FROM, Reader, RelatedAction, Sealed};
use crate::policy::map::DataMap;
use crate::state::{SealedQuery, SealedRow};

/// What is to be undone.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The source.
    pub source: &'a Name,
    /// The run.
    pub run: Id128,
    /// Only from these archives; from all without.
    pub archives: Option<&'a BTreeSet<String>>,
    /// The source's data map.
    pub map: &'a DataMap,
    /// Its document.
    pub map_hash: Hash,
    /// Today: what was to be kept until an earlier day does not come back.
    pub today: Day,
}

/// The records of one root data set that a batch took.
#[derive(Debug)]
pub(super) struct Share {
    /// The batch.
    pub(super) batch: Id128,
    /// The data set.
    pub(super) data_set: Name,
    /// What the batch did.
    pub(super) action: Action,
    /// Whether these rows went.
    pub(super) deleted: bool,
    /// The data sets of which rows went.
    pub(super) went: BTreeSet<String>,
    /// The key of its MACs.
    pub(super) key_id: KeyId,
    /// The objects that can be opened, in their order.
    pub(super) objects: Vec<Found>,
    /// The records that can come back, in the batch's order.
    pub(super) left: Macs,
    /// How many of these come back without some of their fields.
    pub(super) part: u64,
    /// Records that are back already.
    pub(super) again: u64,
    /// Records that were sealed nowhere.
    pub(super) unsealed: u64,
    /// Records whose objects are destroyed.
    pub(super) destroyed: u64,
    /// Records whose time in the archive is over.
    pub(super) over: u64,
    /// Records that lie in archives alone that are left out.
    pub(super) left_out: u64,
}

impl Share {
    /// All its records.
    pub(super) fn records(&self) -> u64 {
        self.left.len() + self.again + self.unsealed + self.destroyed + self.over + self.left_out
    }

    /// Files beside its objects.
    pub(super) fn files(&self) -> u64 {
        self.objects.iter().map(|found| found.sealed.files.len() as u64).sum()
    }

    /// Enters what is to come back into a hash: from which objects, whose records.
    pub(super) fn hash(&self, hash: &mut Sha256) {
        let records = hex::encode(Sha256::digest(self.left.as_bytes()));
        hash.update(format!("batch {} {} {} {} {records}\n", self.batch, self.data_set, self.action, self.left.len()));
        for found in &self.objects {
            let until = found.row.until.as_deref().unwrap_or("open");
            hash.update(format!("object {} {} {until}\n", found.row.part, found.sealed.sha256));
        }
    }
}

/// Reads what a batch took, by data set; what is back is not counted as back where it came back under the plan `but`.
///
/// # Errors
/// Of the journal.
pub(super) async fn shares(
    reader: &Reader,
    asked: Asked<'_>,
    applied: &Applied,
    undone: &Undone,
    but: Option<Hash>,
) -> Result<Vec<Share>, EnforceError> {
    let entry = reader.entry(applied.seq).await?.map(|e| e.event);
    let Some(Event::Applied { related, key_id, macs, sealed, .. }) = entry else {
        return Err(EnforceError::Unknown("entry of a batch"));
    };
    let query = SealedQuery { batch: Some(applied.batch.0), ..SealedQuery::default() };
    let there = reader.sealed(query, u32::MAX).await?;
    let mut sealed = sealed;
    for row in there.iter().filter(|row| row.part >= RESTS_FROM) {
        sealed.extend(sealed_of(reader, row).await?.map(|(rest, _)| rest));
    }
    let mut went: BTreeSet<String> =
        related.iter().filter(|r| r.action == RelatedAction::Deleted).map(|r| r.data_set.to_string()).collect();
    let deleted = applied.action == Action::Delete;
    if deleted {
        went.insert(applied.data_set.to_string());
    }
    let root = |name: &Name| asked.map.data_set(name.as_str()).is_none_or(|data| asked.map.root_of(data).id == data.id);
    let mut sets = vec![(applied.data_set.clone(), deleted, macs)];
    for r in related.into_iter().filter(|r| !r.macs.is_empty() && root(&r.data_set)) {
        let gone = r.action == RelatedAction::Deleted;
        match sets.iter_mut().find(|(name, of, _)| (name, *of) == (&r.data_set, gone)) {
            Some((_, _, macs)) => {
                *macs = Macs::from_bytes([macs.as_bytes(), r.macs.as_bytes()].concat())?;
            }
            None => sets.push((r.data_set, gone, r.macs)),
        }
    }
    let mut all = Vec::new();
    for (data_set, deleted, macs) in sets {
        let mut share = Share {
            batch: applied.batch,
            data_set,
            action: applied.action,
            deleted,
            went: went.clone(),
            key_id,
            objects: Vec::new(),
            left: Macs::default(),
            part: 0,
            again: 0,
            unsealed: 0,
            destroyed: 0,
            over: 0,
            left_out: 0,
        };
        if applied.reverted {
            share.again = macs.len();
        } else {
            sort(&mut share, asked, &macs, (&sealed, &there), undone, but);
        }
        all.push(share);
    }
    Ok(all)
}

/// Where a record lies.
#[derive(Debug, Clone, Copy, Default)]
struct Lies {
    /// Objects that can be opened.
    there: u64,
    /// Objects whose time is over.
    over: u64,
    /// Objects that are destroyed.
    destroyed: u64,
    /// Objects of archives that are left out.
    left_out: u64,
}

fn sort(
    share: &mut Share,
    asked: Asked<'_>,
    macs: &Macs,
    (sealed, there): (&[Sealed], &[SealedRow]),
    undone: &Undone,
    but: Option<Hash>,
) {
    let mut lies: HashMap<&[u8], Lies> = HashMap::new();
    let rests = sealed.iter().filter(|o| o.part >= RESTS_FROM && o.data_set == share.data_set);
    let rests: HashSet<(&Name, &Name, &[u8])> =
        rests.flat_map(|o| o.macs.as_bytes().chunks_exact(16).map(move |mac| (&o.archive, &o.purpose, mac))).collect();
    for object in sealed.iter().filter(|o| o.data_set == share.data_set) {
        if asked.archives.is_some_and(|only| !only.contains(object.archive.as_str())) {
            object.macs.as_bytes().chunks_exact(16).for_each(|mac| lies.entry(mac).or_default().left_out += 1);
            continue;
        }
        let row = there.iter().find(|row| row.part == object.part);
        let today = asked.today.to_string();
        let over = row.is_some_and(|row| row.until.as_ref().is_some_and(|until| *until < today));
        for mac in object.macs.as_bytes().chunks_exact(16) {
            let lies = lies.entry(mac).or_default();
            match row {
                // It lies in what is left of the object.
                None if rests.contains(&(&object.archive, &object.purpose, mac)) => {}
                None => lies.destroyed += 1,
                Some(_) if over => lies.over += 1,
                Some(_) => lies.there += 1,
            }
        }
        if let Some(row) = row.filter(|_| !over) {
            share.objects.push(Found { since: row.seq, row: row.clone(), sealed: object.clone(), key_id: share.key_id });
        }
    }
    let back = undone.of(share.batch, &share.data_set, but);
    let mut left = Vec::new();
    for mac in macs.as_bytes().chunks_exact(16) {
        let lies = lies.get(mac).copied().unwrap_or_default();
        if back.contains(mac) {
            share.again += 1;
        } else if lies.there > 0 {
            left.extend_from_slice(mac);
            share.part += u64::from(lies.over + lies.destroyed > 0);
        } else if lies.over > 0 {
            share.over += 1;
        } else if lies.destroyed > 0 {
            share.destroyed += 1;
        } else if lies.left_out > 0 {
            share.left_out += 1;
        } else {
            share.unsealed += 1;
        }
    }
    share.left = Macs::from_bytes(left).unwrap_or_default();
    if share.left.is_empty() {
        share.objects.clear();
    }
}
