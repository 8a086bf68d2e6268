//! Pure planning: from policy, data map, schema and cut-offs to the statements that a run executes. SQL is born only here.

pub mod key;
pub mod own_tables;
pub mod quote;
pub mod schema;
