-- Destructions of archived objects are opened and closed, too.
CREATE TABLE log_open_wider (
    class TEXT NOT NULL CHECK (class IN ('run', 'batch', 'order', 'destruction')),
    id    BLOB NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (class, id)
) STRICT, WITHOUT ROWID;
INSERT INTO log_open_wider SELECT class, id, seq FROM log_open;
DROP TABLE log_open;
ALTER TABLE log_open_wider RENAME TO log_open;

-- The catalogue of archives: objects that entries sealed and no entry destroyed. Everything in it stands in the log; here it is found by its end.
CREATE TABLE log_sealed (
    batch    BLOB NOT NULL,
    part     INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    source   TEXT NOT NULL,
    data_set TEXT NOT NULL,
    archive  TEXT NOT NULL,
    purpose  TEXT NOT NULL,
    until    TEXT NOT NULL,
    records  INTEGER NOT NULL,
    key_id   TEXT NOT NULL,
    PRIMARY KEY (batch, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX log_sealed_end ON log_sealed (source, archive, data_set, purpose, until);
