-- Moves the next 10000 messages from the tables of before migrations/0004_compact_record.sql, with their
-- conversations. D1 runs it as one transaction, so it may be repeated, stopped and continued at any time.
--
-- A row that this project cannot have written (an id that is no UUIDv7 of the row's time, or participants
-- that are not those of the conversation) becomes NULL in a key. That fails, and nothing is moved.

-- Their conversations. If the two have written to each other in the meantime, there is a row already. What it
-- says is newer.
INSERT INTO conversations (conversation_id, user_a, user_b, job_id, read_a, read_b, created_at)
SELECT unhex(conversation_id, '-'), user_a, user_b, job_id, unhex(read_a, '-'), unhex(read_b, '-'), created_at
FROM old_conversations
WHERE conversation_id IN (
  SELECT conversation_id FROM old_messages ORDER BY conversation_id, message_id LIMIT 10000)
ON CONFLICT (conversation_id) DO UPDATE SET
  job_id = coalesce(job_id, excluded.job_id),
  read_a = coalesce(max(read_a, excluded.read_a), read_a, excluded.read_a),
  read_b = coalesce(max(read_b, excluded.read_b), read_b, excluded.read_b),
  created_at = min(created_at, excluded.created_at);

-- The contents of sends to many: only these have messages whose counter is not zero.
INSERT INTO contents (sender_id, send_id, message_type, content, job_id)
SELECT sender_id, unhex(substr(message_id, 1, 15) || '000' || substr(message_id, 19), '-'),
  message_type, content, job_id
FROM (SELECT * FROM old_messages ORDER BY conversation_id, message_id LIMIT 10000)
WHERE substr(message_id, 16, 3) <> '000'
ON CONFLICT (sender_id, send_id) DO NOTHING;

-- A message whose content is not exactly that of its send keeps its own.
INSERT INTO messages (conversation_id, message_id, from_a, message_type, content, job_id)
SELECT c.conversation_id,
  CASE WHEN substr(m.message_id, 15, 1) = '7'
    AND substr(replace(m.message_id, '-', ''), 1, 12) = format('%012x', m.created_at)
    AND c.user_a = min(m.sender_id, m.receiver_id) AND c.user_b = max(m.sender_id, m.receiver_id)
    THEN unhex(m.message_id, '-') END,
  m.sender_id < m.receiver_id,
  CASE WHEN s.send_id IS NULL THEN m.message_type END,
  CASE WHEN s.send_id IS NULL THEN m.content END,
  CASE WHEN s.send_id IS NULL THEN m.job_id END
FROM (SELECT * FROM old_messages ORDER BY conversation_id, message_id LIMIT 10000) AS m
LEFT JOIN conversations AS c ON c.conversation_id = unhex(m.conversation_id, '-')
LEFT JOIN contents AS s ON s.sender_id = m.sender_id
  AND s.send_id = unhex(substr(m.message_id, 1, 15) || '000' || substr(m.message_id, 19), '-')
  AND s.message_type = m.message_type AND s.content = m.content AND s.job_id IS m.job_id
WHERE true
ON CONFLICT (conversation_id, message_id) DO NOTHING;

DELETE FROM old_messages WHERE (conversation_id, message_id) IN (
  SELECT conversation_id, message_id FROM old_messages ORDER BY conversation_id, message_id LIMIT 10000);

-- The conversations that have been moved completely are those before the next message.
INSERT INTO conversations (conversation_id, user_a, user_b, job_id, read_a, read_b, created_at)
SELECT unhex(conversation_id, '-'), user_a, user_b, job_id, unhex(read_a, '-'), unhex(read_b, '-'), created_at
FROM (SELECT * FROM old_conversations ORDER BY conversation_id LIMIT 10000) AS c
WHERE NOT EXISTS (SELECT 1 FROM old_messages AS m WHERE m.conversation_id = c.conversation_id)
ON CONFLICT (conversation_id) DO NOTHING;

DELETE FROM old_conversations
WHERE conversation_id IN (SELECT conversation_id FROM old_conversations ORDER BY conversation_id LIMIT 10000)
  AND NOT EXISTS (
    SELECT 1 FROM old_messages AS m WHERE m.conversation_id = old_conversations.conversation_id);

-- Where the next batch begins, or NULL. Ids are hashes, so this also says how far it has come.
SELECT min(conversation_id) AS next FROM old_conversations;
