//! Ends of archived records that were not known when they left: asked of the rows that stayed.

use chrono::NaiveDate;

use super::action::ROW;
use super::boolean::B;
use super::dialect::Dialect;
use super::explain::columns::{Cells, Columns, PurposeColumns, cell, is_set};
use super::explain::purposes::PurposeReader;
use super::key::RecordKey;
use super::record::{Records, Timed};
use super::schema::{Column, TableName};
use crate::policy::bound::RunTime;
use crate::policy::map::DataSet;
use crate::policy::purpose::Purpose;

/// The last day that an archive can name: far beyond any period, and four digits long.
pub const LAST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(day) => day,
    None => NaiveDate::MAX,
};

/// The column that numbers the links of a question.
const NUMBER: &str = "retentiond_number";

/// Until when an archive keeps what moves now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// To the end of that day.
    Day(NaiveDate),
    /// Until a day that is not known yet. The rows that these values of the record's columns lead to will tell.
    Open(RecordKey),
    /// As long as its copy elsewhere is kept. The copy is found by these values of the record's columns; `None` where one of them is missing or cannot be
    /// compared: then nobody knows a copy.
    Copy(Option<RecordKey>),
}

impl End {
    /// The last day, where it is known.
    #[must_use]
    pub fn day(&self) -> Option<NaiveDate> {
        match self {
            Self::Day(day) => Some(*day),
            Self::Open(_) | Self::Copy(_) => None,
        }
    }
}

/// How the end of one archive purpose is read once the record has left.
#[derive(Debug, Clone)]
pub struct OpenEnd {
    data: DataSet,
    purpose: Purpose,
    run: RunTime,
    table: TableName,
    link: Vec<Column>,
    columns: String,
    known: usize,
    waits: usize,
    dates: PurposeColumns,
}

/// What the rows that stayed say of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The last day.
    Day(NaiveDate),
    /// What it waits for has not happened yet.
    Waits,
    /// The rows are gone, or undated: they will not tell by themselves.
    Astray,
}

impl OpenEnd {
    /// Of the purpose of this index; `None` where the record itself is needed for it.
    #[must_use]
    pub fn new(records: &Records<'_>, i: usize, data: &DataSet) -> Option<Self> {
        let link = records.link(i, data)?;
        let Timed { purpose, run } = records.purposes[i];
        let mut columns = Columns::default();
        let (known, waits) = records.terms.start_later(purpose, run, data, ROW);
        let (known, waits) = (columns.bit(&known), columns.bit(&waits));
        let dates = PurposeColumns::dates(records, &[i], data, ROW, &mut columns);
        Some(Self {
            data: data.clone(),
            purpose: purpose.clone(),
            run,
            table: records.terms.resolved.table(data)?.name.clone(),
            link,
            columns: columns.list(),
            known,
            waits,
            dates,
        })
    }

    /// The data set.
    #[must_use]
    pub fn data_set(&self) -> &str {
        &self.data.id
    }

    /// The purpose.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose.id
    }

    /// Whether a link has the columns that this purpose would ask by now.
    #[must_use]
    pub fn asks_by(&self, link: &RecordKey) -> bool {
        link.0.len() == self.link.len()
    }

    /// Asks for the ends behind these links. The values stand in rows that never were in the table and have the types and the collations of its columns.
    #[must_use]
    pub fn ask(&self, d: Dialect, links: &[RecordKey]) -> String {
        let number = d.ident(NUMBER);
        let names: Vec<String> = self.link.iter().map(|c| d.column("t", &c.name)).collect();
        let none = B::False.render();
        let mut rows =
            vec![format!("SELECT 0 AS {number}, {} FROM {} AS t WHERE {none}", names.join(", "), d.table(&self.table))];
        rows.extend(links.iter().enumerate().map(|(n, link)| {
            let values: Vec<String> = self.link.iter().zip(&link.0).map(|(c, part)| d.key_literal(c, part)).collect();
            format!("SELECT {n}, {}", values.join(", "))
        }));
        format!("SELECT {}, {} FROM ({}) AS {ROW}", d.as_text(&d.column(ROW, NUMBER)), self.columns, rows.join(" UNION ALL "))
    }

    /// Which of the links a row is about, and what is said of it. `None` for a row in no form that was asked for.
    #[must_use]
    pub fn read(&self, row: &Cells) -> Option<(usize, Answer)> {
        let number = cell(row, 0)?.parse().ok()?;
        let row = row.get(1..)?;
        if !is_set(row, self.known) {
            return Some((number, if is_set(row, self.waits) { Answer::Waits } else { Answer::Astray }));
        }
        let reader = PurposeReader { data: &self.data, columns: &self.dates, row };
        let end = reader.end_of_period(Timed { purpose: &self.purpose, run: self.run })?;
        Some((number, Answer::Day(end.day_before().min(LAST_DAY))))
    }
}
