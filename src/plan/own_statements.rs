//! Statements over our own tables in a customer's database: fence, ledger, orders.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use chrono::NaiveDate;

use super::dialect::Dialect;
use super::own_tables::OwnTable;
use super::schema::Engine;
use crate::policy::purpose::OrderKind;

/// One ledger row: what a batch changed, in the batch's own transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The batch, 32 hexadecimal digits.
    pub batch: String,
    /// The source.
    pub source: String,
    /// The run.
    pub run: String,
    /// The fence's epoch.
    pub epoch: u64,
    /// The fence's slot.
    pub slot: u32,
    /// Position in the source's ledger.
    pub seq: u64,
    /// The data set.
    pub data_set: String,
    /// The rule that acted.
    pub action: String,
    /// Rows changed.
    pub n: u64,
    /// Rows of other tables that changed, as compact JSON.
    pub related: String,
    /// Objects of archives that took fields of the rows, as compact JSON.
    pub sealed: String,
    /// What became of the files that the rows pointed to, as compact JSON.
    pub files: String,
    /// The MAC key.
    pub key_id: String,
    /// The MACs, one after the other.
    pub macs: Vec<u8>,
    /// The journal's size when the intent was written.
    pub log_size: u64,
    /// Its root, hexadecimal.
    pub log_root: String,
    /// When, RFC 3339.
    pub applied_at: String,
}

/// The way to the end of an archived object, which is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRow {
    /// The source.
    pub source: String,
    /// The batch that sealed it.
    pub batch: String,
    /// Its number among the objects of the batch.
    pub part: u32,
    /// The data set.
    pub data_set: String,
    /// The purpose that keeps it.
    pub purpose: String,
    /// The values that lead to the rows that will tell, as compact JSON.
    pub link: String,
}

/// A file that was sealed and leaves its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingRow {
    /// The source.
    pub source: String,
    /// The batch that sealed it.
    pub batch: String,
    /// Its number among those of the batch.
    pub n: u32,
    /// The store.
    pub store: String,
    /// Its path there.
    pub path: String,
    /// What tells it from others.
    pub stamp: String,
}

/// What an order says, as it enters the hold table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// The order, 32 hexadecimal digits.
    pub order_id: String,
    /// The source.
    pub source: String,
    /// The root data set.
    pub data_set: String,
    /// Its kind.
    pub kind: String,
    /// `record` or `tenant`.
    pub scope: &'static str,
    /// When it was placed, `YYYY-MM-DD`.
    pub placed_on: String,
    /// Its last day, `YYYY-MM-DD`.
    pub until: Option<String>,
}

impl Dialect {
    /// Statements that open a transaction as the engine's batch protocol demands. If nothing more is heard of us, the server ends it within
    /// seconds: a network that swallows packets must not hold the fence and the application's rows.
    #[must_use]
    pub fn begin(self) -> Vec<&'static str> {
        match self.engine {
            Engine::Postgres => vec![
                "BEGIN ISOLATION LEVEL READ COMMITTED",
                "SET LOCAL lock_timeout = '50ms'",
                "SET LOCAL idle_in_transaction_session_timeout = '5s'",
                "SET LOCAL row_security = off",
                "SET LOCAL synchronous_commit = on",
            ],
            // autocommit is off: the next statement opens the transaction.
            Engine::MariaDb => vec![
                "SET SESSION innodb_lock_wait_timeout = 1",
                "SET SESSION idle_transaction_timeout = 5",
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            ],
            // It bounds idle transactions only together with idle connections; the pool opens new ones.
            Engine::MySql => vec![
                "SET SESSION innodb_lock_wait_timeout = 1",
                "SET SESSION wait_timeout = 10",
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            ],
            Engine::Sqlite => vec!["BEGIN IMMEDIATE"],
        }
    }

    /// What follows the lock of the rows: from here on, waiting for the application could make it the victim of a deadlock. PostgreSQL's time-out
    /// is short from the beginning; MySQL cannot wait less than a second, and says `NOWAIT` in each statement that locks. Not before the rows are
    /// locked: MariaDB answers `SKIP LOCKED` with an error (1180) when it may not wait at all.
    #[must_use]
    pub fn wait_no_more(self) -> Option<&'static str> {
        (self.engine == Engine::MariaDb).then_some("SET SESSION innodb_lock_wait_timeout = 0")
    }

    /// How a statement locks rows (of this alias) while others are held already.
    #[must_use]
    pub fn lock_with_others_held(self, alias: &str) -> String {
        match self.engine {
            Engine::Postgres => format!(" FOR UPDATE OF {alias}"),
            Engine::MariaDb => " FOR UPDATE".to_owned(),
            Engine::MySql => " FOR UPDATE NOWAIT".to_owned(),
            Engine::Sqlite => String::new(),
        }
    }

    /// How a statement locks rows (of this alias) that nobody else holds.
    #[must_use]
    pub fn lock_free(self, alias: &str) -> String {
        match self.engine {
            Engine::Postgres => format!(" FOR UPDATE OF {alias} SKIP LOCKED"),
            Engine::MariaDb | Engine::MySql => " FOR UPDATE SKIP LOCKED".to_owned(),
            Engine::Sqlite => String::new(),
        }
    }

    /// The end of a sub-query about one of a few rows. MariaDB and MySQL lock what it reads, which the locking statement around it does not.
    /// PostgreSQL, where an index serves the sub-query, is kept from answering it for the whole table beforehand, as it would for some thousand rows
    /// in each of hundreds of batches: its planner merges or hashes a sub-query only if it has no OFFSET.
    pub fn of_read_rows(self, indexed: impl Fn() -> bool) -> &'static str {
        match self.engine {
            Engine::MariaDb => " LOCK IN SHARE MODE",
            Engine::MySql => " FOR SHARE NOWAIT",
            Engine::Postgres if indexed() => " OFFSET 0",
            Engine::Postgres | Engine::Sqlite => "",
        }
    }

    /// Statements that open a transaction whose first lock is the fence, and which may wait for it: it holds nothing else yet. It waits longer than
    /// the server lets a dead worker's transaction live.
    #[must_use]
    pub fn begin_patiently(self) -> Vec<&'static str> {
        let mut statements = self.begin();
        match self.engine {
            Engine::Postgres => statements.push("SET LOCAL lock_timeout = '10s'"),
            Engine::MariaDb => statements.insert(1, "SET SESSION innodb_lock_wait_timeout = 10"),
            Engine::MySql => statements.insert(1, "SET SESSION innodb_lock_wait_timeout = 15"),
            Engine::Sqlite => {}
        }
        statements
    }

    /// Statements that end a transaction by committing; deferred constraints speak before the ledger row is written.
    #[must_use]
    pub fn commit(self) -> &'static str {
        "COMMIT"
    }

    /// Makes deferred constraints speak now, where the engine has them.
    #[must_use]
    pub fn constraints_now(self) -> Option<&'static str> {
        (self.engine == Engine::Postgres).then_some("SET CONSTRAINTS ALL IMMEDIATE")
    }

    fn for_update(self) -> &'static str {
        if self.engine == Engine::Sqlite { "" } else { " FOR UPDATE" }
    }

    /// Locks one slot of the fence and reads its epoch and token.
    #[must_use]
    pub fn lock_slot(self, source: &str, slot: u32) -> String {
        let fence = self.own(OwnTable::Fence);
        format!(
            "SELECT {}, token FROM {fence} WHERE source = {} AND slot = {slot}{}",
            self.as_text("epoch"),
            self.word(source),
            self.for_update()
        )
    }

    /// Locks all slots of the fence in their order and reads slot, epoch, token and server.
    #[must_use]
    pub fn lock_all_slots(self, source: &str) -> String {
        let fence = self.own(OwnTable::Fence);
        format!(
            // Qualified: PostgreSQL takes a bare name for the column of the result, which is a text.
            "SELECT {}, {}, f.token, f.server_id FROM {fence} AS f WHERE f.source = {} ORDER BY f.slot{}",
            self.as_text("f.slot"),
            self.as_text("f.epoch"),
            self.word(source),
            self.for_update()
        )
    }

    /// Raises the epoch of all slots and gives them a token and the server's identity.
    #[must_use]
    pub fn take_over(self, source: &str, token: &str, server_id: &str) -> String {
        let fence = self.own(OwnTable::Fence);
        format!(
            "UPDATE {fence} SET epoch = epoch + 1, token = {}, server_id = {} WHERE source = {}",
            self.word(token),
            self.word(server_id),
            self.word(source)
        )
    }

    /// The newest ledger row of a source: seq, log_size, log_root, batch. The order names its table: alone, `seq` would mean the text that is
    /// returned under that name on PostgreSQL, where row 9 comes after row 10.
    #[must_use]
    pub fn newest_ledger_row(self, source: &str) -> String {
        let ledger = self.own(OwnTable::Ledger);
        format!(
            // Qualified, as above: by text, 9 would be newer than 10.
            "SELECT {}, {}, l.log_root, l.batch FROM {ledger} AS l WHERE l.source = {} ORDER BY l.seq DESC LIMIT 1",
            self.as_text("l.seq"),
            self.as_text("l.log_size"),
            self.word(source)
        )
    }

    /// The ledger rows of these batches: batch, n, related, key_id, macs (hexadecimal), sealed, files.
    #[must_use]
    pub fn ledger_rows(self, batches: &[String]) -> String {
        let ledger = self.own(OwnTable::Ledger);
        let list = if batches.is_empty() {
            "''".to_owned()
        } else {
            batches.iter().map(|b| self.word(b)).collect::<Vec<_>>().join(", ")
        };
        let hex = match self.engine {
            Engine::Postgres => "encode(macs, 'hex')",
            _ => "LOWER(HEX(macs))",
        };
        format!(
            "SELECT batch, {}, related, key_id, {hex}, sealed, files FROM {ledger} WHERE batch IN ({list})",
            self.as_text("n")
        )
    }

    /// Writes a ledger row.
    #[must_use]
    pub fn insert_ledger(self, row: &LedgerRow) -> String {
        let ledger = self.own(OwnTable::Ledger);
        let macs = match self.engine {
            // A third shorter: its reader takes text a byte at a time.
            Engine::Postgres => format!("decode('{}', 'base64')", BASE64_STANDARD.encode(&row.macs)),
            _ => format!("x'{}'", hex::encode(&row.macs)),
        };
        format!(
            "INSERT INTO {ledger} (batch, source, run, epoch, slot, seq, data_set, action, n, related, sealed, files, key_id, macs, log_size, log_root, applied_at) VALUES ({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {macs}, {}, {}, {})",
            self.word(&row.batch),
            self.word(&row.source),
            self.word(&row.run),
            row.epoch,
            row.slot,
            row.seq,
            self.word(&row.data_set),
            self.text(&row.action),
            row.n,
            self.text(&row.related),
            self.text(&row.sealed),
            self.text(&row.files),
            self.word(&row.key_id),
            row.log_size,
            self.word(&row.log_root),
            self.word(&row.applied_at),
        )
    }

    /// Notes the way to the end of an archived object: written in the batch's own transaction.
    #[must_use]
    pub fn insert_pending(self, row: &PendingRow) -> String {
        format!(
            "INSERT INTO {} (source, batch, part, data_set, purpose, link) VALUES ({}, {}, {}, {}, {}, {})",
            self.own(OwnTable::Pending),
            self.word(&row.source),
            self.word(&row.batch),
            row.part,
            self.word(&row.data_set),
            self.word(&row.purpose),
            self.text(&row.link),
        )
    }

    /// The next objects of a source whose end is not known: batch, part, data_set, purpose, link.
    #[must_use]
    pub fn pending(self, source: &str, after: Option<(&str, u32)>, limit: u32) -> String {
        let behind = after.map_or_else(String::new, |(batch, part)| {
            let batch = self.word(batch);
            format!(" AND (p.batch > {batch} OR (p.batch = {batch} AND p.part > {part}))")
        });
        format!(
            "SELECT p.batch, {}, p.data_set, p.purpose, p.link FROM {} AS p WHERE p.source = {}{behind} ORDER BY p.batch, p.part LIMIT {limit}",
            self.as_text("p.part"),
            self.own(OwnTable::Pending),
            self.word(source),
        )
    }

    /// Has the way to the end of an object lead to another of the same batch, its rest: one statement after the other, of which each may be repeated. A way that the rest has is left.
    #[must_use]
    pub fn move_pending(self, source: &str, batch: &str, (from, to): (u32, u32)) -> [String; 2] {
        let own = self.own(OwnTable::Pending);
        let copy = format!(
            "INSERT INTO {own} (source, batch, part, data_set, purpose, link) \
             SELECT p.source, p.batch, {to}, p.data_set, p.purpose, p.link FROM {own} AS p \
             WHERE p.source = {source} AND p.batch = {batch} AND p.part = {from} \
             AND NOT EXISTS (SELECT 1 FROM {own} AS q WHERE q.source = {source} AND q.batch = {batch} AND q.part = {to})",
            source = self.word(source),
            batch = self.word(batch)
        );
        [copy, self.delete_pending(source, batch, from)]
    }

    /// Removes the way to the end of an object: the journal has its last day.
    #[must_use]
    pub fn delete_pending(self, source: &str, batch: &str, part: u32) -> String {
        format!(
            "DELETE FROM {} WHERE source = {} AND batch = {} AND part = {part}",
            self.own(OwnTable::Pending),
            self.word(source),
            self.word(batch)
        )
    }

    /// Notes files that leave their stores: written in the batch's own transaction.
    #[must_use]
    pub fn insert_leaving(self, rows: &[LeavingRow]) -> String {
        let values = rows.iter().map(|row| {
            let (source, batch, store) = (self.word(&row.source), self.word(&row.batch), self.word(&row.store));
            format!("({source}, {batch}, {}, {store}, {}, {})", row.n, self.text(&row.path), self.word(&row.stamp))
        });
        format!(
            "INSERT INTO {} (source, batch, n, store, path, stamp) VALUES {}",
            self.own(OwnTable::Leaving),
            values.collect::<Vec<_>>().join(", ")
        )
    }

    /// The next files of a source that leave: batch, n, store, path, stamp.
    #[must_use]
    pub fn leaving(self, source: &str, after: Option<(&str, u32)>, limit: u32) -> String {
        let behind = after.map_or_else(String::new, |(batch, n)| {
            let batch = self.word(batch);
            format!(" AND (l.batch > {batch} OR (l.batch = {batch} AND l.n > {n}))")
        });
        format!(
            "SELECT l.batch, {}, l.store, l.path, l.stamp FROM {} AS l WHERE l.source = {}{behind} ORDER BY l.batch, l.n LIMIT {limit}",
            self.as_text("l.n"),
            self.own(OwnTable::Leaving),
            self.word(source),
        )
    }

    /// Forgets files of a batch that have left.
    #[must_use]
    pub fn delete_leaving(self, source: &str, batch: &str, left: &[u32]) -> String {
        let list: Vec<String> = left.iter().map(u32::to_string).collect();
        format!(
            "DELETE FROM {} WHERE source = {} AND batch = {} AND n IN ({})",
            self.own(OwnTable::Leaving),
            self.word(source),
            self.word(batch),
            list.join(", ")
        )
    }

    /// How many orders of a source are not lifted.
    #[must_use]
    pub fn count_orders(self, source: &str) -> String {
        format!(
            "SELECT {} FROM {} WHERE source = {} AND lifted_on IS NULL",
            self.as_text("COUNT(*)"),
            self.own(OwnTable::Hold),
            self.word(source)
        )
    }

    /// How many keys of pseudonyms there are, one if all is well. It reads none of them.
    #[must_use]
    pub fn count_pseudonym_keys(self) -> String {
        let (inner, outer) = (self.ident("inner_key"), self.ident("outer_key"));
        format!(
            "SELECT {} FROM {} WHERE OCTET_LENGTH({inner}) = 64 AND OCTET_LENGTH({outer}) = 64",
            self.as_text("COUNT(*)"),
            self.own(OwnTable::PseudonymKey)
        )
    }

    /// All orders of a source: order_id, data_set, kind, scope, placed_on, until, lifted_on.
    #[must_use]
    pub fn list_orders(self, source: &str) -> String {
        let until = self.ident("until");
        format!(
            "SELECT order_id, data_set, kind, scope, placed_on, {until}, lifted_on FROM {} WHERE source = {} ORDER BY placed_on, order_id",
            self.own(OwnTable::Hold),
            self.word(source)
        )
    }

    /// The orders of these kinds of a source that stand on this day: order_id, data_set, kind, scope, target.
    #[must_use]
    pub fn standing_orders(self, source: &str, kinds: &[OrderKind], today: NaiveDate) -> String {
        let (until, kinds) = (self.ident("until"), kinds.iter().map(|kind| self.word(kind.word())).collect::<Vec<_>>());
        format!(
            "SELECT order_id, data_set, kind, scope, target FROM {} WHERE source = {} AND kind IN ({}) AND lifted_on IS NULL AND ({until} IS NULL OR {until} >= {})",
            self.own(OwnTable::Hold),
            self.word(source),
            kinds.join(", "),
            self.word(&today.to_string())
        )
    }

    /// Places an order whose target is computed by `target` over `from` (`FROM … WHERE …`), or is the literal `target` without `from`.
    #[must_use]
    pub fn insert_order(self, order: &OrderRow, target: &str, from: Option<&str>) -> String {
        let until = order.until.as_ref().map_or_else(|| "NULL".to_owned(), |u| self.word(u));
        format!(
            "INSERT INTO {} (order_id, source, data_set, kind, scope, target, placed_on, {}, lifted_on) SELECT {}, {}, {}, {}, {}, {target}, {}, {until}, NULL{}",
            self.own(OwnTable::Hold),
            self.ident("until"),
            self.word(&order.order_id),
            self.word(&order.source),
            self.word(&order.data_set),
            self.word(&order.kind),
            self.word(order.scope),
            self.word(&order.placed_on),
            from.map(|f| format!(" {f}")).unwrap_or_default()
        )
    }

    /// Lifts an order that stands, and forgets whom it was about: nothing reads that any more, and keys and identifiers may be personal.
    #[must_use]
    pub fn lift_order(self, source: &str, order_id: &str, day: &str) -> String {
        format!(
            "UPDATE {} SET lifted_on = {}, target = '' WHERE source = {} AND order_id = {} AND lifted_on IS NULL",
            self.own(OwnTable::Hold),
            self.word(day),
            self.word(source),
            self.word(order_id)
        )
    }

    /// The name of the database that a session is connected to.
    #[must_use]
    pub fn current_database(self) -> &'static str {
        match self.engine {
            Engine::Postgres => "SELECT current_database()::text",
            Engine::MariaDb | Engine::MySql => "SELECT CAST(DATABASE() AS CHAR)",
            Engine::Sqlite => "SELECT 'main'",
        }
    }

    /// The distinct values of a whole-number column, largest set first cut at a limit.
    #[must_use]
    pub fn distinct_numbers(self, table: &super::schema::TableName, column: &str, limit: u32) -> String {
        let c = self.column("r", column);
        format!(
            "SELECT DISTINCT {} FROM {} AS r WHERE {c} >= 1 AND {c} <= 9999 LIMIT {limit}",
            self.as_text(&c),
            self.table(table)
        )
    }
}
