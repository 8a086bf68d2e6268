//! Taking out of archived objects what orders have ended, where it lies with what is to be kept: the holder of the identity opens the object, its rest
//! is sealed, written and read back, and stands for it from then on; then the object goes.
//!
//! Before the rest is in the journal, the object counts, and whatever there is of a rest is removed again; from then on, the rest counts, and whatever
//! there is of the object is removed. So each record is in one of them, whenever the program dies.

mod close;
mod rest;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

pub(super) use close::close;

use super::alive::alive;
use super::destruction::{name_of, object_of};
use super::error::EnforceError;
use super::fence::Fence;
use super::kept::{Kept, Terms, sealed_of};
use super::ordered::Reached;
use super::prepare::Prepared;
use super::standing::{Ended, Holds, Orders};
use super::unseal::Why;
use crate::archive::{Archives, Identities, OpenError};
use crate::journal::{Code, Event, Id128, Journal, Macs, Name, ObjectRef, RESTS_FROM};
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

/// What lies among others in one archive, and orders have ended.
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
    /// Records.
    pub records: u64,
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
        self.locked + self.unopened + self.failed == 0
    }
}

/// What orders have ended among others, by the journal and the orders that stand: opens nothing, changes nothing.
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
    let reached = kept.reached(Orders::of(source, prepared)).await?;
    let told = wanted(reached, only).map(|((archive, data_set, purpose), of)| AmongOthers {
        archive,
        data_set,
        purpose,
        objects: of.shared.len() as u64,
        records: of.among_others,
    });
    Ok(told.collect())
}

fn wanted(
    reached: Reached,
    only: Option<&BTreeSet<String>>,
) -> impl Iterator<Item = ((String, String, String), super::ordered::Ordered)> {
    let asked = reached.into_iter().filter(move |((archive, ..), _)| only.is_none_or(|only| only.contains(archive)));
    asked.filter(|(_, of)| !of.shared.is_empty())
}

/// Takes it out.
///
/// # Errors
/// Of database and journal. An object that cannot be opened, written or removed is in what is returned: the others go on.
pub async fn erase(request: ErasureRequest<'_>) -> Result<Taken, EnforceError> {
    let name = Name::parse(&request.prepared.plan.source)?;
    let orders = Orders::of(request.source, request.prepared);
    let kept = Kept { journal: request.journal, source: &name, terms: Terms::of(request.prepared) };
    let mut session = request.source.session().await?;
    close(&mut session, (request.journal, request.archives), &name).await?;
    session.done().await?;
    let only = request.only;
    let reached = kept.reached(orders).await?;
    let work = Work { holds: Holds { orders, fence: &request.fence }, kept, request: &request };
    let mut taken = Taken::default();
    for (_, of) in wanted(reached, only) {
        for row in &of.shared {
            work.object(row, &mut taken).await?;
        }
    }
    Ok(taken)
}

struct Work<'w> {
    kept: Kept<'w>,
    holds: Holds<'w>,
    request: &'w ErasureRequest<'w>,
}

impl Work<'_> {
    /// Takes out of one object what an order has ended, while nobody can place or lift one.
    async fn object(&self, row: &SealedRow, taken: &mut Taken) -> Result<(), EnforceError> {
        let (mut session, frozen) = self.holds.keep().await?;
        let journal = self.kept.journal;
        let mut ending = self.holds.orders.ending(&mut session, journal).await?;
        let ended = self.kept.ended(row, &mut ending).await?;
        let (Ended::Of(mut going), Some((sealed, key_id))) = (ended, sealed_of(&journal.reader(), row).await?) else {
            // All of it by now: the next run destroys it.
            session.discard().await;
            return Ok(());
        };
        let asked = going.len() as u64;
        match frozen.records(journal, self.kept.source, &sealed, key_id) {
            Some(held) => going.retain(|mac| !held.contains(mac)),
            None => going.clear(),
        }
        taken.held += asked - going.len() as u64;
        let records = going.len() as u64;
        if records > 0 {
            let of = Split { row, sealed: &sealed, key_id, going: &going };
            match self.split(&mut session, of).await {
                Ok(Done::Erased) => {
                    taken.records += records;
                    taken.objects += 1;
                }
                Ok(Done::Locked) => taken.locked += records,
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
        if archive.store.is_held(&name_of(of.row)?).await? {
            return Ok(Done::Locked);
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
        let part = self.part(object).await?;
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
        close::finish(&mut other, (journal, request.archives), erasure, false).await?;
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
                journal.append(Event::ArchiveResealed { erasure, object, records, key_id: of.key_id, sealed }).await?;
                Ok(())
            }
            Err(e) => {
                let archive = (of.row.archive.as_str(), object.batch, part);
                close::remove(self.request.archives, self.kept.source, archive).await?;
                journal.append(Event::ArchiveErasureAborted { erasure, code: Code::parse("archive")? }).await?;
                Err(e)
            }
        }
    }

    /// The number of the rest of an object among those of its batch: one that nothing ever had.
    async fn part(&self, object: ObjectRef) -> Result<u32, EnforceError> {
        let (reader, mut from, mut next) = (self.kept.journal.reader(), 0, RESTS_FROM);
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
}
