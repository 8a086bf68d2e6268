//! What purposes of other sources keep here, of the person whom a record is about.
//!
//! The other source is asked before anything of the record goes. Whoever it does not need any more is noted in a table of ours beside the record, and the
//! predicates of the plan look there: of whom nobody has asked, or nobody could, everything stays.

use std::collections::BTreeSet;

use super::action::{Action, ActionKind, ROW};
use super::boolean::B;
use super::dialect::Dialect;
use super::dialect::keys::kind_of;
use super::group::Group;
use super::key::{KeyKind, KeyPart, RecordKey};
use super::own_tables::OwnTable;
use super::record::Records;
use super::resolve::Resolved;
use super::schema::{Column, Engine, TableName};
use crate::policy::elsewhere::{needing, person};
use crate::policy::map::DataSet;
use crate::policy::purpose::{Policy, Purpose};

/// The longest identifier of a person that can be noted, in bytes. Of whom has a longer one, everything stays.
pub const LONGEST: usize = 1_000;

/// A purpose of another source that needs fields of a data set.
#[derive(Debug, Clone)]
pub struct Elsewhere<'a> {
    /// The purpose.
    pub purpose: &'a Purpose,
    /// Under which name its answers are noted: the same identifier may name a person and a company.
    pub name: String,
    /// The data set here.
    pub data_set: &'a str,
    /// The categories that it needs.
    pub categories: BTreeSet<&'a str>,
}

/// All purposes of other sources that need fields of this one.
#[must_use]
pub fn all_elsewhere<'a>(resolved: &Resolved<'a>, policies: &'a [Policy]) -> Vec<Elsewhere<'a>> {
    let of = |data: &'a DataSet| {
        let needing = needing(policies, &resolved.map.source, &data.id).into_iter();
        let name = |purpose: &Purpose| noted(purpose, person(data).map_or("", |s| &s.subject));
        needing.map(move |n| Elsewhere {
            purpose: n.purpose,
            name: name(n.purpose),
            data_set: &data.id,
            categories: n.categories,
        })
    };
    resolved.map.data_sets.iter().flat_map(of).collect()
}

/// Under which name it is noted what a purpose says of the persons of this word.
#[must_use]
pub fn noted(purpose: &Purpose, subject: &str) -> String {
    format!("{}:{subject}", purpose.full_name())
}

/// The full name of the purpose whose answers are noted so.
#[must_use]
pub fn purpose_of(noted: &str) -> &str {
    // Also the id of a tenant's source has a `:`.
    noted.rsplit_once(':').map_or(noted, |(purpose, _)| purpose)
}

/// What is known of the answers of other sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered<'a> {
    /// What this asker has noted.
    To(&'a str),
    /// Nobody needs anything: for finding out of whom they are to be asked.
    NobodyNeeds,
}

/// The people whom some records are about, and who is to be asked of them.
#[derive(Debug, Clone)]
pub struct People {
    /// The purposes, by the names under which their answers are noted.
    pub purposes: Vec<String>,
    table: TableName,
    key: Vec<Column>,
    column: Column,
}

/// How it is found out of whom other sources are to be asked: the people of records that nothing else keeps.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The people.
    pub people: People,
    /// Finds the records, as if nobody elsewhere needed anything and no order froze them.
    pub action: Action,
}

impl Records<'_> {
    /// The purposes of other sources that need fields of a data set, by index.
    #[must_use]
    pub fn elsewhere_of(&self, data: &DataSet) -> Vec<usize> {
        (0..self.elsewhere.len()).filter(|i| self.elsewhere[*i].data_set == data.id.value).collect()
    }

    /// Whether the other source has said that this purpose of its does not need the person any more whom the record is about.
    #[must_use]
    pub fn free_elsewhere(&self, i: usize, data: &DataSet, alias: &str) -> B {
        let Answered::To(asker) = self.answered else { return B::True };
        let (resolved, d) = (self.resolved(), self.resolved().dialect);
        let Some((_, column)) = resolved.subjects(data).next() else { return B::False };
        let (nobody, who) = (d.column(alias, &column.name), d.exact(&d.key_text(alias, column)));
        B::sql(format!(
            "({nobody} IS NULL OR EXISTS (SELECT 1 FROM {} AS e WHERE e.asker = {} AND e.purpose = {} AND e.person = {who}))",
            d.own(OwnTable::Elsewhere),
            d.word(asker),
            d.word(&self.elsewhere[i].name),
        ))
    }

    /// Whether no purpose of another source keeps anything of the record.
    pub(super) fn all_free_elsewhere(&self, data: &DataSet, alias: &str) -> B {
        B::and(self.elsewhere_of(data).into_iter().map(|i| self.free_elsewhere(i, data, alias)))
    }

    /// Who is to be asked before an action takes something of records: of everything, or of the fields of one group.
    pub(super) fn people(&self, data: &DataSet, kind: ActionKind, group: Option<&Group>) -> Option<People> {
        let asked = match (kind, group) {
            (ActionKind::NeverStored, _) => return None,
            (ActionKind::Clear, Some(group)) => group.elsewhere.clone(),
            _ => self.elsewhere_of(data),
        };
        let (_, column) = self.resolved().subjects(data).next()?;
        let table = self.resolved().table(data)?;
        let purposes: Vec<String> = asked.iter().map(|i| self.elsewhere[*i].name.clone()).collect();
        (!purposes.is_empty()).then(|| People {
            purposes,
            table: table.name.clone(),
            key: self.resolved().key_columns(data),
            column: column.clone(),
        })
    }

    /// Whether a purpose of this source keeps what it needs of a person, or a hold keeps the record on which it rests.
    #[must_use]
    pub fn keeps_person(&self, i: usize, data: &DataSet, alias: &str) -> B {
        let t = self.purposes[i];
        let held = B::and([self.terms.covers(t.purpose, data, alias), self.frozen(data, alias)]);
        B::or([self.terms.keeps(t.purpose, t.run, data, alias), held])
    }
}

impl People {
    /// Asks whom these records are about. Those about nobody are left out.
    #[must_use]
    pub fn of(&self, d: Dialect, keys: &[RecordKey]) -> String {
        format!(
            "SELECT {} FROM {} AS {ROW} WHERE {} AND {} IS NOT NULL",
            d.key_text(ROW, &self.column),
            d.table(&self.table),
            d.key_in(ROW, &self.key, keys),
            d.column(ROW, &self.column.name)
        )
    }

    /// The column that names the person.
    #[must_use]
    pub fn column(&self) -> &Column {
        &self.column
    }
}

/// A question to a data set elsewhere: whom does one of its purposes still need?
#[derive(Debug, Clone)]
pub struct Needed {
    dialect: Dialect,
    table: TableName,
    column: Column,
    indexed: bool,
    keeps: B,
}

impl Needed {
    /// The question about a purpose of these records, of the persons whom the word names there. `None` where it cannot be asked: table, column or purpose
    /// are not there, or the column's values cannot be compared exactly.
    #[must_use]
    pub fn new(records: &Records<'_>, purpose: &str, subject: &str) -> Option<Self> {
        let i = (0..records.purposes.len()).find(|i| records.purposes[*i].purpose.id.value == purpose)?;
        let resolved = records.resolved();
        let data = resolved.map.data_set(&records.purposes[i].purpose.data.data_set)?;
        let table = resolved.table(data)?;
        let (_, column) = resolved.subjects(data).find(|(name, _)| *name == subject)?;
        kind_of(column.class)?;
        let leads = |first: Option<&String>| first == Some(&column.name);
        let indexed = leads(table.primary_key.first()) || table.indexes.iter().any(|index| leads(index.columns.first()));
        let keeps = records.keeps_person(i, data, ROW);
        Some(Self { dialect: resolved.dialect, table: table.name.clone(), column: column.clone(), indexed, keeps })
    }

    /// Whether an index finds people.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.indexed
    }

    /// An identifier from elsewhere as one of this column; `None` where it cannot be one.
    ///
    /// # Errors
    /// [`OtherKind`]: identifiers of one kind cannot be told from those of another.
    pub fn typed(&self, part: &KeyPart) -> Result<Option<RecordKey>, OtherKind> {
        let here = kind_of(self.column.class).ok_or(OtherKind)?;
        let same = match (here, part.kind) {
            // Each of its spellings is read as the same one.
            (KeyKind::Uuid, KeyKind::Text) => true,
            (here, kind) => here == kind,
        };
        if !same {
            return Err(OtherKind);
        }
        Ok(self.dialect.typed_part(&self.column, &part.text).map(|part| RecordKey(vec![part])))
    }

    /// Asks whether there is any record.
    #[must_use]
    pub fn any(&self) -> String {
        let d = self.dialect;
        format!("SELECT {} FROM {} AS {ROW} LIMIT 1", d.key_text(ROW, &self.column), d.table(&self.table))
    }

    /// Asks for the identifiers of those of these people whom the purpose still needs, as they are stored, once for each record: a collation could take two
    /// of them for one.
    #[must_use]
    pub fn ask(&self, people: &[RecordKey]) -> String {
        let d = self.dialect;
        let these = B::sql(d.key_in(ROW, std::slice::from_ref(&self.column), people));
        format!(
            "SELECT {} FROM {} AS {ROW} WHERE {}",
            d.key_text(ROW, &self.column),
            d.table(&self.table),
            B::and([these, self.keeps.clone()]).render()
        )
    }

    /// The identifier that an answer is.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<KeyPart> {
        self.dialect.key_part(&self.column, text)
    }
}

/// Identifiers of two sources that are not of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherKind;

impl Dialect {
    fn person_literal(self, person: &str) -> String {
        if self.engine.is_mysql_family() { format!("x'{}'", hex::encode(person)) } else { self.text(person) }
    }

    /// Notes that a purpose elsewhere does not need these people any more. `None` for nobody.
    #[must_use]
    pub fn note_unneeded(self, asker: &str, purpose: &str, people: &[&str]) -> Option<String> {
        let (asker, purpose, day) = (self.word(asker), self.word(purpose), self.days_ago(0));
        let short = people.iter().filter(|person| person.len() <= LONGEST && !person.contains('\0'));
        let rows: Vec<String> =
            short.map(|person| format!("({asker}, {purpose}, {}, {day})", self.person_literal(person))).collect();
        if rows.is_empty() {
            return None;
        }
        let (insert, known) = match self.engine {
            Engine::Postgres => ("INSERT INTO", " ON CONFLICT DO NOTHING"),
            Engine::Sqlite => ("INSERT OR IGNORE INTO", ""),
            Engine::MariaDb | Engine::MySql => ("INSERT IGNORE INTO", ""),
        };
        let table = self.own(OwnTable::Elsewhere);
        Some(format!("{insert} {table} (asker, purpose, person, asked_on) VALUES {}{known}", rows.join(", ")))
    }

    /// Forgets what was noted of these people for a purpose.
    #[must_use]
    pub fn forget_people(self, asker: &str, purpose: &str, people: &[&str]) -> String {
        let list: Vec<String> = people.iter().map(|person| self.person_literal(person)).collect();
        let these = if list.is_empty() { "(1 = 0)".to_owned() } else { format!("person IN ({})", list.join(", ")) };
        let (table, asker, purpose) = (self.own(OwnTable::Elsewhere), self.word(asker), self.word(purpose));
        format!("DELETE FROM {table} WHERE asker = {asker} AND purpose = {purpose} AND {these}")
    }

    /// Forgets what was noted for a purpose.
    #[must_use]
    pub fn forget_purpose(self, asker: &str, purpose: &str) -> String {
        let (table, asker, purpose) = (self.own(OwnTable::Elsewhere), self.word(asker), self.word(purpose));
        format!("DELETE FROM {table} WHERE asker = {asker} AND purpose = {purpose}")
    }

    /// Forgets what this asker has noted.
    #[must_use]
    pub fn forget_asker(self, asker: &str) -> String {
        format!("DELETE FROM {} WHERE asker = {}", self.own(OwnTable::Elsewhere), self.word(asker))
    }

    /// Forgets what askers have left that ended before they could: what is more than a day old by the server's clock.
    #[must_use]
    pub fn forget_old(self) -> String {
        format!("DELETE FROM {} WHERE asked_on < {}", self.own(OwnTable::Elsewhere), self.days_ago(1))
    }

    /// A day by the server's clock, `YYYY-MM-DD`.
    fn days_ago(self, days: u32) -> String {
        match self.engine {
            Engine::Postgres => format!("(current_date - {days})::text"),
            Engine::MariaDb | Engine::MySql => format!("CAST(CURRENT_DATE - INTERVAL {days} DAY AS CHAR)"),
            Engine::Sqlite => format!("date('now', '-{days} day')"),
        }
    }
}
