//! Whatever is done to an export, verification finds it and names the first bad entry.

use proptest::prelude::*;
use retentiond::journal::{At, FaultKind, Report, VerifierKey};

use super::fixture::{Fixture, check};

/// An export taken apart into lines that can be changed one by one.
struct Parts {
    head: Vec<u8>,
    entries: Vec<String>,
}

impl Parts {
    fn of(export: &[u8]) -> Self {
        let text = std::str::from_utf8(export).unwrap();
        let first = text.find("{\"seq\":0,").unwrap() - 65;
        let entries = text[first..].strip_suffix("end\n").unwrap().lines().map(str::to_owned).collect();
        Self { head: export[..first].to_vec(), entries }
    }

    fn whole(&self) -> Vec<u8> {
        let mut out = self.head.clone();
        for entry in &self.entries {
            out.extend(entry.as_bytes());
            out.push(b'\n');
        }
        out.extend(b"end\n");
        out
    }

    /// With the announced number of entries put right, as a careful forger would.
    fn renumbered(mut self, before: usize) -> Vec<u8> {
        let head = String::from_utf8(self.head).unwrap();
        self.head = head.replace(&format!("entries {before}\n"), &format!("entries {}\n", self.entries.len())).into_bytes();
        self.whole()
    }
}

fn rehash(line: &str) -> String {
    let data = &line[65..];
    format!("{} {data}", hex::encode(tlog_tiles::record_hash(data.as_bytes()).0))
}

/// A log of at least two runs with at most 60 entries.
async fn log(batches: u64) -> (Fixture, Vec<u8>) {
    let fixture = Fixture::new().await;
    fixture.run(1, batches).await;
    fixture.run(2, 3).await;
    let export = fixture.export().await;
    (fixture, export)
}

fn names(report: &Report, seq: u64) -> bool {
    match report.first().map(|fault| fault.at) {
        Some(At::Entry(at)) => at == seq,
        Some(At::Between { from, to }) => (from..to).contains(&seq),
        _ => false,
    }
}

#[track_caller]
fn assert_names(report: &Report, seq: usize, kind: impl Fn(&FaultKind) -> bool) {
    assert!(names(report, seq as u64), "expected entry {seq}, found {:?}", report.faults);
    assert!(kind(&report.first().unwrap().kind), "entry {seq}: {:?}", report.first());
}

#[tokio::test]
async fn an_untouched_export_is_sound_and_signed_to_its_last_run() {
    for batches in [0, 1, 2, 7, 24] {
        let (fixture, export) = log(batches).await;
        let report = check(&export, &fixture.key, &[]);
        assert!(report.is_sound(), "{:?}", report.faults);
        assert!(report.entries <= 61 && report.signed == report.entries);
        assert_eq!((report.checkpoints, report.open_batches), (3, 0));
    }
}

#[tokio::test]
async fn an_edited_entry_is_named_exactly() {
    let (fixture, export) = log(20).await;
    for at in 0..Parts::of(&export).entries.len() {
        let mut parts = Parts::of(&export);
        let line = &parts.entries[at];
        let time = line.find("02:00:").unwrap() + 4;
        let digit = if line.as_bytes()[time] == b'0' { "1" } else { "0" };
        parts.entries[at].replace_range(time..=time, digit);
        assert_names(&check(&parts.whole(), &fixture.key, &[]), at, |kind| *kind == FaultKind::Edited);
    }
}

#[tokio::test]
async fn an_entry_edited_together_with_its_leaf_hash_is_bounded_by_the_checkpoints() {
    let (fixture, export) = log(20).await;
    for at in 1..Parts::of(&export).entries.len() {
        let mut parts = Parts::of(&export);
        if !parts.entries[at].contains("\"epoch\":1") {
            continue;
        }
        parts.entries[at] = rehash(&parts.entries[at].replace("\"epoch\":1", "\"epoch\":2"));
        assert_names(&check(&parts.whole(), &fixture.key, &[]), at, |kind| *kind == FaultKind::Edited);
    }
}

#[tokio::test]
async fn an_entry_that_is_no_entry_is_undecodable() {
    let (fixture, export) = log(5).await;
    for at in 0..Parts::of(&export).entries.len() {
        for (from, to) in [("\"kind\":\"", "\"kind\":\"x"), ("\"seq\":", "\"seq\": "), ("}", ",\"note\":\"Jean\"}")] {
            for with_hash in [false, true] {
                let mut parts = Parts::of(&export);
                let changed = parts.entries[at].replacen(from, to, 1);
                parts.entries[at] = if with_hash { rehash(&changed) } else { changed };
                let report = check(&parts.whole(), &fixture.key, &[]);
                assert_names(&report, at, |kind| matches!(kind, FaultKind::Undecodable(_)));
            }
        }
    }
}

#[tokio::test]
async fn exchanged_entries_are_reordering() {
    let (fixture, export) = log(6).await;
    let n = Parts::of(&export).entries.len();
    for a in 0..n {
        for b in a + 1..n {
            let mut parts = Parts::of(&export);
            parts.entries.swap(a, b);
            assert_names(&check(&parts.whole(), &fixture.key, &[]), a, |kind| *kind == FaultKind::Reordered);
            // The column of leaf hashes left in place.
            let mut parts = Parts::of(&export);
            let (la, lb) = (parts.entries[a].clone(), parts.entries[b].clone());
            parts.entries[a] = format!("{}{}", &la[..64], &lb[64..]);
            parts.entries[b] = format!("{}{}", &lb[..64], &la[64..]);
            assert_names(&check(&parts.whole(), &fixture.key, &[]), a, |kind| *kind == FaultKind::Reordered);
        }
    }
}

#[tokio::test]
async fn a_removed_entry_is_missing_and_a_cut_log_is_truncated() {
    let (fixture, export) = log(10).await;
    let n = Parts::of(&export).entries.len();
    for at in 0..n {
        let mut parts = Parts::of(&export);
        parts.entries.remove(at);
        let last = at == n - 1;
        let expected = move |kind: &FaultKind| {
            if last { matches!(kind, FaultKind::Truncated { .. }) } else { *kind == FaultKind::Removed }
        };
        assert_names(&check(&parts.renumbered(n), &fixture.key, &[]), at, expected);
        let mut parts = Parts::of(&export);
        parts.entries.truncate(at);
        let expected = n as u64;
        let report = check(&parts.renumbered(n), &fixture.key, &[]);
        assert_names(&report, at, |kind| *kind == FaultKind::Truncated { expected });
    }
}

fn words(report: &Report) -> Vec<String> {
    report.faults.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_is_said_of_the_end_is_what_is_known() {
    let (fixture, export) = log(10).await;
    let n = Parts::of(&export).entries.len();
    let said = |bytes: &[u8]| words(&check(bytes, &fixture.key, &[]));
    let without_end = export.strip_suffix(b"end\n").unwrap();
    assert_eq!(said(without_end), ["export: not in the form of an export: its last line, `end`, is missing"]);
    assert_eq!(said(&export[..export.len() - 1]), said(without_end));
    assert_eq!(said(b"")[0], "export: not in the form of an export: it ends before its header does");
    assert_eq!(said(&export[..40])[0], said(b"")[0]);
    for bytes in [&b""[..], &export[..40]] {
        assert!(!said(bytes).iter().any(|f| f.contains("were written") || f.contains("ends here")), "{:?}", said(bytes));
    }
    // A middle entry is gone, the last one is there, whatever the header says.
    let mut parts = Parts::of(&export);
    parts.entries.remove(n / 2);
    let place = format!("entry {}: missing, later entries are there", n / 2);
    for bytes in [parts.whole(), {
        let mut parts = Parts::of(&export);
        parts.entries.remove(n / 2);
        parts.renumbered(n)
    }] {
        let said = said(&bytes);
        assert!(said[0] == place && !said.iter().any(|f| f.contains("ends here")), "{said:?}");
    }
    // The last entries are gone: by the header, and by the checkpoint over them.
    let mut parts = Parts::of(&export);
    parts.entries.truncate(n - 2);
    let said = said(&parts.whole());
    let expected = [
        format!("entry {}: the export ends here, its header announces {n} entries", n - 2),
        format!("entry {}: the log ends here, a checkpoint is signed over {n} entries", n - 2),
    ];
    assert!(expected.iter().all(|e| said.contains(e)), "{said:?}");
    // Both: the middle one is named, and that the last ones are gone too.
    let mut parts = Parts::of(&export);
    parts.entries.truncate(n - 2);
    parts.entries.remove(n / 2);
    let said = words(&check(&parts.whole(), &fixture.key, &[]));
    assert!(said[0] == place && said.iter().any(|f| f.contains(&format!("signed over {n} entries"))), "{said:?}");
}

#[tokio::test]
async fn an_inserted_entry_does_not_belong() {
    let (fixture, export) = log(10).await;
    let n = Parts::of(&export).entries.len();
    for at in 1..n {
        let mut parts = Parts::of(&export);
        let copy = parts.entries[at - 1].clone();
        parts.entries.insert(at, copy);
        assert_names(&check(&parts.renumbered(n), &fixture.key, &[]), at, |kind| *kind == FaultKind::Inserted);
    }
}

#[tokio::test]
async fn a_log_cut_with_its_checkpoints_is_truncation_to_whoever_kept_a_checkpoint() {
    let fixture = Fixture::new().await;
    fixture.run(1, 5).await;
    let early = fixture.export().await;
    let kept = fixture.run(2, 5).await;
    assert!(check(&early, &fixture.key, &[]).is_sound(), "nothing inside the cut export tells");
    let report = check(&early, &fixture.key, &[kept]);
    assert!(matches!(report.first().unwrap().kind, FaultKind::Truncated { expected: 26 }), "{:?}", report.faults);
}

/// The same log continued twice, as after restoring an old backup of the state.
async fn forked() -> (VerifierKey, Vec<u8>, Vec<u8>, String, String) {
    let fixture = Fixture::new().await;
    fixture.run(1, 4).await;
    let backup = tempfile::tempdir().unwrap();
    let copy = backup.path().join("state");
    let Fixture { dir, clock, state, journal, key } = fixture;
    drop(journal);
    state.close().await;
    let done = std::process::Command::new("cp").arg("-a").arg(dir.path().join("state")).arg(&copy).status().unwrap();
    assert!(done.success());
    let mut results = Vec::new();
    for (path, batches) in [(dir.path().join("state"), 4), (copy, 5)] {
        let state = retentiond::state::State::open(&path).await.unwrap();
        let journal = retentiond::journal::Journal::open(&state, std::sync::Arc::new(clock.clone())).await.unwrap();
        let branch = Fixture { dir: tempfile::tempdir().unwrap(), clock: clock.clone(), state, journal, key: key.clone() };
        let note = branch.run(2, batches).await;
        results.push((branch.export().await, note));
    }
    let (b, a) = (results.pop().unwrap(), results.pop().unwrap());
    (key, a.0, b.0, a.1, b.1)
}

#[tokio::test]
async fn two_histories_under_one_signature_are_a_fork() {
    let (key, short, long, short_note, long_note) = forked().await;
    assert!(check(&short, &key, &[]).is_sound() && check(&long, &key, &[]).is_sound());
    assert!(check(&long, &key, std::slice::from_ref(&long_note)).is_sound());
    let report = check(&long, &key, std::slice::from_ref(&short_note));
    // Entries 0 to 11 are common: creation, MAC key and a run of four batches.
    assert_names(&report, 12, |kind| *kind == FaultKind::Fork);
    let report = check(&short, &key, &[long_note]);
    assert!(matches!(report.first().unwrap().kind, FaultKind::Truncated { .. }), "a longer history was promised");
}

#[tokio::test]
async fn a_log_signed_by_another_key_is_foreign() {
    let (fixture, _) = log(3).await;
    let (other, theirs) = log(3).await;
    let report = check(&theirs, &fixture.key, &[]);
    assert_eq!(
        report.first().map(ToString::to_string).unwrap(),
        "entry 0: the given key is not among this log's keys: another log, or another key"
    );
    assert!(
        report.faults.iter().all(|f| f.kind != FaultKind::ForeignKey),
        "its own checkpoints are its own: {:?}",
        report.faults
    );
    let note = other.journal.checkpoint().await.unwrap().checkpoint.unwrap();
    let report = check(&fixture.export().await, &fixture.key, &[note]);
    assert!(report.faults.iter().any(|f| f.kind == FaultKind::ForeignKey && matches!(f.at, At::Checkpoint(_))));
}

#[tokio::test]
async fn a_checkpoint_with_a_forged_signature_or_origin_is_found() {
    let (fixture, export) = log(3).await;
    let text = String::from_utf8(export).unwrap();
    let signature = text.find("— retentiond/test ").unwrap() + "— retentiond/test ".len();
    let mut forged = text.clone();
    let at = signature + 20;
    let other = if &forged[at..=at] == "A" { "B" } else { "A" };
    forged.replace_range(at..=at, other);
    let report = check(forged.as_bytes(), &fixture.key, &[]);
    assert!(report.faults.iter().any(|f| f.kind == FaultKind::BadSignature), "{:?}", report.faults);
    let renamed = text.replacen("\nretentiond/test\n", "\nretentiond/tesx\n", 1);
    let report = check(renamed.as_bytes(), &fixture.key, &[]);
    assert!(report.faults.iter().any(|f| f.kind == FaultKind::ForeignOrigin), "{:?}", report.faults);
}

#[tokio::test]
async fn an_export_without_checkpoints_proves_nothing() {
    let (fixture, export) = log(3).await;
    let parts = Parts::of(&export);
    let head = String::from_utf8(parts.head).unwrap();
    let (before, rest) = head.split_once("checkpoint ").unwrap();
    let documents = rest.find("document ").unwrap();
    let head = format!("{}{}", before.replace("checkpoints 3", "checkpoints 0"), &rest[documents..]).into_bytes();
    let report = check(&Parts { head, entries: parts.entries }.whole(), &fixture.key, &[]);
    assert_eq!(report.first().unwrap().kind, FaultKind::Unsigned);
    assert_eq!(report.signed, 0);
}

#[tokio::test]
async fn documents_are_bound_to_the_runs_that_name_them() {
    let (fixture, export) = log(3).await;
    let text = String::from_utf8(export).unwrap();
    let report = check(text.replacen("a map", "a mop", 1).as_bytes(), &fixture.key, &[]);
    assert!(matches!(report.first().unwrap().kind, FaultKind::DocumentEdited(_)), "{:?}", report.faults);
    let start = text.find("document map ").unwrap();
    let end = start + text[start..].find("a map\n").unwrap() + 6;
    let without = format!("{}{}", &text[..start], &text[end..]).replace("documents 3", "documents 2");
    let report = check(without.as_bytes(), &fixture.key, &[]);
    assert_names(&report, 2, |kind| matches!(kind, FaultKind::MissingDocument(_)));
}

#[tokio::test]
async fn every_changed_byte_and_every_cut_is_found() {
    let (fixture, export) = log(2).await;
    let key = fixture.key.clone();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
    runner
        .run(&(0..export.len(), 1u8..=255), |(at, xor)| {
            let mut changed = export.clone();
            changed[at] ^= xor;
            prop_assert!(!check(&changed, &key, &[]).is_sound(), "byte {at} xor {xor}");
            prop_assert!(!check(&export[..at], &key, &[]).is_sound(), "cut at {at}");
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_rotation_that_the_old_key_did_not_confirm_is_no_rotation() {
    let fixture = Fixture::new().await;
    fixture.run(1, 1).await;
    let seq = fixture.journal.head().await.unwrap().0;
    fixture.journal.rotate_signing_key().await.unwrap();
    fixture.run(2, 1).await;
    let text = String::from_utf8(fixture.export().await).unwrap();
    let both = fixture.journal.reader().checkpoints().await.unwrap().into_iter().find(|c| c.size == seq + 1).unwrap().note;
    assert_eq!(both.matches("— ").count(), 2);
    // Without the checkpoint of both keys, and with each of its signatures alone.
    let without = text.replace(&format!("checkpoint {}\n{both}", both.len()), "").replace("checkpoints 4", "checkpoints 3");
    let (body, signatures) = both.split_once("— ").unwrap();
    let (old, new) = signatures.split_once("\n— ").unwrap();
    let alone = |signature: &str| {
        let note = format!("{body}— {}\n", signature.trim_end());
        text.replace(&format!("checkpoint {}\n{both}", both.len()), &format!("checkpoint {}\n{note}", note.len()))
    };
    for changed in [without, alone(old), alone(new)] {
        assert_ne!(changed, text);
        let report = check(changed.as_bytes(), &fixture.key, &[]);
        assert_names(&report, usize::try_from(seq).unwrap(), |kind| *kind == FaultKind::UnconfirmedRotation);
        assert!(report.faults.iter().any(|f| f.kind == FaultKind::ForeignKey), "the new key's checkpoints are foreign then");
    }
}

#[tokio::test]
async fn a_retired_key_signs_nothing_more() {
    let fixture = Fixture::new().await;
    let old = std::fs::read(fixture.path().join("keys/signing.key")).unwrap();
    fixture.journal.rotate_signing_key().await.unwrap();
    let honest = fixture.run(1, 1).await;
    let mut lines = honest.lines();
    let head: String = lines.by_ref().take(3).map(|line| format!("{line}\n")).collect();
    let signer = signed_note::StandardSigner::new(std::str::from_utf8(&old).unwrap().trim_end()).unwrap();
    let mut note = signed_note::Note::new(head.as_bytes(), &[]).unwrap();
    note.add_sigs(&[&signer]).unwrap();
    let forged = String::from_utf8(note.to_bytes()).unwrap();
    let report = check(&fixture.export().await, &fixture.key, &[forged]);
    assert!(matches!(report.faults[..], [ref f] if f.kind == FaultKind::ForeignKey), "{:?}", report.faults);
}

/// Several changes at once to a log of 60 entries: the first bad entry is named, whatever comes after it.
#[tokio::test]
async fn the_first_of_many_bad_entries_is_named() {
    let fixture = Fixture::new().await;
    fixture.run(1, 20).await;
    fixture.run(2, 7).await;
    let export = fixture.export().await;
    let n = Parts::of(&export).entries.len();
    assert_eq!(n, 60);
    let key = fixture.key.clone();
    let edits = proptest::collection::btree_set(1..n, 1..6);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 150, ..ProptestConfig::default() });
    runner
        .run(&(edits, 0..n, any::<u64>()), |(edits, from, seed)| {
            let mut parts = Parts::of(&export);
            for &at in &edits {
                parts.entries[at] = parts.entries[at].replace("2026-11-22T02", "2026-11-22T03");
            }
            let report = check(&parts.whole(), &key, &[]);
            let first = *edits.iter().next().unwrap();
            prop_assert!(names(&report, first as u64), "edits {edits:?}: {:?}", report.first());

            let mut parts = Parts::of(&export);
            let tail = &mut parts.entries[from..];
            tail.sort_by_cached_key(|line| tlog_tiles::record_hash(format!("{seed}{line}").as_bytes()).0);
            let original = Parts::of(&export).entries;
            if let Some(first) = (0..n).find(|&at| parts.entries[at] != original[at]) {
                let report = check(&parts.whole(), &key, &[]);
                prop_assert!(names(&report, first as u64), "shuffled from {from}: {:?}", report.first());
                prop_assert_eq!(&report.first().unwrap().kind, &FaultKind::Reordered);
            }

            let mut parts = Parts::of(&export);
            let last = *edits.iter().next_back().unwrap();
            parts.entries.drain(first..=last);
            let report = check(&parts.renumbered(n), &key, &[]);
            prop_assert!(names(&report, first as u64), "removed {first} to {last}: {:?}", report.first());
            Ok(())
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn hostile_files_are_refused_without_harm(text in "(retentiond journal export 1\n)?(origin a\n)?(checkpoints [0-9]{1,20}\n)?(documents [0-9]{1,20}\n)?(entries [0-9]{1,20}\n)?[ -~\n—]{0,200}") {
        let key = signed_note::new_ed25519_verifier_key("a", &ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key());
        let key = VerifierKey::parse(&key).unwrap();
        prop_assert!(!check(text.as_bytes(), &key, &[]).is_sound());
        prop_assert!(retentiond::journal::notes_in(&mut text.as_bytes()).is_ok());
    }
}
