-- Erasures from archives are opened and closed, too.
CREATE TABLE log_open_wider (
    class TEXT NOT NULL CHECK (class IN ('run', 'batch', 'order', 'destruction', 'undo', 'erasure', 'resealed')),
    id    BLOB NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (class, id)
) STRICT, WITHOUT ROWID;
INSERT INTO log_open_wider SELECT class, id, seq FROM log_open;
DROP TABLE log_open;
ALTER TABLE log_open_wider RENAME TO log_open;
