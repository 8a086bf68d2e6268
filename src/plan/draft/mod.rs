//! Drafting a data map from a live schema: which columns look personal, by their names and by the shapes of sampled values.
//!
//! [`sample`] says what to read of a table, [`shapes::look`] reduces what was read to counts and kinds, [`finding`] puts that
//! together with what the names say, and [`write`](write::write) makes a data map of it, which a person then reads, corrects and confirms.

pub mod events;
pub mod finding;
pub mod kind;
pub mod links;
pub mod mask;
pub mod names;
mod rules;
pub mod sample;
pub mod shapes;
mod titles;
mod toml;
mod values;
pub mod words;
pub mod write;
