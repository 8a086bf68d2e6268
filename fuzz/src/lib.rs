//! What the fuzz targets do with their input: the same functions run under `cargo fuzz` and, over the committed corpus, in
//! `tests/fuzz_corpus.rs`. Each panics when a rule is broken.
//!
//! - [`policy_and_map`], [`expression`], [`settings`]: whatever the files hold is read, linked, compiled for every engine and explained without
//!   a panic; every fault points into its file and is inert; every statement is one statement.
//! - [`quote`]: what was quoted reads back as itself, by two readers that share nothing with the writer.
//! - [`journal_entry`], [`note`], [`export_verify`]: bytes that are accepted have exactly one form; nobody without the key makes a sound log.

mod journal;
mod quoting;
mod rules;
mod schema;

pub use journal::{export_verify, journal_entry, note};
pub use quoting::quote;
pub use rules::{expression, policy_and_map, settings};

/// A target.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also the name of its corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("policy_and_map", policy_and_map),
    ("expression", expression),
    ("settings", settings),
    ("quote", quote),
    ("journal_entry", journal_entry),
    ("note", note),
    ("export_verify", export_verify),
];
