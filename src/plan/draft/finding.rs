//! Putting together what a column's name and its sampled values say.

use std::collections::BTreeMap;

use super::kind::Kind;
use super::names::{ByName, Named, recognise};
use super::shapes::Seen;
use crate::plan::schema::{Table, TableName, TypeClass};

/// What was seen in the sampled columns of all tables; a table that was not sampled is missing.
pub type Evidence = BTreeMap<TableName, BTreeMap<String, Seen>>;

/// A column that seems personal, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What it seems to hold.
    pub kind: Kind,
    /// How sure, in per cent.
    pub confidence: u8,
    /// How sure the name alone makes, if it says anything.
    pub by_name: Option<u8>,
    /// Which shape enough values have, and how many of a hundred.
    pub by_shape: Option<(Kind, u8)>,
}

impl Finding {
    /// The reason in a few words, without a value.
    #[must_use]
    pub fn why(&self) -> String {
        let mut parts = vec![self.kind.word().to_owned()];
        parts.extend(self.by_name.map(|c| format!("name {c} %")));
        parts.extend(self.by_shape.map(|(kind, share)| {
            let shape = if kind == self.kind { "shape".to_owned() } else { format!("shape of {}", kind.word()) };
            format!("{shape} {share} %")
        }));
        parts.join(", ")
    }
}

/// Judges every column of a table, in its order.
#[must_use]
pub fn judge(table: &Table, evidence: &Evidence) -> Vec<Option<Finding>> {
    judge_all(&known(table, evidence))
}

/// The columns of a table that their names call personal and their values do not: a handful of short marks.
#[must_use]
pub fn refuted<'t>(table: &'t Table, evidence: &Evidence) -> Vec<(&'t str, Kind)> {
    let known = known(table, evidence);
    let judged = judge_all(&known);
    let named = table.columns.iter().zip(&known).zip(&judged);
    named.filter_map(|((c, (_, name)), finding)| Some((c.name.as_str(), name.filter(|_| finding.is_none())?.kind))).collect()
}

/// What is known of every column of a table, in its order.
fn known(table: &Table, evidence: &Evidence) -> Vec<(ColumnOf, Option<ByName>)> {
    let refers = |c: &str| table.foreign_keys.iter().any(|f| f.columns.iter().any(|x| x == c));
    let named: Vec<Named<'_>> = table
        .columns
        .iter()
        .map(|c| Named { name: &c.name, class: c.class, max_length: c.max_length, refers: refers(&c.name) })
        .collect();
    let seen = evidence.get(&table.name);
    table
        .columns
        .iter()
        .zip(recognise(&table.name.name, &named))
        .map(|(c, n)| (ColumnOf { class: c.class, refers: refers(&c.name), seen: seen.and_then(|s| s.get(&c.name)).copied() }, n))
        .collect()
}

/// What is known of a column beside its name.
#[derive(Debug, Clone, Copy)]
pub struct ColumnOf {
    /// Its type's class.
    pub class: TypeClass,
    /// Whether it refers to another table.
    pub refers: bool,
    /// What its values look like, if they were sampled.
    pub seen: Option<Seen>,
}

/// Judges columns of one table from what their names and values say.
#[must_use]
pub fn judge_all(columns: &[(ColumnOf, Option<ByName>)]) -> Vec<Option<Finding>> {
    let mut found: Vec<Option<Finding>> = columns.iter().map(|(c, n)| one(c, *n)).collect();
    let person = found.iter().flatten().any(|f| f.kind == Kind::Name);
    for (finding, (column, _)) in found.iter_mut().zip(columns) {
        let birth = column.seen.is_some_and(|s| s.generations) && column.class == TypeClass::Date;
        if finding.is_none() && birth && person {
            *finding = Some(Finding { kind: Kind::Birth, confidence: 60, by_name: None, by_shape: Some((Kind::Birth, 90)) });
        }
    }
    found
}

fn one(column: &ColumnOf, name: Option<ByName>) -> Option<Finding> {
    let seen = column.seen.unwrap_or_default();
    let shape = seen.shape.filter(|_| !column.refers);
    let by_name = name.map(|n| n.confidence);
    match (name, shape) {
        (None, None) => None,
        (None, Some((kind, share))) => {
            let checked = matches!(kind, Kind::Iban | Kind::Nir | Kind::CardNumber | Kind::Email);
            Some(Finding { kind, confidence: if checked { 90 } else { 70 }, by_name, by_shape: shape.map(|_| (kind, share)) })
        }
        (Some(n), None) => {
            // A column that is called a person's name holds one, however few there are; other short words are what such columns hold.
            let short = matches!(
                n.kind,
                Kind::Name
                    | Kind::Sex
                    | Kind::Civility
                    | Kind::Nationality
                    | Kind::Place
                    | Kind::Postcode
                    | Kind::Health
                    | Kind::Sensitive
                    | Kind::Situation
            );
            let refuted = seen.marks && !short;
            (!refuted).then_some(Finding { kind: n.kind, confidence: n.confidence, by_name, by_shape: None })
        }
        (Some(n), Some((kind, _))) if n.kind.group() == kind.group() => {
            Some(Finding { kind: n.kind, confidence: 99, by_name, by_shape: shape })
        }
        (Some(n), Some((kind, _))) => {
            // Values with a checksum or an @ know better than a name, unless the name admits anything.
            let telling = matches!(kind, Kind::Iban | Kind::Nir | Kind::CardNumber | Kind::Email | Kind::Ip);
            let kind = if telling && n.kind != Kind::FreeText { kind } else { n.kind };
            Some(Finding { kind, confidence: n.confidence.max(80), by_name, by_shape: shape })
        }
    }
}
