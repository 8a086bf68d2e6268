//! Pure planning: from policy, data map, schema and cut-offs to the statements that a run executes. SQL is born only here.

pub mod action;
pub mod boolean;
pub mod census;
pub mod check;
pub mod compile;
pub mod dialect;
pub mod draft;
pub mod due;
pub mod explain;
mod fit;
pub mod keepers;
pub mod key;
pub mod listing;
pub mod lookup;
pub mod orders;
pub mod own_statements;
pub mod own_tables;
pub mod probe;
pub mod quote;
pub mod record;
pub mod resolve;
pub mod schema;
pub mod terms;
pub mod to_do;
pub mod touch;
pub mod waiting;
mod writer;
