-- What this enforcer knows of each source: which database it is, and the token that its fence must carry.
CREATE TABLE source (
    id        TEXT PRIMARY KEY,
    server_id TEXT NOT NULL,
    token     TEXT NOT NULL,
    -- The token of a takeover that may or may not have committed; either counts until one is confirmed.
    pending   TEXT
) STRICT;
