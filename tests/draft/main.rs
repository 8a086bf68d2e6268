//! Drafting data maps: how well personal columns are recognised, and that a draft fits the schema that it came from.

#![expect(clippy::unwrap_used, reason = "a test's own failure is a panic")]

mod facts;
mod fits;
mod measure;
#[path = "../support/mod.rs"]
mod support;
mod synthetic;
