-- The batches of one source among those of a thousand, without reading the others': intents by their source, what undoes a batch by its batch.
-- Nothing is stored beside the log: these are indexes over what stands in it.
CREATE INDEX log_entry_source ON log_entry (json_extract(CAST(data AS TEXT), '$.source'), seq) WHERE kind = 'intent';
CREATE INDEX log_entry_undone ON log_entry (json_extract(CAST(data AS TEXT), '$.batch')) WHERE kind IN ('aborted', 'reverted');
