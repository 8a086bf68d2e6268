//! The data map: what is where in one source. Tables, keys, personal columns by category, events, conditions, dispositions.

use chrono_tz::Tz;

use super::expression::Expr;
use super::given::GivenDate;
use super::located::Located;
use super::mask::Mask;
use super::purpose::DataName;

/// A title in both languages of the product.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Title {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

/// The data map of one source.
#[derive(Debug, Clone)]
pub struct DataMap {
    /// The source's id, the first half of every data set's full name.
    pub source: Located<String>,
    /// The zone in which date-times without a zone are to be read, unless an event says otherwise.
    pub time_zone: Option<Tz>,
    /// Its data sets.
    pub data_sets: Vec<DataSet>,
    /// Tables declared free of personal data.
    pub free_of_personal_data: Vec<Located<TableRef>>,
}

/// A table as the map names it: with or without its schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableRef {
    /// Schema or database, if given.
    pub schema: Option<String>,
    /// Stored name.
    pub name: String,
}

/// A table that holds personal data, and what becomes of its rows.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// Its id within the source.
    pub id: Located<String>,
    /// What people call it.
    pub title: Title,
    /// Its table.
    pub table: Located<TableRef>,
    /// Columns of its primary key, in the order in which a record is named.
    pub key: Vec<Located<String>>,
    /// Personal columns by category.
    pub categories: Vec<Category>,
    /// Columns declared free of personal data.
    pub plain: Vec<Located<String>>,
    /// What it belongs to.
    pub parent: Option<Parent>,
    /// The column that names a row's tenant.
    pub tenant: Option<Located<String>>,
    /// Whom its records are about, by identifiers that other data sets and other sources share.
    pub subjects: Vec<SubjectColumn>,
    /// A generated column that says whether anything in the row is still to be masked: MariaDB and MySQL have no partial indexes.
    pub to_do: Option<Located<String>>,
    /// What becomes of a row when nothing keeps it.
    pub disposition: Disposition,
    /// Whether rows that no purpose covers reach their disposition instead of being a finding.
    pub dispose_uncovered: bool,
    /// Whether fields that no purpose covers are cleared instead of being a finding.
    pub clear_uncovered: bool,
    /// Dates that purposes may start from.
    pub events: Vec<Event>,
    /// Dates of the whole tenant, which its control database gives.
    pub given: Vec<GivenDate>,
    /// Conditions that purposes may use.
    pub conditions: Vec<Condition>,
    /// Columns that hold a period of their own for each record.
    pub periods: Vec<PeriodColumn>,
    /// Data sets elsewhere that hold copies of its records.
    pub copies: Vec<CopyElsewhere>,
    /// Columns that point to files.
    pub files: Vec<FileColumn>,
    /// Tables whose rows go with a deleted row, declared because they are no data sets.
    pub cascades: Vec<Located<TableRef>>,
    /// Triggers that were reviewed and may fire.
    pub triggers: Vec<Located<String>>,
    /// Related tables read without a foreign key whose residual race is accepted.
    pub accepts_race: bool,
}

/// The data set that another belongs to, and how they are joined.
#[derive(Debug, Clone)]
pub struct Parent {
    /// Id of the parent data set.
    pub data: Located<String>,
    /// Pairs: a column of this data set, the column of the parent that it equals.
    pub on: Vec<(Located<String>, Located<String>)>,
    /// Whether this data set shares the parent's fate instead of having purposes of its own.
    pub follows: bool,
}

/// A data set, of this source or of another, that holds copies of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyElsewhere {
    /// Its name, as purposes are kept by it.
    pub name: Located<String>,
    /// The data set that holds the copies.
    pub of: Located<DataName>,
    /// Pairs: a column of that data set, the column of this one that it equals where the row is a copy.
    pub matched_by: Vec<(Located<String>, Located<String>)>,
}

/// A column by which a person is known in several data sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectColumn {
    /// Who the person is to the records, in one word that all data sets share: `person`, `member`.
    pub subject: Located<String>,
    /// The column with the shared identifier.
    pub column: Located<String>,
}

/// What becomes of a row at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// The row is deleted.
    Delete,
    /// Its personal fields are masked; the row stays. With a pseudonym among its masks the map must say `pseudonymise`: what such a mask leaves is
    /// personal data still.
    Anonymise,
}

/// Personal columns of one category.
#[derive(Debug, Clone)]
pub struct Category {
    /// Its name, as purposes need it.
    pub name: Located<String>,
    /// Its columns with their masks.
    pub columns: Vec<PersonalColumn>,
    /// Whether its values must never be stored at all.
    pub never_stored: bool,
}

/// One personal column.
#[derive(Debug, Clone)]
pub struct PersonalColumn {
    /// Stored name.
    pub name: Located<String>,
    /// What its value becomes.
    pub mask: Located<Mask>,
}

/// Rows of another table that are related to a record.
#[derive(Debug, Clone)]
pub struct Related {
    /// Which rows.
    pub to: RelatedTo,
    /// Only those for which this holds.
    pub filter: Option<Located<Expr>>,
}

/// How related rows are found.
#[derive(Debug, Clone)]
pub enum RelatedTo {
    /// A data set that is this one's parent or child.
    DataSet(Located<String>),
    /// Any table, with pairs: a column of that table, the column of this data set that it equals.
    Table(Located<TableRef>, Vec<(Located<String>, Located<String>)>),
}

/// A dated fact about a record.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its name, as purposes start from it.
    pub name: Located<String>,
    /// What people call it.
    pub title: Title,
    /// The column that holds the date.
    pub column: Located<String>,
    /// The table that holds the column, if not the record's own.
    pub of: Option<Related>,
    /// What a missing date means.
    pub missing: Missing,
    /// Another event of the record's own columns that dates what this one leaves undated.
    pub otherwise: Option<Located<String>>,
    /// The zone of a date-time without one.
    pub zone: Option<Tz>,
    /// How a text or number holds a date.
    pub format: Option<Located<DateFormat>>,
}

/// What a missing date of an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Missing {
    /// It has not happened yet: the purpose keeps.
    Running,
    /// Nobody knows: kept, counted and reported until somebody dates it.
    #[default]
    Undated,
    /// It does not count.
    Ignore,
}

/// How a column that is not a date holds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateFormat {
    /// Text `YYYY-MM-DD`.
    IsoDate,
    /// Text `YYYY-MM-DD HH:MM[:SS[.fff]]`, or with `T`, without a zone.
    IsoDateTime,
    /// Text `YYYY-MM-DDTHH:MM:SS[.fff]Z`: an instant in UTC, as RFC 3339 and JavaScript write it.
    IsoInstant,
    /// Text `YYYYMMDD`.
    CompactDate,
    /// Whole seconds since 1970-01-01 UTC.
    EpochSeconds,
    /// Whole milliseconds since 1970-01-01 UTC.
    EpochMilliseconds,
}

impl DateFormat {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::IsoDate, Self::IsoDateTime, Self::IsoInstant, Self::CompactDate, Self::EpochSeconds, Self::EpochMilliseconds];

    /// What a data map calls it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::IsoDate => "iso_date",
            Self::IsoDateTime => "iso_datetime",
            Self::IsoInstant => "iso_instant",
            Self::CompactDate => "compact_date",
            Self::EpochSeconds => "epoch_seconds",
            Self::EpochMilliseconds => "epoch_milliseconds",
        }
    }
}

/// A condition that purposes may name.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Its name.
    pub name: Located<String>,
    /// What people call it.
    pub title: Title,
    /// What it says.
    pub test: Test,
}

/// What a condition says.
#[derive(Debug, Clone)]
pub enum Test {
    /// An expression over the row.
    Row(Located<Expr>),
    /// At least one related row.
    Some(Related),
    /// No related row.
    No(Related),
}

/// A column that holds a period for each record.
#[derive(Debug, Clone)]
pub struct PeriodColumn {
    /// Its name, as `at_most` uses it.
    pub name: Located<String>,
    /// What people call it.
    pub title: Title,
    /// The column, of whole numbers.
    pub column: Located<String>,
    /// What one of them is worth.
    pub unit: PeriodUnit,
}

/// A column that points to files, each of which goes with the field.
#[derive(Debug, Clone)]
pub struct FileColumn {
    /// Its name.
    pub name: Located<String>,
    /// The column, of texts: paths below the store's root.
    pub column: Located<String>,
    /// The store of the settings.
    pub store: Located<String>,
}

/// Units of a per-record period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeriodUnit {
    /// Years.
    Years,
    /// Months.
    Months,
    /// Weeks.
    Weeks,
    /// Days.
    Days,
}

impl DataMap {
    /// The data set of that id.
    #[must_use]
    pub fn data_set(&self, id: &str) -> Option<&DataSet> {
        self.data_sets.iter().find(|d| d.id.value == id)
    }

    /// The data set whose purposes decide about `data`: itself, or what it follows, transitively.
    #[must_use]
    pub fn root_of<'a>(&'a self, data: &'a DataSet) -> &'a DataSet {
        let mut at = data;
        for _ in 0..self.data_sets.len() {
            match at.parent.as_ref().filter(|p| p.follows).and_then(|p| self.data_set(&p.data)) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    /// Data sets that follow `data` directly.
    pub fn followers_of<'a>(&'a self, data: &'a DataSet) -> impl Iterator<Item = &'a DataSet> {
        self.data_sets.iter().filter(move |d| d.parent.as_ref().is_some_and(|p| p.follows && p.data.value == data.id.value))
    }

    /// Data sets that belong to `data` directly and have purposes of their own.
    pub fn children_of<'a>(&'a self, data: &'a DataSet) -> impl Iterator<Item = &'a DataSet> {
        self.data_sets.iter().filter(move |d| d.parent.as_ref().is_some_and(|p| !p.follows && p.data.value == data.id.value))
    }

    /// `data` and everything that follows it, roots before followers.
    #[must_use]
    pub fn record_of<'a>(&'a self, data: &'a DataSet) -> Vec<&'a DataSet> {
        let mut all = vec![data];
        let mut at = 0;
        while at < all.len() && all.len() <= self.data_sets.len() {
            let next: Vec<&DataSet> = self.followers_of(all[at]).collect();
            all.extend(next);
            at += 1;
        }
        all
    }

    /// Whether a record of `data` whose root stays keeps a pseudonym, in the root or in a row that follows and stays with it.
    #[must_use]
    pub fn keeps_pseudonyms(&self, data: &DataSet) -> bool {
        let stays = |d: &&&DataSet| d.id == data.id || d.disposition == Disposition::Anonymise;
        self.record_of(data).iter().filter(stays).any(|d| d.pseudonyms().next().is_some())
    }
}

impl DataSet {
    /// Columns that are masked by a pseudonym.
    pub fn pseudonyms(&self) -> impl Iterator<Item = &PersonalColumn> {
        self.categories.iter().flat_map(|c| &c.columns).filter(|c| c.mask.is_pseudonym())
    }

    /// The event of that name.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<&Event> {
        self.events.iter().find(|e| e.name.value == name)
    }

    /// The tenant's date of that name.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&GivenDate> {
        self.given.iter().find(|g| g.name.value == name)
    }

    /// The names of all dates that purposes may start from.
    pub fn date_names(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|e| e.name.as_str()).chain(self.given.iter().map(|g| g.name.as_str()))
    }

    /// The title of the date of that name, an event's or the tenant's.
    #[must_use]
    pub fn date_title(&self, name: &str) -> Option<&Title> {
        self.event(name).map(|e| &e.title).or_else(|| Some(&self.given(name)?.title))
    }

    /// The condition of that name.
    #[must_use]
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.name.value == name)
    }

    /// The per-record period of that name.
    #[must_use]
    pub fn period(&self, name: &str) -> Option<&PeriodColumn> {
        self.periods.iter().find(|p| p.name.value == name)
    }

    /// The category of that name.
    #[must_use]
    pub fn category(&self, name: &str) -> Option<&Category> {
        self.categories.iter().find(|c| c.name.value == name)
    }
}
