//! Taking out of archived objects what is over, by an order or by its day, where it lies with what is to be kept: the holder of the identity opens the
//! object, its rest is sealed, written and read back, and stands for it from then on; then the object goes.
//!
//! Before the rest is in the journal, the object counts, and whatever there is of a rest is removed again; from then on, the rest counts, and whatever
//! there is of the object is removed. So each record is in one of them, whenever the program dies.

mod close;
mod rest;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::Serialize;

pub(super) use close::close;

use super::alive::alive;
use super::destruction::{name_of, object_of};
use super::error::EnforceError;
use super::fence::Fence;
use super::kept::{Kept, Terms, sealed_of};
use super::ordered::{Reached, place};
use super::prepare::Prepared;
use super::restore::restore;
use super::standing::{Ended, Ending, Frozen, Holds, Orders};
use super::unseal::Why;
use crate::archive::{Archive, Archives, Identities, OpenError, StoreError, part_of};
use crate::journal::{Code, Event, Id128, Journal, KeyId, Mac, Macs, Name, ObjectRef, RESTS_FROM, Sealed};
use crate::source::{Session, Source};
use crate::state::SealedRow;
use rest::{Rest, Split};

/// Everything that an erasure needs.
pub struct ErasureRequest<'a> {
    /// The source's connections.
    pub source: &'a Source,
    /// The plan of now.
    pub prepared: &'a Prepared,
    /// The journal.
    pub journal: &'a Journal,
    /// The fence, just taken.
    pub fence: Fence,
    /// The archives of the settings.
    pub archives: &'a Archives,
    /// Only in these; in all without.
    pub only: Option<&'a BTreeSet<String>>,
    /// What opens them.
    pub identities: &'a Arc<Identities>,
    /// Who, and why.
    pub why: Why,
}

/// What lies among others in one archive, and is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AmongOthers {
    /// The archive.
    pub archive: String,
    /// The data set.
    pub data_set: String,
    /// The purpose that kept it.
    pub purpose: String,
    /// Objects in which it lies.
    pub objects: u64,
    /// Records that can be taken out.
    pub records: u64,
    /// Records that holds or restrictions keep, in whatever objects.
    #[serde(skip_serializing_if = "is_zero")]
    pub held: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What was taken out of archives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Records that are gone.
    pub records: u64,
    /// Objects in which they were, each of which has a rest now.
    pub objects: u64,
    /// Records that a hold or a restriction keeps.
    pub held: u64,
    /// Records in objects that an Object Lock keeps as they are.
    pub locked: u64,
    /// Records in objects that the identity does not open.
    pub unopened: u64,
    /// Records whose object cannot be removed yet, although its rest stands for it: every run tries again.
    pub left: u64,
    /// Records that stay because something failed.
    pub failed: u64,
    /// The last reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Taken {
    /// Whether nothing stayed but what is held.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.locked + self.unopened + self.left + self.failed == 0
    }
}

/// What is over among others, by the journal and the orders that stand: opens nothing, changes nothing.
///
/// # Errors
/// Of database and journal.
pub async fn preview(
    source: &Source,
    prepared: &Prepared,
    journal: &Journal,
    only: Option<&BTreeSet<String>>,
) -> Result<Vec<AmongOthers>, EnforceError> {
    let name = Name::parse(&prepared.plan.source)?;
    let kept = Kept { journal, source: &name, terms: Terms::of(prepared) };
    let orders = Orders::of(source, prepared);
    let reached = kept.reached(orders).await?;
    let mut session = source.session().await?;
    let frozen = orders.freezing(&mut session).await?;
    let mut ending = orders.ending(&mut session, journal).await?;
    session.discard().await;
    let mut all = Vec::new();
    for ((archive, data_set, purpose), objects) in wanted(&kept, reached, &frozen, only).await? {
        let mut told = AmongOthers { archive, data_set, purpose, objects: 0, records: 0, held: 0 };
        for row in &objects {
            if let Some(going) = going(&kept, row, &mut ending, &frozen).await? {
                told.objects += u64::from(!going.macs.is_empty());
                told.records += going.macs.len() as u64;
                told.held += going.held;
            }
        }
        if told.records + told.held > 0 {
            all.push(told);
        }
    }
    Ok(all)
}

/// The objects that may have to be opened, by archive, data set and purpose: those that orders reach, and those that holds keep past their day.
async fn wanted(
    kept: &Kept<'_>,
    reached: Reached,
    frozen: &Frozen,
    only: Option<&BTreeSet<String>>,
) -> Result<BTreeMap<(String, String, String), Vec<SealedRow>>, EnforceError> {
    let mut all: BTreeMap<_, Vec<SealedRow>> = BTreeMap::new();
    for (place, of) in reached {
        all.insert(place, of.shared.into_iter().chain(of.objects).collect());
    }
    for group in kept.groups().await?.iter().filter(|group| group.due > 0 && frozen.concerns(&group.data_set)) {
        all.entry(place(group)).or_default().extend(kept.over(group).await?);
    }
    all.retain(|(archive, ..), _| only.is_none_or(|only| only.contains(archive)));
    Ok(all)
}

/// What is to leave an object.
struct Going {
    sealed: Sealed,
    key_id: KeyId,
    macs: HashSet<Mac>,
    /// Records that are over, and holds or restrictions keep.
    held: u64,
}

/// What is to leave an object, of which something stays; `None` where that is everything: the next run destroys it.
async fn going(kept: &Kept<'_>, row: &SealedRow, ending: &mut Ending, frozen: &Frozen) -> Result<Option<Going>, EnforceError> {
    let Some((sealed, key_id)) = sealed_of(&kept.journal.reader(), row).await? else { return Ok(None) };
    let all = || sealed.macs.as_bytes().chunks_exact(16).filter_map(|mac| Some(Mac(mac.try_into().ok()?))).collect();
    let mut macs = match kept.ended(row, ending).await? {
        Ended::Of(macs) if !kept.is_over(row)? => macs,
        Ended::Of(_) | Ended::All => all(),
    };
    let asked = macs.len() as u64;
    match frozen.records(kept.journal, kept.source, &sealed, key_id) {
        Some(held) => macs.retain(|mac| !held.contains(mac)),
        None => macs.clear(),
    }
    let left = macs.len() as u64;
    Ok((left < sealed.macs.len()).then_some(Going { sealed, key_id, macs, held: asked - left }))
}

/// Takes it out.
///
/// # Errors
/// Of database and journal. An object that cannot be opened, written or removed is in what is returned: the others go on.
pub async fn erase(request: ErasureRequest<'_>) -> Result<Taken, EnforceError> {
    let (journal, prepared) = (request.journal, request.prepared);
    let name = Name::parse(&prepared.plan.source)?;
    let orders = Orders::of(request.source, prepared);
    let kept = Kept { journal, source: &name, terms: Terms::of(prepared) };
    let mut session = request.source.session().await?;
    close(&mut session, (journal, request.archives), &name).await?;
    // A database that was set back has lost holds that the journal knows.
    restore(&mut session, journal, &name, prepared).await?;
    session.done().await?;
    let only = request.only;
    let reached = kept.reached(orders).await?;
    let mut session = request.source.session().await?;
    let frozen = orders.freezing(&mut session).await?;
    session.discard().await;
    let objects = wanted(&kept, reached, &frozen, only).await?;
    let work = Work { holds: Holds { orders, fence: &request.fence }, kept, request: &request };
    let mut taken = Taken::default();
    for row in objects.values().flatten() {
        work.object(row, &mut taken).await?;
    }
    Ok(taken)
}

struct Work<'w> {
    kept: Kept<'w>,
    holds: Holds<'w>,
    request: &'w ErasureRequest<'w>,
}

impl Work<'_> {
    /// Takes out of one object what is over, while nobody can place or lift an order.
    async fn object(&self, row: &SealedRow, taken: &mut Taken) -> Result<(), EnforceError> {
        let (mut session, frozen) = self.holds.keep().await?;
        let mut ending = self.holds.orders.ending(&mut session, self.kept.journal).await?;
        let Some(Going { sealed, key_id, macs: going, held }) = going(&self.kept, row, &mut ending, &frozen).await? else {
            session.discard().await;
            return Ok(());
        };
        taken.held += held;
        let records = going.len() as u64;
        if records > 0 {
            let of = Split { row, sealed: &sealed, key_id, going: &going };
            match self.split(&mut session, of).await {
                Ok(Done::Erased) => {
                    taken.records += records;
                    taken.objects += 1;
                }
                Ok(Done::Locked) => taken.locked += records,
                Ok(Done::Left(e)) => {
                    tracing::warn!(error = %e, archive = %row.archive, "an object whose rest stands for it is not removed yet");
                    taken.left += records;
                    taken.error = Some(e.to_string());
                }
                Err(EnforceError::Open(OpenError::NoIdentity)) => taken.unopened += records,
                Err(e @ (EnforceError::Journal(_) | EnforceError::Source(_) | EnforceError::State(_))) => return Err(e),
                Err(e) => {
                    tracing::warn!(error = %e, archive = %row.archive, "nothing could be taken out of an archived object");
                    taken.failed += records;
                    taken.error = Some(e.to_string());
                }
            }
        }
        session.discard().await;
        Ok(())
    }

    async fn split(&self, session: &mut Session, of: Split<'_>) -> Result<Done, EnforceError> {
        let (journal, source, request) = (self.kept.journal, self.kept.source, self.request);
        let archive = request.archives.get(&of.row.archive).ok_or_else(|| EnforceError::NoArchive(of.row.archive.clone()))?;
        let name = name_of(of.row)?;
        match alive(session, archive.store.is_held(&name)).await {
            (_, Some(lost)) => return Err(lost.into()),
            (Ok(true), None) => return Ok(Done::Locked),
            (held, None) => drop(held?),
        }
        let object = object_of(of.row);
        let Why { access, actor, reason, reference } = request.why.clone();
        journal
            .append(Event::ArchiveOpened {
                source: source.clone(),
                data_set: of.sealed.data_set.clone(),
                access,
                key_id: None,
                mac: None,
                objects: vec![object],
                actor: actor.clone(),
                reason,
                reference: reference.clone(),
            })
            .await?;
        let part = match alive(session, self.part(archive, object)).await {
            (_, Some(lost)) => return Err(lost.into()),
            (part, None) => part?,
        };
        let opening = of.rest(journal, request.archives, request.prepared, request.identities, part);
        let rest = match alive(session, opening).await {
            (_, Some(lost)) => return Err(lost.into()),
            (rest, None) => rest?,
        };
        let erasure = Id128::random()?;
        journal
            .append(Event::ArchiveErasureIntended {
                erasure,
                source: source.clone(),
                data_set: of.sealed.data_set.clone(),
                archive: of.sealed.archive.clone(),
                purpose: of.sealed.purpose.clone(),
                object,
                part: rest.part(),
                key_id: of.key_id,
                macs: of.going.iter().copied().collect::<Macs>(),
                actor,
                reason,
                reference,
            })
            .await?;
        self.seal(session, (erasure, object), of, rest).await?;
        // The orders need not stand still any more; what is left to do, every run does as well.
        let mut other = request.source.session().await?;
        session.rows("ROLLBACK").await?;
        match close::finish(&mut other, (journal, request.archives), erasure, false).await {
            Ok(()) => {}
            Err(e @ EnforceError::Store(_)) => return Ok(Done::Left(e)),
            Err(e) => return Err(e),
        }
        other.done().await?;
        Ok(Done::Erased)
    }

    /// Writes the rest, and has it stand for the object; where that fails, nothing is left of it.
    async fn seal(
        &self,
        session: &mut Session,
        (erasure, object): (Id128, ObjectRef),
        of: Split<'_>,
        rest: Rest,
    ) -> Result<(), EnforceError> {
        let (journal, part) = (self.kept.journal, rest.part());
        let written = match alive(session, rest.write(self.request.archives)).await {
            // Whoever lost the slot meanwhile cannot say any more that no order came in between.
            (_, Some(lost)) => Err(lost.into()),
            (Ok(sealed), None) => session.rows("SELECT 1").await.map(|_| sealed).map_err(EnforceError::from),
            (Err(e), None) => Err(e),
        };
        match written {
            Ok(sealed) => {
                let records = of.going.len() as u64;
                let (entry, key_id) = (of.row.seq, of.key_id);
                journal.append(Event::ArchiveResealed { erasure, object, entry, records, key_id, sealed }).await?;
                Ok(())
            }
            Err(e) => {
                // What has the name already is nothing that this one wrote.
                let ours = !matches!(e, EnforceError::Store(StoreError::Exists(_)));
                let removed = match ours {
                    true => close::remove_rest(self.request.archives, (of.row, of.sealed), part).await,
                    false => Ok(()),
                };
                match removed {
                    Ok(()) => {
                        journal.append(Event::ArchiveErasureAborted { erasure, code: Code::parse("archive")? }).await?;
                    }
                    // The next one tries again.
                    Err(e) => tracing::warn!(error = %e, "what was written of the rest of an object cannot be removed"),
                }
                Err(e)
            }
        }
    }

    /// The number of the rest of an object among those of its batch: one that nothing has or ever had, also where the journal is an old one.
    async fn part(&self, archive: &Archive, object: ObjectRef) -> Result<u32, EnforceError> {
        let (reader, mut from, mut next) = (self.kept.journal.reader(), 0, RESTS_FROM);
        for listed in archive.store.list(Some(&close::prefix(self.kept.source, object.batch)?)).await? {
            next = next.max(part_of(&listed.name).map_or(0, |part| part.saturating_add(1)));
        }
        loop {
            let page = reader.entries_of("archive_erasure_intended", from, 1_000).await?;
            let Some(last) = page.last() else { return Ok(next) };
            from = last.seq + 1;
            for entry in page {
                if let Event::ArchiveErasureIntended { object: of, part, .. } = entry.event
                    && of.batch == object.batch
                {
                    next = next.max(part.saturating_add(1));
                }
            }
        }
    }
}

/// What became of one object.
enum Done {
    Erased,
    Locked,
    /// Its rest stands for it, but it cannot be removed yet.
    Left(EnforceError),
}
