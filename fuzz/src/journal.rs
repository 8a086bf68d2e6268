//! Entries, notes, mailboxes and exports.

use std::sync::LazyLock;

use retentiond::journal::{
    Code, Day, Entry, Hash, Id128, Instant, KeyId, Mac, Macs, Name, Origin, Reference, SignatureState, UncheckedCheckpoint,
    VerifierKey, Version, notes_in, verify,
};

/// A sound export of a log whose private key nobody has any more, with its public key on the first line.
const SOUND: &str = include_str!("../sound_export.txt");

/// The key and the export.
pub fn sound() -> (VerifierKey, &'static str) {
    let (key, export) = SOUND.split_once('\n').expect("a line with the key");
    (VerifierKey::parse(key).expect("a key"), export)
}

static KEY: LazyLock<VerifierKey> = LazyLock::new(|| sound().0);

/// Decodes an entry and every value that entries are made of: what is accepted is written again as it was read.
pub fn journal_entry(data: &[u8]) {
    match Entry::from_bytes(data) {
        Ok(entry) => assert_eq!(entry.to_bytes(), data, "an entry has one form"),
        Err(error) => assert!(error.to_string().len() < 64, "an error repeats nothing"),
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    macro_rules! one_form {
        ($($value:ident),+) => {
            $(if let Ok(value) = $value::parse(text) {
                assert_eq!(value.to_string(), text, stringify!($value));
            })+
        };
    }
    one_form!(Name, Reference, Code, Origin, Version, Hash, Id128, Mac, Macs, Day, Instant, KeyId, VerifierKey);
    let name = Name::of_identifier(text);
    assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(&name));
}

/// Reads the input as a note and as a mailbox.
pub fn note(data: &[u8]) {
    if let Some(checkpoint) = std::str::from_utf8(data).ok().and_then(UncheckedCheckpoint::parse) {
        assert!(!checkpoint.origin().contains('\n'));
        if checkpoint.signed_by(&KEY) == SignatureState::Valid {
            let body = std::str::from_utf8(data).expect("text").split("\n\n").next().expect("a body");
            assert!(sound().1.contains(body), "a signature that the key never made");
        }
    }
    let found = notes_in(&mut &data[..]).expect("reading from memory");
    for note in &found {
        assert!(UncheckedCheckpoint::parse(note).is_some(), "what is found in a mailbox is a note");
        assert_eq!(notes_in(&mut note.as_bytes()).expect("memory"), std::slice::from_ref(note), "a note is found in itself");
    }
}

/// Verifies the input as an export: only the log that was signed is sound.
pub fn export_verify(data: &[u8]) {
    let (key, export) = sound();
    let witnesses = notes_in(&mut export.as_bytes()).expect("memory");
    for witnesses in [&witnesses[..], &[]] {
        let report = verify(&mut &data[..], &key, witnesses).expect("memory");
        assert!(report.faults.iter().all(|fault| fault.to_string().len() < 300));
        if report.is_sound() {
            let text = std::str::from_utf8(data).expect("a sound export is text here");
            let signed = usize::try_from(report.signed).expect("a number");
            let same = entries(text).zip(entries(export)).take(signed).all(|(a, b)| a == b);
            assert!(same && signed > 0, "a log that nobody signed is sound");
            let whole = text.contains("\ncheckpoints 4\n") && report.signed == report.entries;
            assert!(witnesses.is_empty() || !whole || text == export, "a sound log has two forms");
        }
    }
}

fn entries(export: &str) -> impl Iterator<Item = &str> {
    export.lines().filter(|line| line.get(64..).is_some_and(|rest| rest.starts_with(" {\"seq\":")))
}
