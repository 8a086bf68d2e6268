//! Data sets elsewhere that hold copies of records: a record whose purpose is kept by a copy leaves only after that was seen.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::EnforceError;
use crate::plan::archiving::{Archiving, Keeping, Taken};
use crate::plan::dialect::Dialect;
use crate::plan::dialect::keys::kind_of;
use crate::plan::key::RecordKey;
use crate::plan::open_end::End;
use crate::plan::resolve::Resolved;
use crate::plan::schema::{Column, Table};
use crate::policy::map::{CopyElsewhere, DataMap};
use crate::policy::purpose::DataName;
use crate::source::{Source, SourceError};

/// How many copies are asked for at once.
const PAGE: usize = 1_000;

/// How long an answer may take: the rows that wait for it are locked, and their server ends transactions of which it hears nothing for some seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// The data sets that hold copies, as one run sees them.
#[derive(Default)]
pub struct Copies(BTreeMap<DataName, Place>);

/// One of them.
struct Place {
    base: Option<CopyBase>,
    /// Why it cannot be asked any more. Until the end of the run all records wait that need it: nobody knows whether they have a copy.
    unasked: Mutex<Option<String>>,
}

/// A data set that can be asked for copies.
pub struct CopyBase {
    source: Source,
    dialect: Dialect,
    table: Table,
}

impl CopyBase {
    /// The data set of a map in a source; `None` where it has no table.
    ///
    /// # Errors
    /// Of the database.
    pub async fn open(source: Source, map: &DataMap, data_set: &str) -> Result<Option<Self>, EnforceError> {
        let schema = source.introspect().await?;
        let resolved = Resolved::new(map, &schema);
        let table = map.data_set(data_set).and_then(|data| resolved.table(data)).cloned();
        let dialect = resolved.dialect;
        Ok(table.map(|table| Self { source, dialect, table }))
    }

    /// Those columns by which a copy is found that the table does not have, or whose values cannot be compared exactly.
    #[must_use]
    pub fn unfit<'c>(&self, copy: &'c CopyElsewhere) -> Vec<&'c str> {
        let fits = |name: &str| self.table.column(name).is_some_and(|c| kind_of(c.class).is_some());
        copy.matched_by.iter().map(|(theirs, _)| theirs.as_str()).filter(|name| !fits(name)).collect()
    }

    /// Whether an index begins with one of the columns by which a copy is found.
    #[must_use]
    pub fn is_indexed(&self, copy: &CopyElsewhere) -> bool {
        let named = |name: &str| copy.matched_by.iter().any(|(theirs, _)| theirs.value == name);
        self.table.indexes.iter().any(|index| index.columns.first().is_some_and(|first| named(first)))
            || self.table.primary_key.first().is_some_and(|first| named(first))
    }

    /// Reads one row by which a copy could be found.
    ///
    /// # Errors
    /// Of the database: the role may not read it.
    pub async fn probe(&self, copy: &CopyElsewhere) -> Result<(), EnforceError> {
        let d = self.dialect;
        let names: Vec<String> = copy.matched_by.iter().map(|(theirs, _)| d.column("c", theirs)).collect();
        let mut session = self.source.session().await?;
        session.rows(&format!("SELECT {} FROM {} AS c LIMIT 1", names.join(", "), d.table(&self.table.name))).await?;
        session.done().await?;
        Ok(())
    }

    /// Closes its connections.
    pub async fn close(self) {
        self.source.close().await;
    }

    /// Which of these values stand there, compared as exact texts.
    async fn ask(&self, copy: &CopyElsewhere, wanted: &[RecordKey]) -> Result<HashSet<Vec<String>>, SourceError> {
        let columns: Option<Vec<&Column>> = copy.matched_by.iter().map(|(theirs, _)| self.table.column(theirs)).collect();
        let Some(columns) = columns else { return Ok(HashSet::new()) };
        let columns: Vec<Column> = columns.into_iter().cloned().collect();
        let d = self.dialect;
        let typed = |key: &RecordKey| {
            let parts = columns.iter().zip(&key.0).map(|(column, part)| d.typed_part(column, &part.text));
            parts.collect::<Option<_>>().map(RecordKey)
        };
        let keys: Vec<RecordKey> = wanted.iter().filter_map(typed).collect();
        let mut seen = HashSet::new();
        if keys.is_empty() {
            return Ok(seen);
        }
        let table = d.table(&self.table.name);
        let mut session = self.source.session().await?;
        for page in keys.chunks(PAGE) {
            let from = format!("{table} AS c WHERE {}", d.key_in("c", &columns, page));
            for row in session.rows(&d.texts_once("c", &columns, &from)).await? {
                let parts = columns.iter().zip(&row).map(|(column, text)| d.key_part(column, text.as_deref()?));
                if let Some(parts) = parts.collect::<Option<Vec<_>>>() {
                    seen.insert(parts.into_iter().map(|part| part.text).collect());
                }
            }
        }
        if d.engine.is_mysql_family() {
            // What was read opened a transaction.
            session.rows("COMMIT").await?;
        }
        session.done().await?;
        Ok(seen)
    }
}

impl Copies {
    /// Adds a data set that can be asked, or the reason why it cannot.
    pub fn add(&mut self, name: DataName, base: Result<CopyBase, String>) {
        let (base, unasked) = match base {
            Ok(base) => (Some(base), None),
            Err(why) => (None, Some(why)),
        };
        self.0.insert(name, Place { base, unasked: Mutex::new(unasked) });
    }

    /// Those of these records, by their places, that wait for a copy: it was not seen.
    pub(super) async fn missing(&self, archiving: &Archiving, taken: Vec<(usize, Taken)>) -> BTreeSet<usize> {
        let mut waiting = BTreeSet::new();
        let mut wanted: BTreeMap<usize, Vec<(usize, RecordKey)>> = BTreeMap::new();
        for (place, one) in taken {
            match one.until {
                End::Copy(Some(link)) => wanted.entry(one.purpose).or_default().push((place, link)),
                End::Copy(None) => drop(waiting.insert(place)),
                End::Day(_) | End::Open(_) => {}
            }
        }
        for (purpose, wanted) in wanted {
            let Keeping::Copy(copy) = &archiving.purposes[purpose].keeping else { continue };
            let links: Vec<RecordKey> = wanted.iter().map(|(_, link)| link.clone()).collect();
            let seen = self.seen(copy, &links).await;
            waiting.extend(wanted.iter().filter(|(_, link)| !seen.contains(link)).map(|(place, _)| *place));
        }
        waiting
    }

    /// Those of these records of which a copy is there, each named by the values of its own columns. None where nobody can be asked.
    async fn seen(&self, copy: &CopyElsewhere, wanted: &[RecordKey]) -> HashSet<RecordKey> {
        let Some(place) = self.0.get(&copy.of.value) else { return HashSet::new() };
        let Some(base) = place.base.as_ref().filter(|_| place.why().is_none()) else { return HashSet::new() };
        let why = match tokio::time::timeout(PATIENCE, base.ask(copy, wanted)).await {
            Ok(Ok(seen)) => {
                let texts = |key: &RecordKey| key.0.iter().map(|part| part.text.clone()).collect::<Vec<_>>();
                return wanted.iter().filter(|key| seen.contains(&texts(key))).cloned().collect();
            }
            Ok(Err(e)) => e.to_string(),
            Err(_) => format!("no answer within {} seconds", PATIENCE.as_secs()),
        };
        *place.unasked.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        HashSet::new()
    }

    /// Those that could not be asked, each with the reason.
    #[must_use]
    pub fn unasked(&self) -> Vec<(String, String)> {
        self.0.iter().filter_map(|(name, place)| Some((name.to_string(), place.why()?))).collect()
    }

    /// Closes all connections.
    pub async fn close(self) {
        for base in self.0.into_values().filter_map(|place| place.base) {
            base.close().await;
        }
    }
}

impl Place {
    fn why(&self) -> Option<String> {
        self.unasked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
