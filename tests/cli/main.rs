//! The commands as users meet them: what they print, what they refuse, what they exit with, and that no personal value leaves the database.

mod archives;
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "what stores of objects are tested with; a test that cannot go on should say where"
)]
#[path = "../support/bucket.rs"]
mod bucket;
mod buckets;
mod canary;
mod certificate;
mod codes;
mod core_dump;
mod demo;
mod earlier;
mod elsewhere;
mod erasure;
mod hostile;
mod kills;
mod life;
mod orders;
#[expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
mod pseudonym;
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "the key is drawn by the printed script; a test that cannot go on should say where"
)]
#[path = "../support/pseudonym_key.rs"]
mod pseudonym_key;
mod settings;
mod site;
mod subjects;
#[path = "../support/mod.rs"]
mod support;
mod tenant_dates;
mod tenant_files;
mod tenant_kills;
mod tenant_partners;
mod tenants;
mod tour;
mod undo;
mod words;
