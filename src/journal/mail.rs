//! Finding checkpoints in files of notes, in mails (`.eml`) and in mailboxes (mbox).
//!
//! A note is found wherever its lines stand: as they are, in quoted-printable, or in base64. What is found is not
//! trusted: signatures decide later. Mails that are encrypted, compressed or wrapped at a line width cannot be read.

use std::collections::BTreeSet;
use std::io::{BufRead, Read as _};

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::note::UncheckedCheckpoint;

/// The largest file that is read, in bytes.
pub const LARGEST_MAILBOX: u64 = 1 << 30;

/// All checkpoints in a file, each once, in the order of their text.
///
/// # Errors
/// When the file cannot be read or is larger than [`LARGEST_MAILBOX`].
pub fn notes_in(input: &mut dyn BufRead) -> std::io::Result<Vec<String>> {
    let mut bytes = Vec::new();
    input.take(LARGEST_MAILBOX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_MAILBOX {
        return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge));
    }
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    let mut found = BTreeSet::new();
    collect(&text, &mut found);
    collect(&quoted_printable(&text), &mut found);
    for block in base64_blocks(&text) {
        collect(&block.replace("\r\n", "\n"), &mut found);
    }
    Ok(found.into_iter().collect())
}

/// Notes in plain text: origin, size, root, an empty line, and lines that begin with an em dash. Quotation marks of replies are taken off.
fn collect(text: &str, found: &mut BTreeSet<String>) {
    let lines: Vec<&str> = text.lines().map(|line| line.trim_start_matches(['>', ' ']).trim_end()).collect();
    for at in 0..lines.len() {
        let Some([origin, size, root, "", first, ..]) = lines.get(at..) else { continue };
        if size.is_empty() || !size.bytes().all(|b| b.is_ascii_digit()) || root.len() != 44 || !first.starts_with("— ") {
            continue;
        }
        let signatures = lines[at + 4..].iter().take_while(|line| line.starts_with("— "));
        let signatures: String = signatures.map(|line| format!("{line}\n")).collect();
        let note = format!("{origin}\n{size}\n{root}\n\n{signatures}");
        if UncheckedCheckpoint::parse(&note).is_some() {
            found.insert(note);
        }
    }
}

/// Decodes quoted-printable; what is not, stays as it is.
fn quoted_printable(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'=', [b'\n', after @ ..]) => rest = after,
            (b'=', [a, b, after @ ..]) => {
                let mut decoded = [0];
                match hex::decode_to_slice([*a, *b], &mut decoded) {
                    Ok(()) => {
                        out.push(decoded[0]);
                        rest = after;
                    }
                    Err(_) => out.push(byte),
                }
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).replace("\r\n", "\n")
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The decoded runs of lines that are nothing but base64.
fn base64_blocks(text: &str) -> Vec<String> {
    let is_base64 =
        |line: &str| !line.is_empty() && line.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    let mut blocks = Vec::new();
    let mut block = String::new();
    for line in text.lines().map(str::trim_end).chain([""]) {
        if is_base64(line) {
            block.push_str(line);
        } else if !block.is_empty() {
            if let Ok(bytes) = LENIENT.decode(&block) {
                blocks.push(String::from_utf8_lossy(&bytes).into_owned());
            }
            block.clear();
        }
    }
    blocks
}
