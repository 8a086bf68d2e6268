-- The key of the pseudonyms: one row, drawn here by the server, shown nowhere, and kept when this script runs again. Another key would give the
-- same value another pseudonym; without the row nothing can be pseudonymised any more. (RANDOM_BYTES: MariaDB 10.10, MySQL 8.0.)
CREATE TABLE IF NOT EXISTS {{database}}.retentiond_pseudonym_key (
    id         tinyint NOT NULL PRIMARY KEY,
    inner_key  varbinary(64) NOT NULL,
    outer_key  varbinary(64) NOT NULL,
    CONSTRAINT retentiond_pseudonym_key_one CHECK (id = 1),
    CONSTRAINT retentiond_pseudonym_key_long CHECK (LENGTH(inner_key) = 64 AND LENGTH(outer_key) = 64)
) ENGINE = InnoDB;
INSERT INTO {{database}}.retentiond_pseudonym_key (id, inner_key, outer_key)
SELECT 1, RANDOM_BYTES(64), RANDOM_BYTES(64) FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM {{database}}.retentiond_pseudonym_key);

