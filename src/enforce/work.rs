//! One action from the first due row to the last: chunks of candidates, batches of adaptive size, bisection around rows that fail, one-row
//! transactions for rows that somebody else held.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::batch::{self, Context, Failure, Pending, Take, keys_of, word};
use super::error::EnforceError;
use super::fence::{self, Fence};
use super::outcome::ActionOutcome;
use super::recover::settle;
use super::settings::Settings;
use super::watch::Point;
use crate::journal::{Append, Code, Event, Mac, Name};
use crate::plan::action::Action;
use crate::plan::key::RecordKey;
use crate::source::{Class, Session, Source, SourceError};

/// Tries for a batch that lost to somebody else (deadlock, serialisation failure, lock time-out).
const TRIES: u32 = 5;
/// How often the pieces of one batch may lose before what is left of it is taken one by one.
const LOSSES: u32 = 64;
/// How many rows in succession may be busy before the rest is not waited for.
const BUSY_IN_SUCCESSION: u32 = 20;
/// Tries for a connection.
const RECONNECTS: u32 = 5;

/// Works through the actions of one run on one slot of one source.
pub struct Worker<'a> {
    /// Where sessions come from.
    pub source: &'a Source,
    /// What all batches share.
    pub cx: Context<'a>,
    /// The right to act.
    pub fence: Fence,
    /// Limits.
    pub settings: Settings,
    /// When the time ceiling ends the run.
    pub deadline: Option<Instant>,
    /// Entries that wait for the next intent.
    pub pending: Pending,
    /// The connection, while it is good.
    pub session: Option<Session>,
    /// Rows of the next batch.
    pub size: usize,
    /// Records that were reported as failed, by action: each is named once.
    pub named: HashSet<(String, Mac)>,
}

/// What became of the rows of one batch.
#[derive(Default)]
struct Batched {
    /// Changed or failed: not to be tried again one by one.
    handled: Vec<RecordKey>,
    /// Nothing was possible: somebody else holds everything.
    starved: bool,
}

impl Worker<'_> {
    async fn session(&mut self) -> Result<&mut Session, EnforceError> {
        if self.session.is_none() {
            let mut tries = 0;
            let mut session = loop {
                match self.source.session().await {
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

    async fn drop_session(&mut self) {
        if let Some(session) = self.session.take() {
            session.discard().await;
        }
    }

    /// Whether the run should end after the current batch.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.cx.watch.stop() || self.out_of_time()
    }

    /// Whether so many records of an action failed that the rest would too.
    fn given_up(&self, out: &ActionOutcome) -> bool {
        out.failed >= self.settings.most_failures
    }

    /// Whether the time ceiling has been reached.
    #[must_use]
    pub fn out_of_time(&self) -> bool {
        self.deadline.is_some_and(|d| Instant::now() >= d)
    }

    /// How many rows an action would change now.
    ///
    /// # Errors
    /// Of the database.
    pub async fn count(&mut self, action: &Action) -> Result<u64, EnforceError> {
        let sql = action.count(self.cx.dialect);
        let mysql = self.cx.dialect.engine.is_mysql_family();
        let session = self.session().await?;
        let rows = session.rows(&sql).await?;
        if mysql {
            session.rows("COMMIT").await?;
        }
        Ok(rows.first().and_then(|r| r.first()?.as_deref()?.parse().ok()).unwrap_or(0))
    }

    /// Does everything of one action that is due now.
    ///
    /// # Errors
    /// What ends the run; what single rows refuse is in the outcome.
    pub async fn action(&mut self, action: &Action, out: &mut ActionOutcome) -> Result<(), EnforceError> {
        self.size = self.size.max(1);
        let mut after: Option<RecordKey> = None;
        let mut missed: Vec<RecordKey> = Vec::new();
        loop {
            if self.stopping() {
                break;
            }
            let found = self.find(action, after.as_ref()).await?;
            self.cx.watch.at(Point::Found, &action.id).await;
            let Some(last) = found.last().cloned() else { break };
            let whole = found.len() as u64 == self.settings.chunk;
            let (mut at, mut starved) = (0, false);
            while at < found.len() && !starved && !self.stopping() && !self.given_up(out) {
                let n = self.size.min(found.len() - at);
                let slice = &found[at..at + n];
                let batched = self.batch(action, slice, out).await?;
                let done: HashSet<&RecordKey> = batched.handled.iter().collect();
                missed.extend(slice.iter().filter(|k| !done.contains(k)).cloned());
                starved = batched.starved;
                at += n;
            }
            if starved {
                missed.extend(found[at..].iter().cloned());
            }
            after = Some(last);
            if !whole || starved || self.given_up(out) {
                break;
            }
        }
        let mut in_succession = 0;
        for (i, key) in missed.iter().enumerate() {
            if self.stopping() || self.given_up(out) {
                break;
            }
            if in_succession == BUSY_IN_SUCCESSION {
                out.busy += self.how_many_due(action, &missed[i..]).await?;
                break;
            }
            let busy = out.busy;
            self.tail(action, key.clone(), out).await?;
            in_succession = if out.busy > busy { in_succession + 1 } else { 0 };
        }
        Ok(())
    }

    async fn find(&mut self, action: &Action, after: Option<&RecordKey>) -> Result<Vec<RecordKey>, EnforceError> {
        let d = self.cx.dialect;
        let sql = action.find(d, after, self.settings.chunk);
        let session = self.session().await?;
        let rows = session.rows(&sql).await?;
        if d.engine.is_mysql_family() {
            session.rows("COMMIT").await?;
        }
        keys_of(d, &action.key, &rows)
    }

    /// One batch with everything that may go wrong: retries, smaller pieces, bisection.
    async fn batch(&mut self, action: &Action, keys: &[RecordKey], out: &mut ActionOutcome) -> Result<Batched, EnforceError> {
        let mut all = Batched::default();
        let mut losses = 0;
        let mut pieces: Vec<(Vec<RecordKey>, Take, u32)> = vec![(keys.to_vec(), Take::Window, 0)];
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
                Err(Failure::Unknown) => {
                    self.settle(out).await?;
                    if tries < TRIES {
                        pieces.push((piece, take, tries + 1));
                    }
                }
                Err(Failure::Vetoed) if piece.len() > 1 => halve(&mut pieces, &piece, take, 0),
                // One by one it is looked at again, which tells a veto from a row that moved.
                Err(Failure::Vetoed) => {}
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
            if self.stopping() || self.given_up(out) {
                break;
            }
        }
        Ok(all)
    }

    /// One row that a batch left out: no longer due, or held by somebody else for a moment or for long.
    async fn tail(&mut self, action: &Action, key: RecordKey, out: &mut ActionOutcome) -> Result<(), EnforceError> {
        let keys = [key];
        let mut vetoes = 0;
        for try_ in 0..TRIES {
            if !self.still_due(action, &keys).await? {
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
                Err(Failure::Unknown) => self.settle(out).await?,
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

    async fn how_many_due(&mut self, action: &Action, keys: &[RecordKey]) -> Result<u64, EnforceError> {
        let mut n = 0;
        for page in keys.chunks(1_000) {
            n += self.due_of(action, page).await?;
        }
        Ok(n)
    }

    async fn still_due(&mut self, action: &Action, keys: &[RecordKey]) -> Result<bool, EnforceError> {
        Ok(self.due_of(action, keys).await? > 0)
    }

    async fn due_of(&mut self, action: &Action, keys: &[RecordKey]) -> Result<u64, EnforceError> {
        let d = self.cx.dialect;
        let sql = action.look(d, keys);
        let session = self.session().await?;
        let rows = session.rows(&sql).await?;
        if d.engine.is_mysql_family() {
            session.rows("COMMIT").await?;
        }
        Ok(rows.len() as u64)
    }

    async fn once(&mut self, action: &Action, keys: &[RecordKey], take: Take) -> Result<batch::Done, Failure> {
        self.session().await?;
        let most = if keys.len() == 1 { self.settings.most_followers } else { self.settings.largest_batch };
        let Some(mut session) = self.session.take() else { return Err(Failure::Source(SourceError::Spent)) };
        let before = session.statements();
        let result = batch::run(&mut session, &self.cx, &mut self.fence, &mut self.pending, action, keys, take, most).await;
        self.cx.watch.cost(&action.id, keys.len(), session.statements() - before);
        match &result {
            Ok(_) => self.session = Some(session),
            Err(_) => session.discard().await,
        }
        if result.is_ok() && self.cx.dialect.engine == crate::plan::schema::Engine::Sqlite {
            // SQLite has one writer: without a gap between batches, nobody else ever gets to write.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        result
    }

    /// A COMMIT without an answer: the ledger knows.
    async fn settle(&mut self, out: &mut ActionOutcome) -> Result<(), EnforceError> {
        self.drop_session().await;
        let open = self.cx.journal.reader().open_batches().await?;
        for entry in open {
            let Event::Intent { batch, source, .. } = entry.event else { continue };
            if source != self.cx.source || self.pending.0.iter().any(|e| closes(e, batch)) {
                continue;
            }
            let (d, run, id) = (self.cx.dialect, self.cx.run, self.fence.source.clone());
            let event = settle(self.session().await?, d, &id, batch, run).await?;
            if let Event::Applied { rows, related, .. } = &event {
                self.fence.next_seq += 1;
                out.changed += rows;
                out.related += related.iter().map(|r| r.rows).sum::<u64>();
            }
            self.cx.journal.append(Append::from(event)).await?;
        }
        Ok(())
    }

    fn adapt(&mut self, done: &batch::Done, tried: usize) {
        if done.changed.len() * 2 < tried {
            return;
        }
        if done.took > self.settings.target_time * 2 {
            self.size = (self.size / 2).max(50);
        } else if done.took < self.settings.target_time {
            self.size = (self.size + self.size / 4 + 1).min(self.settings.largest_batch);
        }
    }

    fn credit(&self, action: &Action, done: &batch::Done, out: &mut ActionOutcome) {
        out.changed += done.changed.len() as u64;
        out.related += done.related;
        self.cx.watch.changed(&action.id, done.changed.len() as u64);
    }

    fn failed(
        &mut self,
        action: &Action,
        keys: &[RecordKey],
        failure: &Failure,
        out: &mut ActionOutcome,
    ) -> Result<(), EnforceError> {
        let data_set = Name::parse(&action.data_set)?;
        let (code, constraint) = match failure {
            Failure::Source(SourceError::Database(fault)) => {
                (fault.code.as_str(), fault.constraint.as_deref().map(Name::of_identifier))
            }
            Failure::Vetoed => (batch::VETOED, None),
            _ => ("database", None),
        };
        let code = Code::parse(code).or_else(|_| Code::parse("database"))?;
        for key in keys {
            out.failed += 1;
            let Some(mac) = self.cx.journal.mac_keys().mac(self.cx.key_id, &self.cx.source, &data_set, key) else { continue };
            if !self.named.insert((action.id.clone(), mac)) {
                continue;
            }
            self.pending.0.push(Event::RecordFailed {
                run: self.cx.run,
                source: self.cx.source.clone(),
                data_set: data_set.clone(),
                action: word(action.kind),
                key_id: self.cx.key_id,
                mac,
                code: code.clone(),
                constraint: constraint.clone(),
            });
        }
        Ok(())
    }
}

/// Puts the two halves of a piece on top, the first one uppermost.
fn halve(pieces: &mut Vec<(Vec<RecordKey>, Take, u32)>, piece: &[RecordKey], take: Take, tries: u32) {
    let (first, second) = piece.split_at(piece.len() / 2);
    pieces.push((second.to_vec(), take, tries));
    pieces.push((first.to_vec(), take, tries));
}

fn class_of(failure: &Failure) -> Class {
    match failure {
        Failure::Source(e) => e.class(),
        Failure::Moved => Class::Retry,
        Failure::Vetoed => Class::Row,
        Failure::Unknown | Failure::TooLarge | Failure::Fatal(_) => Class::Fatal,
    }
}

/// The error of a failure that ends the run.
fn ending(failure: Failure) -> EnforceError {
    match failure {
        Failure::Source(e) => EnforceError::Source(e),
        Failure::Fatal(e) => e,
        _ => EnforceError::Source(SourceError::Spent),
    }
}

fn closes(event: &Event, of: crate::journal::Id128) -> bool {
    matches!(event, Event::Applied { batch, .. } | Event::Aborted { batch, .. } if *batch == of)
}

/// A pause that grows with each try, with jitter so that two losers do not meet again.
fn pause(try_: u32) -> Duration {
    let mut byte = [0u8; 1];
    // Without randomness the pause is merely regular.
    let _ = getrandom::fill(&mut byte);
    let base = 20u64 << try_.min(5);
    Duration::from_millis(base + base * u64::from(byte[0]) / 255)
}
