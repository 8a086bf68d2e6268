//! Writing the journal out as one self-contained file; `docs/journal-format.md` describes its form.

use std::collections::BTreeSet;
use std::io::Write;

use super::error::JournalError;
use super::event::Event;
use super::reader::{PAGE, Reader};
use super::value::Hash;

/// The first line of every export.
pub const EXPORT_MAGIC: &str = "retentiond journal export 1";

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Number of entries.
    pub entries: u64,
    /// Number of checkpoints.
    pub checkpoints: u64,
    /// Number of documents.
    pub documents: u64,
    /// How many of the entries the newest checkpoint covers.
    pub signed: u64,
}

/// Writes checkpoints, documents and all entries; memory stays flat. Works beside a running writer: what is appended
/// after the start is left out.
///
/// # Errors
/// [`JournalError::NotCreated`], [`JournalError::State`], [`JournalError::Io`].
pub async fn export(reader: &Reader, out: &mut (dyn Write + Send)) -> Result<Exported, JournalError> {
    let store = reader.store();
    let size = store.head().await?.size;
    let Some(Event::LogCreated { origin, .. }) = reader.entries(0, 1).await?.pop().map(|entry| entry.event) else {
        return Err(JournalError::NotCreated);
    };
    let mut checkpoints = store.checkpoints().await?;
    // A head that was signed twice is signed the same.
    let mut seen = BTreeSet::new();
    checkpoints.retain(|checkpoint| checkpoint.size <= size && seen.insert(checkpoint.note.clone()));
    // Several over one size are in the order of their bytes: an export has one form.
    checkpoints.sort_by(|a, b| (a.size, &a.note).cmp(&(b.size, &b.note)));
    let named = named_documents(reader, size).await?;
    let mut documents = store.document_hashes().await?;
    documents.retain(|hash| named.contains(hash));
    writeln!(out, "{EXPORT_MAGIC}")?;
    writeln!(out, "origin {origin}")?;
    writeln!(out, "checkpoints {}", checkpoints.len())?;
    writeln!(out, "documents {}", documents.len())?;
    writeln!(out, "entries {size}")?;
    for checkpoint in &checkpoints {
        writeln!(out, "checkpoint {}", checkpoint.note.len())?;
        out.write_all(checkpoint.note.as_bytes())?;
    }
    for hash in &documents {
        let Some(document) = store.document(*hash).await? else { return Err(JournalError::MissingDocument(Hash(*hash))) };
        writeln!(out, "document {} {} {}", document.kind, Hash(*hash), document.body.len())?;
        out.write_all(&document.body)?;
        out.write_all(b"\n")?;
    }
    let mut seq = 0;
    while seq < size {
        let limit = u32::try_from(size - seq).unwrap_or(PAGE).min(PAGE);
        let page = store.entries(seq, limit).await?;
        let indexes = (seq..seq + u64::from(limit)).map(|n| tlog_tiles::stored_hash_index(0, n)).collect();
        let leaves = store.hashes(indexes).await?;
        if page.len() != leaves.len() {
            return Err(JournalError::Tree);
        }
        for (entry, leaf) in page.iter().zip(leaves) {
            write!(out, "{} ", Hash(leaf))?;
            out.write_all(&entry.data)?;
            out.write_all(b"\n")?;
        }
        seq += u64::from(limit);
    }
    writeln!(out, "end")?;
    out.flush()?;
    let signed = checkpoints.last().map_or(0, |checkpoint| checkpoint.size);
    Ok(Exported { entries: size, checkpoints: checkpoints.len() as u64, documents: documents.len() as u64, signed })
}

/// The documents that the first `size` entries name: those of a run that began since are left out with it.
async fn named_documents(reader: &Reader, size: u64) -> Result<BTreeSet<[u8; 32]>, JournalError> {
    let (mut named, mut from) = (BTreeSet::new(), 0);
    loop {
        let page = reader.entries_of("run_started", from, PAGE).await?;
        let Some(last) = page.last() else { return Ok(named) };
        from = last.seq + 1;
        for entry in page.iter().filter(|entry| entry.seq < size) {
            if let Event::RunStarted { policy_hash, map_hash, schema_hash, .. } = &entry.event {
                named.extend([policy_hash.0, map_hash.0, schema_hash.0]);
            }
        }
    }
}
