-- When a run over the source last ended with a full census: seconds since 1970 (UTC).
ALTER TABLE source ADD COLUMN full_census INTEGER;
