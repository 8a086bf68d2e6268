//! The engine under everything that goes wrong around it: rows that refuse, locks, races, crashes, restores, rivals, ceilings, strange keys.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod answers;
mod answers_model;
mod archived_files;
mod archived_types;
mod archives;
mod bucket_files;
mod ceilings;
mod circles;
mod collations;
mod copies;
mod copies_along;
mod crash;
mod elsewhere;
mod erasure;
mod fence;
mod files;
mod followers;
mod gathered;
mod hashes;
mod held;
mod keys;
mod locks;
mod open_ends;
mod ordered;
mod put_back;
mod races;
mod recovery;
mod recovery_files;
mod refusals;
mod restore;
mod rivals;
mod rows;
mod scene;
mod silence;
mod slow_archives;
mod stretches;
mod subjects;
mod tangles;
mod tied;
mod together;
mod undo;
mod unknown_forms;
mod workers;

#[path = "../support/asked.rs"]
mod asks;
#[expect(dead_code, reason = "what stores of objects are tested with")]
#[path = "../support/bucket.rs"]
mod bucket;
#[expect(dead_code, reason = "orders of the reference model are placed by other tests")]
#[path = "../support/enforcement.rs"]
mod enforcement;
#[path = "../support/mod.rs"]
mod support;
