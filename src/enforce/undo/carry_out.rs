//! Putting back what was previewed: batch by batch, the newest first; what is refused because something else has to be there before it is tried again when that may have come back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::account::{Outlook, outlook};
use super::attempt::{Common, Counts, Outcome};
use super::close::close;
use super::open::{Lost, open};
use super::share::{Asked, Share, shares};
use super::walk::{Applied, Undone};
use crate::archive::{Archives, Identities};
use crate::enforce::error::EnforceError;
use crate::enforce::fence::Fence;
use crate::enforce::prepare::Prepared;
use crate::enforce::unseal::Why;
use crate::enforce::watch::Watch;
use crate::files::Files;
use crate::journal::{Hash, Journal, Macs};
use crate::plan::record::Records;
use crate::source::Source;

/// How often somebody in the way is waited for, outside a transaction.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Most records in one transaction: a batch took them in one statement, and they come back row by row, while the slots are held.
const AT_ONCE: usize = 1_000;

/// Everything that undoing needs.
pub struct UndoRequest<'a> {
    /// What is undone.
    pub asked: Asked<'a>,
    /// The hash of what was approved.
    pub plan: Hash,
    /// The source's connections, of somebody who may insert rows.
    pub source: &'a Source,
    /// What the map means in this database.
    pub records: &'a Records<'a>,
    /// The plan of now.
    pub prepared: &'a Prepared,
    /// The journal.
    pub journal: &'a Journal,
    /// The fence, just taken.
    pub fence: Fence,
    /// The archives of the settings.
    pub archives: &'a Archives,
    /// The stores of files of the settings.
    pub files: &'a Files,
    /// Who opens the archives, with what, and why.
    pub identities: &'a Arc<Identities>,
    /// Who, and why.
    pub why: Why,
    /// The instant.
    pub now: DateTime<Utc>,
    /// Who looks on.
    pub watch: &'a dyn Watch,
}

/// What was put back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Back {
    /// Records that are back, each under a hold, and those that had come back under the same approval before.
    pub records: u64,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows that were there, and of which masked fields have their values back.
    pub unmasked: u64,
    /// Fields that stay as they are, because somebody has written to them since.
    pub newer: u64,
    /// Records that are there again although they had been deleted: nothing of them was touched.
    pub there: u64,
    /// Records of which something had been masked, and which are gone by now.
    pub gone: u64,
    /// Records that the database refuses.
    pub refused: u64,
    /// Records that somebody else holds.
    pub busy: u64,
    /// Columns of the archive that the tables do not have any more.
    pub lost: u64,
    /// Files written.
    pub files: u64,
    /// Why the last record was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

impl Back {
    fn add(&mut self, counts: Counts) {
        self.inserted += counts.inserted;
        self.unmasked += counts.unmasked;
        self.newer += counts.newer;
        self.there += counts.there;
        self.gone += counts.gone;
        self.lost += counts.lost;
        self.files += counts.files;
    }

    /// Whether everything is as it was approved.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.refused + self.busy == 0
    }
}

/// Undoes a run as it was approved. What had been put back under the same approval, by a process that did not get to its end, is not touched again.
///
/// # Errors
/// [`EnforceError::PlanChanged`] when something else would be put back than was approved; [`EnforceError::NoSuchRun`], [`EnforceError::RunOpen`]; of database, journal and archive.
/// What was put back until then is in the journal.
pub async fn undo(request: UndoRequest<'_>) -> Result<Back, EnforceError> {
    let UndoRequest { asked, plan, source, records, prepared, journal, fence, archives, files, identities, why, now, watch } =
        request;
    let mut session = source.session().await?;
    close(&mut session, journal, asked.source).await?;
    session.done().await?;
    let reader = journal.reader();
    let Outlook { account, batches, mut undone } = outlook(&reader, asked, Some(plan)).await?;
    if account.plan != plan {
        return Err(EnforceError::PlanChanged { approved: plan.to_string(), found: account.plan.to_string() });
    }
    let common = Common {
        source,
        name: asked.source,
        run: asked.run,
        journal,
        archives,
        files,
        identities,
        records,
        prepared: &prepared.plan,
        fence: &fence,
        plan,
        why: &why,
        key_id: journal.current_mac_key().await?,
        today: prepared.plan.today.to_string(),
        at: now.to_rfc3339_opts(SecondsFormat::Secs, true),
        watch,
    };
    let mut back = Back::default();
    let mut left: Vec<Applied> = batches;
    loop {
        let (mut again, mut refused, mut progress) = (Vec::new(), Back::default(), false);
        for applied in left {
            let mut of_batch = Back::default();
            for share in in_order(shares(&reader, asked, &applied, &undone, None).await?, records) {
                let before = of_batch.records;
                of_share(&common, &share, &mut undone, &mut of_batch).await?;
                progress |= of_batch.records > before;
            }
            if of_batch.is_whole() {
                sum(&mut back, &of_batch);
            } else {
                // Counted for good when it was tried for the last time.
                refused.refused += of_batch.refused;
                refused.busy += of_batch.busy;
                refused.there += of_batch.there;
                refused.gone += of_batch.gone;
                refused.last = of_batch.last.clone().or(refused.last);
                sum(&mut back, &Back { there: 0, gone: 0, refused: 0, busy: 0, last: None, ..of_batch });
                again.push(applied);
            }
        }
        if again.is_empty() || !progress {
            sum(&mut back, &refused);
            return Ok(back);
        }
        left = again;
    }
}

fn sum(all: &mut Back, one: &Back) {
    all.records += one.records;
    all.inserted += one.inserted;
    all.unmasked += one.unmasked;
    all.newer += one.newer;
    all.there += one.there;
    all.gone += one.gone;
    all.refused += one.refused;
    all.busy += one.busy;
    all.lost += one.lost;
    all.files += one.files;
    all.last = one.last.clone().or(all.last.take());
}

/// The parts of a batch, whom others refer to before who refers to them.
fn in_order(mut all: Vec<Share>, records: &Records<'_>) -> Vec<Share> {
    let resolved = records.terms.resolved;
    let rank = |share: &Share| {
        let table = resolved.map.data_set(share.data_set.as_str()).and_then(|data| resolved.table(data));
        table.map_or(0, |table| resolved.schema.rank(&table.name))
    };
    all.sort_by_key(|share| std::cmp::Reverse(rank(share)));
    all
}

/// Puts back what a batch took of one data set: in one transaction, several for a large batch, or in halves where the database refuses some of it.
async fn of_share(common: &Common<'_>, share: &Share, undone: &mut Undone, back: &mut Back) -> Result<(), EnforceError> {
    if share.left.is_empty() {
        return Ok(());
    }
    let wanted: HashSet<[u8; 16]> = share.left.as_bytes().chunks_exact(16).filter_map(|mac| mac.try_into().ok()).collect();
    let (resolved, with) = (&common.records.terms.resolved, (common.journal, common.archives));
    let lost = open(with, resolved, common.name, share, &wanted, common.identities, common.why).await?;
    let mut pieces: Vec<&[Lost]> = lost.chunks(AT_ONCE).rev().collect();
    while let Some(piece) = pieces.pop() {
        match patiently(common, share, piece).await? {
            Outcome::Done(macs, counts) => {
                back.records += macs.len();
                back.add(counts);
                remember(undone, share, common.plan, macs);
            }
            Outcome::Nothing(counts) => back.add(counts),
            Outcome::Refused(_) | Outcome::Busy if piece.len() > 1 => {
                let (one, other) = piece.split_at(piece.len() / 2);
                pieces.extend([other, one]);
            }
            Outcome::Refused(e) => {
                back.refused += 1;
                back.last = Some(e.to_string());
            }
            Outcome::Busy => back.busy += 1,
        }
    }
    Ok(())
}

/// Tries again while somebody else is in the way.
async fn patiently(common: &Common<'_>, share: &Share, piece: &[Lost]) -> Result<Outcome, EnforceError> {
    for _ in 1..TRIES {
        match common.attempt(share, piece).await? {
            Outcome::Busy => tokio::time::sleep(PAUSE).await,
            other => return Ok(other),
        }
    }
    common.attempt(share, piece).await
}

fn remember(undone: &mut Undone, share: &Share, plan: Hash, macs: Macs) {
    undone.add(share.batch, &share.data_set, plan, macs);
}
