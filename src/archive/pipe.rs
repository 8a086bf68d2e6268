//! Bytes on their way from the thread that makes them to the place where they are stored: a few pieces at a time, whatever they are of.

use std::io::{self, Read, Write};

use tokio::sync::mpsc;

/// The size of a piece in bytes: what a part of an upload must have at least, and more.
pub(crate) const PIECE: usize = 8 * 1024 * 1024;

enum Sent {
    Bytes(Vec<u8>),
    /// Nothing follows: what was sent is whole.
    End,
}

/// Where bytes go in.
#[derive(Debug)]
pub struct Inlet {
    to: mpsc::Sender<Sent>,
    piece: Vec<u8>,
}

/// Where they come out, in pieces of 8 MiB but for the last.
#[derive(Debug)]
pub struct Outlet(mpsc::Receiver<Sent>);

/// A pipe. Its inlet is for threads that may wait, not for asynchronous code.
#[must_use]
pub fn pipe() -> (Inlet, Outlet) {
    let (to, from) = mpsc::channel(1);
    (Inlet { to, piece: Vec::new() }, Outlet(from))
}

fn gone<T>(_: T) -> io::Error {
    io::Error::from(io::ErrorKind::BrokenPipe)
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
            self.to.blocking_send(Sent::Bytes(piece)).map_err(gone)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inlet {
    /// Says that this was all. An inlet that is dropped before has not sent the whole.
    ///
    /// # Errors
    /// When nobody takes it any more.
    pub fn end(mut self) -> io::Result<()> {
        if !self.piece.is_empty() {
            self.to.blocking_send(Sent::Bytes(std::mem::take(&mut self.piece))).map_err(gone)?;
        }
        self.to.blocking_send(Sent::End).map_err(gone)
    }
}

/// What becomes of a message: the next piece, the end, or an end that came too early.
fn taken(sent: Option<Sent>) -> io::Result<Option<Vec<u8>>> {
    match sent {
        Some(Sent::Bytes(piece)) => Ok(Some(piece)),
        Some(Sent::End) => Ok(None),
        None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

impl Outlet {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When the other side stopped before its end.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        taken(self.0.recv().await)
    }

    /// The same, in a thread that may wait.
    pub(super) fn wait(&mut self) -> io::Result<Option<Vec<u8>>> {
        taken(self.0.blocking_recv())
    }
}

/// Pieces that asynchronous code fetches, read in a thread that may wait.
#[derive(Debug)]
pub struct Fetched {
    from: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    /// How many bytes of it were read.
    read: usize,
}

impl Fetched {
    pub(crate) fn new(from: mpsc::Receiver<io::Result<Vec<u8>>>) -> Self {
        Self { from, piece: Vec::new(), read: 0 }
    }
}

impl Read for Fetched {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() {
            match self.from.blocking_recv() {
                Some(piece) => (self.piece, self.read) = (piece?, 0),
                None => return Ok(0),
            }
        }
        let n = (self.piece.len() - self.read).min(into.len());
        into[..n].copy_from_slice(&self.piece[self.read..self.read + n]);
        self.read += n;
        Ok(n)
    }
}
