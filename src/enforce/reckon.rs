//! What a worker makes of a batch that has ended: what it did is counted, how large the next one is, which records are named as failed, and what
//! became of a COMMIT that nobody answered.

use std::sync::PoisonError;

use super::batch::{self, Failure, word};
use super::destruction::forget;
use super::error::EnforceError;
use super::outcome::ActionOutcome;
use super::recover::settle;
use super::work::Worker;
use crate::journal::{Append, Code, Event, Id128, Name};
use crate::plan::action::Action;
use crate::plan::key::RecordKey;
use crate::source::SourceError;

impl Worker<'_> {
    /// A COMMIT without an answer: the ledger knows.
    pub(super) async fn settle(&mut self, seq: u64, out: &mut ActionOutcome) -> Result<(), EnforceError> {
        self.drop_session().await;
        let open = self.common.cx.journal.reader().open_batches().await?;
        for entry in open {
            let Event::Intent { batch, source, slot, .. } = entry.event else { continue };
            // Another slot's batch may be under way.
            if source != self.common.cx.source || slot != self.slot || self.pending.0.iter().any(|e| closes(e, batch)) {
                continue;
            }
            let cx = &self.common.cx;
            let (d, run, id) = (cx.dialect, cx.run, cx.fence.source.clone());
            let event = settle(self.session().await?, d, &id, batch, run).await?;
            if let Event::Applied { rows, related, sealed, files, .. } = &event {
                out.archived += sealed.iter().map(|s| s.rows).sum::<u64>();
                out.changed += rows;
                out.files.count(files);
                out.related += related.iter().map(|r| r.rows).sum::<u64>();
            } else {
                forget(self.common.cx.archives, &self.common.cx.source, batch).await?;
                self.common.cx.fence.give_back(seq);
            }
            self.common.cx.journal.append(Append::from(event)).await?;
        }
        Ok(())
    }

    pub(super) fn adapt(&mut self, done: &batch::Done, tried: usize) {
        if done.changed.len() * 2 < tried {
            return;
        }
        let target = self.common.settings.target_time;
        // What goes with the records counts into the batch, and differs from record to record.
        let (changed, related) = (done.changed.len(), usize::try_from(done.related).unwrap_or(usize::MAX));
        let largest = match related {
            0 => self.common.settings.largest_batch,
            _ => (self.common.settings.largest_batch * 9 / 10).saturating_mul(changed) / changed.saturating_add(related).max(1),
        };
        if done.took > target * 2 {
            self.size = (self.size / 2).max(50);
        } else if done.took < target / 2 {
            self.size *= 2;
        } else if done.took < target {
            self.size += self.size / 4 + 1;
        }
        self.size = self.size.min(largest.max(1));
    }

    pub(super) fn credit(&self, action: &Action, done: &batch::Done, out: &mut ActionOutcome) {
        out.changed += done.changed.len() as u64;
        out.related += done.related;
        out.archived += done.archived;
        out.files.count(&done.files);
        self.common.cx.watch.changed(&action.id, done.changed.len() as u64);
    }

    pub(super) fn failed(
        &mut self,
        action: &Action,
        keys: &[RecordKey],
        failure: &Failure,
        out: &mut ActionOutcome,
    ) -> Result<(), EnforceError> {
        if let Failure::Uncopied(_) = failure {
            out.no_copy += keys.len() as u64;
            return Ok(());
        }
        let (cx, data_set) = (&self.common.cx, Name::parse(&action.data_set)?);
        let (code, constraint) = match failure {
            Failure::Source(SourceError::Database(fault)) => {
                (fault.code.as_str(), fault.constraint.as_deref().map(Name::of_identifier))
            }
            Failure::Vetoed => (batch::VETOED, None),
            Failure::Nameless => (batch::NAMELESS, None),
            Failure::Unsealable => (batch::UNSEALABLE, None),
            Failure::File(code) => (*code, None),
            _ => ("database", None),
        };
        let code = Code::parse(code).or_else(|_| Code::parse("database"))?;
        for key in keys {
            out.failed += 1;
            let Some(mac) = cx.journal.mac_keys().mac(cx.key_id, &cx.source, &data_set, key) else { continue };
            let mut named = self.common.named.lock().unwrap_or_else(PoisonError::into_inner);
            if !named.insert((action.id.clone(), mac)) {
                continue;
            }
            self.pending.0.push(Event::RecordFailed {
                run: cx.run,
                source: cx.source.clone(),
                data_set: data_set.clone(),
                action: word(action.kind),
                key_id: cx.key_id,
                mac,
                code: code.clone(),
                constraint: constraint.clone(),
            });
        }
        Ok(())
    }
}

fn closes(event: &Event, of: Id128) -> bool {
    matches!(event, Event::Applied { batch, .. } | Event::Aborted { batch, .. } if *batch == of)
}
