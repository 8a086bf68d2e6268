//! What is told about one record: plain data, the same for machines and for sentences.

use chrono::NaiveDate;

use super::dates::Stamp;
use crate::policy::map::Title;
use crate::policy::period::Period;
use crate::policy::purpose::{LegalBasis, OrderKind};
use crate::policy::start::Combine;

/// The story of one record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Explanation {
    /// Full name of the record's root data set, `source.data_set`.
    pub data_set: String,
    /// Its title.
    pub title: Title,
    /// The key as it was asked for, part by part.
    pub key: Vec<String>,
    /// The title of the data set that was asked about, when its rows follow the record told about.
    pub follower: Option<Title>,
    /// The day of the explanation, in the zone of the source's first policy.
    pub today: NaiveDate,
    /// What becomes of the record in the next run.
    pub outcome: Outcome,
    /// Orders that stand on it.
    pub orders: Vec<OrderStory>,
    /// Purposes of the record, and those of its children that need some of its data.
    pub purposes: Vec<PurposeStory>,
    /// Its data by category.
    pub categories: Vec<CategoryStory>,
    /// What a record due for deletion still waits for.
    pub waits_for: Vec<Waiting>,
    /// Rows and columns that the next run changes.
    pub changes: Vec<Change>,
    /// Columns whose values a pseudonym replaces, by `data_set.column`: what is masked there is personal data still.
    pub pseudonyms: Vec<String>,
}

/// What becomes of the record in the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything stays.
    Kept,
    /// What is left stays; other categories are gone already, and nothing needs them.
    KeptInPart,
    /// Some categories are cleared, the rest stays.
    Clear,
    /// Every personal field is masked, for good.
    Anonymise,
    /// The same, with pseudonyms among the masks: what stays is personal data still.
    Pseudonymise,
    /// The row is deleted with what follows it.
    Delete,
    /// Every personal field is masked; the row is deleted once nothing refers to it any more.
    Empty,
    /// It was emptied already and waits for its deletion.
    WaitsEmptied,
    /// It is anonymised already.
    Done,
    /// It is pseudonymised already.
    DonePseudonymised,
    /// A hold or a restriction freezes it.
    Held,
    /// Nothing keeps it, and nothing says that it goes: a finding.
    Uncovered,
}

/// What an order was placed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderScope {
    /// This record.
    Record,
    /// Everything of the record's tenant.
    Tenant,
    /// Everything about a person whom the record is about.
    Subject,
}

/// An order that stands on the record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OrderStory {
    /// The order's id.
    pub id: String,
    /// Its kind.
    pub kind: OrderKind,
    /// What it was placed on.
    pub scope: OrderScope,
    /// When it was placed.
    pub placed_on: Option<NaiveDate>,
    /// Its last day.
    pub until: Option<NaiveDate>,
}

/// The state of a purpose for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The purpose does not concern the record.
    NotCovering,
    /// Whether it does is unknown: it keeps.
    Undecided,
    /// It keeps while a condition holds, or may hold.
    KeptWhile,
    /// Its condition for ending holds.
    EndedByCondition,
    /// An order ended it.
    EndedByOrder,
    /// A cap ended it.
    EndedByCap,
    /// It has no period of its own and runs.
    Running,
    /// Its start has not happened yet.
    StartToCome,
    /// Its period is not over.
    NotYet,
    /// Nobody knows its start: it keeps.
    Undated,
    /// Its period is over.
    EndedByTime,
    /// It has ended, but a hold or restriction lies on the child record through which it keeps.
    Held,
    /// It is one of another source, which still needs the person whom the record is about.
    NeededElsewhere,
    /// It is one of another source, which does not need that person, or not any more.
    NotNeededElsewhere,
    /// It is one of another source, which could not be asked: it keeps.
    UnaskedElsewhere,
}

impl State {
    /// The state of a letter, see [`Terms::state`](crate::plan::terms::Terms::state). An unknown letter is a doubt, which keeps.
    #[must_use]
    pub fn of(letter: &str) -> Self {
        match letter {
            "n" => Self::NotCovering,
            "u" => Self::Undecided,
            "w" => Self::KeptWhile,
            "c" => Self::EndedByCondition,
            "o" => Self::EndedByOrder,
            "x" => Self::EndedByCap,
            "r" => Self::Running,
            "g" => Self::StartToCome,
            "y" => Self::NotYet,
            "t" => Self::EndedByTime,
            "h" => Self::Held,
            _ => Self::Undated,
        }
    }

    /// Whether the purpose keeps what it needs.
    #[must_use]
    pub fn keeps(self) -> bool {
        !matches!(self, Self::NotCovering | Self::NotNeededElsewhere) && !self.ended()
    }

    /// Whether the purpose covered the record and is over.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(self, Self::EndedByCondition | Self::EndedByOrder | Self::EndedByCap | Self::EndedByTime)
    }
}

/// A combination of conditions, in the words of the map.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ConditionStory {
    /// The whole.
    #[serde(flatten)]
    pub words: Title,
    /// What must not be met, where the whole is only the opposite of that: for sentences.
    #[serde(skip)]
    pub opposite_of: Option<Title>,
}

impl ConditionStory {
    /// What the condition speaks of, and whether that is to be met.
    #[must_use]
    pub fn told(&self) -> (&Title, bool) {
        self.opposite_of.as_ref().map_or((&self.words, true), |inner| (inner, false))
    }
}

/// One purpose, as it stands for the record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PurposeStory {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: Title,
    /// Its legal basis, as policies write it.
    #[serde(serialize_with = "basis")]
    pub legal_basis: LegalBasis,
    /// The letter of Article 6(1) GDPR.
    pub article_6_1: char,
    /// Where it was published.
    pub reference: Option<String>,
    /// The archive in which it keeps.
    pub archive: Option<String>,
    /// The data set whose copy keeps for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
    /// How many days before its period ends the active base keeps for it no longer, because a recovery window does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_days: Option<u32>,
    /// Whether it is the recovery window of another purpose.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_window: bool,
    /// The other source that it is of, for one that needs data of the person whom the record is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// For a purpose of child records: which, and how many.
    pub through: Option<Through>,
    /// Its state.
    pub state: State,
    /// Whether it keeps what it needs.
    pub keeps: bool,
    /// Categories of the record that it needs.
    pub needs: Vec<String>,
    /// Its period.
    #[serde(serialize_with = "period")]
    pub period: Option<Period>,
    /// Whether its start is rounded to the end of a month or year before the period is added.
    pub rounded: bool,
    /// Whether several start dates count as their latest or their earliest.
    #[serde(serialize_with = "combine")]
    pub combine: Option<Combine>,
    /// The events that it starts from.
    pub starts: Vec<EventStory>,
    /// The date that decided, before rounding.
    pub started: Option<Stamp>,
    /// The title of the event that decided, or that is still missing.
    pub start_title: Option<Title>,
    /// From when on it keeps no longer, where that is known.
    pub ends: Option<Stamp>,
    /// The title of the cap that decides the end, if one does.
    pub ends_by_cap: Option<Title>,
    /// Its caps.
    pub caps: Vec<CapStory>,
    /// Which records it covers, in words.
    pub covers: Option<ConditionStory>,
    /// While what it does not end.
    pub kept_while: Option<ConditionStory>,
    /// With what it ends.
    pub ends_when: Option<ConditionStory>,
    /// The orders that ended it.
    pub ended_by: Vec<OrderKind>,
    /// Whether the policy says that an instruction ends it, for want of a period.
    pub by_instruction: bool,
}

/// Child records through which a purpose needs data of their parent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Through {
    /// Id of their data set.
    pub data_set: String,
    /// Its title.
    pub title: Title,
    /// How many the purpose covers.
    pub rows: u64,
    /// How many of them it keeps.
    pub keeping: u64,
}

/// One event that a purpose starts from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EventStory {
    /// Its name.
    pub event: String,
    /// Its title.
    pub title: Title,
    /// The date that counts: of related rows the latest or the earliest.
    pub date: Option<Stamp>,
    /// How many dates there are: at most one of the record itself, any number of related rows.
    pub dated: u64,
    /// How many are missing.
    pub missing: u64,
    /// How many break their declared form, or may not count.
    pub doubtful: u64,
}

/// One cap of a purpose.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CapStory {
    /// Its title.
    pub title: Title,
    /// From when on nothing is kept because of it; `None` when it does not apply.
    pub ends: Option<Stamp>,
}

/// What becomes of one category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It stays.
    Kept,
    /// It goes in the next run.
    Goes,
    /// Nothing is stored, or it is masked already.
    Nothing,
    /// It stays because the record is frozen.
    Held,
    /// It is due in the active base, and stays because nobody knows yet until when its archive would keep it.
    WaitsForDate,
    /// Archive purposes alone cover it: kept, and a finding.
    ArchiveOnly,
    /// No purpose covers it: kept, and a finding.
    Uncovered,
}

/// Why a category goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The purposes that needed it are over.
    PurposesOver,
    /// No purpose needs it, and the data map says that it then goes.
    Uncovered,
    /// It must never be stored.
    NeverStored,
}

/// One category of the record's data.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CategoryStory {
    /// Its name.
    pub category: String,
    /// The data sets of the record that this is about.
    pub data_sets: Vec<String>,
    /// Their titles, where the category has another fate in other data sets of the record.
    pub only_in: Vec<Title>,
    /// What becomes of it.
    pub decision: Decision,
    /// Whether it must never be stored.
    pub never_stored: bool,
    /// Purposes that keep it.
    pub kept_by: Vec<Keeper>,
    /// Archive purposes that need it: those that take it when it goes, or that it waits for.
    pub archived: Vec<Keeper>,
    /// Why it goes.
    pub why: Option<Why>,
    /// The purpose that ended last, when it goes because all that needed it are over.
    pub last_purpose: Option<Title>,
    /// Whether pseudonyms take the place of what goes, or went.
    pub pseudonymised: bool,
    /// Whether parts of values stay of what goes, or went, or coarser values: a year, a band, a prefix.
    pub coarsened: bool,
    /// Values still stored, by `data_set.column`, with their number of rows.
    pub stored: Vec<(String, u64)>,
}

/// A purpose that keeps a category.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Keeper {
    /// Its id.
    pub purpose: String,
    /// Its title.
    pub title: Title,
    /// The archive in which it keeps.
    pub archive: Option<String>,
    /// The data set whose copy keeps for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
    /// From when on it keeps no longer, where that is known.
    pub ends: Option<Stamp>,
}

/// What a record due for deletion waits for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Waiting {
    /// Title of the data set, or name of the table, in which the rows stand.
    pub title: Title,
    /// Whether those rows read a date here; otherwise they refer to the row by a foreign key.
    pub reads: bool,
}

/// What is done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// They are deleted.
    Delete,
    /// A column of them is masked.
    Mask,
    /// A column of them is masked by a pseudonym.
    Pseudonymise,
}

/// One change of the next run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Id of the data set.
    pub data_set: String,
    /// What is done.
    pub operation: Operation,
    /// The column that is masked.
    pub column: Option<String>,
    /// How many rows.
    pub rows: u64,
}

fn basis<S: serde::Serializer>(basis: &LegalBasis, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(LegalBasis::WORDS.iter().find(|(_, b)| b == basis).map_or("", |(word, _)| *word))
}

fn period<S: serde::Serializer>(period: &Option<Period>, s: S) -> Result<S::Ok, S::Error> {
    match period {
        Some(period) => s.serialize_str(&period.to_string()),
        None => s.serialize_none(),
    }
}

fn combine<S: serde::Serializer>(combine: &Option<Combine>, s: S) -> Result<S::Ok, S::Error> {
    match combine {
        Some(Combine::Latest) => s.serialize_str("latest_of"),
        Some(Combine::Earliest) => s.serialize_str("earliest_of"),
        None => s.serialize_none(),
    }
}
