//! Watches a run, lets the director move between its steps, and compares what every batch touched with what the rows said last before it committed.

use std::future::Future;
use std::pin::Pin;

use retentiond::enforce::{Point, Watch};
use retentiond::journal::{Journal, KeyId, Macs, Name, Related};
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::plan::schema::Engine;
use tokio::sync::Mutex;

use crate::changes::hold_table;
use crate::director::Director;
use crate::model::{Fate, Snapshot};
use crate::scene::{MASKED, Shape, TARGET};
use crate::session::Wire;
use crate::vault::{Vault, columns, is_masked};

/// Ids that the application's transactions change by themselves.
const VOLATILE: [i64; 6] = [TARGET, 70, 71, 77, 80, 7007];

/// Looks over the shoulder of the engine.
pub struct Oracle<'a> {
    vault: Option<Vault<'a>>,
    pub engine: Engine,
    pub shape: Shape,
    pub journal: &'a Journal,
    pub director: &'a Director,
    seen: Mutex<Seen>,
}

struct Seen {
    wire: Wire,
    action: String,
    before: Option<(Snapshot, (bool, usize))>,
    /// The newest ledger row that was looked at.
    seq: u64,
    batches: Vec<(String, Macs)>,
    touched: usize,
    wrong: Vec<String>,
}

/// What was seen during one schedule.
pub struct Verdict {
    /// Batches in the ledger, with their MACs.
    pub batches: Vec<(String, Macs)>,
    pub touched: usize,
    pub wrong: Vec<String>,
}

impl<'a> Oracle<'a> {
    pub async fn new(
        engine: Engine,
        shape: Shape,
        url: &str,
        journal: &'a Journal,
        director: &'a Director,
        vault: Option<Vault<'a>>,
    ) -> Self {
        let wire = Wire::connect(engine, url).await.unwrap();
        let (action, batches, wrong) = (String::new(), Vec::new(), Vec::new());
        let seen = Mutex::new(Seen { wire, action, before: None, seq: 0, batches, touched: 0, wrong });
        Self { vault, engine, shape, journal, director, seen }
    }

    /// Fills the scene, and steps in at the steps of this action from now on.
    pub async fn begin(&self, action: &str, init: &str) {
        let mut seen = self.seen.lock().await;
        seen.action = action.to_owned();
        seen.before = None;
        let fill = format!("{}{init}", self.shape.fill(hold_table(self.engine)));
        seen.wire.execute(&fill).await.unwrap();
    }

    pub async fn snapshot(&self) -> Snapshot {
        self.seen.lock().await.snapshot(self.engine, self.shape).await
    }

    /// What was seen since it was last asked.
    pub async fn verdict(&self) -> Verdict {
        let mut seen = self.seen.lock().await;
        let (batches, wrong) = (std::mem::take(&mut seen.batches), std::mem::take(&mut seen.wrong));
        Verdict { batches, touched: std::mem::take(&mut seen.touched), wrong }
    }

    /// Whether foreign steps are put between the steps of this action.
    pub async fn staged(&self, action: &str) -> bool {
        self.seen.lock().await.action == action
    }

    /// A batch has acted and commits next.
    pub async fn acted(&self) {
        // Whatever is under way waits for a lock, and what it does comes after the batch.
        let under_way = self.director.under_way().await;
        let mut seen = self.seen.lock().await;
        let before = seen.snapshot(self.engine, self.shape).await;
        seen.before = Some((before, under_way));
    }

    pub async fn complain(&self, of: &str) {
        self.seen.lock().await.wrong.push(of.to_owned());
    }

    /// A batch has committed.
    pub async fn committed(&self, action: &str) {
        let mut seen = self.seen.lock().await;
        let Some((before, under_way)) = seen.before.take() else {
            seen.wrong.push(format!("{action}: committed without having acted"));
            return;
        };
        let after = seen.snapshot(self.engine, self.shape).await;
        // What waited for the batch, or was let go while it committed, may have changed its own rows in between.
        let (waiting, begun) = under_way;
        let foreign = waiting || self.director.under_way().await.1 != begun;
        let ledger = seen.ledger(self.engine).await;
        let [row] = ledger.as_slice() else {
            seen.wrong.push(format!("{action}: {} ledger rows for one commit", ledger.len()));
            return;
        };
        let archived = match &self.vault {
            Some(vault) => vault.taken(&row.batch).await,
            None => Vec::new(),
        };
        let mut named = 0;
        for (table, id) in before.ids() {
            let in_own = table == self.shape.root() || self.shape.child_is_record();
            let mac = in_own.then(|| self.mac(row.key_id, table, id)).flatten();
            let own = table == row.data_set && mac.is_some_and(|m| row.macs.contains(m));
            let mac_of_related = self.mac(row.key_id, table, id);
            let with =
                row.related.iter().any(|r| r.data_set.as_str() == table && mac_of_related.is_some_and(|m| r.macs.contains(m)));
            let (was, is) = (before.row(table, id), after.row(table, id));
            let volatile = foreign && VOLATILE.contains(&id);
            if !own && !with {
                if was != is && !volatile {
                    seen.wrong.push(format!("{action}: {table} {id} changed from {was:?} to {is:?} without a ledger entry"));
                }
                continue;
            }
            named += 1;
            if let Some(said) = self.vault.as_ref().and_then(|_| archived.iter().find(|a| (a.0.as_str(), a.1) == (table, id))) {
                if was.map(columns) != Some(said.2.clone()) {
                    seen.wrong.push(format!(
                        "{action}: {table} {id} was {was:?} when the batch committed, and went into the archive as {:?}",
                        said.2
                    ));
                }
            } else if self.vault.is_some() && table == self.shape.root() && !is_masked(was) {
                seen.wrong.push(format!("{action}: {table} {id} went without the archive"));
            }
            let fate = before.fate(self.shape, table, id);
            let deletes = with || action.ends_with(".delete");
            let wrong = if deletes { fate != Fate::Delete } else { !fate.is_due() };
            if wrong {
                seen.wrong.push(format!("{action}: {table} {id} was {fate:?} when the batch committed: {was:?}"));
            }
            let done = if deletes { is.is_none() } else { is.is_some_and(|row| row[0].as_deref() == Some(MASKED)) };
            if !done && !volatile {
                seen.wrong.push(format!("{action}: {table} {id} is in the ledger and not done: {is:?}"));
            }
        }
        let listed = row.macs.len() + row.related.iter().map(|r| r.macs.len()).sum::<u64>();
        if listed != named || row.macs.len() != row.n {
            let n = row.n;
            seen.wrong.push(format!("{action}: {listed} MACs and n = {n} in the ledger, {named} records known"));
        }
        let batch = (row.batch.clone(), row.macs.clone());
        seen.touched += usize::try_from(named).unwrap_or(0);
        seen.batches.push(batch);
    }

    /// After a schedule: objects of batches that never committed; all are taken away.
    pub async fn strangers(&self, batches: &[(String, Macs)]) -> Option<String> {
        let left = self.vault.as_ref()?.empty().await;
        let strange: Vec<String> = left.into_iter().filter(|batch| batches.iter().all(|(b, _)| b != batch)).collect();
        (!strange.is_empty()).then(|| format!("objects of batches that never committed lie in the archive: {strange:?}"))
    }

    fn mac(&self, key_id: KeyId, table: &str, id: i64) -> Option<retentiond::journal::Mac> {
        let key = RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: id.to_string() }]);
        self.journal.mac_keys().mac(key_id, &Name::parse("crm").ok()?, &Name::parse(table).ok()?, &key)
    }
}

struct LedgerRow {
    batch: String,
    data_set: String,
    n: u64,
    key_id: KeyId,
    macs: Macs,
    related: Vec<Related>,
}

impl Seen {
    async fn snapshot(&mut self, engine: Engine, shape: Shape) -> Snapshot {
        Snapshot::new(self.wire.rows(&shape.snapshot(engine, hold_table(engine))).await.unwrap())
    }

    async fn ledger(&mut self, engine: Engine) -> Vec<LedgerRow> {
        let table = if engine == Engine::Postgres { "retentiond.ledger" } else { "retentiond_ledger" };
        let (text, hex) = match engine {
            Engine::Postgres => ("text", "encode(macs, 'hex')"),
            Engine::Sqlite => ("text", "hex(macs)"),
            _ => ("char", "CAST(HEX(macs) AS CHAR)"),
        };
        let sql = format!(
            "SELECT batch, CAST(seq AS {text}), data_set, CAST(n AS {text}), key_id, {hex}, related FROM {table} AS l WHERE seq > {} ORDER BY l.seq",
            self.seq
        );
        let rows = self.wire.rows(&sql).await.unwrap();
        rows.into_iter()
            .map(|row| {
                let [batch, seq, data_set, n, key_id, macs, related]: [Option<String>; 7] = row.try_into().unwrap();
                self.seq = seq.unwrap().parse().unwrap();
                LedgerRow {
                    batch: batch.unwrap(),
                    data_set: data_set.unwrap(),
                    n: n.unwrap().parse().unwrap(),
                    key_id: KeyId::parse(&key_id.unwrap()).unwrap(),
                    macs: Macs::from_bytes(hex::decode(macs.unwrap()).unwrap()).unwrap(),
                    related: serde_json::from_str(&related.unwrap()).unwrap(),
                }
            })
            .collect()
    }
}

impl Watch for Oracle<'_> {
    fn at<'b>(&'b self, point: Point, action: &'b str) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>> {
        Box::pin(async move {
            let staged = self.staged(action).await;
            self.director.alive(staged && point == Point::Intended).await;
            if point == Point::Committed {
                self.committed(action).await;
            }
            let made = match point {
                Point::Found => Some(1),
                Point::Intended | Point::Taken => None,
                Point::Fenced => Some(2),
                // What was sealed must be what is changed: there the application steps in.
                Point::Locked if self.vault.is_some() => None,
                Point::Locked | Point::Sealed => Some(3),
                Point::Acted => Some(4),
                Point::Committed => Some(5),
            };
            if let (Some(made), true) = (made, staged) {
                self.director.reached(made).await;
            }
            if point == Point::Acted {
                self.acted().await;
            }
        })
    }
}
