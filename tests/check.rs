//! What `check` refuses and warns of, one rule a test, on the real engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "support/enforcement.rs"]
mod enforcement;
#[path = "check/fixture.rs"]
mod fixture;
#[path = "check/grants.rs"]
mod grants;
#[path = "check/joins.rs"]
mod joins;
#[path = "check/masks.rs"]
mod masks;
#[path = "check/rules.rs"]
mod rules;
#[path = "support/mod.rs"]
mod support;
