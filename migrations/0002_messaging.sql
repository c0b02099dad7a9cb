-- Conversations that people come back to: how far each participant has read, and where users live.

-- How far each participant has read: the id of the last message read, NULL if none. One mark per
-- participant instead of a write per message; message ids of a conversation sort by time.
ALTER TABLE conversations ADD COLUMN read_a TEXT;
ALTER TABLE conversations ADD COLUMN read_b TEXT;

-- Where the user's object should be created, as a Durable Object location hint; NULL: unknown.
ALTER TABLE users ADD COLUMN region TEXT
  CHECK (region IN ('wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'));
