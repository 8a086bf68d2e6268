//! One worker on one slot of the fence: batches of adaptive size, bisection around rows that fail, one-row transactions for rows that somebody
//! else held.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::batch::{self, Batch, Context, Failure, Pending, Take};
use super::elsewhere::NeededPeople;
use super::error::EnforceError;
use super::fence;
use super::outcome::ActionOutcome;
use super::settings::{Pace, Settings};
use super::together::Together;
use crate::journal::Mac;
use crate::plan::action::Action;
use crate::plan::key::RecordKey;
use crate::plan::schema::Engine;
use crate::source::{Class, Session, Source, SourceError};

/// Tries for a batch that lost to somebody else (deadlock, serialisation failure, lock time-out).
pub(super) const TRIES: u32 = 5;
/// How often the pieces of one batch may lose before what is left of it is taken one by one.
const LOSSES: u32 = 64;
/// How many rows a window may read for each that it takes.
pub(super) const READ_FOR_ONE: i128 = 50;
/// Tries for a connection.
const RECONNECTS: u32 = 5;

/// What the workers of one run share.
pub struct Common<'a> {
    /// Where sessions come from.
    pub source: &'a Source,
    /// What all batches share.
    pub cx: Context<'a>,
    /// Limits.
    pub settings: Settings,
    /// When the time ceiling ends the run.
    pub deadline: Option<Instant>,
    /// Records that were reported as failed, by action: each is named once.
    pub named: Mutex<HashSet<(String, Mac)>>,
}

impl Common<'_> {
    /// Whether the run should end after the current batch.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.cx.watch.stop() || self.out_of_time()
    }

    /// Whether the time ceiling has been reached.
    #[must_use]
    pub fn out_of_time(&self) -> bool {
        self.deadline.is_some_and(|d| Instant::now() >= d)
    }

    /// Whether so many records of an action failed that the rest would too.
    #[must_use]
    pub fn given_up(&self, out: &ActionOutcome) -> bool {
        out.failed >= self.settings.most_failures
    }
}

/// Acts through one slot of the fence.
pub struct Worker<'a> {
    /// What it shares with the others.
    pub common: &'a Common<'a>,
    /// Its slot.
    pub slot: u32,
    /// Entries that wait for the next intent.
    pub pending: Pending,
    /// The connection, while it is good.
    session: Option<Session>,
    /// Rows of the next batch.
    pub size: usize,
}

/// What became of the rows of one batch.
#[derive(Default)]
pub struct Batched {
    /// Changed or failed: not to be tried again one by one.
    pub handled: Vec<RecordKey>,
    /// Nothing was possible: somebody else holds everything.
    pub starved: bool,
}

impl<'a> Worker<'a> {
    /// A worker without a connection yet.
    #[must_use]
    pub fn new(common: &'a Common<'a>, slot: u32) -> Self {
        Self { common, slot, pending: Pending::default(), session: None, size: common.settings.first_batch.max(1) }
    }

    /// Begins another action, of which it does not know yet how long a batch takes.
    pub(super) fn start(&mut self) {
        self.size = self.common.settings.first_batch.max(1);
    }

    pub(super) async fn session(&mut self) -> Result<&mut Session, EnforceError> {
        if self.session.is_none() {
            let mut tries = 0;
            let mut session = loop {
                match self.common.source.session().await {
                    Ok(session) => break session,
                    Err(e) if e.class() == Class::Lost && tries < RECONNECTS => {
                        tries += 1;
                        tokio::time::sleep(pause(tries)).await;
                    }
                    Err(e) => return Err(e.into()),
                }
            };
            fence::ready(&mut session).await?;
            self.session = Some(session);
        }
        self.session.as_mut().ok_or(EnforceError::Source(SourceError::Spent))
    }

    /// Gives the connection back for others to use, until it is needed again.
    pub(super) async fn put_back(&mut self) -> Result<(), EnforceError> {
        match self.session.take() {
            Some(session) => Ok(session.done().await?),
            None => Ok(()),
        }
    }

    pub(super) async fn drop_session(&mut self) {
        if let Some(session) = self.session.take() {
            session.discard().await;
        }
    }

    /// One batch with everything that may go wrong: retries, smaller pieces, bisection.
    ///
    /// # Errors
    /// What ends the run; what single rows refuse is in the outcome.
    pub async fn batch(
        &mut self,
        action: &Action,
        keys: &[RecordKey],
        first: Take,
        out: &mut ActionOutcome,
    ) -> Result<Batched, EnforceError> {
        let mut all = Batched::default();
        let mut losses = 0;
        let mut pieces: Vec<(Vec<RecordKey>, Take, u32)> = vec![(keys.to_vec(), first, 0)];
        while let Some((piece, take, tries)) = pieces.pop() {
            match self.once(action, &piece, take).await {
                Ok(done) => {
                    self.adapt(&done, piece.len());
                    self.credit(action, &done, out);
                    all.handled.extend(done.changed);
                }
                Err(Failure::Fatal(e)) => return Err(e),
                Err(Failure::TooLarge) if piece.len() > 1 => {
                    self.size = self.size.min((piece.len() / 2).max(1));
                    halve(&mut pieces, &piece, take, 0);
                }
                Err(Failure::TooLarge) => {
                    out.too_large += 1;
                    all.handled.extend(piece);
                }
                Err(Failure::Unknown(seq)) => {
                    self.settle(seq, out).await?;
                    if tries < TRIES {
                        pieces.push((piece, take, tries + 1));
                    }
                }
                Err(Failure::Vetoed) if piece.len() > 1 => halve(&mut pieces, &piece, take, 0),
                // One by one it is looked at again, which tells a veto from a row that moved.
                Err(Failure::Vetoed) => {}
                // The others go without them. Where it is about what goes along, smaller pieces find whose it is.
                Err(Failure::Uncopied(waiting)) if piece.iter().any(|key| waiting.contains(key)) => {
                    let (waiting, rest): (Vec<_>, Vec<_>) = piece.into_iter().partition(|key| waiting.contains(key));
                    out.no_copy += waiting.len() as u64;
                    all.handled.extend(waiting);
                    if !rest.is_empty() {
                        pieces.push((rest, take, tries));
                    }
                }
                // It is looked at again, without them.
                Err(Failure::Needed(needed)) => {
                    self.keep_needed(&needed).await?;
                    losses += 1;
                    if losses == LOSSES {
                        all.starved = all.handled.is_empty();
                        break;
                    }
                    pieces.push((piece, take, tries));
                }
                Err(failure) => match class_of(&failure) {
                    Class::Retry => {
                        losses += 1;
                        if losses == LOSSES {
                            all.starved = all.handled.is_empty();
                            break;
                        }
                        tokio::time::sleep(pause(tries + 1)).await;
                        // A row was locked by somebody: the one-statement shape cannot leave it out, lock + act can. What the predicate reads
                        // elsewhere cannot be left out: smaller pieces find it.
                        if tries == 0 {
                            pieces.push((piece, Take::Skipping, 1));
                        } else if piece.len() > 1 {
                            halve(&mut pieces, &piece, Take::Skipping, 1);
                        }
                    }
                    Class::Lost if tries < TRIES => pieces.push((piece, take, tries + 1)),
                    Class::Row if piece.len() > 1 => halve(&mut pieces, &piece, take, 0),
                    Class::Row => {
                        self.failed(action, &piece, &failure, out)?;
                        all.handled.extend(piece);
                    }
                    _ => return Err(ending(failure)),
                },
            }
            if self.common.stopping() || self.common.given_up(out) {
                break;
            }
        }
        Ok(all)
    }

    /// Forgets that these people are not needed elsewhere: from now on what is about them is not due.
    pub(super) async fn keep_needed(&mut self, needed: &NeededPeople) -> Result<(), EnforceError> {
        let common = self.common;
        let session = self.session().await?;
        common.cx.elsewhere.keep(session, common.cx.dialect, common.cx.asker, needed).await
    }

    /// One transaction.
    pub(super) async fn once(&mut self, action: &Action, keys: &[RecordKey], take: Take) -> Result<batch::Done, Failure> {
        let settings = &self.common.settings;
        let most_rows = if keys.len() == 1 { settings.most_followers } else { settings.largest_batch };
        self.carry_out(Batch { action, keys, take, most_rows, together: None }).await
    }

    /// One transaction for groups of records that go together, with those keys among them that are of the action's data set.
    pub(super) async fn once_together(
        &mut self,
        action: &Action,
        keys: &[RecordKey],
        together: Together<'_>,
    ) -> Result<batch::Done, Failure> {
        let settings = &self.common.settings;
        let most_rows = if together.groups.len() == 1 { settings.most_followers } else { settings.largest_batch };
        self.carry_out(Batch { action, keys, take: Take::Exact, most_rows, together: Some(together) }).await
    }

    async fn carry_out(&mut self, asked: Batch<'_>) -> Result<batch::Done, Failure> {
        self.session().await?;
        let common = self.common;
        let Batch { action, keys, take, .. } = asked;
        let Some(mut session) = self.session.take() else { return Err(Failure::Source(SourceError::Spent)) };
        let before = session.statements();
        let result = batch::run(&mut session, &common.cx, self.slot, &mut self.pending, asked).await;
        // The ends of a stretch say nothing of what lies between them.
        let rows = result.as_ref().ok().filter(|_| take == Take::Stretch).map_or(keys.len(), |done| done.changed.len());
        common.cx.watch.cost(&action.id, rows, session.statements() - before);
        match &result {
            Ok(_) => self.session = Some(session),
            Err(_) => session.discard().await,
        }
        if let Ok(done) = &result {
            self.rest(done.took).await;
        }
        result
    }

    /// Leaves the database to the application for a while, outside any transaction.
    async fn rest(&self, worked: Duration) {
        match (self.common.settings.pace, self.common.cx.dialect.engine) {
            (Pace::Gentle, _) => tokio::time::sleep(worked.max(Duration::from_millis(1))).await,
            // SQLite has one writer: without a gap between batches, nobody else ever gets to write.
            (Pace::Full, Engine::Sqlite) => tokio::time::sleep(Duration::from_millis(1)).await,
            (Pace::Full, _) => {}
        }
    }
}

/// How keys are taken: over a window when they lie so close together that it reads little else. `in_order` says that they come in the database's order.
#[must_use]
pub fn taken(keys: &[RecordKey], in_order: bool) -> Take {
    match (keys.first().and_then(RecordKey::number), keys.last().and_then(RecordKey::number)) {
        (Some(first), Some(last)) if (0..=keys.len() as i128 * READ_FOR_ONE).contains(&(last - first)) => Take::Window,
        (Some(_), Some(_)) => Take::Exact,
        // Whoever found them in the order of such keys read everything between them once, too.
        _ if in_order => Take::Window,
        _ => Take::Exact,
    }
}

/// Puts the two halves of a piece on top, the first one uppermost.
fn halve(pieces: &mut Vec<(Vec<RecordKey>, Take, u32)>, piece: &[RecordKey], take: Take, tries: u32) {
    let (first, second) = piece.split_at(piece.len() / 2);
    pieces.push((second.to_vec(), take, tries));
    pieces.push((first.to_vec(), take, tries));
}

pub(super) fn class_of(failure: &Failure) -> Class {
    match failure {
        Failure::Source(e) => e.class(),
        Failure::Moved => Class::Retry,
        Failure::Vetoed
        | Failure::Nameless
        | Failure::Unsealable
        | Failure::Uncopied(_)
        | Failure::Needed(_)
        | Failure::File(_) => Class::Row,
        Failure::Unknown(_) | Failure::TooLarge | Failure::Fatal(_) => Class::Fatal,
    }
}

/// The error of a failure that ends the run.
pub(super) fn ending(failure: Failure) -> EnforceError {
    match failure {
        Failure::Source(e) => EnforceError::Source(e),
        Failure::Fatal(e) => e,
        _ => EnforceError::Source(SourceError::Spent),
    }
}

/// A pause that grows with each try, with jitter so that two losers do not meet again.
pub(super) fn pause(try_: u32) -> Duration {
    let mut byte = [0u8; 1];
    // Without randomness the pause is merely regular.
    let _ = getrandom::fill(&mut byte);
    let base = 20u64 << try_.min(5);
    Duration::from_millis(base + base * u64::from(byte[0]) / 255)
}
