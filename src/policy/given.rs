//! Dates that are given for a whole tenant: the family's control database knows them, and no table of the tenant does.
//!
//! Each is a constant of the tenant for the time of a command. It never becomes part of a statement as a value: what it decides is decided before
//! statements are written.

use chrono::{Datelike as _, NaiveDate};

use super::located::Located;
use super::map::{DataMap, Missing, Title};

/// A dated fact about a tenant, which purposes start from as from any other event.
#[derive(Debug, Clone)]
pub struct GivenDate {
    /// Its name, as purposes start from it.
    pub name: Located<String>,
    /// What people call it.
    pub title: Title,
    /// The column of the control database's answer that holds the date.
    pub column: Located<String>,
    /// What a missing date means.
    pub missing: Missing,
    /// The date; none while it is missing, or the tenant not known.
    pub value: Option<NaiveDate>,
}

/// A text of a control database that is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDate;

/// Reads a date as a control database answers it: `YYYY-MM-DD`, and `None` for NULL and for what stands in place of a date.
///
/// # Errors
/// [`NoDate`] for every other text: a date that nobody can read must not be taken for one that has not come yet.
pub fn read(text: Option<&str>) -> Result<Option<NaiveDate>, NoDate> {
    let Some(text) = text else { return Ok(None) };
    if ["infinity", "-infinity", "0000-00-00"].contains(&text) {
        return Ok(None);
    }
    let digits = |range: std::ops::Range<usize>| text.get(range).is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let shaped = text.len() == 10 && digits(0..4) && digits(5..7) && digits(8..10);
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| shaped).ok_or(NoDate)?;
    let sentinel = [(1, 1, 1), (1900, 1, 1), (1970, 1, 1), (9999, 12, 31)].contains(&(day.year(), day.month(), day.day()));
    Ok((!sentinel && day.year() > 0).then_some(day))
}

impl DataMap {
    /// The columns of the control database's answer that it takes dates from, each once.
    #[must_use]
    pub fn given_columns(&self) -> Vec<String> {
        let mut all: Vec<String> = self.data_sets.iter().flat_map(|d| &d.given).map(|g| g.column.value.clone()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Gives the dates of the tenant.
    pub fn give(&mut self, value: impl Fn(&str) -> Option<NaiveDate>) {
        for given in self.data_sets.iter_mut().flat_map(|d| &mut d.given) {
            given.value = value(&given.column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_date_is_a_day_or_missing_and_nothing_else() {
        let day = NaiveDate::from_ymd_opt(2024, 2, 29);
        for (text, expected) in [
            (None, Ok(None)),
            (Some("2024-02-29"), Ok(day)),
            (Some("9999-12-31"), Ok(None)),
            (Some("0001-01-01"), Ok(None)),
            (Some("1970-01-01"), Ok(None)),
            (Some("1900-01-01"), Ok(None)),
            (Some("0000-00-00"), Ok(None)),
            (Some("infinity"), Ok(None)),
            (Some("2023-02-29"), Err(NoDate)),
            (Some("2024-02-29 00:00:00"), Err(NoDate)),
            (Some("2024-2-29"), Err(NoDate)),
            (Some("+024-02-29"), Err(NoDate)),
            (Some(""), Err(NoDate)),
            (Some("soon"), Err(NoDate)),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }
}
