-- retentiond: prepares the source "{{source_comment}}" in the MariaDB or MySQL database "{{database_comment}}".
--
-- Review it, then run it as an account that may create tables, triggers and users. With binary logging, creating triggers
-- needs log_bin_trust_function_creators = 1 or SUPER. Running it again changes nothing, except that the grants become
-- those listed below. Afterwards give the user a password and unlock it (it is locked before):
--     ALTER USER {{role_comment}} IDENTIFIED BY '...' ACCOUNT UNLOCK;

-- The fence: one row for each batch that may run at the same time. A batch locks its row first and compares epoch and
-- token; whoever places an order or takes the source over locks all rows of the source, in the order of their slots.
CREATE TABLE IF NOT EXISTS {{database}}.retentiond_fence (
    source     varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    slot       int NOT NULL,
    epoch      bigint NOT NULL,
    token      varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    server_id  varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (source, slot)
) ENGINE = InnoDB;

-- The ledger: one row for each committed batch, written in the batch's transaction. Counts and keyed hashes only.
CREATE TABLE IF NOT EXISTS {{database}}.retentiond_ledger (
    batch       varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    source      varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    run         varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    epoch       bigint NOT NULL,
    slot        int NOT NULL,
    seq         bigint NOT NULL,
    data_set    varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    action      varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    n           bigint NOT NULL,
    related     longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    sealed      longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    files       longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    key_id      varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    macs        longblob NOT NULL,
    log_size    bigint NOT NULL,
    log_root    varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    applied_at  varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    KEY retentiond_ledger_source_seq (source, seq)
) ENGINE = InnoDB;

{{later_columns}}-- The orders: holds, restrictions, objections, erasures, instructions. Dates are texts, YYYY-MM-DD.
CREATE TABLE IF NOT EXISTS {{database}}.retentiond_hold (
    order_id   varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    source     varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    data_set   varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    kind       varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    scope      varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    target     varchar(480) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    placed_on  varchar(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `until`    varchar(10) CHARACTER SET ascii COLLATE ascii_bin NULL,
    lifted_on  varchar(10) CHARACTER SET ascii COLLATE ascii_bin NULL,
    KEY retentiond_hold_target (source, data_set, scope, target),
    CONSTRAINT retentiond_hold_kind CHECK (kind IN ('hold', 'restriction', 'objection', 'erasure', 'instruction')),
    CONSTRAINT retentiond_hold_scope CHECK (scope IN ('record', 'tenant', 'subject')),
    CONSTRAINT retentiond_hold_placed_on CHECK (placed_on REGEXP '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    CONSTRAINT retentiond_hold_until CHECK (`until` REGEXP '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    CONSTRAINT retentiond_hold_lifted_on CHECK (lifted_on REGEXP '^[0-9]{4}-[0-9]{2}-[0-9]{2}$')
) ENGINE = InnoDB;

-- What lies in an archive until a day that is not known yet: the way to the rows that will tell, as a JSON list of key values.
CREATE TABLE IF NOT EXISTS {{database}}.retentiond_pending (
    source     varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    batch      varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    part       int NOT NULL,
    data_set   varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    purpose    varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    link       longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (source, batch, part)
) ENGINE = InnoDB;

-- Files that were sealed into an archive and leave their store once the batch is committed: until then their paths, and what tells them from others.
CREATE TABLE IF NOT EXISTS {{database}}.retentiond_leaving (
    source     varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    batch      varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    n          int NOT NULL,
    store      varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    path       longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    stamp      varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (source, batch, n)
) ENGINE = InnoDB;

-- People whom a purpose of another source does not need any more, as it said when it was asked; only while a command works with the answers.
CREATE TABLE IF NOT EXISTS {{database}}.retentiond_elsewhere (
    asker      varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    purpose    varchar(300) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    person     varbinary(1000) NOT NULL,
    asked_on   varchar(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (asker, purpose, person)
) ENGINE = InnoDB;

-- Whatever changes an order, also a statement typed by hand, waits for the batches of its source and keeps new ones
-- waiting until it has committed: an UPDATE locks the rows even when it changes nothing. (TRUNCATE does not; it needs DROP.)
-- A trigger runs with the rights of the account that created it, so that nobody needs rights on the fence for it.
{{create_trigger}} {{database}}.retentiond_hold_insert BEFORE INSERT ON {{database}}.retentiond_hold FOR EACH ROW
    UPDATE {{database}}.retentiond_fence SET epoch = epoch WHERE source = NEW.source ORDER BY slot;
{{create_trigger}} {{database}}.retentiond_hold_update BEFORE UPDATE ON {{database}}.retentiond_hold FOR EACH ROW
    UPDATE {{database}}.retentiond_fence SET epoch = epoch WHERE source IN (OLD.source, NEW.source) ORDER BY source, slot;
{{create_trigger}} {{database}}.retentiond_hold_delete BEFORE DELETE ON {{database}}.retentiond_hold FOR EACH ROW
    UPDATE {{database}}.retentiond_fence SET epoch = epoch WHERE source = OLD.source ORDER BY slot;

-- The slots of this source: existing ones keep their epoch and token, surplus ones of an earlier run stay unused.
INSERT INTO {{database}}.retentiond_fence (source, slot, epoch, token, server_id) VALUES
{{fence_rows}}
ON DUPLICATE KEY UPDATE epoch = epoch;

{{pseudonym_key}}-- The user: locked until it has a password, without a single global privilege.
CREATE USER IF NOT EXISTS {{role}} ACCOUNT LOCK;

GRANT SELECT ON {{database}}.retentiond_fence TO {{role}};
REVOKE ALL PRIVILEGES ON {{database}}.retentiond_fence FROM {{role}};
GRANT SELECT, UPDATE ON {{database}}.retentiond_fence TO {{role}};

-- DELETE: ledger rows are pruned once a delivered checkpoint of the journal covers them.
GRANT SELECT ON {{database}}.retentiond_ledger TO {{role}};
REVOKE ALL PRIVILEGES ON {{database}}.retentiond_ledger FROM {{role}};
GRANT SELECT, INSERT, DELETE ON {{database}}.retentiond_ledger TO {{role}};

-- No DELETE: an order is lifted, not forgotten.
GRANT SELECT ON {{database}}.retentiond_hold TO {{role}};
REVOKE ALL PRIVILEGES ON {{database}}.retentiond_hold FROM {{role}};
GRANT SELECT, INSERT, UPDATE ON {{database}}.retentiond_hold TO {{role}};

-- DELETE: once the day is known, the journal has it.
GRANT SELECT ON {{database}}.retentiond_pending TO {{role}};
REVOKE ALL PRIVILEGES ON {{database}}.retentiond_pending FROM {{role}};
GRANT SELECT, INSERT, DELETE ON {{database}}.retentiond_pending TO {{role}};

-- DELETE: once the files are gone.
GRANT SELECT ON {{database}}.retentiond_leaving TO {{role}};
REVOKE ALL PRIVILEGES ON {{database}}.retentiond_leaving FROM {{role}};
GRANT SELECT, INSERT, DELETE ON {{database}}.retentiond_leaving TO {{role}};

-- DELETE: the answers are forgotten once they were acted upon.
GRANT SELECT ON {{database}}.retentiond_elsewhere TO {{role}};
REVOKE ALL PRIVILEGES ON {{database}}.retentiond_elsewhere FROM {{role}};
GRANT SELECT, INSERT, DELETE ON {{database}}.retentiond_elsewhere TO {{role}};

-- The mapped tables: reading, and the right to change only what the data map's masks and dispositions write,
-- or what locking rows takes. Each is first granted and revoked, so that nothing of an earlier script is left on it.
{{grants}}
