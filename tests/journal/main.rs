//! The journal as its callers see it: appending, crashing, rotating, exporting, and what verification says of tampered exports.

#![expect(clippy::unwrap_used, reason = "a fixture that fails must stop its test")]

mod certificate;
mod erasures;
mod fixture;
mod kept;
mod life;
mod mail;
mod proof;
mod tamper;
mod undos;
