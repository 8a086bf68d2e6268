-- The journal: an append-only Merkle log with its checkpoints and documents.

-- One row: how far the log goes. Every append compares `size` before it moves it, so that two writers never fork the log.
CREATE TABLE log_head (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    size      INTEGER NOT NULL CHECK (size >= 0),
    last_time INTEGER NOT NULL
) STRICT;
INSERT INTO log_head (one, size, last_time) VALUES (1, 0, 0);

-- The leaf data exactly as hashed (canonical JSON).
CREATE TABLE log_entry (
    seq  INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX log_entry_kind ON log_entry (kind);

-- The stored hashes of the tree in the dense order of tlog, 32 bytes each, one row for each append.
CREATE TABLE log_hash (
    first  INTEGER PRIMARY KEY,
    hashes BLOB NOT NULL
) STRICT;

-- What entries opened and no entry closed yet: runs, batches, orders.
CREATE TABLE log_open (
    class TEXT NOT NULL CHECK (class IN ('run', 'batch', 'order')),
    id    BLOB NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (class, id)
) STRICT, WITHOUT ROWID;

-- Signed notes. Several may exist for one size (a rotation, a signature on demand).
CREATE TABLE log_checkpoint (
    id   INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE INDEX log_checkpoint_size ON log_checkpoint (size);

-- Policies, maps and schemas under the SHA-256 of their bytes.
CREATE TABLE document (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    kind TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
