//! What the fuzz targets check, over the committed corpus: without a nightly compiler, in every run of the tests.
//!
//! `cargo +nightly fuzz run policy_and_map` in this repository looks for more; `fuzz/README.md` says how.

#![expect(clippy::unwrap_used, reason = "a fixture that fails must stop its test")]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

/// Runs a target over its corpus.
fn play(name: &str, target: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut inputs: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|file| file.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    for (path, bytes) in &inputs {
        let played = std::panic::catch_unwind(|| target(bytes));
        assert!(played.is_ok(), "{name} fails on {path}");
    }
    inputs.len()
}

#[test]
fn no_committed_input_breaks_a_rule() {
    for (name, target) in targets::TARGETS {
        let played = play(name, target);
        println!("{name}: {played} inputs");
        assert!(played >= 10, "{name} has only {played} inputs");
    }
}

#[test]
fn every_target_can_be_fuzzed_and_has_a_corpus() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml")).unwrap();
    for (name, _) in targets::TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets::TARGETS.len());
}
