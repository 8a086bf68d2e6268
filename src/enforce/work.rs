//! One worker on one slot of the fence: batches of adaptive size, bisection around rows that fail, one-row transactions for rows that somebody
//! else held.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Datelike as _;

use super::batch::{self, Batch, Context, Failure, Pending, Take, word};
use super::destruction::forget;
use super::error::EnforceError;
use super::fence;
use super::keys::{Keys, keys_of};
use super::outcome::ActionOutcome;
use super::recover::settle;
use super::settings::{Pace, Settings};
use super::together::Together;
use crate::journal::{Append, Code, Event, Mac, Name};
use crate::plan::action::{Action, Path};
use crate::plan::archiving::Taken;
use crate::plan::gather::gathers;
use crate::plan::key::RecordKey;
use crate::plan::open_end::End;
use crate::plan::schema::Engine;
use crate::source::{Class, Row, Session, Source, SourceError};

/// Tries for a batch that lost to somebody else (deadlock, serialisation failure, lock time-out).
pub(super) const TRIES: u32 = 5;
/// How often the pieces of one batch may lose before what is left of it is taken one by one.
const LOSSES: u32 = 64;
/// How many rows a window may read for each that it takes.
pub(super) const READ_FOR_ONE: i128 = 50;
/// How many times as many keys are looked up at once where each takes little room.
const SMALL_KEYS: u64 = 10;
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

    /// How many rows the table of an action has, counted no further than `most`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn count_table(&mut self, action: &Action, most: u64) -> Result<u64, EnforceError> {
        let rows = self.look(&action.count_table(self.common.cx.dialect, most)).await?;
        Ok(rows.first().and_then(|r| r.first()?.as_deref()?.parse().ok()).unwrap_or(0))
    }

    /// Reads outside any batch, once more over a new connection when the old one turns out to be gone: servers end those that were idle.
    async fn look(&mut self, sql: &str) -> Result<Vec<Row>, EnforceError> {
        match self.look_once(sql).await {
            Err(EnforceError::Source(e)) if matches!(e.class(), Class::Lost) => {
                self.drop_session().await;
                self.look_once(sql).await
            }
            answer => answer,
        }
    }

    async fn look_once(&mut self, sql: &str) -> Result<Vec<Row>, EnforceError> {
        let mysql = self.common.cx.dialect.engine.is_mysql_family();
        let session = self.session().await?;
        let rows = session.rows(sql).await?;
        if mysql {
            // What was read opened a transaction, whose isolation cannot be chosen any more.
            session.rows("COMMIT").await?;
        }
        Ok(rows)
    }

    /// How many keys of an action are looked up at once: more of those that take little room, since a question about children may cost the same for
    /// one key as for all; and more of those that go into archives, so that each object finds many with its end.
    #[must_use]
    pub fn chunk(&self, action: &Action) -> u64 {
        let chunk = self.common.settings.chunk;
        let more = gathers(self.common.cx.dialect, &action.key) || action.archiving.is_some();
        if more { chunk.saturating_mul(SMALL_KEYS) } else { chunk }
    }

    /// Keys of records that go into archives, in the order of the ends that they have there: an object holds records of one end, and the more of them
    /// the better. Whatever changes until they are locked changes only that.
    ///
    /// # Errors
    /// Of the database.
    pub async fn by_end(&mut self, action: &Action, keys: Keys) -> Result<Keys, EnforceError> {
        /// How many records are asked for at once.
        const PAGE: usize = 1_000;
        let Some(archiving) = action.archiving.as_ref().filter(|_| keys.len() > 1) else { return Ok(keys) };
        let d = self.common.cx.dialect;
        let mut order: Vec<(u64, usize)> = Vec::with_capacity(keys.len());
        for from in (0..keys.len()).step_by(PAGE) {
            let page = keys.part(from..(from + PAGE).min(keys.len()));
            let rows = self.look(&archiving.look(d, &page)).await?;
            let ends: HashMap<RecordKey, u64> = rows
                .iter()
                .filter_map(|row| archiving.read(d, row))
                .map(|(key, taken)| (key, fingerprint(&taken.unwrap_or_default())))
                .collect();
            order.extend(page.iter().enumerate().map(|(n, key)| (ends.get(key).copied().unwrap_or(0), from + n)));
        }
        order.sort_unstable();
        let order: Vec<usize> = order.into_iter().map(|(_, at)| at).collect();
        Ok(keys.reordered(&order))
    }

    /// Candidates of an action in key order after a key, and whether these are the last.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find(&mut self, action: &Action, path: Path, after: Option<&RecordKey>) -> Result<(Keys, bool), EnforceError> {
        let (d, most) = (self.common.cx.dialect, self.chunk(action));
        let rows = self.look(&action.find(d, path, after, most)).await?;
        let mut keys = Keys::answered(d, &action.key, rows)?;
        if gathers(d, &action.key) {
            keys.sort();
        }
        let last = (keys.len() as u64) < most;
        Ok((keys, last))
    }

    /// All candidates of an action, in the order of their keys where these are numbers.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_all(&mut self, action: &Action) -> Result<Keys, EnforceError> {
        let d = self.common.cx.dialect;
        let rows = self.look(&action.find_all(d)).await?;
        let mut keys = Keys::answered(d, &action.key, rows)?;
        keys.sort();
        Ok(keys)
    }

    /// All candidates of an action from one key to another.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_between(&mut self, action: &Action, ends: &[RecordKey; 2]) -> Result<Keys, EnforceError> {
        let d = self.common.cx.dialect;
        let rows = self.look(&action.find_between(d, ends)).await?;
        let mut keys = Keys::answered(d, &action.key, rows)?;
        keys.sort();
        Ok(keys)
    }

    /// The first and the last key of an action's table.
    ///
    /// # Errors
    /// Of the database.
    pub async fn first_and_last(&mut self, action: &Action) -> Result<[Option<RecordKey>; 2], EnforceError> {
        let d = self.common.cx.dialect;
        let first = self.look(&action.end(d, false)).await?;
        let last = self.look(&action.end(d, true)).await?;
        Ok([keys_of(d, &action.key, &first)?.pop(), keys_of(d, &action.key, &last)?.pop()])
    }

    /// How many of these records are due, each looked at now.
    ///
    /// # Errors
    /// Of the database.
    pub async fn due_of(&mut self, action: &Action, keys: &[RecordKey]) -> Result<u64, EnforceError> {
        let mut n = 0;
        for page in keys.chunks(1_000) {
            n += self.look(&action.look(self.common.cx.dialect, page)).await?.len() as u64;
        }
        Ok(n)
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

/// A number that sorts records by what archives take of them: first by the first end.
fn fingerprint(taken: &[Taken]) -> u64 {
    let day = |t: &Taken| match &t.until {
        End::Day(day) => u64::try_from(day.num_days_from_ce()).unwrap_or(0),
        // Behind all days, and those of one way together.
        End::Open(link) => {
            let mut hasher = DefaultHasher::new();
            link.hash(&mut hasher);
            1 << 31 | hasher.finish() & 0x7fff_ffff
        }
        // No object is made of it.
        End::Copy(_) => 0,
    };
    let first = taken.iter().map(day).min().unwrap_or(0);
    let rest = taken.iter().fold(0u64, |sum, t| sum.wrapping_mul(31).wrapping_add(day(t).wrapping_mul(t.purpose as u64 + 1)));
    first << 32 | rest & 0xffff_ffff
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
        Failure::Vetoed | Failure::Unsealable | Failure::Uncopied(_) | Failure::File(_) => Class::Row,
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

fn closes(event: &Event, of: crate::journal::Id128) -> bool {
    matches!(event, Event::Applied { batch, .. } | Event::Aborted { batch, .. } if *batch == of)
}

/// A pause that grows with each try, with jitter so that two losers do not meet again.
pub(super) fn pause(try_: u32) -> Duration {
    let mut byte = [0u8; 1];
    // Without randomness the pause is merely regular.
    let _ = getrandom::fill(&mut byte);
    let base = 20u64 << try_.min(5);
    Duration::from_millis(base + base * u64::from(byte[0]) / 255)
}
