//! Verification of an export, offline: nothing but the file, one public key, and earlier checkpoints if there are any.
//!
//! The entries are hashed twice into a tree: once from their data, once from the leaf hashes that the export carries beside them.
//! Each signed checkpoint is compared with both at its size. Data that differs from a leaf hash which a
//! signature covers is exactly the changed entry; where the leaf hashes were changed as well, the checkpoints around still bound the place.

mod archives;
mod chain;
mod fault;
mod parse;
mod places;
mod rules;
mod undos;

use std::collections::BTreeMap;
use std::io::BufRead;

pub use fault::{At, Fault, FaultKind, MAX_FAULTS, Report};

use self::chain::Chain;
use self::parse::Stop;
use self::places::Places;
use self::rules::Rules;
use super::append::DocumentKind;
use super::entry::Entry;
use super::event::Event;
use super::note::UncheckedCheckpoint;
use super::tree::Growing;
use super::value::{Hash, VerifierKey};

/// How many leaves are added before the tree forgets what it no longer needs.
const SETTLE_EVERY: u64 = 1024;

/// Verifies an export. `key` is the public key that the verifier trusts, any key that the log ever signed with; the
/// first one is best. `witnesses` are checkpoints from elsewhere ([`super::notes_in`] finds them in mails).
///
/// # Errors
/// Only when the export cannot be read; everything that is wrong with it is in the report.
pub fn verify(export: &mut dyn BufRead, key: &VerifierKey, witnesses: &[String]) -> std::io::Result<Report> {
    let mut check = Check::new(key, witnesses);
    match check.read(export) {
        Ok(()) => {}
        Err(Stop::Io(error)) => return Err(error),
        Err(Stop::End) => check.ended(),
        Err(Stop::Form(kind)) => check.fault(At::File, kind),
    }
    Ok(check.finish())
}

struct Check {
    report: Report,
    /// How many entries the header announces; `None` before it was read whole.
    announced: Option<u64>,
    /// With whether a run names them.
    documents: BTreeMap<Hash, (DocumentKind, bool)>,
    data: Growing,
    claimed: Growing,
    rules: Rules,
    places: Places,
    chain: Chain,
}

impl Check {
    fn new(key: &VerifierKey, witnesses: &[String]) -> Self {
        Self {
            report: Report::default(),
            announced: None,
            documents: BTreeMap::new(),
            data: Growing::new(),
            claimed: Growing::new(),
            rules: Rules::default(),
            places: Places::default(),
            chain: Chain::new(key.clone(), witnesses),
        }
    }

    fn fault(&mut self, at: At, kind: FaultKind) {
        self.report.faults.push(Fault { at, kind });
        if self.report.faults.len() >= 4 * MAX_FAULTS {
            self.report.faults.sort_by_key(Fault::rank);
            self.report.faults.truncate(MAX_FAULTS);
        }
    }

    /// The file ended before its last line.
    fn ended(&mut self) {
        match self.announced {
            None => self.fault(At::File, FaultKind::Malformed("it ends before its header does")),
            Some(announced) if self.data.size() < announced => self.short(announced),
            Some(_) => self.fault(At::File, FaultKind::Malformed("its last line, `end`, is missing")),
        }
    }

    fn short(&mut self, announced: u64) {
        // Entries that are missing further up are named there.
        if self.places.reach() < announced {
            self.fault(At::Entry(self.data.size()), FaultKind::Short { announced });
        } else {
            self.fault(At::File, FaultKind::Malformed("fewer entries than announced"));
        }
    }

    fn read(&mut self, export: &mut dyn BufRead) -> Result<(), Stop> {
        let header = parse::header(export)?;
        self.announced = Some(header.entries);
        self.report.origin.clone_from(&header.origin);
        let mut before: Option<(u64, String)> = None;
        for _ in 0..header.checkpoints {
            let note = parse::checkpoint(export)?;
            if let Some(size) = UncheckedCheckpoint::parse(&note).map(|c| c.size()) {
                let place = (size, note.clone());
                if before.as_ref().is_some_and(|before| place <= *before) {
                    self.fault(At::File, FaultKind::Malformed("checkpoints that are not in order"));
                }
                before = Some(place);
            }
            if let Some(fault) = self.chain.own(&note, &header.origin) {
                self.report.faults.push(fault);
            }
        }
        self.report.other_logs = self.chain.witnesses_of(&header.origin);
        for _ in 0..header.documents {
            let (kind, hash, intact) = parse::document(export)?;
            if !intact {
                self.fault(At::File, FaultKind::DocumentEdited(hash));
            }
            if self.documents.last_key_value().is_some_and(|(last, _)| *last >= hash) {
                self.fault(At::File, FaultKind::Malformed("documents that are not in order"));
            }
            self.documents.insert(hash, (kind, false));
        }
        self.entries(export)
    }

    fn entries(&mut self, export: &mut dyn BufRead) -> Result<(), Stop> {
        let mut line = Vec::new();
        loop {
            parse::line(export, &mut line)?.ok_or(Stop::End)?;
            if line == b"end" {
                break;
            }
            self.entry(&line)?;
        }
        let rest = export.fill_buf()?;
        if !rest.is_empty() {
            self.fault(At::File, FaultKind::Malformed("something after the end"));
        }
        match self.announced {
            Some(announced) if self.data.size() < announced => self.short(announced),
            Some(announced) if self.data.size() > announced => {
                self.fault(At::File, FaultKind::Malformed("more entries than announced"));
            }
            _ => {}
        }
        if self.documents.values().any(|(_, named)| !named) {
            self.fault(At::File, FaultKind::Malformed("a document that no run names"));
        }
        Ok(())
    }

    fn entry(&mut self, line: &[u8]) -> Result<(), Stop> {
        let position = self.data.size();
        let (claimed, data) = match parse::entry(line) {
            Some((claimed, data)) => (Some(claimed), data),
            None => (None, line),
        };
        let hash = tlog_tiles::record_hash(data);
        let intact = claimed.is_some_and(|claimed| claimed.0 == hash.0);
        let tree = |_| Stop::Form(FaultKind::Malformed("tree"));
        self.data.push_leaf(hash).map_err(tree)?;
        self.claimed.push_leaf(claimed.map_or(hash, |claimed| tlog_tiles::Hash(claimed.0))).map_err(tree)?;
        let entry = Entry::from_bytes(data);
        self.places.entry(position, entry.as_ref().map(|entry| entry.seq).map_err(|error| *error), intact);
        if let Ok(entry) = &entry {
            if let Err(rule) = self.rules.entry(position, entry) {
                self.fault(At::Entry(position), FaultKind::Rule(rule));
            }
            self.event(position, &entry.event);
        }
        let size = self.data.size();
        if self.chain.awaits(size) {
            self.chain.reached(size, self.data.root().map_err(tree)?, self.claimed.root().map_err(tree)?);
        }
        if size.is_multiple_of(SETTLE_EVERY) {
            self.data.settle().map_err(tree)?;
            self.claimed.settle().map_err(tree)?;
        }
        Ok(())
    }

    fn event(&mut self, position: u64, event: &Event) {
        match event {
            Event::LogCreated { origin, key, .. } if position == 0 => {
                if origin.as_str() != self.report.origin {
                    self.fault(At::Entry(0), FaultKind::ForeignOrigin);
                }
                self.chain.first_key(key);
            }
            Event::SigningKeyRotated { key } => self.chain.rotation(position, key),
            Event::JournalRecovered { .. } => self.report.recovered_at.push(position),
            Event::RunStarted { policy_hash, map_hash, schema_hash, .. } => {
                let named =
                    [(policy_hash, DocumentKind::Policy), (map_hash, DocumentKind::Map), (schema_hash, DocumentKind::Schema)];
                for (hash, kind) in named {
                    match self.documents.get_mut(hash) {
                        Some((known, named)) if *known == kind => *named = true,
                        _ => self.fault(At::Entry(position), FaultKind::MissingDocument(*hash)),
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Report {
        let entries = self.data.size();
        let verdict = self.chain.finish(entries);
        let places = self.places.finish(verdict.data_covers_all, verdict.signed);
        // Where entries are missing further up and the last one is there, the log does not end too early.
        let removed = places.iter().any(|fault| fault.kind == FaultKind::Removed);
        let reach = if removed { self.places.reach() } else { 0 };
        let ends_early = |fault: &Fault| !matches!(fault.kind, FaultKind::Truncated { expected } if expected <= reach);
        self.report.faults.extend(places);
        self.report.faults.extend(verdict.faults.into_iter().filter(ends_early));
        if let Some((from, to)) = verdict.mismatch {
            // An entry fault inside the interval explains the mismatch; otherwise entry and leaf hash were changed together.
            let explained = self.report.faults.iter().any(|fault| match (fault.at, &fault.kind) {
                (_, FaultKind::Rule(_) | FaultKind::MissingDocument(_) | FaultKind::UnconfirmedRotation) => false,
                (At::Entry(seq) | At::Between { from: seq, .. }, _) => (from..to).contains(&seq),
                _ => false,
            });
            if !explained {
                self.report.faults.push(Fault { at: At::Between { from, to }, kind: FaultKind::Edited });
            }
        }
        self.report.faults.sort_by_key(Fault::rank);
        self.report.faults.dedup();
        self.report.faults.truncate(MAX_FAULTS);
        self.report.entries = entries;
        self.report.signed = verdict.signed;
        self.report.root = verdict.root.map(Hash);
        self.report.checkpoints = verdict.checkpoints;
        self.report.witnesses = verdict.witnesses;
        self.report.witnessed = verdict.witnessed;
        self.report.keys = verdict.keys;
        self.report.open_batches = self.rules.open_batches();
        self.report
    }
}
