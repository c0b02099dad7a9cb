-- Which part of the record this database is: its place in RECORD_SHARDS, from zero, and how many there are. It decides
-- which conversations are here, so it must not change. Whoever has a record already has one database.

ALTER TABLE deployment ADD COLUMN shard_index INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deployment ADD COLUMN shard_count INTEGER NOT NULL DEFAULT 1;
