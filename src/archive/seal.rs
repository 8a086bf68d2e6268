//! Writing a sealed object, row by row.

use std::io::{self, Write};

use age::stream::StreamWriter;
use zstd::stream::write::Encoder;

use super::object::{FileLine, Header, HeaderFault, MAX_LINE, Row, Trailer, WITH_FILES};
use super::recipient::Recipients;

/// The level of compression: what zstd takes by itself.
pub(super) const LEVEL: i32 = 3;

/// Why nothing was sealed. Holds no value of a row.
#[derive(Debug)]
#[non_exhaustive]
pub enum SealError {
    /// The header describes no object.
    Header(HeaderFault),
    /// The row's table is not in the header, or has another number of columns.
    Fit {
        /// The row's number, from 1.
        row: u64,
    },
    /// The row's line would be longer than [`MAX_LINE`], and nobody could read it.
    TooLong {
        /// The row's number, from 1.
        row: u64,
    },
    /// The recipients' keys could not be used together.
    Recipients,
    /// The writer failed.
    Io(io::Error),
    /// An earlier error left the object unfinished.
    Spoiled,
}

impl std::fmt::Display for SealError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(fault) => write!(f, "{fault}"),
            Self::Fit { row } => write!(f, "row {row} does not fit the columns of its table"),
            Self::TooLong { row } => write!(f, "row {row} is longer than {MAX_LINE} bytes and cannot be archived"),
            Self::Recipients => f.write_str("the recipients' keys could not be used"),
            Self::Io(error) => write!(f, "writing the object: {error}"),
            Self::Spoiled => f.write_str("the object is unfinished after an earlier error"),
        }
    }
}

impl std::error::Error for SealError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Header(fault) => Some(fault),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for SealError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes one sealed object. Holds one line at a time; an object is whole only after [`Sealer::finish`], and one that was dropped
/// before can be opened by nobody to its end.
pub struct Sealer<W: Write> {
    header: Header,
    rows: u64,
    files: u64,
    line: Vec<u8>,
    spoiled: bool,
    into: Encoder<'static, StreamWriter<W>>,
}

impl<W: Write> std::fmt::Debug for Sealer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<W: Write> Sealer<W> {
    /// Begins an object and writes its header.
    ///
    /// # Errors
    /// [`SealError::Header`], [`SealError::Recipients`] or [`SealError::Io`].
    pub fn new(recipients: &Recipients, header: &Header, writer: W) -> Result<Self, SealError> {
        header.check().map_err(SealError::Header)?;
        let encryptor = age::Encryptor::with_recipients(recipients.of_age()).map_err(|_| SealError::Recipients)?;
        let mut into = Encoder::new(encryptor.wrap_output(writer)?, LEVEL)?;
        into.include_checksum(true)?;
        let mut line = Limited::default();
        serde_json::to_writer(&mut line, header).map_err(|_| SealError::Header(HeaderFault::TooLong))?;
        let mut line = line.0;
        line.push(b'\n');
        into.write_all(&line)?;
        Ok(Self { header: header.clone(), rows: 0, files: 0, line, spoiled: false, into })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// [`SealError::Fit`] and [`SealError::TooLong`]: the row is not in the object, which otherwise goes on; [`SealError::Io`]: the object is lost.
    pub fn row(&mut self, row: &Row) -> Result<(), SealError> {
        if self.spoiled {
            return Err(SealError::Spoiled);
        }
        let number = self.rows + 1;
        if self.header.width(row.table) != Some(row.cells.len()) {
            return Err(SealError::Fit { row: number });
        }
        self.line(row, number)?;
        self.rows = number;
        Ok(())
    }

    /// Names a file that was sealed beside the object; one whose header says that it has some.
    ///
    /// # Errors
    /// As of [`Sealer::row`].
    pub fn file(&mut self, file: &FileLine) -> Result<(), SealError> {
        if self.spoiled {
            return Err(SealError::Spoiled);
        }
        if self.header.version != WITH_FILES || file.file != self.files {
            return Err(SealError::Fit { row: self.rows });
        }
        self.line(file, self.rows)?;
        self.files += 1;
        Ok(())
    }

    fn line(&mut self, what: &impl serde::Serialize, number: u64) -> Result<(), SealError> {
        let mut line = Limited(std::mem::take(&mut self.line));
        line.0.clear();
        let written = serde_json::to_writer(&mut line, what);
        self.line = line.0;
        // Only the limit can fail: a line has no map with keys that are not texts.
        written.map_err(|_| SealError::TooLong { row: number })?;
        self.end_line()
    }

    fn end_line(&mut self) -> Result<(), SealError> {
        self.line.push(b'\n');
        self.into.write_all(&self.line).inspect_err(|_| self.spoiled = true)?;
        Ok(())
    }

    /// How many rows were written.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the trailer and the ends of the compressed and the encrypted stream, and gives the writer back. Does not flush it.
    ///
    /// # Errors
    /// [`SealError::Io`], or [`SealError::Spoiled`] when a row failed at the writer: the object is not whole.
    pub fn finish(mut self) -> Result<W, SealError> {
        if self.spoiled {
            return Err(SealError::Spoiled);
        }
        self.line.clear();
        let files = (self.header.version == WITH_FILES).then_some(self.files);
        serde_json::to_writer(&mut self.line, &Trailer { rows: self.rows, files }).map_err(io::Error::from)?;
        self.end_line()?;
        Ok(self.into.finish()?.finish()?)
    }
}

/// A line that refuses to become longer than [`MAX_LINE`].
#[derive(Default)]
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > MAX_LINE - self.0.len() {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
