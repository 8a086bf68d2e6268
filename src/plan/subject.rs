//! Persons whom records are about, by identifiers that data sets of several sources share.

use super::action::{ROW, key_columns};
use super::boolean::B;
use super::dialect::Dialect;
use super::key::RecordKey;
use super::resolve::Resolved;
use super::schema::{Column, TableName};
use crate::policy::map::DataSet;

/// A column that identifies persons, in a table.
#[derive(Debug, Clone)]
pub struct SubjectAt {
    /// The data set.
    pub data_set: String,
    /// Who the person is to its records.
    pub subject: String,
    /// Its table.
    pub table: TableName,
    /// The column.
    pub column: Column,
    key: Vec<Column>,
}

/// The columns of a data set that identify persons, as its table has them.
#[must_use]
pub fn subjects_at(resolved: &Resolved<'_>, data: &DataSet) -> Vec<SubjectAt> {
    let Some(table) = resolved.table(data) else { return Vec::new() };
    resolved
        .subjects(data)
        .map(|(subject, column)| SubjectAt {
            data_set: data.id.value.clone(),
            subject: subject.to_owned(),
            table: table.name.clone(),
            column: column.clone(),
            key: resolved.key_columns(data),
        })
        .collect()
}

impl SubjectAt {
    /// The identifier that somebody typed, if it can be one here.
    #[must_use]
    pub fn typed(&self, d: Dialect, typed: &str) -> Option<RecordKey> {
        Some(RecordKey(vec![d.typed_part(&self.column, typed)?]))
    }

    /// Asks for an identifier in the database's own spelling.
    #[must_use]
    pub fn spelled(&self, d: Dialect, person: &RecordKey) -> String {
        d.spelled(std::slice::from_ref(&self.column), person)
    }

    /// Asks for the keys of the records that are about a person, each with the identifier as it is stored: a collation finds more spellings than one.
    #[must_use]
    pub fn records(&self, d: Dialect, person: &RecordKey) -> String {
        let column = std::slice::from_ref(&self.column);
        format!(
            "SELECT {}, {} FROM {} AS {ROW} WHERE {}",
            d.key_text(ROW, &self.column),
            key_columns(d, &self.key, ROW),
            d.table(&self.table),
            B::and([B::sql(d.key_in(ROW, column, std::slice::from_ref(person))), d.named(ROW, &self.key)]).render()
        )
    }

    /// Asks for everybody whom records are about.
    #[must_use]
    pub fn everybody(&self, d: Dialect) -> String {
        let value = d.key_text(ROW, &self.column);
        format!(
            "SELECT DISTINCT {value} FROM {} AS {ROW} WHERE {value} IS NOT NULL AND {} IS NOT NULL",
            d.table(&self.table),
            d.column(ROW, &self.column.name)
        )
    }

    /// The text by which orders name a person, and the row that it is read from.
    #[must_use]
    pub fn target(&self, d: Dialect, person: &RecordKey) -> (String, String) {
        let column = std::slice::from_ref(&self.column);
        (d.subject_text(ROW, &self.subject, &self.column), format!("FROM {}", d.as_row(column, person)))
    }

    /// The person that such a text names.
    #[must_use]
    pub fn person(&self, d: Dialect, target: &str) -> Option<RecordKey> {
        let (subject, value) = target.split_once('=')?;
        if subject != self.subject {
            return None;
        }
        d.key_of_target(std::slice::from_ref(&self.column), value)
    }

    /// The key columns of its data set.
    #[must_use]
    pub fn key(&self) -> &[Column] {
        &self.key
    }
}
