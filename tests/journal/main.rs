//! The journal as its callers see it: appending, crashing, rotating, exporting, and what verification says of tampered exports.

mod fixture;
mod life;
mod mail;
mod proof;
mod tamper;
