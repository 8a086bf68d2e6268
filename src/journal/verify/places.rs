//! Whether each entry stands where it was written, and is what was hashed.

use std::collections::BTreeSet;

use super::fault::{At, Fault, FaultKind};
use crate::journal::entry::EntryError;

/// How many bad places are remembered; a larger damage is reported by its first ones.
const REMEMBERED: usize = 100_000;

/// The bad places found so far.
#[derive(Default)]
pub(super) struct Places {
    undecodable: Vec<(u64, EntryError)>,
    /// Position and the sequence number that stands there.
    displaced: Vec<(u64, u64)>,
    /// Positions whose data is not what the leaf hash beside it says.
    differing: BTreeSet<u64>,
    /// One more than the number of the last readable entry.
    reach: u64,
}

impl Places {
    pub(super) fn entry(&mut self, position: u64, seq: Result<u64, EntryError>, intact: bool) {
        if let Ok(seq) = seq {
            self.reach = seq.saturating_add(1);
        }
        match seq {
            Err(error) if self.undecodable.len() < REMEMBERED => self.undecodable.push((position, error)),
            Ok(seq) if seq != position && self.displaced.len() < REMEMBERED => self.displaced.push((position, seq)),
            _ => {}
        }
        if !intact && self.differing.len() < REMEMBERED {
            self.differing.insert(position);
        }
    }

    /// How many entries the log has by the number of the last readable one.
    pub(super) fn reach(&self) -> u64 {
        self.reach
    }

    /// The faults. `data_covers_all`: every checkpoint fits the entries' data, so that below `signed` leaf hashes alone
    /// are at fault.
    pub(super) fn finish(&self, data_covers_all: bool, signed: u64) -> Vec<Fault> {
        let at = |seq, kind| Fault { at: At::Entry(seq), kind };
        let mut faults: Vec<Fault> = Vec::new();
        let positions: BTreeSet<u64> = self.displaced.iter().map(|(position, _)| *position).collect();
        let seqs: BTreeSet<u64> = self.displaced.iter().map(|(_, seq)| *seq).collect();
        let permuted = positions == seqs;
        if permuted {
            for position in &positions {
                faults.push(at(*position, FaultKind::Reordered));
            }
        } else if let Some((position, seq)) = self.displaced.iter().find(|(position, _)| !self.differing.contains(position)) {
            // Line and leaf hash moved together: the first such place tells what happened.
            let (seq, position) = (*seq, *position);
            let kind = match (seq > position, seqs.contains(&position)) {
                (true, false) => FaultKind::Removed,
                (true, true) => FaultKind::Reordered,
                (false, _) => FaultKind::Inserted,
            };
            // Two neighbours with one number: which of them is the stranger, the numbers do not tell.
            let twins = seq + 1 == position;
            let at = if twins { At::Between { from: seq, to: position + 1 } } else { At::Entry(position) };
            faults.push(Fault { at, kind });
        }
        for (position, error) in &self.undecodable {
            faults.push(at(*position, FaultKind::Undecodable(*error)));
        }
        let undecodable: BTreeSet<u64> = self.undecodable.iter().map(|(position, _)| *position).collect();
        for position in &self.differing {
            if (permuted && positions.contains(position)) || undecodable.contains(position) {
                continue;
            }
            let kind = if data_covers_all && *position < signed { FaultKind::LeafHashEdited } else { FaultKind::Edited };
            faults.push(at(*position, kind));
        }
        faults
    }
}
