//! What undoing a run would bring back, from the journal alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::share::{Asked, shares};
use super::walk::{Applied, Undone, Walk, walk};
use crate::enforce::error::EnforceError;
use crate::journal::{Action, Event, Hash, Id128, Instant, Name, Reader};

/// How many entries are read at once.
const PAGE: u32 = 50;

/// What a run took, and what of it can come back.
#[derive(Debug, Clone, Serialize)]
pub struct Account {
    /// The run.
    pub run: Id128,
    /// When it began.
    pub started: Instant,
    /// By data set and action.
    pub groups: Vec<Group>,
    /// What has to be undone before, because these records belong to records that later runs deleted.
    pub first: Vec<First>,
    /// The archives that would be opened.
    pub archives: BTreeSet<String>,
    /// The first last day of these objects: from the next one on, less comes back. Absent when none is known.
    pub until: Option<String>,
    /// Over exactly what would be put back.
    pub plan: Hash,
}

/// Records of one data set to which a run did one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The data set.
    pub data_set: Name,
    /// What was done.
    pub action: Action,
    /// Records, those that can come back and those that cannot.
    pub records: u64,
    /// Those that can come back.
    pub back: u64,
    /// How many of these come back without some of their fields, whose objects are gone.
    pub part: u64,
    /// Those that are back already.
    pub again: u64,
    /// Those that were sealed nowhere.
    pub unsealed: u64,
    /// Those whose objects are destroyed.
    pub destroyed: u64,
    /// Those whose time in the archive is over.
    pub over: u64,
    /// Those that lie in archives alone that are left out.
    pub left_out: u64,
    /// Files beside their objects.
    pub files: u64,
}

/// Records that a later run deleted, in a data set that records of this run belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct First {
    /// The later run.
    pub run: Id128,
    /// The data set.
    pub data_set: Name,
    /// Records that it deleted and that are not back.
    pub records: u64,
}

/// Everything that undoing rests on.
pub(super) struct Outlook {
    pub(super) account: Account,
    /// The batches with something to put back, the newest first.
    pub(super) batches: Vec<Applied>,
    pub(super) undone: Undone,
}

/// Adds up what can come back of a run.
///
/// # Errors
/// [`EnforceError::NoSuchRun`], [`EnforceError::RunOpen`]; of the journal.
pub async fn preview(reader: &Reader, asked: Asked<'_>) -> Result<Account, EnforceError> {
    Ok(outlook(reader, asked, None).await?.account)
}

/// Adds up what can come back of a run, as if nothing had come back yet under the plan `but`.
///
/// # Errors
/// As of [`preview`].
pub(super) async fn outlook(reader: &Reader, asked: Asked<'_>, but: Option<Hash>) -> Result<Outlook, EnforceError> {
    let Walk { started, mut batches, behind } = walk(reader, asked.source, asked.run).await?;
    let undone = Undone::read(reader, asked.source).await?;
    let mut hash = Sha256::new();
    hash.update(format!("retentiond undo 1\nsource {}\nrun {}\nmap {}\n", asked.source, asked.run, asked.map_hash));
    let (mut groups, mut archives, mut until) = (BTreeMap::<(Name, Action), Group>::new(), BTreeSet::new(), None::<String>);
    let (mut roots, mut useful) = (BTreeSet::new(), Vec::new());
    batches.reverse();
    for applied in batches {
        let mut any = false;
        for share in shares(reader, asked, &applied, &undone, but).await? {
            let group = groups.entry((share.data_set.clone(), share.action)).or_insert_with(|| Group {
                data_set: share.data_set.clone(),
                action: share.action,
                records: 0,
                back: 0,
                part: 0,
                again: 0,
                unsealed: 0,
                destroyed: 0,
                over: 0,
                left_out: 0,
                files: 0,
            });
            group.records += share.records();
            group.back += share.left.len();
            group.part += share.part;
            group.again += share.again;
            group.unsealed += share.unsealed;
            group.destroyed += share.destroyed;
            group.over += share.over;
            group.left_out += share.left_out;
            group.files += share.files();
            if share.left.is_empty() {
                continue;
            }
            any = true;
            share.hash(&mut hash);
            roots.insert(share.data_set.clone());
            for found in &share.objects {
                archives.insert(found.row.archive.clone());
                let end = found.row.until.clone();
                until = [until, end].into_iter().flatten().min();
            }
        }
        if any {
            useful.push(applied);
        }
    }
    let first = first(reader, asked, &roots, behind, &undone).await?;
    let plan = Hash(hash.finalize().into());
    let groups = groups.into_values().collect();
    let account = Account { run: asked.run, started, groups, first, archives, until, plan };
    Ok(Outlook { account, batches: useful, undone })
}

/// What later runs deleted of the data sets that these belong to.
async fn first(
    reader: &Reader,
    asked: Asked<'_>,
    roots: &BTreeSet<Name>,
    behind: u64,
    undone: &Undone,
) -> Result<Vec<First>, EnforceError> {
    let mut above: BTreeSet<&str> = BTreeSet::new();
    let mut left: Vec<&str> = roots.iter().map(Name::as_str).collect();
    while let Some(id) = left.pop() {
        let members = asked.map.data_set(id).map(|data| asked.map.record_of(data)).unwrap_or_default();
        for parent in members.into_iter().filter_map(|data| data.parent.as_ref()).filter(|p| !p.follows) {
            if above.insert(parent.data.value.as_str()) {
                left.push(&parent.data.value);
            }
        }
    }
    let mut batches: HashMap<Id128, (Id128, Name)> = HashMap::new();
    let mut all: BTreeMap<(Id128, Name), u64> = BTreeMap::new();
    let mut from = behind;
    while !above.is_empty() {
        let page = reader.entries(from, PAGE).await?;
        let Some(last) = page.last() else { break };
        from = last.seq + 1;
        for entry in page {
            match entry.event {
                Event::Intent { run, batch, source, data_set, action: Action::Delete, .. }
                    if source == *asked.source && above.contains(data_set.as_str()) =>
                {
                    batches.insert(batch, (run, data_set));
                }
                Event::Applied { batch, rows, .. } => {
                    if let Some(of) = batches.get(&batch) {
                        *all.entry(of.clone()).or_default() += rows.saturating_sub(undone.count(batch));
                    }
                }
                _ => {}
            }
        }
    }
    let later = all.into_iter().filter(|(_, records)| *records > 0);
    Ok(later.map(|((run, data_set), records)| First { run, data_set, records }).collect())
}
