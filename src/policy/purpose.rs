//! The policy: one purpose for each row of the published retention table, in names of the data map only.

use chrono_tz::Tz;

use super::bound::RunTime;
use super::located::Located;
use super::map::Title;
use super::period::Period;
use super::start::Start;

/// One policy file.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its id.
    pub id: Located<String>,
    /// The actor who answers for its text; plans need somebody else's approval.
    pub author: Located<String>,
    /// What people call it.
    pub title: Title,
    /// The zone in which days begin and end.
    pub time_zone: Tz,
    /// Its purposes, each recovery window's own among them: see [`crate::policy::recovery`].
    pub purposes: Vec<Purpose>,
    /// Its recovery windows.
    pub windows: Vec<RecoveryWindow>,
}

/// A recovery window: what leaves the active base of a data set lies sealed for the last days of its period.
#[derive(Debug, Clone)]
pub struct RecoveryWindow {
    /// The data set, `source.data_set`.
    pub data: Located<DataName>,
    /// How many days it takes from the end of each period.
    pub days: Located<u32>,
    /// The archive of the settings in which what left lies meanwhile.
    pub archive: Located<String>,
}

/// A purpose that keeps fields of records.
#[derive(Debug, Clone)]
pub struct Purpose {
    /// Its id.
    pub id: Located<String>,
    /// What people call it (finalité).
    pub title: Title,
    /// Its legal basis.
    pub legal_basis: LegalBasis,
    /// Where the organisation published it.
    pub reference: Option<String>,
    /// The data set whose records it covers, `source.data_set`.
    pub data: Located<DataName>,
    /// Which records it covers; all when absent.
    pub when: Option<Located<When>>,
    /// Which fields it needs.
    pub needs: Located<Needs>,
    /// What its period counts from.
    pub starts: Option<Start>,
    /// How long it keeps after its start; without it, until `ends_when`, an order or a cap.
    pub keeps: Option<Located<Period>>,
    /// Caps: whichever comes first ends it.
    pub at_most: Vec<Cap>,
    /// It does not end while this holds; the clock runs on.
    pub kept_while: Option<Located<When>>,
    /// It ends at the next run once this holds.
    pub ends_when: Option<Located<When>>,
    /// How long after its end the disposition may take before an alert.
    pub done_within: Option<Located<Period>>,
    /// Orders that end it.
    pub ended_by: Vec<OrderKind>,
    /// Whether a record that it covered is deleted in the end, whatever the data set's disposition.
    pub then_delete: bool,
    /// Where it keeps what it needs.
    pub kept_in: Place,
    /// Its part in a recovery window.
    pub window: Window,
}

/// The part that a purpose has in a recovery window of its data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    /// None.
    #[default]
    None,
    /// In the active base it ends so many days before its period does.
    Before(u32),
    /// It is the window: what the purpose of the active base needed lies sealed until the period ends.
    Is,
}

/// Where a purpose keeps what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The active base (base active).
    ActiveBase,
    /// An intermediate archive of the settings (archivage intermédiaire), once no purpose keeps it in the active base.
    Archive(Located<String>),
    /// A copy in another data set, which is kept there under the purposes of that one; by its name in the data map. The record leaves the active base
    /// only after its copy was seen.
    Copy(Located<String>),
}

impl Purpose {
    /// Whether it keeps in the active base, and not in an archive or by a copy elsewhere.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.kept_in == Place::ActiveBase
    }

    /// Whether it is the recovery window of another, and not a purpose that somebody declared.
    #[must_use]
    pub fn is_window(&self) -> bool {
        self.window == Window::Is
    }

    /// How many days before its period ends the active base keeps for it no longer.
    #[must_use]
    pub fn days_before(&self) -> u32 {
        match self.window {
            Window::Before(days) => days,
            Window::None | Window::Is => 0,
        }
    }

    /// The time by which it is decided in the active base whether it has ended: that of the run, or as many days later as its recovery window has.
    #[must_use]
    pub fn decided_at(&self, run: RunTime) -> RunTime {
        run.later(self.days_before())
    }

    /// The archive in which it keeps.
    #[must_use]
    pub fn archive(&self) -> Option<&Located<String>> {
        match &self.kept_in {
            Place::Archive(archive) => Some(archive),
            Place::ActiveBase | Place::Copy(_) => None,
        }
    }

    /// The copy by which it keeps.
    #[must_use]
    pub fn copy(&self) -> Option<&Located<String>> {
        match &self.kept_in {
            Place::Copy(copy) => Some(copy),
            Place::ActiveBase | Place::Archive(_) => None,
        }
    }
}

/// A data set's full name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataName {
    /// Id of the source.
    pub source: String,
    /// Id of the data set in it.
    pub data_set: String,
}

impl std::fmt::Display for DataName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.source, self.data_set)
    }
}

/// Conditions of the map, combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// A condition by name.
    Condition(Located<String>),
    /// Its negation.
    Not(Box<When>),
    /// All of them.
    All(Vec<When>),
    /// Any of them.
    Any(Vec<When>),
}

/// The fields a purpose needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// Every category of the record, except those that are never stored.
    All,
    /// Every category but these.
    AllBut(Vec<Located<String>>),
    /// These: a category of the record, or `parent.category`.
    These(Vec<Located<String>>),
}

/// A limit that ends a purpose early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cap {
    /// A per-record period or a date column of the map, by name.
    Named(Located<String>),
    /// Another start with a period of its own.
    Start(Start, Located<Period>),
}

/// Legal bases of Article 6(1) GDPR, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LegalBasis {
    /// (a)
    Consent,
    /// (b)
    Contract,
    /// (c)
    LegalObligation,
    /// (d)
    VitalInterests,
    /// (e)
    PublicTask,
    /// (f)
    LegitimateInterest,
}

impl LegalBasis {
    /// The words of a policy file for it, in the order of the Article.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("consent", Self::Consent),
        ("contract", Self::Contract),
        ("legal_obligation", Self::LegalObligation),
        ("vital_interests", Self::VitalInterests),
        ("public_task", Self::PublicTask),
        ("legitimate_interest", Self::LegitimateInterest),
    ];

    /// Orders that end a purpose on this basis unless it says otherwise: objection (Art. 21) and erasure (Art. 17(1)(b), (c)) end
    /// consent and legitimate interest, and nothing ends the others.
    #[must_use]
    pub fn ended_by(self) -> Vec<OrderKind> {
        match self {
            Self::Consent | Self::LegitimateInterest => vec![OrderKind::Objection, OrderKind::Erasure],
            Self::Contract | Self::LegalObligation | Self::VitalInterests | Self::PublicTask => Vec::new(),
        }
    }

    /// The letter of Article 6(1).
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Consent => 'a',
            Self::Contract => 'b',
            Self::LegalObligation => 'c',
            Self::VitalInterests => 'd',
            Self::PublicTask => 'e',
            Self::LegitimateInterest => 'f',
        }
    }
}

/// Orders that people place on records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Legal hold: nothing of the record is touched.
    Hold,
    /// Restriction of processing (Art. 18): nothing of the record is touched.
    Restriction,
    /// Objection (Art. 21): ends the purposes that say so.
    Objection,
    /// Erasure request (Art. 17): ends the purposes that say so and disposes of what is uncovered.
    Erasure,
    /// A customer's instruction to its processor (Art. 28(3)(g)): ends every purpose.
    Instruction,
}

impl OrderKind {
    /// The word for it in files, tables and journals.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("hold", Self::Hold),
        ("restriction", Self::Restriction),
        ("objection", Self::Objection),
        ("erasure", Self::Erasure),
        ("instruction", Self::Instruction),
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
            Self::Erasure => "erasure",
            Self::Instruction => "instruction",
        }
    }
}
