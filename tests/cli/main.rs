//! The commands as users meet them: what they print, what they refuse, what they exit with, and that no personal value leaves the database.

mod canary;
mod codes;
mod core_dump;
mod demo;
mod hostile;
mod life;
mod orders;
mod settings;
mod site;
#[path = "../support/mod.rs"]
mod support;
mod words;
