//! Reading an export, piece by piece, with bounded memory.

use std::io::{BufRead, Read as _};

use super::fault::FaultKind;
use crate::journal::append::DocumentKind;
use crate::journal::export::EXPORT_MAGIC;
use crate::journal::value::Hash;

/// The longest line, checkpoint or document that is read, in bytes.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Why reading stopped.
pub(super) enum Stop {
    Io(std::io::Error),
    /// The form is wrong.
    Form(FaultKind),
    /// The file ends too early: in the midst of its entries, once these begin.
    End,
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof { Self::End } else { Self::Io(error) }
    }
}

/// What the export announces.
pub(super) struct Header {
    pub(super) origin: String,
    pub(super) checkpoints: u64,
    pub(super) documents: u64,
    pub(super) entries: u64,
}

/// A line without its newline; `None` at the end of the file or when the last line is not complete.
pub(super) fn line(input: &mut dyn BufRead, buffer: &mut Vec<u8>) -> Result<Option<()>, Stop> {
    buffer.clear();
    input.take(LONGEST).read_until(b'\n', buffer)?;
    Ok(buffer.pop_if(|last| *last == b'\n').map(|_| ()))
}

fn text<'a>(input: &mut dyn BufRead, buffer: &'a mut Vec<u8>, missing: &'static str) -> Result<&'a str, Stop> {
    line(input, buffer)?.ok_or(Stop::End)?;
    std::str::from_utf8(buffer).map_err(|_| Stop::Form(FaultKind::Malformed(missing)))
}

/// A number in its one form: digits without a sign or leading zeros.
fn number(text: &str, what: &'static str) -> Result<u64, Stop> {
    text.parse().ok().filter(|n: &u64| n.to_string() == text).ok_or(Stop::Form(FaultKind::Malformed(what)))
}

pub(super) fn header(input: &mut dyn BufRead) -> Result<Header, Stop> {
    let malformed = |what| Stop::Form(FaultKind::Malformed(what));
    let mut buffer = Vec::new();
    if text(input, &mut buffer, "first line")? != EXPORT_MAGIC {
        return Err(malformed("first line"));
    }
    let mut field = |name: &'static str| -> Result<String, Stop> {
        let line = text(input, &mut buffer, "header")?;
        let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')).ok_or(malformed("header"))?;
        Ok(value.to_owned())
    };
    Ok(Header {
        origin: field("origin")?,
        checkpoints: number(&field("checkpoints")?, "header")?,
        documents: number(&field("documents")?, "header")?,
        entries: number(&field("entries")?, "header")?,
    })
}

fn body(input: &mut dyn BufRead, length: u64, what: &'static str) -> Result<Vec<u8>, Stop> {
    if length > LONGEST {
        return Err(Stop::Form(FaultKind::Malformed(what)));
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(Stop::End) }
}

/// The text of one signed note.
pub(super) fn checkpoint(input: &mut dyn BufRead) -> Result<String, Stop> {
    let malformed = || Stop::Form(FaultKind::Malformed("checkpoints"));
    let mut buffer = Vec::new();
    let length = text(input, &mut buffer, "checkpoints")?.strip_prefix("checkpoint ").ok_or_else(malformed)?;
    let length = number(length, "checkpoints")?;
    String::from_utf8(body(input, length, "checkpoints")?).map_err(|_| malformed())
}

/// What a document is, its name, and whether its bytes have that hash.
pub(super) fn document(input: &mut dyn BufRead) -> Result<(DocumentKind, Hash, bool), Stop> {
    let malformed = || Stop::Form(FaultKind::Malformed("documents"));
    let mut buffer = Vec::new();
    let words: Vec<&str> = text(input, &mut buffer, "documents")?.split(' ').collect();
    let ["document", kind, hash, length] = words[..] else { return Err(malformed()) };
    let kind = DocumentKind::parse(kind).ok_or_else(malformed)?;
    let hash = Hash::parse(hash).map_err(|_| malformed())?;
    let length = number(length, "documents")?;
    let bytes = body(input, length, "documents")?;
    let mut newline = [0];
    input.read_exact(&mut newline)?;
    if newline != *b"\n" {
        return Err(malformed());
    }
    Ok((kind, hash, Hash::of(&bytes) == hash))
}

/// Splits an entry's line into its leaf hash and its data.
pub(super) fn entry(line: &[u8]) -> Option<(Hash, &[u8])> {
    let (hash, rest) = line.split_at_checked(64)?;
    let hash = Hash::parse(std::str::from_utf8(hash).ok()?).ok()?;
    Some((hash, rest.strip_prefix(b" ")?))
}
