//! What entries must say of each other, whoever signed them.

use std::collections::{HashMap, HashSet};

use super::archives::Archives;
use super::undos::Undos;
use crate::journal::append;
use crate::journal::entry::Entry;
use crate::journal::event::Event;
use crate::journal::value::{Hash, Id128, Instant, KeyId, Name};
use crate::journal::words::Outcome;

struct Run {
    source: Name,
    plan_hash: Hash,
    finished: bool,
    open_batches: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Batch {
    Open(Id128),
    Applied,
    Aborted,
    Reverted,
}

/// The state that the entries so far lead to.
#[derive(Default)]
pub(super) struct Rules {
    last_time: Option<Instant>,
    /// That of the entry that is looked at.
    position: u64,
    runs: HashMap<Id128, Run>,
    batches: HashMap<Id128, Batch>,
    open_orders: HashSet<Id128>,
    known_orders: HashSet<Id128>,
    /// Whether it is destroyed.
    mac_keys: HashMap<KeyId, bool>,
    recovered: HashSet<Name>,
    open_batches: u64,
    archives: Archives,
    undos: Undos,
    /// Who began each applied batch, and how many rows it took, those of other data sets included.
    taken: HashMap<Id128, (Id128, u64)>,
}

pub(super) type Ruling = Result<(), &'static str>;

pub(super) fn ensure(holds: bool, rule: &'static str) -> Ruling {
    if holds { Ok(()) } else { Err(rule) }
}

impl Rules {
    pub(super) fn open_batches(&self) -> u64 {
        self.open_batches
    }

    /// Takes the next entry; says the rule that it breaks. A bad entry's effects are still taken over where they can be,
    /// so that one fault does not cause many.
    pub(super) fn entry(&mut self, position: u64, entry: &Entry) -> Ruling {
        self.position = position;
        let time = self.time(entry);
        let first = matches!(entry.event, Event::LogCreated { .. });
        ensure((position == 0) == first, "a log begins with log_created and has no other")?;
        let own = append::check(&entry.event);
        self.event(&entry.event)?;
        time?;
        own
    }

    /// The time of the entry that is looked at.
    fn now(&self) -> Result<Instant, &'static str> {
        self.last_time.ok_or("a log begins with log_created")
    }

    fn time(&mut self, entry: &Entry) -> Ruling {
        let last = self.last_time.replace(entry.time).unwrap_or(entry.time);
        match &entry.event {
            Event::ClockSetBack { from, .. } => ensure(*from == last, "a clock set back names the time before"),
            _ => ensure(entry.time >= last, "time does not go back"),
        }
    }

    fn event(&mut self, event: &Event) -> Ruling {
        match event {
            Event::MacKeyCreated { key_id } => {
                ensure(self.mac_keys.insert(*key_id, false).is_none(), "a MAC key is created once")
            }
            Event::MacKeyDestroyed { key_id } => {
                ensure(self.mac_keys.insert(*key_id, true) == Some(false), "a MAC key that exists is destroyed once")
            }
            Event::JournalRecovered { source, .. } => {
                self.recovered.insert(source.clone());
                Ok(())
            }
            Event::RunStarted { run, source, plan_hash, .. } => {
                let new = Run { source: source.clone(), plan_hash: *plan_hash, finished: false, open_batches: 0 };
                ensure(self.runs.insert(*run, new).is_none(), "a run starts once")
            }
            Event::RunFinished { run, outcome, .. } => {
                let run = self.runs.get_mut(run).ok_or("a run that ends has started")?;
                ensure(!std::mem::replace(&mut run.finished, true), "a run ends once")?;
                let left = matches!(outcome, Outcome::Failed | Outcome::Interrupted);
                ensure(run.open_batches == 0 || left, "a run that ended well has closed its batches")
            }
            Event::OrderPlaced { order, key_id, .. } => {
                self.open_orders.insert(*order);
                self.archives.ordered(event);
                ensure(self.known_orders.insert(*order), "an order is placed once")?;
                self.undos.placed(event)?;
                self.mac_key(*key_id)
            }
            Event::OrderLifted { order, .. } => {
                self.undos.lifted(order);
                self.archives.lifted(order);
                ensure(self.open_orders.remove(order), "an order that is lifted was placed before and is lifted once")
            }
            Event::Intent { .. }
            | Event::Applied { .. }
            | Event::Aborted { .. }
            | Event::Reverted { .. }
            | Event::BatchFound { .. } => self.batch(event),
            Event::RecordFailed { run, source, key_id, .. } => {
                self.running(*run, Some(source))?;
                self.mac_key(*key_id)
            }
            Event::Census { run, source, .. }
            | Event::Backlog { run, source, .. }
            | Event::PurposeStopped { run, source, .. }
            | Event::Incident { run, source, .. }
            | Event::Finding { run, source, .. } => self.running(*run, Some(source)),
            Event::ArchiveCensus { run, source, .. } => self.running(*run, Some(source)),
            Event::ArchiveDated { run, source, .. } => {
                self.archives.dated(event)?;
                self.running(*run, Some(source))
            }
            Event::ArchiveOpened { key_id, .. } => key_id.map_or(Ok(()), |key_id| self.mac_key(key_id)),
            Event::ArchiveErasureIntended { .. } => self.archives.erasing(event, self.now()?),
            Event::ArchiveResealed { .. } => self.archives.resealed(self.position, event),
            Event::ArchiveErased { erasure, records, .. } => self.archives.erased(erasure, Some(*records)),
            Event::ArchiveErasureAborted { erasure, .. } => self.archives.erased(erasure, None),
            Event::UndoIntended { source, run, batch, data_set, objects, .. } => {
                self.undos.intended(event)?;
                self.archives.hold(*batch, data_set, objects)?;
                ensure(self.batches.get(batch) == Some(&Batch::Applied), "what is undone was applied, and not reverted")?;
                ensure(self.taken.get(batch).map(|(run, _)| run) == Some(run), "what is undone is a batch of the run")?;
                let run = self.runs.get(run).ok_or("what belongs to a run follows its start")?;
                ensure(run.finished, "a run is undone after its end")?;
                ensure(run.source == *source, "a run has one source")
            }
            Event::Undone { undo, records, key_id, .. } => {
                self.undos.undone(undo, *records, |batch| self.taken.get(batch).map_or(0, |(_, rows)| *rows))?;
                self.mac_key(*key_id)
            }
            Event::UndoAborted { undo, .. } => self.undos.aborted(undo),
            Event::DestructionIntended { run, source, .. } => {
                self.archives.intended(event, self.now()?)?;
                self.running(*run, Some(source))
            }
            Event::Destroyed { run, destruction, objects, records, .. } => {
                self.archives.destroyed(*destruction, objects, *records)?;
                ensure(self.runs.contains_key(run), "what belongs to a run follows its start")
            }
            Event::FilesRemoved { run, batch, .. } => {
                let known = matches!(self.batches.get(batch), Some(Batch::Applied | Batch::Reverted));
                ensure(known, "files leave with a batch that was applied")?;
                self.running(*run, None)
            }
            Event::LogCreated { .. }
            | Event::SigningKeyRotated { .. }
            | Event::ClockSetBack { .. }
            | Event::SourceAdopted { .. }
            | Event::CertificateIssued { .. } => Ok(()),
        }
    }

    fn batch(&mut self, event: &Event) -> Ruling {
        match event {
            Event::Intent { run, batch, source, plan_hash, .. } => {
                self.open_batches += 1;
                let known = self.batches.insert(*batch, Batch::Open(*run)).is_some();
                self.running(*run, Some(source))?;
                if let Some(run) = self.runs.get_mut(run) {
                    run.open_batches += 1;
                    ensure(run.plan_hash == *plan_hash, "a batch follows its run's plan")?;
                }
                ensure(!known, "a batch begins once")
            }
            Event::Applied { run, batch, rows, related, recovered, key_id, sealed, .. } => {
                let opener = self.close(*batch, Batch::Applied)?;
                let taken = related.iter().fold(*rows, |all, r| all.saturating_add(r.rows));
                self.taken.insert(*batch, (opener, taken));
                let source = self.runs.get(&opener).map(|r| &r.source);
                self.archives.sealed(self.position, *batch, source, (sealed, *key_id))?;
                if *recovered {
                    ensure(self.runs.contains_key(run), "what belongs to a run follows its start")?;
                } else {
                    ensure(opener == *run, "another run closes a batch only by recovery")?;
                    self.running(*run, None)?;
                }
                self.mac_key(*key_id)
            }
            Event::Aborted { run, batch, .. } => {
                self.close(*batch, Batch::Aborted)?;
                ensure(self.runs.contains_key(run), "what belongs to a run follows its start")
            }
            Event::Reverted { run, batch } => {
                let before = self.batches.insert(*batch, Batch::Reverted);
                ensure(before == Some(Batch::Applied), "only an applied batch is reverted, and once")?;
                ensure(self.runs.contains_key(run), "what belongs to a run follows its start")
            }
            Event::BatchFound { source, batch, key_id, sealed, .. } => {
                self.archives.sealed(self.position, *batch, Some(source), (sealed, *key_id))?;
                let known = self.batches.insert(*batch, Batch::Applied).is_some();
                ensure(self.recovered.contains(source), "batches are found only after the journal was recovered")?;
                ensure(!known, "a found batch is not one that the journal knows")
            }
            _ => Ok(()),
        }
    }

    /// Closes a batch; says which run began it.
    fn close(&mut self, batch: Id128, to: Batch) -> Result<Id128, &'static str> {
        match self.batches.insert(batch, to) {
            Some(Batch::Open(run)) => {
                self.open_batches -= 1;
                if let Some(run) = self.runs.get_mut(&run) {
                    run.open_batches = run.open_batches.saturating_sub(1);
                }
                Ok(run)
            }
            Some(before) => {
                self.batches.insert(batch, before);
                Err("a batch is closed once")
            }
            None => {
                self.batches.remove(&batch);
                Err("a batch that is closed has an intent before")
            }
        }
    }

    fn running(&self, run: Id128, source: Option<&Name>) -> Ruling {
        let run = self.runs.get(&run).ok_or("what belongs to a run follows its start")?;
        ensure(!run.finished, "what belongs to a run comes before its end")?;
        ensure(source.is_none_or(|source| *source == run.source), "a run has one source")
    }

    fn mac_key(&self, id: KeyId) -> Ruling {
        ensure(self.mac_keys.get(&id) == Some(&false), "a MAC key is created before its use and not used after its destruction")
    }
}
