-- The key of the pseudonyms: one row, drawn here by the server, shown nowhere, and kept when this script runs again. Another key would give the
-- same value another pseudonym; without the row nothing can be pseudonymised any more.
CREATE TABLE IF NOT EXISTS retentiond.pseudonym_key (
    id         smallint PRIMARY KEY CHECK (id = 1),
    inner_key  bytea NOT NULL CHECK (octet_length(inner_key) = 64),
    outer_key  bytea NOT NULL CHECK (octet_length(outer_key) = 64)
);
REVOKE ALL ON retentiond.pseudonym_key FROM PUBLIC;
INSERT INTO retentiond.pseudonym_key (id, inner_key, outer_key)
SELECT 1,
    decode(replace(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), '-', ''), 'hex'),
    decode(replace(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), '-', ''), 'hex')
ON CONFLICT (id) DO NOTHING;

