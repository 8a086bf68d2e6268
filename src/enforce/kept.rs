//! What archives keep of one source, as the journal has it: nothing is opened or changed for it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use super::error::EnforceError;
use super::prepare::{ArchiveTerms, Prepared};
use crate::journal::{Day, Event, Id128, Journal, KeyId, Name, RESTS_FROM, Reader, Sealed};
use crate::policy::bound::RunTime;
use crate::policy::purpose::OrderKind;
use crate::state::{SealedGroup, SealedQuery, SealedRow};

/// How many objects are looked at, and destroyed under one intent, at once.
pub(super) const PAGE: u32 = 100;

/// When archive purposes end, at the time of a run.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// By purpose.
    pub of: BTreeMap<String, ArchiveTerms>,
    /// The instant of the run.
    pub now: DateTime<Utc>,
    /// Its day for purposes that no policy has any more.
    pub otherwise: NaiveDate,
}

impl Terms {
    /// Those of a plan, on the day of its run.
    pub fn of(prepared: &Prepared) -> Self {
        Self { of: prepared.archive_purposes.clone(), now: prepared.plan.now, otherwise: prepared.plan.today }
    }

    /// The day that it is for a purpose.
    pub fn today(&self, purpose: &str) -> NaiveDate {
        self.of.get(purpose).map_or(self.otherwise, |terms| RunTime { now: self.now, zone: terms.zone }.today())
    }

    /// The orders that end a purpose; an instruction ends each.
    pub fn ended_by(&self, purpose: &str) -> Vec<OrderKind> {
        let mut kinds = self.of.get(purpose).map(|terms| terms.ended_by.clone()).unwrap_or_default();
        kinds.push(OrderKind::Instruction);
        kinds
    }
}

/// What archives keep of a source.
pub(super) struct Kept<'a> {
    /// The journal.
    pub journal: &'a Journal,
    /// The source.
    pub source: &'a Name,
    /// When its purposes end.
    pub terms: Terms,
}

impl Kept<'_> {
    /// The archive purposes of the source, each counted on the day that it is for it.
    pub async fn groups(&self) -> Result<Vec<SealedGroup>, EnforceError> {
        let mut all = Vec::new();
        let purposes = self.terms.of.keys().map(|purpose| self.terms.today(purpose));
        let days: BTreeSet<NaiveDate> = purposes.chain([self.terms.otherwise]).collect();
        for day in days {
            let groups = self.journal.reader().sealed_groups(Day::try_from(day)?).await?;
            all.extend(groups.into_iter().filter(|g| g.source == self.source.as_str() && self.terms.today(&g.purpose) == day));
        }
        all.sort_by(|a, b| (&a.archive, &a.data_set, &a.purpose).cmp(&(&b.archive, &b.data_set, &b.purpose)));
        Ok(all)
    }

    /// The objects of an archive purpose whose last day has passed.
    pub async fn over(&self, group: &SealedGroup) -> Result<Vec<SealedRow>, EnforceError> {
        let ended_before = Some(Day::try_from(self.terms.today(&group.purpose))?.to_string());
        let (mut query, mut all) = (SealedQuery { ended_before, ..query(group) }, Vec::new());
        loop {
            let page = self.journal.reader().sealed(query.clone(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            query.after = Some((last.batch, last.part));
            all.extend(page);
        }
    }

    /// Whether the last day of an object has passed.
    pub fn is_over(&self, row: &SealedRow) -> Result<bool, EnforceError> {
        let today = Day::try_from(self.terms.today(&row.purpose))?.to_string();
        Ok(row.until.as_ref().is_some_and(|until| *until < today))
    }

    /// The objects of a batch that the catalogue has.
    pub async fn catalogued(&self, batch: Id128) -> Result<Vec<SealedRow>, EnforceError> {
        let query = SealedQuery { batch: Some(batch.0), ..SealedQuery::default() };
        Ok(self.journal.reader().sealed(query, u32::MAX).await?)
    }
}

/// All objects of an archive purpose.
pub(super) fn query(group: &SealedGroup) -> SealedQuery {
    SealedQuery {
        source: Some(group.source.clone()),
        data_set: Some(group.data_set.clone()),
        archive: Some(group.archive.clone()),
        purpose: Some(group.purpose.clone()),
        ..SealedQuery::default()
    }
}

/// The entry that sealed what is in an object first: that of its batch, for the rest of an object as well.
///
/// # Errors
/// Of the journal.
pub(super) async fn first_sealed(reader: &Reader, row: &SealedRow) -> Result<u64, EnforceError> {
    let mut at = row.seq;
    if row.part >= RESTS_FROM {
        while let Some(Event::ArchiveResealed { entry, .. }) = reader.entry(at).await?.map(|e| e.event) {
            at = entry;
        }
    }
    Ok(at)
}

/// What the journal says of an object, with the key of its MACs.
///
/// # Errors
/// Of the journal.
pub(super) async fn sealed_of(reader: &Reader, row: &SealedRow) -> Result<Option<(Sealed, KeyId)>, EnforceError> {
    sealed_at(reader, row.seq, row.part).await
}

/// What an entry says of an object, with the key of its MACs.
///
/// # Errors
/// Of the journal.
pub(super) async fn sealed_at(reader: &Reader, entry: u64, part: u32) -> Result<Option<(Sealed, KeyId)>, EnforceError> {
    let (sealed, key_id) = match reader.entry(entry).await?.map(|e| e.event) {
        Some(Event::Applied { sealed, key_id, .. } | Event::BatchFound { sealed, key_id, .. }) => (sealed, key_id),
        Some(Event::ArchiveResealed { sealed, key_id, .. }) => (vec![sealed], key_id),
        _ => return Ok(None),
    };
    Ok(sealed.into_iter().find(|s| s.part == part).map(|s| (s, key_id)))
}
