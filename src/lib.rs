//! retentiond keeps an organisation's databases true to its published retention periods.
//!
//! The rooms of the house, from the ground up; each imports only rooms listed before it.

pub mod archive;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod enforce;
pub mod files;
pub mod journal;
pub mod plan;
pub mod policy;
pub mod reference;
pub mod source;
pub mod state;
