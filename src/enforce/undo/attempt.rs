//! One attempt at records of a batch: journal, fence, rows and holds, ledger row, commit, journal.

use serde::{Deserialize, Serialize};

use super::open::{Lost, objects_of};
use super::share::Share;
use crate::archive::{Archives, Identities};
use crate::enforce::error::EnforceError;
use crate::enforce::fence::Fence;
use crate::enforce::put_back::{Unmasked, Whole, unmask, whole};
use crate::enforce::unseal::{Unsealed, Why};
use crate::enforce::unseal_files::{FilesBack, pointed, put_files};
use crate::enforce::watch::{Point, Watch};
use crate::files::Files;
use crate::journal::{
    Append, Code, Event, Hash, Id128, Journal, JournalError, KeyId, Mac, Macs, Name, OrderKind, OrderReason, OrderScope,
};
use crate::plan::action::ROW;
use crate::plan::compile::Plan;
use crate::plan::dialect::Dialect;
use crate::plan::own_statements::{LedgerRow, OrderRow};
use crate::plan::record::Records;
use crate::plan::schema::Engine;
use crate::source::{Class, Session, Source, SourceError};

/// What all attempts of one undoing share.
pub(super) struct Common<'a> {
    pub(super) source: &'a Source,
    pub(super) name: &'a Name,
    pub(super) run: Id128,
    pub(super) journal: &'a Journal,
    pub(super) archives: &'a Archives,
    pub(super) files: &'a Files,
    pub(super) identities: &'a std::sync::Arc<Identities>,
    pub(super) records: &'a Records<'a>,
    /// The plan of now, which knows who points to files.
    pub(super) prepared: &'a Plan,
    pub(super) fence: &'a Fence,
    pub(super) plan: Hash,
    pub(super) why: &'a Why,
    /// The key of the holds' MACs.
    pub(super) key_id: KeyId,
    /// The day on which holds are placed, `YYYY-MM-DD`, and the instant that ledger rows name.
    pub(super) today: String,
    pub(super) at: String,
    pub(super) watch: &'a dyn Watch,
}

/// What an attempt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Rows inserted.
    pub(super) inserted: u64,
    /// Rows that were there, and of which masked fields have their values back.
    pub(super) unmasked: u64,
    /// Fields that stay as they are, because somebody has written to them since.
    pub(super) newer: u64,
    /// Records that are there again, although the batch deleted them: nothing of them is touched.
    #[serde(skip)]
    pub(super) there: u64,
    /// Records of which the batch masked something, and which are gone by now.
    #[serde(skip)]
    pub(super) gone: u64,
    /// Columns of the archive that the tables do not have any more.
    #[serde(skip)]
    pub(super) lost: u64,
    /// Files written.
    #[serde(skip)]
    pub(super) files: u64,
}

/// What an attempt came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// These records are back.
    Done(Macs, Counts),
    /// There was nothing to do for any of them.
    Nothing(Counts),
    /// The database refused a row, for this reason; nothing was changed.
    Refused(EnforceError),
    /// Somebody else was in the way; nothing was changed.
    Busy,
}

/// What failed, and whether it is known what became of it.
enum Failed {
    /// Nothing was committed.
    Undone(EnforceError),
    /// The connection was lost while committing: the ledger knows.
    Unknown(EnforceError),
}

impl From<EnforceError> for Failed {
    fn from(e: EnforceError) -> Self {
        Self::Undone(e)
    }
}

impl From<SourceError> for Failed {
    fn from(e: SourceError) -> Self {
        Self::Undone(e.into())
    }
}

/// A record that came back, and the hold that keeps it.
struct Held<'l> {
    lost: &'l Lost,
    order: Id128,
    mac: Mac,
}

impl Common<'_> {
    /// Puts these records back in one transaction, each under a hold.
    ///
    /// # Errors
    /// What ends the undoing: of journal, archive, or a database that refuses more than a row. An attempt of which nobody knows whether it happened stays open in the journal.
    pub(super) async fn attempt(&self, share: &Share, lost: &[Lost]) -> Result<Outcome, EnforceError> {
        let undo = Id128::random()?;
        let intended = Event::UndoIntended {
            undo,
            source: self.name.clone(),
            run: self.run,
            batch: share.batch,
            data_set: share.data_set.clone(),
            plan_hash: self.plan,
            records: lost.len() as u64,
            objects: objects_of(share),
            actor: self.why.actor.clone(),
            reason: self.why.reason,
            reference: self.why.reference.clone(),
        };
        self.journal.append(intended).await?;
        self.watch.at(Point::Intended, share.data_set.as_str()).await;
        let mut session = self.source.session().await?;
        let (mut holds, mut files) = (Vec::new(), FilesBack::default());
        match self.carry_out(&mut session, undo, share, lost, &mut holds, &mut files).await {
            Ok((macs, counts)) if macs.is_empty() => {
                session.done().await?;
                self.give_up(undo, holds, "nothing_to_do").await?;
                Ok(Outcome::Nothing(counts))
            }
            Ok((macs, counts)) => {
                self.watch.at(Point::Committed, share.data_set.as_str()).await;
                session.done().await?;
                self.journal.append(undone(undo, share.key_id, macs.clone(), counts, false)).await?;
                Ok(Outcome::Done(macs, counts))
            }
            Err(Failed::Unknown(e)) => {
                session.discard().await;
                Err(e)
            }
            Err(Failed::Undone(e)) => {
                session.discard().await;
                files.take_back().await;
                let (class, code) = match &e {
                    EnforceError::Source(e) => (e.class(), e.code().unwrap_or("connection").to_owned()),
                    EnforceError::File(_) => (Class::Row, "file".to_owned()),
                    _ => (Class::Fatal, "error".to_owned()),
                };
                self.give_up(undo, holds, &code).await?;
                match class {
                    Class::Row => Ok(Outcome::Refused(e)),
                    Class::Retry => Ok(Outcome::Busy),
                    _ => Err(e),
                }
            }
        }
    }

    /// Closes an attempt that changed nothing, and lifts what it had placed.
    async fn give_up(&self, undo: Id128, holds: Vec<Id128>, code: &str) -> Result<(), EnforceError> {
        let code = Code::parse(code).or_else(|_| Code::parse("database"))?;
        let lifted = holds.into_iter().map(|order| self.lifted(order));
        self.journal.append(Append::new().events(lifted).event(Event::UndoAborted { undo, code })).await?;
        Ok(())
    }

    fn lifted(&self, order: Id128) -> Event {
        let (actor, reference) = (self.why.actor.clone(), self.why.reference.clone());
        Event::OrderLifted { order, actor, reason: OrderReason::ErrorCorrection, reference, person_informed: None }
    }

    async fn carry_out(
        &self,
        session: &mut Session,
        undo: Id128,
        share: &Share,
        lost: &[Lost],
        holds: &mut Vec<Id128>,
        files: &mut FilesBack,
    ) -> Result<(Macs, Counts), Failed> {
        let d = self.records.terms.resolved.dialect;
        self.begin(session).await?;
        let (mut counts, mut held) = (Counts::default(), Vec::new());
        for one in lost {
            if self.record(session, share, one, &mut counts).await? {
                let (order, mac) = (Id128::random().map_err(EnforceError::from)?, self.mac(share, one)?);
                self.hold(session, share, one, order).await?;
                held.push(Held { lost: one, order, mac });
            }
        }
        if let Some(now) = d.constraints_now() {
            session.rows(now).await?;
        }
        self.watch.at(Point::Acted, share.data_set.as_str()).await;
        if held.is_empty() {
            session.rows("ROLLBACK").await?;
            return Ok((Macs::default(), counts));
        }
        // Files stand before the rows that point to them can be seen.
        let objects: Vec<&Unsealed> = held.iter().flat_map(|h| &h.lost.objects).filter(|o| !o.files.is_empty()).collect();
        if !objects.is_empty() {
            let pointed = pointed(session, self.prepared, &objects).await?;
            *files = put_files(self.archives, self.files, &objects, &pointed, self.identities).await?;
            counts.files = files.written();
        }
        let macs: Macs = held.iter().map(|h| h.lost.mac).collect();
        // No order stands that the journal does not know: the slots are held until the commit.
        holds.extend(held.iter().map(|h| h.order));
        let placed = held.iter().map(|h| self.placed(undo, share, h));
        self.journal.append(Append::new().events(placed)).await.map_err(EnforceError::from)?;
        let (seq, row) = self.ledger_row(undo, share, &macs, counts).await?;
        match session.script(&[&d.insert_ledger(&row), d.commit()]).await {
            Ok(_) => Ok((macs, counts)),
            Err(e) if e.class() == Class::Lost => Err(Failed::Unknown(e.into())),
            Err(e) => {
                self.fence.give_back(seq);
                Err(e.into())
            }
        }
    }

    /// Opens the transaction under all slots of the fence: no batch of a run is under way beside it.
    async fn begin(&self, session: &mut Session) -> Result<(), Failed> {
        let d = self.records.terms.resolved.dialect;
        let mut begin = d.begin_patiently();
        let lock = d.lock_all_slots(self.name.as_str());
        begin.push(&lock);
        let slots = session.script(&begin).await?.pop().map(|a| a.rows).unwrap_or_default();
        if slots.is_empty() {
            return Err(EnforceError::NotSetUp.into());
        }
        if slots.iter().any(|slot| slot.get(2).and_then(Option::as_deref) != Some(&self.fence.token)) {
            return Err(EnforceError::FencedOff.into());
        }
        // From here on it waits for nobody for long: it holds what the application may ask for.
        let hasty = match d.engine {
            Engine::Postgres => Some("SET LOCAL lock_timeout = '50ms'"),
            Engine::MySql => Some("SET SESSION innodb_lock_wait_timeout = 1"),
            // Its rows may refer to each other in any order until the commit.
            Engine::Sqlite => Some("PRAGMA defer_foreign_keys = ON"),
            Engine::MariaDb => d.wait_no_more(),
        };
        if let Some(hasty) = hasty {
            session.rows(hasty).await?;
        }
        Ok(())
    }

    /// Puts one record back; whether anything of it changed.
    async fn record(&self, session: &mut Session, share: &Share, lost: &Lost, counts: &mut Counts) -> Result<bool, Failed> {
        let d = self.records.terms.resolved.dialect;
        let (rows, columns) = whole(self.records, &lost.objects)?;
        let Some(root) = rows.first().filter(|row| row.data.id.value == share.data_set.as_str()) else {
            return Err(EnforceError::Unknown("row of a record in its object").into());
        };
        // Whoever has its key by now is somebody else, or has come back by another way.
        let root_there = is_there(session, d, root).await?;
        match (share.deleted, root_there) {
            (true, true) => {
                counts.there += 1;
                return Ok(false);
            }
            (false, false) => {
                counts.gone += 1;
                return Ok(false);
            }
            _ => {}
        }
        let (mut inserted, mut unmasked, mut newer) = (0, 0, 0);
        for (at, row) in rows.iter().enumerate() {
            let went = share.went.contains(&row.data.id.value);
            let is_there = if at == 0 { root_there } else { is_there(session, d, row).await? };
            let mut fields = Unmasked::default();
            if is_there && !share.deleted {
                fields += unmask(session, self.records, &row.back(), &row.key).await?;
            } else if !is_there && went {
                session.rows(&row.back().insert(d)).await?;
                inserted += 1;
            } else {
                continue;
            }
            fields += unmask(session, self.records, &row.before(), &row.key).await?;
            unmasked += u64::from(is_there && fields.fields > 0);
            newer += fields.newer;
        }
        counts.inserted += inserted;
        counts.unmasked += unmasked;
        counts.newer += newer;
        counts.lost += columns;
        Ok(inserted + unmasked > 0)
    }

    /// Places the hold, in the transaction that puts the record back.
    async fn hold(&self, session: &mut Session, share: &Share, lost: &Lost, order: Id128) -> Result<(), Failed> {
        let resolved = self.records.terms.resolved;
        let d = resolved.dialect;
        let data = resolved.map.data_set(share.data_set.as_str()).ok_or(EnforceError::Unknown("data set"))?;
        let table = resolved.table(data).ok_or(EnforceError::Unknown("table"))?;
        let key = resolved.key_columns(data);
        let row = OrderRow {
            order_id: order.to_string(),
            source: self.name.to_string(),
            data_set: share.data_set.to_string(),
            kind: OrderKind::Hold.as_str().to_owned(),
            scope: OrderScope::Record.as_str(),
            placed_on: self.today.clone(),
            until: None,
        };
        let which = d.key_in(ROW, &key, std::slice::from_ref(&lost.key));
        let from = format!("FROM {} AS {ROW} WHERE {which}", d.table(&table.name));
        match session.execute(&d.insert_order(&row, &d.target_text(ROW, &key), Some(&from))).await? {
            1 => Ok(()),
            _ => Err(EnforceError::NoSuchRecord.into()),
        }
    }

    fn placed(&self, undo: Id128, share: &Share, held: &Held<'_>) -> Event {
        Event::OrderPlaced {
            order: held.order,
            source: self.name.clone(),
            order_kind: OrderKind::Hold,
            scope: OrderScope::Record,
            data_set: share.data_set.clone(),
            key_id: self.key_id,
            mac: held.mac,
            actor: self.why.actor.clone(),
            reason: OrderReason::ErrorCorrection,
            reference: self.why.reference.clone(),
            until: None,
            undo: Some(undo),
        }
    }

    /// A record's name under the key of now.
    fn mac(&self, share: &Share, lost: &Lost) -> Result<Mac, EnforceError> {
        let mac = self.journal.mac_keys().mac(self.key_id, self.name, &share.data_set, &lost.key);
        mac.ok_or(EnforceError::Journal(JournalError::MissingMacKey(self.key_id)))
    }

    async fn ledger_row(
        &self,
        undo: Id128,
        share: &Share,
        macs: &Macs,
        counts: Counts,
    ) -> Result<(u64, LedgerRow), EnforceError> {
        let (log_size, log_root) = self.journal.head().await?;
        let seq = self.fence.next_seq();
        let row = LedgerRow {
            batch: undo.to_string(),
            source: self.name.to_string(),
            run: self.run.to_string(),
            epoch: self.fence.epoch,
            slot: self.fence.slots.first().copied().unwrap_or_default(),
            seq,
            data_set: share.data_set.to_string(),
            action: "undo".to_owned(),
            n: macs.len(),
            related: serde_json::to_string(&counts).unwrap_or_else(|_| "{}".to_owned()),
            sealed: "[]".to_owned(),
            files: "[]".to_owned(),
            key_id: share.key_id.to_string(),
            macs: macs.as_bytes().to_vec(),
            log_size,
            log_root: log_root.to_string(),
            applied_at: self.at.clone(),
        };
        Ok((seq, row))
    }
}

async fn is_there(session: &mut Session, d: Dialect, row: &Whole<'_>) -> Result<bool, SourceError> {
    Ok(!session.rows(&row.back().is_there(d, &row.key)).await?.is_empty())
}

/// The entry of an attempt that came about.
pub(super) fn undone(undo: Id128, key_id: KeyId, macs: Macs, counts: Counts, recovered: bool) -> Event {
    let Counts { inserted, unmasked, newer, .. } = counts;
    Event::Undone { undo, records: macs.len(), inserted, unmasked, newer, key_id, macs, recovered }
}
