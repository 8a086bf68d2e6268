//! Roughly what decides into which objects of archives records go, so that those of one object come together. It decides nothing: each batch reads
//! under its locks what it seals, and until when. Asked of all records before any batch, it must be cheap, and so it asks for dates alone.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use chrono::Datelike as _;

use super::action::ROW;
use super::archiving::ArchivePurpose;
use super::dialect::Dialect;
use super::explain::columns::{Cells, Columns, PurposeColumns, cell};
use super::explain::purposes::PurposeReader;
use super::record::Records;
use super::schema::Column;
use crate::policy::map::DataSet;

/// The columns of such a question.
#[derive(Debug, Clone)]
pub struct Sketch {
    columns: String,
    ends: PurposeColumns,
    /// By purpose, where the values stand that lead to an end that is not known.
    links: Vec<Vec<usize>>,
    tenant: Option<usize>,
}

impl Sketch {
    /// The question about these purposes; `None` where the answer would be the same for all records.
    pub(super) fn new(d: Dialect, records: &Records<'_>, data: &DataSet, purposes: &[ArchivePurpose]) -> Option<Self> {
        let mut columns = Columns::default();
        let indexes: Vec<usize> = purposes.iter().filter(|p| p.archive().is_some()).map(ArchivePurpose::index).collect();
        let ends = PurposeColumns::dates(records, &indexes, data, ROW, &mut columns);
        let mut text = |column: &Column| columns.text(d.key_text(ROW, column));
        let links = purposes.iter().map(|p| p.link().map(&mut text).collect()).collect();
        let table = records.terms.resolved.table(data);
        let tenant = data.tenant.as_ref().and_then(|t| table?.column(&t.value)).map(&mut text);
        (columns.len() > 0).then(|| Self { columns: columns.list(), ends, links, tenant })
    }

    /// The columns, for a SELECT.
    pub(super) fn columns(&self) -> &str {
        &self.columns
    }

    /// A number by which records stand in the order of their first end, and those of one object beside each other.
    pub(super) fn place(&self, data: &DataSet, row: &Cells, purposes: &[ArchivePurpose]) -> u64 {
        let reader = PurposeReader { data, columns: &self.ends, row };
        let (mut first, mut all) = (None, DefaultHasher::new());
        self.tenant.and_then(|at| cell(row, at)).hash(&mut all);
        for (purpose, link) in purposes.iter().zip(&self.links).filter(|(p, _)| p.archive().is_some()) {
            let day = reader.likely_end(purpose.timed()).map(|end| end.day().num_days_from_ce());
            if day.is_none() {
                link.iter().for_each(|at| cell(row, *at).hash(&mut all));
            }
            day.hash(&mut all);
            first = first.into_iter().chain(day).min();
        }
        // Without a day they come last.
        let first = first.map_or(u64::from(u32::MAX), |day| u64::try_from(day).unwrap_or(0));
        first << 32 | all.finish() >> 32
    }
}
