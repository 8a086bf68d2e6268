//! What the fuzz targets check, over the committed corpus: without a nightly compiler, in every run of the tests.
//!
//! Beside each input as it is, some that chance made of it, from a seed: `RETENTIOND_FUZZ_INPUTS=100000 RETENTIOND_SEED=7` makes more.
//! `cargo +nightly fuzz run policy_and_map` in this repository looks for more; `fuzz/README.md` says how.

#![expect(clippy::unwrap_used, reason = "a fixture that fails must stop its test")]

#[path = "mutations/chance.rs"]
#[expect(dead_code, reason = "the mutations of logs use the rest")]
mod chance;
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

use chance::Chance;

/// The inputs of a target, by name.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut inputs: Vec<(String, Vec<u8>)> =
        (files.map(|file| file.unwrap().path())).map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect();
    inputs.sort();
    inputs
}

/// The words of a target's dictionary.
fn dictionary(name: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/fuzz/dictionaries/{name}.dict", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let word = |line: &str| {
        let (mut out, mut rest) = (Vec::new(), line.trim_matches('"').as_bytes());
        while let [first, after @ ..] = rest {
            match after {
                [b'x', a, b, tail @ ..] if *first == b'\\' => {
                    out.extend(hex::decode([*a, *b]).unwrap());
                    rest = tail;
                }
                _ => {
                    out.push(*first);
                    rest = after;
                }
            }
        }
        out
    };
    text.lines().map(word).collect()
}

/// Bytes that mean something somewhere.
const AWKWARD: &[u8] = b" \n\"'`\\()[]{}=.,;-0a\xff\0\r";

/// One to eight edits by chance: bytes, words of the dictionary, pieces of itself or of another input.
fn bent(input: &[u8], other: &[u8], words: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..chance.within(1, 9) {
        let at = chance.below(out.len() + 1);
        let end = (at + chance.below(40)).min(out.len());
        match chance.below(7) {
            0 if at < out.len() => out[at] ^= 1 << chance.below(8),
            1 => out.insert(at, AWKWARD[chance.below(AWKWARD.len())]),
            2 => drop(out.drain(at..end)),
            3 => drop(out.splice(at..at, words[chance.below(words.len())].iter().copied())),
            4 => drop(out.splice(at..end, words[chance.below(words.len())].iter().copied())),
            5 => {
                let piece = out[at..end].to_vec();
                let to = chance.below(out.len() + 1);
                drop(out.splice(to..to, piece));
            }
            _ if !other.is_empty() => {
                let from = chance.below(other.len());
                let to = (from + chance.below(200)).min(other.len());
                drop(out.splice(at..end, other[from..to].iter().copied()));
            }
            _ => {}
        }
    }
    out
}

#[test]
fn no_input_that_chance_makes_of_the_corpus_breaks_a_rule() {
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<u64>().unwrap());
    let (inputs, seed) = (number("RETENTIOND_FUZZ_INPUTS").unwrap_or(100), number("RETENTIOND_SEED").unwrap_or(1));
    let only = std::env::var("RETENTIOND_FUZZ_TARGET").ok();
    for (name, target) in targets::TARGETS.into_iter().filter(|(name, _)| only.as_deref().is_none_or(|o| o == *name)) {
        let (corpus, words) = (corpus(name), dictionary(name));
        for n in 0..inputs {
            let mut chance = Chance::new(seed.wrapping_add(n));
            let (input, other) = (&corpus[chance.below(corpus.len())].1, &corpus[chance.below(corpus.len())].1);
            let bytes = bent(input, other, &words, &mut chance);
            let played = std::panic::catch_unwind(|| target(&bytes));
            assert!(
                played.is_ok(),
                "RETENTIOND_FUZZ_TARGET={name} RETENTIOND_SEED={} RETENTIOND_FUZZ_INPUTS=1",
                seed.wrapping_add(n)
            );
        }
        println!("{name}: {inputs} inputs");
    }
}

#[test]
fn no_committed_input_breaks_a_rule() {
    for (name, target) in targets::TARGETS {
        let inputs = corpus(name);
        for (path, bytes) in &inputs {
            let played = std::panic::catch_unwind(|| target(bytes));
            assert!(played.is_ok(), "{name} fails on {path}");
        }
        println!("{name}: {} inputs", inputs.len());
        assert!(inputs.len() >= 10, "{name} has only {} inputs", inputs.len());
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
