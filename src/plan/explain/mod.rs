//! The story of one record: why it is kept, until when, or what is about to happen to it.
//!
//! [`Question`] writes the statements that read what the story rests on: the very predicates of the plan's actions, the state of every purpose,
//! and the dates behind them. [`tell`] turns what they answered into an [`Explanation`]: values, for machines. Dates go *forward* there, from
//! the start to the day on which a purpose ends, while the plan's predicates go backward from the day of the run; that both agree is a
//! test. [`text`] writes the explanation for people, in French or English, without any value of the record but its dates.

pub(super) mod columns;
pub(super) mod dates;
mod decision;
mod english;
mod fields;
mod french;
pub(super) mod purposes;
mod question;
mod story;

pub use dates::Stamp;
pub use decision::{Answers, tell};
pub use question::Question;
pub use story::{
    CapStory, CategoryStory, Change, Decision, EventStory, Explanation, Keeper, Operation, OrderScope, OrderStory, Outcome,
    PurposeStory, State, Through, Waiting, Why,
};

/// The languages of explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Français.
    French,
    /// English.
    English,
}

/// The explanation in sentences, one paragraph a line.
#[must_use]
pub fn text(explanation: &Explanation, language: Language) -> String {
    match language {
        Language::French => french::text(explanation),
        Language::English => english::text(explanation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::map::Title;

    /// A record that keeps a pseudonym in one column.
    fn record(outcome: Outcome) -> Explanation {
        let title = Title { fr: "Personne".into(), en: "Person".into() };
        let replaced = matches!(outcome, Outcome::Clear | Outcome::Pseudonymise | Outcome::Empty);
        let category = CategoryStory {
            category: "contact".into(),
            data_sets: vec!["person".into()],
            only_in: Vec::new(),
            decision: if replaced { Decision::Goes } else { Decision::Nothing },
            never_stored: false,
            kept_by: Vec::new(),
            archived: Vec::new(),
            why: replaced.then_some(Why::PurposesOver),
            last_purpose: None,
            pseudonymised: true,
            coarsened: false,
            stored: Vec::new(),
        };
        let (data_set, column) = ("person".to_owned(), Some("email".to_owned()));
        let change = Change { data_set, operation: Operation::Pseudonymise, column, rows: 1 };
        Explanation {
            data_set: "crm.person".into(),
            title: title.clone(),
            key: vec!["1".into()],
            follower: None,
            today: chrono::NaiveDate::default(),
            outcome,
            orders: Vec::new(),
            purposes: Vec::new(),
            categories: vec![category],
            waits_for: vec![Waiting { title, reads: false }],
            changes: if replaced { vec![change] } else { Vec::new() },
            pseudonyms: vec!["person.email".into()],
        }
    }

    #[test]
    fn what_keeps_a_pseudonym_is_told_as_personal_data_in_both_languages() {
        for outcome in [Outcome::Clear, Outcome::Pseudonymise, Outcome::Empty, Outcome::WaitsEmptied, Outcome::DonePseudonymised]
        {
            for (language, personal) in [
                (Language::French, ["reste une donnée", "restent des données"]),
                (Language::English, ["still personal data", "remain personal data"]),
            ] {
                let text = text(&record(outcome), language);
                let lines: Vec<&str> = text.lines().filter(|l| !l.is_empty()).collect();
                // The outcome's own sentence, and that of the category.
                for line in [lines[1], lines[lines.len() - 1]] {
                    assert!(line.contains("pseudonym") && personal.iter().any(|p| line.contains(p)), "{outcome:?}: {line}");
                }
                let lower = text.to_lowercase();
                assert!(!lower.contains("anonymis") && !lower.contains("ligne vide") && !lower.contains("empty row"), "{text}");
            }
        }
    }
}
