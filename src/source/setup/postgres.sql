-- retentiond: prepares the source "{{source_comment}}" in the PostgreSQL database "{{database_comment}}".
--
-- Review it, then run it connected to that database, as a role that owns the mapped tables (or a superuser) and may
-- create schemas and roles. Running it again changes nothing, except that the grants become those listed below.
-- Afterwards give the role a password (it has none and cannot log in before):
--     \password {{role_comment}}

BEGIN;

-- Our tables, in a schema of their own. Whoever runs this script owns them.
CREATE SCHEMA IF NOT EXISTS retentiond;
REVOKE ALL ON SCHEMA retentiond FROM PUBLIC;

-- The fence: one row for each batch that may run at the same time. A batch locks its row first and compares epoch and
-- token; whoever places an order or takes the source over locks all rows of the source, in the order of their slots.
CREATE TABLE IF NOT EXISTS retentiond.fence (
    source     text COLLATE "C" NOT NULL,
    slot       integer NOT NULL CHECK (slot >= 0),
    epoch      bigint NOT NULL,
    token      text COLLATE "C" NOT NULL,
    server_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (source, slot)
);

-- The ledger: one row for each committed batch, written in the batch's transaction. Counts and keyed hashes only.
CREATE TABLE IF NOT EXISTS retentiond.ledger (
    batch       text COLLATE "C" PRIMARY KEY,
    source      text COLLATE "C" NOT NULL,
    run         text COLLATE "C" NOT NULL,
    epoch       bigint NOT NULL,
    slot        integer NOT NULL,
    seq         bigint NOT NULL,
    data_set    text COLLATE "C" NOT NULL,
    action      text COLLATE "C" NOT NULL,
    n           bigint NOT NULL CHECK (n >= 0),
    related     text COLLATE "C" NOT NULL,
    sealed      text COLLATE "C" NOT NULL,
    files       text COLLATE "C" NOT NULL,
    key_id      text COLLATE "C" NOT NULL,
    macs        bytea NOT NULL,
    log_size    bigint NOT NULL,
    log_root    text COLLATE "C" NOT NULL,
    applied_at  text COLLATE "C" NOT NULL
);
-- What an earlier version did not have.
ALTER TABLE retentiond.ledger
    ADD COLUMN IF NOT EXISTS sealed text COLLATE "C" NOT NULL DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS files text COLLATE "C" NOT NULL DEFAULT '[]';
CREATE INDEX IF NOT EXISTS ledger_source_seq ON retentiond.ledger (source, seq);

-- The orders: holds, restrictions, objections, erasures, instructions. Dates are texts, YYYY-MM-DD.
CREATE TABLE IF NOT EXISTS retentiond.hold (
    order_id   text COLLATE "C" PRIMARY KEY,
    source     text COLLATE "C" NOT NULL,
    data_set   text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('hold', 'restriction', 'objection', 'erasure', 'instruction')),
    scope      text COLLATE "C" NOT NULL CHECK (scope IN ('record', 'tenant', 'subject')),
    target     text COLLATE "C" NOT NULL,
    placed_on  text COLLATE "C" NOT NULL CHECK (placed_on ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    "until"    text COLLATE "C" CHECK ("until" ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    lifted_on  text COLLATE "C" CHECK (lifted_on ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$')
);
CREATE INDEX IF NOT EXISTS hold_target ON retentiond.hold (source, data_set, scope, target);

-- What lies in an archive until a day that is not known yet: the way to the rows that will tell, as a JSON list of key values.
CREATE TABLE IF NOT EXISTS retentiond.pending (
    source     text COLLATE "C" NOT NULL,
    batch      text COLLATE "C" NOT NULL,
    part       integer NOT NULL,
    data_set   text COLLATE "C" NOT NULL,
    purpose    text COLLATE "C" NOT NULL,
    link       text COLLATE "C" NOT NULL,
    PRIMARY KEY (source, batch, part)
);

-- Files that were sealed into an archive and leave their store once the batch is committed: until then their paths, and what tells them from others.
CREATE TABLE IF NOT EXISTS retentiond.leaving (
    source     text COLLATE "C" NOT NULL,
    batch      text COLLATE "C" NOT NULL,
    n          integer NOT NULL,
    store      text COLLATE "C" NOT NULL,
    path       text COLLATE "C" NOT NULL,
    stamp      text COLLATE "C" NOT NULL,
    PRIMARY KEY (source, batch, n)
);

-- People whom a purpose of another source does not need any more, as it said when it was asked; only while a command works with the answers.
CREATE TABLE IF NOT EXISTS retentiond.elsewhere (
    asker      text COLLATE "C" NOT NULL,
    purpose    text COLLATE "C" NOT NULL,
    person     text COLLATE "C" NOT NULL,
    asked_on   text COLLATE "C" NOT NULL,
    PRIMARY KEY (asker, purpose, person)
);

REVOKE ALL ON retentiond.fence, retentiond.ledger, retentiond.hold, retentiond.pending, retentiond.leaving, retentiond.elsewhere FROM PUBLIC;

-- Whatever changes an order, also a statement typed by hand, waits for the batches of its source and keeps new ones
-- waiting until it has committed. It runs with its owner's rights, so that nobody needs rights on the fence for it.
CREATE OR REPLACE FUNCTION retentiond.take_slots() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $retentiond$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM 1 FROM retentiond.fence ORDER BY source, slot FOR UPDATE;
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        PERFORM 1 FROM retentiond.fence WHERE source = NEW.source ORDER BY slot FOR UPDATE;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM 1 FROM retentiond.fence WHERE source = OLD.source ORDER BY slot FOR UPDATE;
        RETURN OLD;
    ELSE
        PERFORM 1 FROM retentiond.fence WHERE source IN (OLD.source, NEW.source) ORDER BY source, slot FOR UPDATE;
    END IF;
    IF NOT EXISTS (SELECT FROM retentiond.fence WHERE source = NEW.source) THEN
        RAISE EXCEPTION 'retentiond knows no such source in this database' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END
$retentiond$;
REVOKE ALL ON FUNCTION retentiond.take_slots() FROM PUBLIC;

DROP TRIGGER IF EXISTS take_slots ON retentiond.hold;
CREATE TRIGGER take_slots BEFORE INSERT OR UPDATE OR DELETE ON retentiond.hold
    FOR EACH ROW EXECUTE FUNCTION retentiond.take_slots();
DROP TRIGGER IF EXISTS take_all_slots ON retentiond.hold;
CREATE TRIGGER take_all_slots BEFORE TRUNCATE ON retentiond.hold
    FOR EACH STATEMENT EXECUTE FUNCTION retentiond.take_slots();

-- The slots of this source: existing ones keep their epoch and token, surplus ones of an earlier run stay unused.
INSERT INTO retentiond.fence (source, slot, epoch, token, server_id) VALUES
{{fence_rows}}
ON CONFLICT (source, slot) DO NOTHING;

{{pseudonym_key}}-- The role: logs in, owns nothing, creates nothing, bypasses nothing, inherits nothing.
DO {{create_role}};
ALTER ROLE {{role}} NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS;
-- A worker that stalls inside a transaction must not hold its locks, row-level security must not hide rows silently,
-- and what was committed must have reached the disk.
ALTER ROLE {{role}} IN DATABASE {{database}} SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE {{role}} IN DATABASE {{database}} SET row_security = off;
ALTER ROLE {{role}} IN DATABASE {{database}} SET synchronous_commit = on;
ALTER ROLE {{role}} IN DATABASE {{database}} SET default_transaction_isolation = 'read committed';

GRANT CONNECT ON DATABASE {{database}} TO {{role}};
REVOKE ALL ON SCHEMA retentiond FROM {{role}};
GRANT USAGE ON SCHEMA retentiond TO {{role}};
REVOKE ALL ON ALL TABLES IN SCHEMA retentiond FROM {{role}};
GRANT SELECT, UPDATE ON retentiond.fence TO {{role}};
-- DELETE: ledger rows are pruned once a delivered checkpoint of the journal covers them.
GRANT SELECT, INSERT, DELETE ON retentiond.ledger TO {{role}};
-- No DELETE: an order is lifted, not forgotten.
GRANT SELECT, INSERT, UPDATE ON retentiond.hold TO {{role}};
-- DELETE: once the day is known, the journal has it.
GRANT SELECT, INSERT, DELETE ON retentiond.pending TO {{role}};
-- DELETE: once the files are gone.
GRANT SELECT, INSERT, DELETE ON retentiond.leaving TO {{role}};
-- DELETE: the answers are forgotten once they were acted upon.
GRANT SELECT, INSERT, DELETE ON retentiond.elsewhere TO {{role}};

-- The mapped tables: reading, and the right to change only what the data map's masks and dispositions write,
-- or what locking rows takes.
{{grants}}
COMMIT;
