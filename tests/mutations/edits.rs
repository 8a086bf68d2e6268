//! The edits. A blind one changes bytes or lines; a careful one also puts right what can be put right without the signing key: leaf hashes,
//! announced numbers, sequence numbers, even the checkpoints, signed with a key of its own.

use retentiond::journal::VerifierKey;

use super::chance::Chance;
use super::logs::Log;

/// What verification must say of an edited export.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// That something is wrong.
    Found,
    /// That this entry is the first bad one.
    Entry(u64),
    /// That the first bad one is this entry or another between the same two checkpoints: nothing tells more.
    Within(u64),
    /// The line after the last entry is bad: a bad entry there, or a bad file.
    EntryOrFile(u64),
}

/// An edited export.
pub struct Edited {
    pub export: Vec<u8>,
    /// The key to verify it with, when it is not the log's own.
    pub key: Option<VerifierKey>,
    pub expected: Expected,
}

/// An edit; `None` when the log is too short for it or chance would leave everything as it was.
pub type Edit = fn(&Log, &[Log], &mut Chance) -> Option<Edited>;

pub const EDITS: [(&str, Edit); 22] = [
    ("one bit", bit),
    ("one bit of an entry", entry_bit),
    ("one byte", byte),
    ("a byte more", byte_more),
    ("a byte less", byte_less),
    ("some bytes overwritten", overwritten),
    ("a line less", line_less),
    ("a line twice", line_twice),
    ("two lines exchanged", lines_exchanged),
    ("a line elsewhere", line_moved),
    ("lines in reverse", lines_reversed),
    ("cut at a byte", cut),
    ("several blind edits of entries", several),
    ("an entry less, announced", entry_less),
    ("an entry twice, announced", entry_twice),
    ("an entry twice, numbers put right", renumbered),
    ("a digit of an entry, leaf hash put right", rehashed),
    ("cut at an entry, announced", entries_cut),
    ("cut with its checkpoints", cut_with_checkpoints),
    ("a fork under the same key", forked),
    ("another log's key", foreign_key),
    ("an entry of another log", foreign_entry),
];

/// The expectation for blindly changed bytes: the first line that differs.
fn blind(log: &Log, export: Vec<u8>) -> Option<Edited> {
    if export == log.export {
        return None;
    }
    let same = export.iter().zip(&log.export).take_while(|(a, b)| a == b).count();
    let expected = if same < log.first {
        Expected::Found
    } else {
        let mut lines = export[log.first..].split_inclusive(|b| *b == b'\n');
        let differs = log
            .lines
            .iter()
            .position(|line| lines.next().is_none_or(|new| new.strip_suffix(b"\n").is_none_or(|new| new != line.as_slice())));
        match differs {
            Some(at) => Expected::Entry(at as u64),
            None => Expected::EntryOrFile(log.lines.len() as u64),
        }
    };
    Some(Edited { export, key: None, expected })
}

fn bit(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut export = log.export.clone();
    let at = chance.below(export.len());
    export[at] ^= 1 << chance.below(8);
    blind(log, export)
}

fn entry_bit(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut export = log.export.clone();
    let at = chance.within(log.first, export.len());
    export[at] ^= 1 << chance.below(8);
    blind(log, export)
}

fn byte(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut export = log.export.clone();
    let at = chance.below(export.len());
    export[at] = chance.next() as u8;
    blind(log, export)
}

fn byte_more(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut export = log.export.clone();
    let at = chance.below(export.len() + 1);
    // A space, a line end, a digit, any byte: what a lenient reader would skip.
    let new = [b' ', b'\n', b'0', b'\r', chance.next() as u8][chance.below(5)];
    export.insert(at, new);
    blind(log, export)
}

fn byte_less(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut export = log.export.clone();
    export.remove(chance.below(export.len()));
    blind(log, export)
}

fn overwritten(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut export = log.export.clone();
    let at = chance.below(export.len());
    let end = (at + 1 + chance.below(100)).min(export.len());
    let from = chance.below(export.len() - (end - at) + 1);
    export.copy_within(from..from + (end - at), at);
    blind(log, export)
}

/// The export as lines with their LF.
fn lines(export: &[u8]) -> Vec<&[u8]> {
    export.split_inclusive(|b| *b == b'\n').collect()
}

fn line_less(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut all = lines(&log.export);
    all.remove(chance.below(all.len()));
    blind(log, all.concat())
}

fn line_twice(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut all = lines(&log.export);
    let line = all[chance.below(all.len())];
    all.insert(chance.below(all.len() + 1), line);
    blind(log, all.concat())
}

fn lines_exchanged(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut all = lines(&log.export);
    let (a, b) = (chance.below(all.len()), chance.below(all.len()));
    all.swap(a, b);
    blind(log, all.concat())
}

fn line_moved(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut all = lines(&log.export);
    let line = all.remove(chance.below(all.len()));
    all.insert(chance.below(all.len() + 1), line);
    blind(log, all.concat())
}

fn lines_reversed(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut all = lines(&log.export);
    let from = chance.below(all.len());
    let to = chance.within(from, all.len()) + 1;
    all[from..to].reverse();
    blind(log, all.concat())
}

fn cut(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    blind(log, log.export[..chance.below(log.export.len())].to_vec())
}

/// Two to six blind edits of the entries' part.
fn several(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut export = log.export.clone();
    for _ in 0..chance.within(2, 7) {
        let (head, tail) = export.split_at(log.first);
        let mut tail = tail.to_vec();
        if tail.is_empty() {
            break;
        }
        let at = chance.below(tail.len());
        match chance.below(5) {
            0 => tail[at] ^= 1 << chance.below(8),
            1 => tail.insert(at, chance.next() as u8),
            2 => drop(tail.remove(at)),
            3 => {
                let mut all = lines(&tail);
                let (a, b) = (chance.below(all.len()), chance.below(all.len()));
                all.swap(a, b);
                tail = all.concat();
            }
            _ => {
                let mut all = lines(&tail);
                all.remove(chance.below(all.len()));
                tail = all.concat();
            }
        }
        export = [head, &tail].concat();
    }
    blind(log, export)
}

/// An export of these entries, with their number announced.
fn announced(log: &Log, entries: &[Vec<u8>]) -> Vec<u8> {
    let head = &log.export[..log.first];
    let (old, new) = (format!("\nentries {}\n", log.lines.len()), format!("\nentries {}\n", entries.len()));
    let at = head.windows(old.len()).position(|w| w == old.as_bytes()).unwrap();
    let mut out = [&head[..at], new.as_bytes(), &head[at + old.len()..]].concat();
    for entry in entries {
        out.extend_from_slice(entry);
        out.push(b'\n');
    }
    out.extend_from_slice(b"end\n");
    out
}

fn careful(log: &Log, entries: &[Vec<u8>], expected: Expected) -> Option<Edited> {
    (entries != log.lines).then(|| Edited { export: announced(log, entries), key: None, expected })
}

fn differs(log: &Log, entries: &[Vec<u8>]) -> u64 {
    let same = entries.iter().zip(&log.lines).take_while(|(a, b)| a == b).count();
    same as u64
}

/// An entry's line with the leaf hash of its data.
fn hashed(data: &[u8]) -> Vec<u8> {
    [hex::encode(tlog_tiles::record_hash(data).0).as_bytes(), b" ", data].concat()
}

fn entry_less(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut entries = log.lines.clone();
    let from = chance.below(entries.len());
    let to = (from + 1 + chance.below(3)).min(entries.len());
    entries.drain(from..to);
    careful(log, &entries, Expected::Entry(from as u64))
}

fn entry_twice(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut entries = log.lines.clone();
    let line = entries[chance.below(entries.len())].clone();
    entries.insert(chance.below(entries.len() + 1), line);
    let at = differs(log, &entries);
    careful(log, &entries, Expected::Entry(at))
}

/// With every later entry numbered anew and hashed anew: only the signatures tell.
fn renumbered(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut entries = log.lines.clone();
    if chance.flip() {
        let line = entries[chance.below(entries.len())].clone();
        entries.insert(chance.within(1, entries.len() + 1), line);
    } else {
        entries.remove(chance.below(entries.len()));
    }
    let entries: Vec<Vec<u8>> = (entries.iter().enumerate())
        .map(|(n, line)| {
            let text = std::str::from_utf8(&line[65..]).unwrap();
            let (_, rest) = text.split_once(',').unwrap();
            hashed(format!("{{\"seq\":{n},{rest}").as_bytes())
        })
        .collect();
    let at = differs(log, &entries);
    careful(log, &entries, Expected::Within(at))
}

fn rehashed(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let mut entries = log.lines.clone();
    let at = chance.below(entries.len());
    let mut data = entries[at][65..].to_vec();
    let digits: Vec<usize> = (0..data.len()).filter(|i| data[*i].is_ascii_digit()).collect();
    let digit = digits[chance.below(digits.len())];
    data[digit] = b'0' + chance.below(10) as u8;
    entries[at] = hashed(&data);
    careful(log, &entries, Expected::Within(at as u64))
}

fn entries_cut(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let at = chance.below(log.lines.len());
    careful(log, &log.lines[..at], Expected::Entry(at as u64))
}

/// Cut at an earlier checkpoint, whose later ones are taken out: whole by itself, but the mails know more.
fn cut_with_checkpoints(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let earlier: Vec<usize> = log.sizes.iter().copied().filter(|s| *s < log.lines.len()).collect();
    let size = *earlier.get(chance.below(earlier.len().max(1)))?;
    let mut export = announced(log, &log.lines[..size]);
    let mut kept = log.sizes.len();
    for note in &log.mailed {
        let covers: usize = note.lines().nth(1)?.parse().ok()?;
        if covers > size {
            let whole = format!("checkpoint {}\n{note}", note.len());
            let at = export.windows(whole.len()).position(|w| w == whole.as_bytes())?;
            export.drain(at..at + whole.len());
            kept -= 1;
        }
    }
    let (old, new) = (format!("\ncheckpoints {}\n", log.sizes.len()), format!("\ncheckpoints {kept}\n"));
    let at = export.windows(old.len()).position(|w| w == old.as_bytes())?;
    export.splice(at..at + old.len(), new.bytes());
    Some(Edited { export, key: None, expected: Expected::Entry(size as u64) })
}

/// The twin's export, whole or grafted onto this log's head.
fn forked(log: &Log, _: &[Log], chance: &mut Chance) -> Option<Edited> {
    let (at, twin) = log.twin.as_ref()?;
    if chance.flip() {
        return Some(Edited { export: twin.clone(), key: None, expected: Expected::Within(*at as u64) });
    }
    let first = twin.windows(9).position(|w| w == b"{\"seq\":0,")? - 65;
    let theirs: Vec<Vec<u8>> = lines(&twin[first..]).iter().map(|l| l[..l.len() - 1].to_vec()).collect();
    let from = chance.within(*at, log.lines.len());
    let to = chance.within(from, log.lines.len()) + 1;
    let entries = [&log.lines[..from], &theirs[from..to], &log.lines[to..]].concat();
    let at = differs(log, &entries);
    careful(log, &entries, Expected::Within(at))
}

/// Verified with a key that never signed it; or this log's name and checkpoints over another log's entries.
fn foreign_key(log: &Log, all: &[Log], chance: &mut Chance) -> Option<Edited> {
    let other = &all[chance.below(all.len())];
    if other.key == log.key {
        return None;
    }
    if chance.flip() {
        return Some(Edited { export: log.export.clone(), key: Some(other.key.clone()), expected: Expected::Found });
    }
    Some(Edited { export: other.export.clone(), key: None, expected: Expected::Within(0) })
}

fn foreign_entry(log: &Log, all: &[Log], chance: &mut Chance) -> Option<Edited> {
    let other = &all[chance.below(all.len())];
    let at = chance.below(log.lines.len().min(other.lines.len()));
    let mut entries = log.lines.clone();
    entries[at] = other.lines[at].clone();
    if chance.flip() {
        entries[at] = [&log.lines[at][..64], &other.lines[at][64..]].concat();
        return careful(log, &entries, Expected::Entry(at as u64));
    }
    careful(log, &entries, Expected::Within(at as u64))
}
