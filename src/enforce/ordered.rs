//! Orders that end a purpose reach what archives keep for it: an object goes when an order has ended it for all of its records. One that an order has
//! ended for some of them stays, and is told of: nobody but the holders of an identity could take them out of it.

use std::collections::{BTreeMap, HashSet};

use super::destruction::Destruction;
use super::error::EnforceError;
use super::kept::{Kept, PAGE, query, sealed_of};
use super::outcome::ArchiveOutcome;
use super::standing::{Ended, Ending, Holds, Orders};
use crate::archive::Store;
use crate::journal::DestructionCause;
use crate::state::{SealedGroup, SealedRow};

/// What orders have ended of one archive purpose, beside what is over by its day.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    /// The objects that they have ended for all of their records.
    pub objects: Vec<SealedRow>,
    /// The records of these.
    pub records: u64,
    /// The objects of which they have ended it for some records, and for others not.
    pub shared: Vec<SealedRow>,
    /// The former.
    pub among_others: u64,
}

impl Ordered {
    /// All records whose purpose they have ended.
    pub fn all(&self) -> u64 {
        self.records + self.among_others
    }
}

/// The same by archive, data set and purpose.
pub(super) type Reached = BTreeMap<(String, String, String), Ordered>;

/// Where a group stands among these.
pub(super) fn place(group: &SealedGroup) -> (String, String, String) {
    (group.archive.clone(), group.data_set.clone(), group.purpose.clone())
}

impl Kept<'_> {
    /// Looks for what orders have ended. Reads the journal's entry of each object of a data set on whose records such an order stands.
    ///
    /// # Errors
    /// Of database and journal.
    pub async fn reached(&self, orders: Orders<'_>) -> Result<Reached, EnforceError> {
        let mut session = orders.source.session().await?;
        let mut ending = orders.ending(&mut session, self.journal).await?;
        super::dating::end(&mut session).await?;
        session.done().await?;
        let mut all = Reached::new();
        for group in self.groups().await? {
            if ending.spares(&group.data_set, &self.terms.ended_by(&group.purpose)) {
                continue;
            }
            let (mut query, mut of) = (query(&group), Ordered::default());
            loop {
                let page = self.journal.reader().sealed(query.clone(), PAGE).await?;
                let Some(last) = page.last() else { break };
                query.after = Some((last.batch, last.part));
                // What is over goes by its day.
                for row in page {
                    if self.is_over(&row)? {
                        continue;
                    }
                    match self.ended(&row, &mut ending).await? {
                        Ended::All => {
                            of.records += row.records;
                            of.objects.push(row);
                        }
                        Ended::Of(records) if records.is_empty() => {}
                        Ended::Of(records) => {
                            of.among_others += records.len() as u64;
                            of.shared.push(row);
                        }
                    }
                }
            }
            if of.all() > 0 {
                all.insert(place(&group), of);
            }
        }
        Ok(all)
    }

    /// The records of an object for which an order has ended its purpose.
    pub async fn ended(&self, row: &SealedRow, ending: &mut Ending) -> Result<Ended, EnforceError> {
        let Some((sealed, key_id)) = sealed_of(&self.journal.reader(), row).await? else { return Ok(Ended::Of(HashSet::new())) };
        Ok(ending.ended(self.journal, self.source, (&sealed, key_id), &self.terms.ended_by(&row.purpose)))
    }
}

impl Destruction<'_> {
    /// Destroys the objects that orders have ended, but what a hold or restriction reaches, and what no order ends any more.
    ///
    /// # Errors
    /// Of the journal and the source's database. An archive that refuses is in the outcome: the others go on.
    pub async fn by_order(
        &self,
        store: &Store,
        objects: &[SealedRow],
        holds: &Holds<'_>,
        out: &mut ArchiveOutcome,
    ) -> Result<(), EnforceError> {
        for page in objects.chunks(PAGE as usize) {
            // Nobody places or lifts an order while this is looked at and done.
            let (mut session, frozen) = holds.keep().await?;
            let mut ending = holds.orders.ending(&mut session, self.kept.journal).await?;
            let mut still = Vec::new();
            for row in page {
                if matches!(self.kept.ended(row, &mut ending).await?, Ended::All) {
                    still.push(row.clone());
                }
            }
            self.page(&mut session, store, still, &frozen, DestructionCause::Ordered, out).await?;
            session.discard().await;
        }
        Ok(())
    }
}
