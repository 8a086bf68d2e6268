//! From the answers of the statements to what is told: outcome, purposes, categories, changes.

use chrono::NaiveDate;

use super::columns::{Cells, cell, is_set, number};
use super::dates::Stamp;
use super::purposes::PurposeReader;
use super::question::{ChildQuestion, Question};
use super::story::{
    CategoryStory, Change, Decision, Explanation, Keeper, Operation, OrderStory, Outcome, PurposeStory, Through, Waiting, Why,
};
use crate::plan::action::ActionKind;
use crate::plan::record::Records;
use crate::policy::link::needs_category;
use crate::policy::map::{DataSet, Disposition};
use crate::policy::purpose::{Needs, OrderKind};

/// What the statements of [`Question::statements`] answered.
#[derive(Clone)]
pub struct Answers {
    /// The record's row.
    pub row: Vec<Option<String>>,
    /// Its orders.
    pub orders: Vec<Vec<Option<String>>>,
    /// By child purpose: its rows.
    pub children: Vec<Vec<Vec<Option<String>>>>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answers({} columns, {} orders)", self.row.len(), self.orders.len())
    }
}

/// Tells the story of the record that was read. `key` is the key as it was asked for.
#[must_use]
pub fn tell(question: &Question, records: &Records<'_>, data: &DataSet, key: &[String], answers: &Answers) -> Explanation {
    let row = answers.row.as_slice();
    let orders: Vec<OrderStory> = answers.orders.iter().filter_map(|r| order(r)).collect();
    let kinds: Vec<OrderKind> = orders.iter().map(|o| o.kind).collect();
    let reader = PurposeReader { data, columns: &question.purposes, row };
    let mut purposes: Vec<PurposeStory> = Vec::new();
    for (i, at) in &question.purposes.states {
        let timed = records.purposes[*i];
        let needs = categories(records, data).into_iter().filter(|c| needs_category(timed.purpose, c)).collect();
        purposes.push(reader.story(timed, *at, needs, &kinds));
    }
    for (child, rows) in question.children.iter().zip(&answers.children) {
        purposes.extend(of_children(child, records, data, rows));
    }
    let teller = Teller { question, records, data, row, purposes: &purposes };
    let outcome = teller.outcome();
    Explanation {
        data_set: format!("{}.{}", records.terms.resolved.map.source, data.id),
        title: data.title.clone(),
        key: key.to_vec(),
        follower: None,
        today: records.terms.orders.today,
        outcome,
        categories: teller.categories(outcome),
        waits_for: match outcome {
            Outcome::Empty | Outcome::WaitsEmptied => teller.waits(),
            _ => Vec::new(),
        },
        changes: teller.changes(outcome),
        orders,
        purposes,
    }
}

fn order(row: &Cells) -> Option<OrderStory> {
    let word = cell(row, 1)?;
    let (_, kind) = OrderKind::WORDS.into_iter().find(|(w, _)| *w == word)?;
    let day = |at: usize| cell(row, at).and_then(|t| NaiveDate::parse_from_str(t.get(..10)?, "%Y-%m-%d").ok());
    Some(OrderStory {
        id: cell(row, 0).unwrap_or_default().to_owned(),
        kind,
        of_tenant: cell(row, 2) == Some("tenant"),
        placed_on: day(3),
        until: day(4),
    })
}

/// The categories of a record that purposes may need, each once.
fn categories(records: &Records<'_>, data: &DataSet) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for category in records.terms.resolved.map.record_of(data).iter().flat_map(|d| &d.categories) {
        if !category.never_stored && !all.contains(&category.name.value) {
            all.push(category.name.value.clone());
        }
    }
    all
}

/// The story of a purpose of child records: that of the row which keeps longest, or of the one that ended last.
fn of_children(
    question: &ChildQuestion,
    records: &Records<'_>,
    data: &DataSet,
    rows: &[Vec<Option<String>>],
) -> Option<PurposeStory> {
    let (i, at) = *question.purposes.states.first()?;
    let timed = records.purposes[i];
    let child = records.terms.resolved.map.data_set(&question.data_set)?;
    let prefix = format!("{}.", data.id);
    let needs: Vec<String> = match &timed.purpose.needs.value {
        Needs::These(list) => list.iter().filter_map(|n| n.value.strip_prefix(&prefix)).map(str::to_owned).collect(),
        Needs::All | Needs::AllBut(_) => Vec::new(),
    };
    // A child that is deleted in this very run covers nothing any more.
    let stories: Vec<PurposeStory> = rows
        .iter()
        .filter(|row| !is_set(row, question.going))
        .map(|row| PurposeReader { data: child, columns: &question.purposes, row }.story(timed, at, needs.clone(), &[]))
        .collect();
    let keeping = stories.iter().filter(|s| s.keeps).count() as u64;
    let covered = stories.iter().filter(|s| s.keeps || s.state.ended()).count() as u64;
    let through = Through { data_set: child.id.value.clone(), title: child.title.clone(), rows: covered, keeping };
    // An end that nobody knows is the latest of all.
    let rank = |s: &PurposeStory| (s.keeps, s.state.ended(), s.ends.is_none(), s.ends);
    let mut told = stories.into_iter().max_by_key(rank)?;
    told.through = Some(through);
    Some(told)
}

struct Teller<'a> {
    question: &'a Question,
    records: &'a Records<'a>,
    data: &'a DataSet,
    row: &'a Cells,
    purposes: &'a [PurposeStory],
}

impl Teller<'_> {
    fn acts(&self, kind: ActionKind) -> bool {
        self.question.actions.iter().any(|a| a.kind == kind && is_set(self.row, a.at))
    }

    fn outcome(&self) -> Outcome {
        let (q, row) = (self.question, self.row);
        if is_set(row, q.frozen) {
            return Outcome::Held;
        }
        if self.acts(ActionKind::Delete) || is_set(row, q.gone) {
            return Outcome::Delete;
        }
        for (kind, outcome) in [
            (ActionKind::Anonymise, Outcome::Anonymise),
            (ActionKind::Empty, Outcome::Empty),
            (ActionKind::Clear, Outcome::Clear),
        ] {
            if self.acts(kind) {
                return outcome;
            }
        }
        if is_set(row, q.done) {
            return Outcome::Done;
        }
        if is_set(row, q.due_for_deletion) {
            return Outcome::WaitsEmptied;
        }
        if !self.purposes.iter().any(|p| p.keeps) {
            return Outcome::Uncovered;
        }
        let gone = |category: &String| self.keepers(category).is_empty() && self.stored(category).is_empty();
        if categories(self.records, self.data).iter().any(gone) { Outcome::KeptInPart } else { Outcome::Kept }
    }

    fn keepers(&self, category: &str) -> Vec<Keeper> {
        let needed = |p: &&PurposeStory| p.keeps && p.needs.iter().any(|c| c == category);
        self.purposes
            .iter()
            .filter(needed)
            .filter(|p| p.through.is_none() || self.data.category(category).is_some())
            .map(|p| Keeper { purpose: p.id.clone(), title: p.title.clone(), ends: known_end(p) })
            .collect()
    }

    fn stored(&self, category: &str) -> Vec<(String, u64)> {
        let fields = self.question.fields.iter().filter(|f| f.category == category);
        fields
            .map(|f| (format!("{}.{}", f.data_set, f.column), number(self.row, f.at)))
            .filter(|(_, rows)| *rows > 0)
            .collect()
    }

    /// Whether the next run clears the category (or deletes the row that holds it).
    fn goes(&self, category: &str, never_stored: bool, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Delete | Outcome::Anonymise | Outcome::Empty => return true,
            Outcome::Held => return false,
            _ => {}
        }
        let clears = |a: &&super::question::ActionColumn| match a.kind {
            ActionKind::NeverStored => never_stored,
            ActionKind::Clear => !never_stored,
            _ => false,
        };
        let mut acting = self.question.actions.iter().filter(clears).filter(|a| is_set(self.row, a.at));
        acting.any(|a| a.categories.iter().any(|c| c == category))
    }

    fn categories(&self, outcome: Outcome) -> Vec<CategoryStory> {
        let mut all: Vec<CategoryStory> = Vec::new();
        for field in &self.question.fields {
            let (category, never_stored) = (&field.category, field.never_stored);
            if all.iter().any(|c| c.category == *category && c.never_stored == never_stored) {
                continue;
            }
            let (kept_by, stored) = (self.keepers(category), self.stored(category));
            let goes = self.goes(category, never_stored, outcome);
            let decision = match outcome {
                _ if stored.is_empty() => Decision::Nothing,
                Outcome::Held => Decision::Held,
                _ if goes => Decision::Goes,
                _ if !kept_by.is_empty() => Decision::Kept,
                _ => Decision::Uncovered,
            };
            let over = self.purposes.iter().filter(|p| p.state.ended() && p.needs.iter().any(|c| c == category));
            let last = over.max_by_key(|p| p.ends).map(|p| p.title.clone());
            let why = (decision == Decision::Goes).then_some(match &last {
                _ if never_stored => Why::NeverStored,
                Some(_) => Why::PurposesOver,
                None => Why::Uncovered,
            });
            all.push(CategoryStory {
                category: category.clone(),
                decision,
                never_stored,
                last_purpose: last.filter(|_| why == Some(Why::PurposesOver)),
                kept_by: if decision == Decision::Kept { kept_by } else { Vec::new() },
                why,
                stored,
            });
        }
        all
    }

    fn waits(&self) -> Vec<Waiting> {
        let standing = self.question.waits.iter().filter(|(_, _, at)| is_set(self.row, *at));
        standing.map(|(title, reads, _)| Waiting { title: title.clone(), reads: *reads }).collect()
    }

    fn changes(&self, outcome: Outcome) -> Vec<Change> {
        let mut all = Vec::new();
        self.change(self.data, outcome == Outcome::Delete, outcome, &mut all);
        all
    }

    fn change(&self, data: &DataSet, deleted: bool, outcome: Outcome, all: &mut Vec<Change>) {
        let is_root = data.id == self.data.id;
        let id = data.id.value.clone();
        if deleted {
            let rows = match self.question.followers.iter().find(|(f, _)| *f == id) {
                Some((_, at)) => number(self.row, *at),
                None => u64::from(is_root),
            };
            if rows > 0 {
                all.push(Change { data_set: id, operation: Operation::Delete, column: None, rows });
            }
        } else {
            for field in self.question.fields.iter().filter(|f| f.data_set == id) {
                let rows = number(self.row, field.at);
                if rows > 0 && self.goes(&field.category, field.never_stored, outcome) {
                    let column = Some(field.column.clone());
                    all.push(Change { data_set: id.clone(), operation: Operation::Mask, column, rows });
                }
            }
        }
        for follower in self.records.terms.resolved.map.followers_of(data) {
            let goes = follower.disposition == Disposition::Delete && (deleted || outcome == Outcome::Anonymise);
            self.change(follower, goes, outcome, all);
        }
    }
}

/// When a purpose that keeps will keep no longer; unknown while a condition keeps it.
fn known_end(purpose: &PurposeStory) -> Option<Stamp> {
    use super::story::State;
    match purpose.state {
        State::Undecided | State::KeptWhile => None,
        _ => purpose.ends,
    }
}
