//! Files that rows pointed to, each an object of its own beside that of the rows: its bytes, compressed with zstd, encrypted with age.

use std::io::{BufReader, Read, Write};

use age::stream::StreamReader;
use sha2::{Digest as _, Sha256};
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::identity::Identities;
use super::open::{OpenError, of_age};
use super::recipient::Recipients;
use super::seal::{LEVEL, SealError};

/// How many bytes are read at once.
const BUFFER: usize = 64 * 1024;

/// What a file was before it was sealed: its hash says whose it is to whoever has it, and so does not leave sealed objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plain {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

/// Copies and hashes, a buffer at a time.
pub(super) fn copy(from: &mut impl Read, into: &mut impl Write) -> std::io::Result<Plain> {
    let (mut buffer, mut sum, mut bytes) = (vec![0; BUFFER], Sha256::new(), 0);
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(Plain { bytes, sha256: sum.finalize().into() }),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        sum.update(&buffer[..n]);
        into.write_all(&buffer[..n])?;
        bytes += n as u64;
    }
}

/// Seals what a reader gives to its end. Holds a buffer of it at a time. Does not flush the writer.
///
/// # Errors
/// [`SealError::Recipients`], [`SealError::Io`] of either side.
pub fn seal_file<W: Write>(recipients: &Recipients, from: &mut impl Read, into: W) -> Result<(Plain, W), SealError> {
    let encryptor = age::Encryptor::with_recipients(recipients.of_age()).map_err(|_| SealError::Recipients)?;
    let mut into = Encoder::new(encryptor.wrap_output(into)?, LEVEL)?;
    into.include_checksum(true)?;
    let plain = copy(from, &mut into)?;
    Ok((plain, into.finish()?.finish()?))
}

/// Opens a sealed file and writes it out, a buffer at a time. What was written is the file only when this ends without an error.
///
/// # Errors
/// [`OpenError`]; [`OpenError::OtherFile`] when it is whole and not the one that the rows' object names.
pub fn open_file<R: Read>(reader: R, identities: &Identities, expected: Plain, into: &mut impl Write) -> Result<(), OpenError> {
    let decryptor = age::Decryptor::new_buffered(BufReader::new(reader)).map_err(of_age)?;
    let plain: StreamReader<BufReader<R>> = decryptor.decrypt(identities.of_age()).map_err(of_age)?;
    let found = copy(&mut Decoder::new(plain)?, into)?;
    if found == expected { Ok(()) } else { Err(OpenError::OtherFile) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::pair;
    use super::*;

    #[test]
    fn a_file_comes_back_as_it_was_and_is_no_other() {
        let (recipients, identities) = pair();
        let mut noise = vec![0; 300_000];
        getrandom::fill(&mut noise).unwrap();
        for content in [&b""[..], b"x", &noise] {
            let (plain, object) = seal_file(&recipients, &mut &*content, Vec::new()).unwrap();
            assert_eq!((plain.bytes, plain.sha256), (content.len() as u64, Sha256::digest(content).into()));
            let mut back = Vec::new();
            open_file(&object[..], &identities, plain, &mut back).unwrap();
            assert_eq!(back, content);
            let other = Plain { sha256: [0; 32], ..plain };
            assert!(matches!(open_file(&object[..], &identities, other, &mut Vec::new()), Err(OpenError::OtherFile)));
            for cut in [0, object.len() / 2, object.len() - 1] {
                assert!(open_file(&object[..cut], &identities, plain, &mut Vec::new()).is_err(), "cut at {cut}");
            }
            let mut changed = object.clone();
            *changed.last_mut().unwrap() ^= 1;
            assert!(open_file(&changed[..], &identities, plain, &mut Vec::new()).is_err());
        }
    }
}
