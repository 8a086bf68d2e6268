//! The batches of a run, and what was put back of them, as the journal has it.

use std::collections::{HashMap, HashSet};

use crate::enforce::error::EnforceError;
use crate::journal::{Action, Event, Hash, Id128, Instant, Macs, Name, Reader};

/// How many entries are read at once: those of batches name all their records.
const PAGE: u32 = 50;

/// How many short entries are read at once.
const MANY: u32 = 1_000;

/// A batch that was applied.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    /// The batch.
    pub(super) batch: Id128,
    /// The entry that says so.
    pub(super) seq: u64,
    /// Its data set.
    pub(super) data_set: Name,
    /// What it did.
    pub(super) action: Action,
    /// Whether the database was set back to before it.
    pub(super) reverted: bool,
}

/// A run.
#[derive(Debug)]
pub(super) struct Walk {
    /// When it began.
    pub(super) started: Instant,
    /// Its batches, in the order of their ends.
    pub(super) batches: Vec<Applied>,
    /// The first entry behind it.
    pub(super) behind: u64,
}

/// Finds a run of a source and its batches.
///
/// # Errors
/// [`EnforceError::NoSuchRun`]; [`EnforceError::RunOpen`] while it, or a batch of it, has no end.
pub(super) async fn walk(reader: &Reader, source: &Name, run: Id128) -> Result<Walk, EnforceError> {
    let (mut at, started) = find(reader, source, run).await?.ok_or(EnforceError::NoSuchRun)?;
    let mut intents: HashMap<Id128, (Name, Action)> = HashMap::new();
    let (mut batches, mut finished) = (Vec::new(), false);
    while !finished || !intents.is_empty() {
        let page = reader.entries(at, PAGE).await?;
        let Some(last) = page.last() else { return Err(EnforceError::RunOpen) };
        at = last.seq + 1;
        for entry in page {
            match entry.event {
                Event::Intent { run: of, batch, data_set, action, .. } if of == run => {
                    intents.insert(batch, (data_set, action));
                }
                Event::Applied { batch, .. } => {
                    if let Some((data_set, action)) = intents.remove(&batch) {
                        batches.push(Applied { batch, seq: entry.seq, data_set, action, reverted: false });
                    }
                }
                Event::Aborted { batch, .. } => drop(intents.remove(&batch)),
                Event::RunFinished { run: of, .. } => finished |= of == run,
                _ => {}
            }
        }
    }
    let mut gone = HashSet::new();
    let mut from = 0;
    loop {
        let page = reader.entries_of("reverted", from, MANY).await?;
        let Some(last) = page.last() else { break };
        from = last.seq + 1;
        gone.extend(
            page.into_iter().filter_map(|e| if let Event::Reverted { batch, .. } = e.event { Some(batch) } else { None }),
        );
    }
    batches.iter_mut().for_each(|b| b.reverted = gone.contains(&b.batch));
    Ok(Walk { started, batches, behind: at })
}

async fn find(reader: &Reader, source: &Name, run: Id128) -> Result<Option<(u64, Instant)>, EnforceError> {
    let mut from = 0;
    loop {
        let page = reader.entries_of("run_started", from, MANY).await?;
        let Some(last) = page.last() else { return Ok(None) };
        from = last.seq + 1;
        let found = page.into_iter().find_map(|e| match e.event {
            Event::RunStarted { run: of, source: its, now, .. } if of == run && its == *source => Some((e.seq, now)),
            _ => None,
        });
        if found.is_some() {
            return Ok(found);
        }
    }
}

/// What is back of batches: for each batch and data set, under which approved plan, and whose records.
#[derive(Debug, Default)]
pub(super) struct Undone(HashMap<(Id128, Name), Vec<(Hash, Macs)>>);

impl Undone {
    /// Reads what was put back in a source.
    ///
    /// # Errors
    /// Of the journal.
    pub(super) async fn read(reader: &Reader, source: &Name) -> Result<Self, EnforceError> {
        let mut attempts = HashMap::new();
        let mut from = 0;
        loop {
            let page = reader.entries_of("undo_intended", from, MANY).await?;
            let Some(last) = page.last() else { break };
            from = last.seq + 1;
            for entry in page {
                if let Event::UndoIntended { undo, source: of, batch, data_set, plan_hash, .. } = entry.event
                    && of == *source
                {
                    attempts.insert(undo, (batch, data_set, plan_hash));
                }
            }
        }
        let (mut all, mut from) = (Self::default(), 0);
        loop {
            let page = reader.entries_of("undone", from, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            from = last.seq + 1;
            for entry in page {
                if let Event::Undone { undo, macs, .. } = entry.event
                    && let Some((batch, data_set, plan)) = attempts.remove(&undo)
                {
                    all.0.entry((batch, data_set)).or_default().push((plan, macs));
                }
            }
        }
    }

    /// The records of a batch that are back, but for those that came back under this plan.
    pub(super) fn of(&self, batch: Id128, data_set: &Name, but: Option<Hash>) -> HashSet<[u8; 16]> {
        let all = self.0.get(&(batch, data_set.clone())).into_iter().flatten();
        let all = all.filter(|(plan, _)| Some(*plan) != but).flat_map(|(_, macs)| macs.as_bytes().chunks_exact(16));
        all.filter_map(|mac| mac.try_into().ok()).collect()
    }

    /// How many records of a batch are back, of whichever data set.
    pub(super) fn count(&self, batch: Id128) -> u64 {
        self.0.iter().filter(|((of, _), _)| *of == batch).flat_map(|(_, all)| all).map(|(_, macs)| macs.len()).sum()
    }

    /// Adds what has just come back.
    pub(super) fn add(&mut self, batch: Id128, data_set: &Name, plan: Hash, macs: Macs) {
        self.0.entry((batch, data_set.clone())).or_default().push((plan, macs));
    }
}
