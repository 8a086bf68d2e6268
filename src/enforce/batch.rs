//! One batch, exactly: intent, fence slot, locks, change with the predicate repeated, ledger row, commit.

use std::collections::BTreeMap;

use super::copies::Copies;
use super::destruction::forget;
use super::elsewhere::{Elsewhere, NeededPeople};
use super::error::EnforceError;
use super::fence::{Fence, check_slot};
use super::files::Going;
use super::together::Together;
use super::watch::{Point, Watch};
use crate::archive::Archives;
use crate::files::{FilePath, Files, Stamp};
use crate::journal::{
    Action as Word, Append, Code, Event, FileCount, Hash, Id128, Journal, KeyId, Mac, Macs, Name, Related, Sealed,
};
use crate::plan::action::{Action, ActionKind, Shape};
use crate::plan::dialect::Dialect;
use crate::plan::key::RecordKey;
use crate::plan::own_statements::{LeavingRow, LedgerRow, PendingRow};
use crate::source::{Session, SourceError};

/// What all batches of a run share.
pub struct Context<'a> {
    /// The journal.
    pub journal: &'a Journal,
    /// How SQL is written.
    pub dialect: Dialect,
    /// The run.
    pub run: Id128,
    /// The source.
    pub source: Name,
    /// The plan.
    pub plan_hash: Hash,
    /// The MAC key of this run.
    pub key_id: KeyId,
    /// The right to act.
    pub fence: Fence,
    /// When the run counts its entries, RFC 3339.
    pub applied_at: String,
    /// The archives of the settings.
    pub archives: &'a Archives,
    /// The data sets elsewhere that hold copies.
    pub copies: &'a Copies,
    /// The purposes elsewhere that keep something here.
    pub elsewhere: &'a Elsewhere,
    /// Under which name their answers are noted.
    pub asker: &'a str,
    /// The stores of files of the settings.
    pub files: std::sync::Arc<Files>,
    /// Who looks on.
    pub watch: &'a dyn Watch,
}

/// How a batch takes its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// In one statement where that is right, which fails as a whole when somebody else holds a row: over the window from the first key to the last.
    Window,
    /// The same, over exactly these keys: they lie far apart.
    Exact,
    /// As exactly these keys, which are whole numbers one after the other: a range of them is the same, for a maintenance window. InnoDB also locks the
    /// row behind a range, and whatever could be inserted before it.
    Run,
    /// As over a window, whose ends are the first and the last number of a stretch and need not be keys: nobody looked up what is due between them.
    Stretch,
    /// By key; rows that somebody else holds are left out.
    Skipping,
    /// One row, waiting for it as long as the engine's lock time-out says.
    Waiting,
}

/// What a batch did.
#[derive(Debug, Default)]
pub struct Done {
    /// Keys of the records changed.
    pub changed: Vec<RecordKey>,
    /// Rows of other tables changed.
    pub related: u64,
    /// Rows that went into archives.
    pub archived: u64,
    /// What became of the files that the rows pointed to.
    pub files: Vec<FileCount>,
    /// How long its transaction took.
    pub took: std::time::Duration,
}

/// Why a batch did nothing.
#[derive(Debug)]
pub enum Failure {
    /// The database said no; the transaction is undone for certain.
    Source(SourceError),
    /// The connection was lost while committing, for this position of the ledger: the ledger knows.
    Unknown(u64),
    /// What the rows were chosen by changed before they could be locked: they are looked at again.
    Moved,
    /// The database left out, without an error, rows that were locked and due: a trigger's silent veto.
    Vetoed,
    /// A key that was answered names nobody: that of a row that goes along, or of one that lies between the keys of others.
    Nameless,
    /// More rows would follow than a batch may take.
    TooLarge,
    /// A value cannot be read in a form that an archive could give back, or an end cannot be reckoned.
    Unsealable,
    /// No copy was seen of these records, of the action's own or of those that go along.
    Uncopied(Vec<RecordKey>),
    /// Purposes elsewhere need these people, of whom it was noted that they do not.
    Needed(NeededPeople),
    /// A file that goes with a row cannot: the code says why.
    File(&'static str),
    /// It ends the run.
    Fatal(EnforceError),
}

impl From<EnforceError> for Failure {
    fn from(e: EnforceError) -> Self {
        match e {
            EnforceError::Source(e) => Self::Source(e),
            EnforceError::Key => Self::Nameless,
            other => Self::Fatal(other),
        }
    }
}

impl From<SourceError> for Failure {
    fn from(e: SourceError) -> Self {
        Self::Source(e)
    }
}

/// Entries that wait to be written with the next intent, so that `applied` and the intent after it share one sync.
#[derive(Debug, Default)]
pub struct Pending(pub Vec<Event>);

/// The journal's word for an action.
#[must_use]
pub fn word(kind: ActionKind) -> Word {
    match kind {
        ActionKind::NeverStored => Word::ClearIncident,
        ActionKind::Delete => Word::Delete,
        ActionKind::Anonymise => Word::Anonymise,
        ActionKind::Pseudonymise => Word::Pseudonymise,
        ActionKind::Clear => Word::Clear,
        ActionKind::Empty => Word::Empty,
    }
}

/// How many files are noted in one statement.
const NOTED: usize = 200;

/// The code of a record that the database refuses to change without saying so.
pub const VETOED: &str = "vetoed";

/// The code of a record with which rows would go that nothing names: their key is NULL, or cannot be written back.
pub const NAMELESS: &str = "nameless";

/// The code of a record that cannot be read as an archive needs it.
pub const UNSEALABLE: &str = "unsealable";

/// The code of a batch that met people whom a purpose elsewhere began to need, or of whom it could not be asked any more.
pub const NEEDED: &str = "needed_elsewhere";

/// The code of a batch that met records without the copy that they need.
pub const NO_COPY: &str = "no_copy";

/// One batch: what, on which keys, how, and under which limit.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'b> {
    /// What is done.
    pub action: &'b Action,
    /// To which records.
    pub keys: &'b [RecordKey],
    /// How they are taken.
    pub take: Take,
    /// Most rows that may change, followers included; more when it is about one record alone, which goes whole or not at all.
    pub most_rows: usize,
    /// The records of this and other data sets that go together, the keys among them; instead of what goes with each.
    pub together: Option<Together<'b>>,
}

/// Runs one batch. On any failure the session must be dropped.
///
/// # Errors
/// [`Failure`].
pub async fn run(
    session: &mut Session,
    cx: &Context<'_>,
    slot: u32,
    pending: &mut Pending,
    asked: Batch<'_>,
) -> Result<Done, Failure> {
    let batch = Id128::random().map_err(EnforceError::from)?;
    let action = asked.action;
    let intent = Event::Intent {
        run: cx.run,
        batch,
        source: cx.source.clone(),
        data_set: Name::parse(&action.data_set).map_err(EnforceError::from)?,
        action: word(action.kind),
        rule: Name::parse(&action.id).map_err(EnforceError::from)?,
        plan_hash: cx.plan_hash,
        slot,
        epoch: cx.fence.epoch,
    };
    let entries = std::mem::take(&mut pending.0);
    cx.journal.append(Append::new().events(entries).event(intent)).await.map_err(EnforceError::from)?;
    cx.watch.at(Point::Intended, &action.id).await;
    // Taken before the transaction begins, whose snapshot must not be older than what the others have committed.
    let knot = asked.together.map(|t| t.knot);
    let takes_files = action.takes_files() || knot.is_some_and(|k| k.members.iter().any(|m| m.files.is_some()));
    let files = std::sync::Arc::clone(&cx.files);
    let _turn = if takes_files { Some(files.turn.lock().await) } else { None };
    let started = std::time::Instant::now();
    let mut transaction = Transaction {
        session,
        cx,
        asked,
        batch,
        related: Vec::new(),
        sealed: Vec::new(),
        open: Vec::new(),
        sealing: false,
        archived: BTreeMap::new(),
        leaving: Vec::new(),
        going: Vec::new(),
        removed: Vec::new(),
        files: Vec::new(),
    };
    let done = transaction.carry_out(slot).await;
    if transaction.sealing && matches!(&done, Ok(None) | Err(_)) && !matches!(done, Err(Failure::Unknown(_))) {
        // The batch did not happen: what it moved is where it was. Where that fails, too, `archive verify` finds what lies there.
        if let Err(e) = forget(cx.archives, &cx.source, batch).await {
            tracing::warn!(error = %e, "an object of a batch that did not happen is left in an archive");
        }
    }
    match done {
        Ok(Some(change)) => {
            transaction.removed.iter().for_each(|(store, path)| files.forget(store, path));
            cx.watch.at(Point::Committed, &action.id).await;
            let related = change.related.iter().map(|r| r.rows).sum();
            let archived = change.sealed.iter().map(|s| s.rows).sum();
            pending.0.push(Event::Applied {
                run: cx.run,
                batch,
                rows: change.keys.len() as u64,
                related: change.related,
                key_id: cx.key_id,
                macs: change.macs,
                recovered: false,
                sealed: change.sealed,
                files: change.files.clone(),
            });
            Ok(Done { changed: change.keys, related, archived, files: change.files, took: started.elapsed() })
        }
        Ok(None) => {
            pending.0.push(Event::Aborted { run: cx.run, batch, code: Code::parse("nothing_due").map_err(EnforceError::from)? });
            Ok(Done::default())
        }
        // The batch stays open in the journal: the ledger decides.
        Err(Failure::Unknown(seq)) => Err(Failure::Unknown(seq)),
        Err(failure) => {
            let code = match &failure {
                Failure::Source(e) => e.code().unwrap_or("connection").to_owned(),
                Failure::TooLarge => "too_large".to_owned(),
                Failure::Moved => "moved".to_owned(),
                Failure::Vetoed => VETOED.to_owned(),
                Failure::Nameless => NAMELESS.to_owned(),
                Failure::Unsealable => UNSEALABLE.to_owned(),
                Failure::Uncopied(_) => NO_COPY.to_owned(),
                Failure::Needed(_) => NEEDED.to_owned(),
                Failure::File(code) => (*code).to_owned(),
                _ => "error".to_owned(),
            };
            let code = Code::parse(&code).or_else(|_| Code::parse("database")).map_err(EnforceError::from)?;
            pending.0.push(Event::Aborted { run: cx.run, batch, code });
            Err(failure)
        }
    }
}

struct Change {
    keys: Vec<RecordKey>,
    macs: Macs,
    related: Vec<Related>,
    sealed: Vec<Sealed>,
    files: Vec<FileCount>,
}

/// The batch's transaction, from the fence to the commit.
pub(super) struct Transaction<'t, 'c> {
    pub(super) session: &'t mut Session,
    pub(super) cx: &'t Context<'c>,
    pub(super) asked: Batch<'t>,
    /// Its id.
    pub(super) batch: Id128,
    /// What changed in other tables.
    pub(super) related: Vec<Related>,
    /// What went into archives.
    pub(super) sealed: Vec<Sealed>,
    /// What went into them until a day that is not known yet.
    pub(super) open: Vec<PendingRow>,
    /// Whether anything may have been written into one.
    pub(super) sealing: bool,
    /// The files that archives take, by store and path; `None` for those that are missing.
    pub(super) archived: BTreeMap<(String, FilePath), Option<Stamp>>,
    /// Those of them that leave when all is committed.
    pub(super) leaving: Vec<LeavingRow>,
    /// The files that go with the rows.
    pub(super) going: Vec<Going<'t>>,
    /// The files that are removed.
    pub(super) removed: Vec<(String, FilePath)>,
    /// What became of them.
    pub(super) files: Vec<FileCount>,
}

impl<'t> Transaction<'t, '_> {
    async fn carry_out(&mut self, slot: u32) -> Result<Option<Change>, Failure> {
        let (cx, action) = (self.cx, self.asked.action);
        let d = cx.dialect;
        let mut begin = d.begin();
        let lock = d.lock_slot(&cx.fence.source, slot);
        begin.push(&lock);
        let answer = self.session.script(&begin).await?.pop().map(|a| a.rows).unwrap_or_default();
        check_slot(&answer, &cx.fence)?;
        cx.watch.at(Point::Fenced, &action.id).await;

        let changed = match (self.asked.together, self.asked.take, action.shape(d)) {
            (Some(together), _, _) => self.together(together).await?,
            (_, Take::Window | Take::Stretch, Shape::Window) => self.by_window().await?,
            (_, Take::Exact, Shape::Window) => self.by_scattered_keys().await?,
            (_, Take::Window | Take::Exact | Take::Run, Shape::Keys) => self.by_exact_keys().await?,
            _ => self.by_key().await?,
        };
        if changed.is_empty() {
            self.session.rows("ROLLBACK").await?;
            return Ok(None);
        }
        self.remove_files().await?;
        cx.watch.at(Point::Acted, &action.id).await;
        let macs = macs(cx, &action.data_set, &changed)?;
        let (log_size, log_root) = cx.journal.head().await.map_err(EnforceError::from)?;
        let seq = cx.fence.next_seq();
        let row = LedgerRow {
            batch: self.batch.to_string(),
            source: cx.fence.source.clone(),
            run: cx.run.to_string(),
            epoch: cx.fence.epoch,
            slot,
            seq,
            data_set: action.data_set.clone(),
            action: action.id.clone(),
            n: changed.len() as u64,
            related: serde_json::to_string(&self.related).unwrap_or_else(|_| "[]".to_owned()),
            sealed: serde_json::to_string(&self.sealed).unwrap_or_else(|_| "[]".to_owned()),
            files: serde_json::to_string(&self.files).unwrap_or_else(|_| "[]".to_owned()),
            key_id: cx.key_id.to_string(),
            macs: macs.as_bytes().to_vec(),
            log_size,
            log_root: log_root.to_string(),
            applied_at: cx.applied_at.clone(),
        };
        let insert = d.insert_ledger(&row);
        let mut open: Vec<String> = self.open.iter().map(|row| d.insert_pending(row)).collect();
        open.extend(self.leaving.chunks(NOTED).map(|rows| d.insert_leaving(rows)));
        let mut last: Vec<&str> = d.constraints_now().into_iter().collect();
        last.extend(open.iter().map(String::as_str));
        last.push(&insert);
        last.push(d.commit());
        match self.session.script(&last).await {
            Ok(_) => Ok(Some(Change {
                keys: changed,
                macs,
                related: std::mem::take(&mut self.related),
                sealed: std::mem::take(&mut self.sealed),
                files: std::mem::take(&mut self.files),
            })),
            Err(e) if e.class() == crate::source::Class::Lost => Err(Failure::Unknown(seq)),
            Err(e) => {
                cx.fence.give_back(seq);
                Err(Failure::Source(e))
            }
        }
    }
}

pub(super) fn macs(cx: &Context<'_>, data_set: &str, keys: &[RecordKey]) -> Result<Macs, Failure> {
    let data_set = Name::parse(data_set).map_err(EnforceError::from)?;
    let all: Option<Vec<Mac>> = keys.iter().map(|k| cx.journal.mac_keys().mac(cx.key_id, &cx.source, &data_set, k)).collect();
    match all {
        Some(all) => Ok(all.into_iter().collect()),
        None => Err(Failure::Fatal(EnforceError::Journal(crate::journal::JournalError::MissingMacKey(cx.key_id)))),
    }
}
