//! Drafting a data map from a live schema: which columns look personal, by their names and by the shapes of sampled values.

pub mod kind;
pub mod names;
mod rules;
pub mod words;
