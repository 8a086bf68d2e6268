//! Rows that a batch left out, one transaction each: held by somebody else for a moment, or for long.

use super::batch::{Failure, Take};
use super::error::EnforceError;
use super::outcome::ActionOutcome;
use super::work::{TRIES, Worker, class_of, ending, pause};
use crate::plan::action::Action;
use crate::plan::key::RecordKey;
use crate::source::Class;

/// How many rows in succession may be busy before the rest is not waited for.
const BUSY_IN_SUCCESSION: u32 = 20;

impl Worker<'_> {
    /// Takes what batches left out, row by row.
    ///
    /// # Errors
    /// What ends the run; what single rows refuse is in the outcome.
    pub async fn left_out(&mut self, action: &Action, missed: &[RecordKey], out: &mut ActionOutcome) -> Result<(), EnforceError> {
        let mut in_succession = 0;
        for (i, key) in missed.iter().enumerate() {
            if self.common.stopping() || self.common.given_up(out) {
                break;
            }
            if in_succession == BUSY_IN_SUCCESSION {
                out.busy += self.due_of(action, &missed[i..]).await?;
                break;
            }
            let busy = out.busy;
            self.tail(action, key.clone(), out).await?;
            in_succession = if out.busy > busy { in_succession + 1 } else { 0 };
        }
        Ok(())
    }

    /// One row that a batch left out: no longer due, or held by somebody else for a moment or for long.
    pub(super) async fn tail(&mut self, action: &Action, key: RecordKey, out: &mut ActionOutcome) -> Result<(), EnforceError> {
        let keys = [key];
        let mut vetoes = 0;
        for try_ in 0..TRIES {
            if self.due_of(action, &keys).await? == 0 {
                return Ok(());
            }
            match self.once(action, &keys, Take::Waiting).await {
                Ok(done) if !done.changed.is_empty() => {
                    self.credit(action, &done, out);
                    return Ok(());
                }
                Ok(_) => {}
                Err(Failure::Fatal(e)) => return Err(e),
                Err(Failure::TooLarge) => {
                    out.too_large += 1;
                    return Ok(());
                }
                Err(Failure::Unknown(seq)) => self.settle(seq, out).await?,
                // Due before and after, locked, and yet left out, twice.
                Err(Failure::Vetoed) if vetoes == 1 => return self.failed(action, &keys, &Failure::Vetoed, out),
                Err(Failure::Vetoed) => {
                    vetoes += 1;
                    continue;
                }
                Err(failure) => match class_of(&failure) {
                    Class::Retry | Class::Lost => {}
                    Class::Row => return self.failed(action, &keys, &failure, out),
                    _ => return Err(ending(failure)),
                },
            }
            if try_ + 1 < TRIES {
                tokio::time::sleep(pause(try_ + 1)).await;
            }
        }
        out.busy += 1;
        Ok(())
    }
}
