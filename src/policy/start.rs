//! Start events of a purpose: which dates count, and how they are rounded before the period is added.

use chrono::{Datelike as _, NaiveDate};

use super::located::Located;
use super::period::month_end_of;

/// How several dates become one start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Combine {
    /// The last of them: due when every one is due.
    Latest,
    /// The first of them: due when any one is due.
    Earliest,
}

/// Rounding of a start to the end of a cycle, before the period is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// The last day of the start's month.
    Month,
    /// 31 December of the start's year.
    CalendarYear,
    /// The end of the financial year that holds the start.
    FinancialYear {
        /// Month of the financial year's last day, 1 to 12.
        month: u32,
        /// Its day; 29 with month 2 means the last day of February.
        day: u32,
    },
}

impl Rounding {
    /// The end of the cycle that holds `day`. `None` beyond the calendar.
    #[must_use]
    pub fn round(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Month => month_end_of(day),
            Self::CalendarYear => NaiveDate::from_ymd_opt(day.year(), 12, 31),
            Self::FinancialYear { .. } => {
                let this_year = self.financial_end(day.year())?;
                if day <= this_year { Some(this_year) } else { self.financial_end(day.year() + 1) }
            }
        }
    }

    /// The end of the cycle before the one that ends on `end`.
    #[must_use]
    pub fn previous(self, end: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Month => end.with_day(1)?.pred_opt(),
            Self::CalendarYear => NaiveDate::from_ymd_opt(end.year() - 1, 12, 31),
            Self::FinancialYear { .. } => self.financial_end(end.year() - 1),
        }
    }

    fn financial_end(self, year: i32) -> Option<NaiveDate> {
        match self {
            Self::FinancialYear { month: 2, day: 29 } => month_end_of(NaiveDate::from_ymd_opt(year, 2, 1)?),
            Self::FinancialYear { month, day } => NaiveDate::from_ymd_opt(year, month, day),
            Self::Month | Self::CalendarYear => None,
        }
    }
}

/// The start of a purpose: events of the data map, combined and rounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// How several events combine. With one event of related rows it says how those rows combine.
    pub combine: Combine,
    /// Names of events of the purpose's data set.
    pub events: Vec<Located<String>>,
    /// Rounding, if any.
    pub end_of: Option<Rounding>,
}
