//! Persons whom records are about, as a database knows them.

use super::error::EnforceError;
use super::keys::keys_of;
use super::prepare::Prepared;
use crate::plan::key::RecordKey;
use crate::plan::subject::SubjectAt;
use crate::policy::map::DataSet;
use crate::source::{Class, Session};

/// The text of an identifier.
pub(super) fn text_of(person: &RecordKey) -> &str {
    person.0.first().map_or("", |part| &part.text)
}

/// The column of a data set that identifies such persons.
pub(super) fn subject_at<'p>(prepared: &'p Prepared, data: &DataSet, subject: &str) -> Result<&'p SubjectAt, EnforceError> {
    let mut all = prepared.plan.subjects.iter();
    all.find(|at| at.data_set == data.id.value && at.subject == subject).ok_or(EnforceError::Unknown("subject"))
}

/// An identifier in the spelling that the database gives to its own.
pub(super) async fn spelled_person(session: &mut Session, at: &SubjectAt, typed: &RecordKey) -> Result<RecordKey, EnforceError> {
    let d = crate::plan::dialect::Dialect { engine: session.engine() };
    let rows = session.rows(&at.spelled(d, typed)).await.map_err(not_a_key)?;
    if d.engine.is_mysql_family() {
        session.rows("COMMIT").await?;
    }
    keys_of(d, std::slice::from_ref(&at.column), &rows)?.into_iter().next().ok_or(EnforceError::NotAKey)
}

/// The identifier of a person in the database's own spelling, and the keys of the records that are about them, compared exactly.
///
/// # Errors
/// [`EnforceError::NotAKey`] for an identifier that can be none there; of the database.
pub async fn find(session: &mut Session, at: &SubjectAt, typed: &str) -> Result<(RecordKey, Vec<RecordKey>), EnforceError> {
    let d = crate::plan::dialect::Dialect { engine: session.engine() };
    let typed = at.typed(d, typed).ok_or(EnforceError::NotAKey)?;
    let person = spelled_person(session, at, &typed).await?;
    let rows = session.rows(&at.records(d, &person)).await.map_err(not_a_key)?;
    if d.engine.is_mysql_family() {
        session.rows("COMMIT").await?;
    }
    let mut columns = vec![at.column.clone()];
    columns.extend_from_slice(at.key());
    let all = keys_of(d, &columns, &rows)?.into_iter().filter(|found| found.0.first() == person.0.first());
    let records = all.map(|found| RecordKey(found.0.into_iter().skip(1).collect())).collect();
    Ok((person, records))
}

/// Nothing is changed here: what the database takes offence at is the identifier.
fn not_a_key(error: crate::source::SourceError) -> EnforceError {
    match error.class() {
        Class::Row => EnforceError::NotAKey,
        _ => EnforceError::Source(error),
    }
}
