//! Reading a sealed object, row by row.

use std::io::{self, BufRead, BufReader, Read};

use age::stream::StreamReader;
use zstd::stream::read::Decoder;

use super::identity::Identities;
use super::object::{FileLine, Header, HeaderFault, MAX_LINE, Row, Trailer, WITH_FILES};

/// Why an object cannot be read. Holds no value of a row.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not encrypted with age, or its beginning is damaged.
    NotSealed,
    /// None of the identities opens it.
    NoIdentity,
    /// The reader failed, or the encrypted or compressed stream is damaged or ends too early.
    Io(io::Error),
    /// Its first line is no header that this program can read.
    Header(HeaderFault),
    /// A line is neither a row nor the trailer.
    Line {
        /// The line's number, from 1; the header is line 1.
        line: u64,
    },
    /// A row's table is not in the header, or has another number of columns.
    Fit {
        /// The line's number.
        line: u64,
    },
    /// A line is longer than [`MAX_LINE`].
    TooLong {
        /// The line's number.
        line: u64,
    },
    /// The last line has no end.
    NoEnd {
        /// The line's number.
        line: u64,
    },
    /// The last line is not a trailer: the rest is missing.
    NoTrailer,
    /// The trailer counts other rows than there are.
    Count {
        /// What the trailer says.
        stated: u64,
        /// How many there are.
        found: u64,
    },
    /// Something stands after the trailer.
    AfterTrailer {
        /// The line's number.
        line: u64,
    },
    /// The trailer counts other files than there are named, or they are not numbered.
    Files,
    /// A sealed file is whole, and not the one that the rows' object names.
    OtherFile,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSealed => f.write_str("the object is not encrypted with age, or is damaged"),
            Self::NoIdentity => f.write_str("none of the private keys opens the object"),
            Self::Io(error) => write!(f, "reading the object: {error}"),
            Self::Header(fault) => write!(f, "{fault}"),
            Self::Line { line } => write!(f, "line {line} is not a row"),
            Self::Fit { line } => write!(f, "the row in line {line} does not fit the columns of its table"),
            Self::TooLong { line } => write!(f, "line {line} is longer than {MAX_LINE} bytes"),
            Self::NoEnd { line } => write!(f, "line {line} has no end"),
            Self::NoTrailer => f.write_str("the object ends without its trailer"),
            Self::Count { stated, found } => write!(f, "the trailer counts {stated} rows, the object has {found}"),
            Self::Files => f.write_str("the trailer counts other files than the object names"),
            Self::OtherFile => f.write_str("the sealed file is not the one that its rows' object names"),
            Self::AfterTrailer { line } => write!(f, "line {line} stands after the trailer"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Header(fault) => Some(fault),
            _ => None,
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Stream<R> = BufReader<Decoder<'static, BufReader<StreamReader<BufReader<R>>>>>;

/// The rows of an opened object. The object is whole only when the iterator ended without an error: the trailer comes last.
pub struct Rows<R: Read> {
    header: Header,
    from: Stream<R>,
    line: Vec<u8>,
    /// The number of the last line that was read.
    at: u64,
    rows: u64,
    files: Vec<FileLine>,
    done: bool,
}

impl<R: Read> std::fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("rows", &self.rows).field("done", &self.done).finish_non_exhaustive()
    }
}

/// Opens a sealed object: its header, and its rows, which are read as they are asked for. Holds one line at a time.
///
/// # Errors
/// [`OpenError`], when the object cannot be opened or its header not be read. What is wrong further on, the iterator says.
pub fn open<R: Read>(reader: R, identities: &Identities) -> Result<(Header, Rows<R>), OpenError> {
    let decryptor = age::Decryptor::new_buffered(BufReader::new(reader)).map_err(of_age)?;
    let plain = decryptor.decrypt(identities.of_age()).map_err(of_age)?;
    let mut from: Stream<R> = BufReader::new(Decoder::new(plain)?);
    let mut line = Vec::new();
    if !next_line(&mut from, &mut line, 1)? {
        return Err(OpenError::Header(HeaderFault::Shape));
    }
    let header = Header::read(&line).map_err(OpenError::Header)?;
    Ok((header.clone(), Rows { header, from, line, at: 1, rows: 0, files: Vec::new(), done: false }))
}

pub(super) fn of_age(error: age::DecryptError) -> OpenError {
    match error {
        age::DecryptError::NoMatchingKeys => OpenError::NoIdentity,
        age::DecryptError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => OpenError::Io(error),
        _ => OpenError::NotSealed,
    }
}

/// Reads one line into `line`, without its end; whether there was one.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>, number: u64) -> Result<bool, OpenError> {
    line.clear();
    let limit = MAX_LINE as u64 + 1;
    if from.take(limit).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    match line.pop() {
        Some(b'\n') => Ok(true),
        _ if line.len() == MAX_LINE => Err(OpenError::TooLong { line: number }),
        _ => Err(OpenError::NoEnd { line: number }),
    }
}

impl<R: Read> Rows<R> {
    /// The files that were sealed beside the object; all of them once the iterator has ended.
    pub fn files(&self) -> &[FileLine] {
        &self.files
    }

    fn advance(&mut self) -> Result<Option<Row>, OpenError> {
        let row = loop {
            let number = self.at + 1;
            if !next_line(&mut self.from, &mut self.line, number)? {
                return Err(OpenError::NoTrailer);
            }
            self.at = number;
            // A row begins with its table; a trailer is short.
            if let Ok(trailer) = serde_json::from_slice(&self.line) {
                return self.end(trailer).map(|()| None);
            }
            if self.header.version == WITH_FILES
                && let Ok(file) = serde_json::from_slice(&self.line)
            {
                self.files.push(file);
                continue;
            }
            // The reason may quote a value: it is not told.
            break serde_json::from_slice::<Row>(&self.line).map_err(|_| OpenError::Line { line: number })?;
        };
        let number = self.at;
        if self.header.width(row.table) != Some(row.cells.len()) {
            return Err(OpenError::Fit { line: number });
        }
        self.rows += 1;
        Ok(Some(row))
    }

    fn end(&mut self, Trailer { rows: stated, files }: Trailer) -> Result<(), OpenError> {
        if stated != self.rows {
            return Err(OpenError::Count { stated, found: self.rows });
        }
        let named = (self.header.version == WITH_FILES).then_some(self.files.len() as u64);
        if files != named || self.files.iter().zip(0..).any(|(f, n)| f.file != n) {
            return Err(OpenError::Files);
        }
        let line = self.at + 1;
        // Reading on to the end also checks the ends of the compressed and the encrypted stream.
        match next_line(&mut self.from, &mut self.line, line) {
            Ok(false) => Ok(()),
            Err(OpenError::Io(error)) => Err(OpenError::Io(error)),
            _ => Err(OpenError::AfterTrailer { line }),
        }
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.advance();
        self.done = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}
