//! Ends of archived objects that were not known when they were sealed: asked of the rows that stayed, said once in the journal, and final then.
//!
//! What leads to those rows stands in the source's own database, written in the transaction that sealed the object, and is removed once the journal has
//! the day. Nothing that names a person leaves the database for it.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use super::destruction::{Destruction, object_of};
use super::error::EnforceError;
use crate::archive::{Store, StoreError};
use crate::journal::{Append, Day, Event, Id128, Name, ObjectRef, RESTS_FROM};
use crate::plan::compile::Plan;
use crate::plan::key::RecordKey;
use crate::plan::open_end::{Answer, OpenEnd};
use crate::source::{Row, Session};
use crate::state::{SealedQuery, SealedRow};

/// How many objects are asked about at once.
const PAGE: u32 = 200;

/// What became of the objects without an end, in records by archive, data set and purpose.
#[derive(Debug, Default)]
pub(super) struct Dated {
    /// Records whose end cannot be read: the way to it is lost, or what it leads to will not tell.
    pub astray: BTreeMap<(String, String, String), u64>,
}

/// One object and the way to its end.
struct Way {
    batch: Id128,
    part: u32,
    data_set: String,
    purpose: String,
    link: Option<RecordKey>,
}

impl Way {
    fn read(row: &Row) -> Option<Self> {
        let text = |i: usize| row.get(i).and_then(Option::as_deref);
        Some(Self {
            batch: Id128::parse(text(0)?).ok()?,
            part: text(1)?.parse().ok()?,
            data_set: text(2)?.to_owned(),
            purpose: text(3)?.to_owned(),
            link: serde_json::from_str(text(4)?).ok(),
        })
    }

    fn object(&self) -> ObjectRef {
        ObjectRef { batch: self.batch, part: self.part }
    }
}

/// Ends what reading opened: MariaDB and MySQL read in a transaction, which must not stand still while archives and journal are written.
pub(super) async fn end(session: &mut Session) -> Result<(), EnforceError> {
    if session.engine().is_mysql_family() {
        session.rows("COMMIT").await?;
    }
    Ok(())
}

impl Destruction<'_> {
    /// Asks for the ends that were not known, and writes down those that are known now.
    ///
    /// # Errors
    /// Of the database and the journal. An archive that cannot lock an object to its end is told to the log; the object stays without one.
    pub async fn date(&self, session: &mut Session, plan: &Plan) -> Result<Dated, EnforceError> {
        let mut open = self.without_end().await?;
        let d = plan.dialect;
        let (mut after, mut over) = (None::<(String, u32)>, Vec::new());
        loop {
            let from = after.as_ref().map(|(batch, part)| (batch.as_str(), *part));
            let rows = session.rows(&d.pending(self.kept.source.as_str(), from, PAGE)).await?;
            let ways: Vec<Way> = rows.iter().filter_map(Way::read).collect();
            let Some(last) = ways.last() else {
                end(session).await?;
                break;
            };
            after = Some((last.batch.to_string(), last.part));
            let mut known: Vec<(ObjectRef, NaiveDate)> = Vec::new();
            for of in &plan.open_ends {
                let asked = ways.iter().filter(|w| w.data_set == of.data_set() && w.purpose == of.purpose());
                known.extend(self.ask(session, plan, of, asked, &mut open).await?);
            }
            end(session).await?;
            self.write(plan.today, known, &mut open).await?;
            // Also those of which the journal knew the day already: the database was set back, or a run ended in between. And those of objects that
            // an order has ended meanwhile.
            for way in &ways {
                if self.waits(way.object()).await? {
                    continue;
                }
                // The database was set back to before what is left of the object was sealed anew: that one waits for the same.
                if let Some(rest) = self.rest_of(way.object()).await? {
                    over.extend(d.move_pending(self.kept.source.as_str(), &way.batch.to_string(), (way.part, rest)));
                } else {
                    over.push(d.delete_pending(self.kept.source.as_str(), &way.batch.to_string(), way.part));
                }
            }
        }
        for some in over.chunks(PAGE as usize) {
            let mut all = d.begin();
            all.extend(some.iter().map(String::as_str));
            all.push(d.commit());
            session.script(&all).await?;
        }
        let mut dated = Dated::default();
        for (row, _) in open.into_values().filter(|(_, waits)| !waits) {
            *dated.astray.entry((row.archive, row.data_set, row.purpose)).or_default() += row.records;
        }
        Ok(dated)
    }

    /// The objects without an end, each with whether somebody will tell it.
    async fn without_end(&self) -> Result<HashMap<ObjectRef, (SealedRow, bool)>, EnforceError> {
        let mut query = SealedQuery { source: Some(self.kept.source.to_string()), without_end: true, ..SealedQuery::default() };
        let mut all = HashMap::new();
        loop {
            let page = self.kept.journal.reader().sealed(query.clone(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            query.after = Some((last.batch, last.part));
            all.extend(page.into_iter().map(|row| (object_of(&row), (row, false))));
        }
    }

    /// What the rows that stayed say of these objects' ends.
    async fn ask<'w>(
        &self,
        session: &mut Session,
        plan: &Plan,
        of: &OpenEnd,
        ways: impl Iterator<Item = &'w Way>,
        open: &mut HashMap<ObjectRef, (SealedRow, bool)>,
    ) -> Result<Vec<(ObjectRef, NaiveDate)>, EnforceError> {
        let ways = ways.filter(|w| open.contains_key(&w.object()));
        let asked: Vec<(ObjectRef, RecordKey)> =
            ways.filter_map(|w| Some((w.object(), w.link.clone().filter(|link| of.asks_by(link))?))).collect();
        let links: Vec<RecordKey> = asked.iter().map(|(_, link)| link.clone()).collect();
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = Vec::new();
        for row in session.rows(&of.ask(plan.dialect, &links)).await? {
            let (number, answer) = of.read(&row).ok_or(EnforceError::Unknown("answer about an end"))?;
            let object = asked.get(number).ok_or(EnforceError::Unknown("answer about an end"))?.0;
            match answer {
                Answer::Day(day) => known.push((object, day)),
                Answer::Waits => {
                    if let Some((_, waits)) = open.get_mut(&object) {
                        *waits = true;
                    }
                }
                Answer::Astray => {}
            }
        }
        Ok(known)
    }

    /// Writes down the ends that are known now.
    async fn write(
        &self,
        today: NaiveDate,
        known: Vec<(ObjectRef, NaiveDate)>,
        open: &mut HashMap<ObjectRef, (SealedRow, bool)>,
    ) -> Result<(), EnforceError> {
        let mut by_end: BTreeMap<(String, String, String, NaiveDate), Vec<SealedRow>> = BTreeMap::new();
        for (object, day) in known {
            let Some((row, waits)) = open.get_mut(&object) else { continue };
            // What cannot be locked to its end has none yet; somebody will tell it again.
            *waits = true;
            if day >= today
                && let Some(archive) = self.archives.get(&row.archive)
                && let Err(e) = self.keep(&archive.store, row, day).await?
            {
                tracing::warn!(error = %e, archive = %row.archive, "an archived object cannot be locked to its end");
                continue;
            }
            let Some((row, _)) = open.remove(&object) else { continue };
            by_end.entry((row.archive.clone(), row.data_set.clone(), row.purpose.clone(), day)).or_default().push(row);
        }
        let mut append = Append::new();
        for ((archive, data_set, purpose, day), rows) in &by_end {
            append = append.event(Event::ArchiveDated {
                run: self.run,
                source: self.kept.source.clone(),
                data_set: Name::parse(data_set)?,
                archive: Name::parse(archive)?,
                purpose: Name::parse(purpose)?,
                until: Day::try_from(*day)?,
                objects: rows.iter().map(object_of).collect(),
                records: rows.iter().map(|r| r.records).sum(),
            });
        }
        if !by_end.is_empty() {
            self.kept.journal.append(append).await?;
        }
        Ok(())
    }

    /// Has a store keep an object and its files to the end of a day.
    async fn keep(&self, store: &Store, row: &SealedRow, day: NaiveDate) -> Result<Result<(), StoreError>, EnforceError> {
        for name in self.names_of(row).await? {
            if let Err(e) = store.keep(&name, day).await {
                return Ok(Err(e));
            }
        }
        Ok(Ok(()))
    }

    /// What is left of an object out of which records were taken, if it waits for its end.
    async fn rest_of(&self, object: ObjectRef) -> Result<Option<u32>, EnforceError> {
        let reader = self.kept.journal.reader();
        for row in self.kept.catalogued(object.batch).await? {
            let mut at = (row.part, row.seq);
            while at.0 >= RESTS_FROM && row.until.is_none() {
                let before = match reader.entry(at.1).await?.map(|e| e.event) {
                    Some(Event::ArchiveResealed { object, entry, .. }) => (object.part, entry),
                    _ => break,
                };
                if before.0 == object.part {
                    return Ok(Some(row.part));
                }
                at = before;
            }
        }
        Ok(None)
    }

    /// Whether an object is there of which nobody knows the last day yet.
    async fn waits(&self, object: ObjectRef) -> Result<bool, EnforceError> {
        let query = SealedQuery { batch: Some(object.batch.0), ..SealedQuery::default() };
        let rows = self.kept.journal.reader().sealed(query, u32::MAX).await?;
        Ok(rows.iter().any(|row| row.part == object.part && row.until.is_none()))
    }
}
