//! The story of one record: why it is kept, until when, or what is about to happen to it.
//!
//! [`Question`] writes the statements that read what the story rests on: the very predicates of the plan's actions, the state of every purpose,
//! and the dates behind them. [`tell`] turns what they answered into an [`Explanation`]: values, for machines. Dates go *forward* there, from
//! the start to the day on which a purpose ends, while the plan's predicates go backward from the day of the run; that both agree is a
//! test. [`text`] writes the explanation for people, in French or English, without any value of the record but its dates.

mod columns;
mod dates;
mod decision;
mod english;
mod fields;
mod french;
mod purposes;
mod question;
mod story;

pub use dates::Stamp;
pub use decision::{Answers, tell};
pub use question::Question;
pub use story::{
    CapStory, CategoryStory, Change, Decision, EventStory, Explanation, Keeper, Operation, OrderStory, Outcome, PurposeStory,
    State, Through, Waiting, Why,
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
