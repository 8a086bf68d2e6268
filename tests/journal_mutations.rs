//! Whatever is done to an export, blindly or with care, verification with the public key and the checkpoints that were mailed finds it, and
//! names the first entry that is not as it was written.
//!
//! `RETENTIOND_MUTATIONS=1000000 RETENTIOND_SEED=7 cargo test --release --test journal_mutations` does more. What fails is told by its seed.

#![expect(clippy::unwrap_used, reason = "a fixture that fails must stop its test")]

#[path = "mutations/chance.rs"]
mod chance;
#[path = "mutations/edits.rs"]
mod edits;
#[path = "journal/fixture.rs"]
#[expect(dead_code, reason = "the other journal tests use the rest of the fixture")]
mod fixture;
#[path = "mutations/logs.rs"]
mod logs;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use chance::Chance;
use edits::{EDITS, Expected};
use fixture::check;
use retentiond::journal::{At, Fault, FaultKind, Report};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// The first fault about an entry, or the position at which the log ends too early.
fn first_entry(report: &Report) -> Option<(At, &FaultKind)> {
    report.faults.iter().map(|f| (f.at, &f.kind)).find(|(at, _)| matches!(at, At::Entry(_) | At::Between { .. }))
}

/// What is wrong with a report, if anything.
fn wrong(report: &Report, expected: Expected) -> Option<String> {
    if report.is_sound() {
        return Some("nothing was found".to_owned());
    }
    let names = |at: Option<(At, &FaultKind)>, entry: u64, exactly: bool| match at {
        Some((At::Entry(found), _)) => found == entry,
        Some((At::Between { from, to }, FaultKind::Inserted)) => (from..to).contains(&entry) && to - from == 2,
        Some((At::Between { from, to }, _)) => !exactly && (from..to).contains(&entry),
        _ => false,
    };
    let named = match expected {
        Expected::Found => true,
        Expected::Entry(entry) => names(first_entry(report), entry, true),
        Expected::Within(entry) => {
            let unconfirmed = |f: &Fault| f.kind == FaultKind::Unconfirmed && names(Some((f.at, &f.kind)), entry, false);
            names(first_entry(report), entry, false) || report.faults.iter().any(unconfirmed)
        }
        Expected::EntryOrFile(entry) => names(first_entry(report), entry, true) || report.faults.iter().any(|f| f.at == At::File),
    };
    (!named).then(|| format!("expected {expected:?}, first is {:?}", report.faults.iter().take(3).collect::<Vec<_>>()))
}

#[tokio::test]
async fn every_mutation_is_found_and_the_first_bad_entry_is_named() {
    let (cases, seed) = (number("RETENTIOND_MUTATIONS", 10_000), number("RETENTIOND_SEED", 1));
    let logs = logs::all().await;
    for log in &logs {
        let report = check(&log.export, &log.key, &log.mailed);
        assert!(report.is_sound() && report.witnessed == report.entries, "{:?}", report.faults);
    }
    let (next, failures, done) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::<&str, u64>::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = BTreeMap::<&str, u64>::new();
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases || failures.lock().unwrap().len() > 20 {
                        break;
                    }
                    let mut chance = Chance::new(seed.wrapping_add(case));
                    // Small logs more often: they are faster, and their edges nearer.
                    let log = &logs[chance.below(logs.len()).min(chance.below(logs.len()))];
                    let (name, edit) = EDITS[chance.below(EDITS.len())];
                    let Some(edited) = edit(log, &logs, &mut chance) else { continue };
                    *mine.entry(name).or_default() += 1;
                    let report = check(&edited.export, edited.key.as_ref().unwrap_or(&log.key), &log.mailed);
                    if let Some(why) = wrong(&report, edited.expected) {
                        let at = seed.wrapping_add(case);
                        failures
                            .lock()
                            .unwrap()
                            .push(format!("RETENTIOND_SEED={at} ({name}, {} entries): {why}", log.lines.len()));
                    }
                }
                let mut all = done.lock().unwrap();
                mine.into_iter().for_each(|(name, n)| *all.entry(name).or_default() += n);
            });
        }
    });
    let (failures, done) = (failures.into_inner().unwrap(), done.into_inner().unwrap());
    println!(
        "{} mutations of logs of up to {} entries",
        done.values().sum::<u64>(),
        logs.iter().map(|l| l.lines.len()).max().unwrap()
    );
    done.iter().for_each(|(name, n)| println!("  {n:>8} {name}"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(cases < 5_000 || done.len() == EDITS.len(), "some kinds of edits never happened");
}
