-- retentiond: prepares the source "{{source_comment}}" in the SQLite database "{{database_comment}}".
--
-- Review it, then run it on that file. SQLite has no roles: whoever may write the file may do everything in it, so give
-- the enforcer's account write access to the file and its directory, and nobody else more than the application needs.
-- Running it again changes nothing.

BEGIN IMMEDIATE;

-- The fence: one row for each slot; a batch compares epoch and token in its transaction. SQLite has one writer at a time,
-- so a transaction that places an order or takes the source over waits for a running batch by itself.
CREATE TABLE IF NOT EXISTS retentiond_fence (
    source     TEXT NOT NULL,
    slot       INTEGER NOT NULL CHECK (slot >= 0),
    epoch      INTEGER NOT NULL,
    token      TEXT NOT NULL,
    server_id  TEXT NOT NULL,
    PRIMARY KEY (source, slot)
);

-- The ledger: one row for each committed batch, written in the batch's transaction. Counts and keyed hashes only.
CREATE TABLE IF NOT EXISTS retentiond_ledger (
    batch       TEXT NOT NULL PRIMARY KEY,
    source      TEXT NOT NULL,
    run         TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    slot        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    data_set    TEXT NOT NULL,
    action      TEXT NOT NULL,
    n           INTEGER NOT NULL CHECK (n >= 0),
    related     TEXT NOT NULL,
    sealed      TEXT NOT NULL,
    files       TEXT NOT NULL,
    key_id      TEXT NOT NULL,
    macs        BLOB NOT NULL,
    log_size    INTEGER NOT NULL,
    log_root    TEXT NOT NULL,
    applied_at  TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS retentiond_ledger_source_seq ON retentiond_ledger (source, seq);

-- The orders: holds, restrictions, objections, erasures, instructions. Dates are texts, YYYY-MM-DD.
CREATE TABLE IF NOT EXISTS retentiond_hold (
    order_id   TEXT NOT NULL PRIMARY KEY,
    source     TEXT NOT NULL,
    data_set   TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('hold', 'restriction', 'objection', 'erasure', 'instruction')),
    scope      TEXT NOT NULL CHECK (scope IN ('record', 'tenant', 'subject')),
    target     TEXT NOT NULL CHECK (typeof(target) = 'text'),
    placed_on  TEXT NOT NULL CHECK (placed_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    "until"    TEXT CHECK ("until" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    lifted_on  TEXT CHECK (lifted_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')
);
CREATE INDEX IF NOT EXISTS retentiond_hold_target ON retentiond_hold (source, data_set, scope, target);

-- What lies in an archive until a day that is not known yet: the way to the rows that will tell, as a JSON list of key values.
CREATE TABLE IF NOT EXISTS retentiond_pending (
    source     TEXT NOT NULL,
    batch      TEXT NOT NULL,
    part       INTEGER NOT NULL,
    data_set   TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    link       TEXT NOT NULL,
    PRIMARY KEY (source, batch, part)
);

-- Files that were sealed into an archive and leave their store once the batch is committed: until then their paths, and what tells them from others.
CREATE TABLE IF NOT EXISTS retentiond_leaving (
    source     TEXT NOT NULL,
    batch      TEXT NOT NULL,
    n          INTEGER NOT NULL,
    store      TEXT NOT NULL,
    path       TEXT NOT NULL,
    stamp      TEXT NOT NULL,
    PRIMARY KEY (source, batch, n)
);

-- People whom a purpose of another source does not need any more, as it said when it was asked; only while a command works with the answers.
CREATE TABLE IF NOT EXISTS retentiond_elsewhere (
    asker      TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    person     TEXT NOT NULL,
    asked_on   TEXT NOT NULL,
    PRIMARY KEY (asker, purpose, person)
);

-- The slots of this source: existing ones keep their epoch and token, surplus ones of an earlier run stay unused.
INSERT INTO retentiond_fence (source, slot, epoch, token, server_id) VALUES
{{fence_rows}}
ON CONFLICT (source, slot) DO NOTHING;

COMMIT;
