-- What lies in an archive until a day that is not known yet has no last day until the journal says one. An object keeps the name that it was sealed
-- under, which says whether the day was known then.
CREATE TABLE log_sealed_wider (
    batch    BLOB NOT NULL,
    part     INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    source   TEXT NOT NULL,
    data_set TEXT NOT NULL,
    archive  TEXT NOT NULL,
    purpose  TEXT NOT NULL,
    until    TEXT,
    open     INTEGER NOT NULL CHECK (open IN (0, 1)),
    records  INTEGER NOT NULL,
    key_id   TEXT NOT NULL,
    PRIMARY KEY (batch, part)
) STRICT, WITHOUT ROWID;
INSERT INTO log_sealed_wider
    SELECT batch, part, seq, source, data_set, archive, purpose, until, 0, records, key_id FROM log_sealed;
DROP TABLE log_sealed;
ALTER TABLE log_sealed_wider RENAME TO log_sealed;
CREATE INDEX log_sealed_end ON log_sealed (source, archive, data_set, purpose, until);
