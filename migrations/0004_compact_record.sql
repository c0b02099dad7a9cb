-- The record in a tenth of the space: ids are 16 bytes, and the content of a send to many is stored once.
--
-- This only renames the tables and makes new ones, so it is instant. `npm run migrate-record` then moves the
-- rows, in batches (scripts/lib/move-record.sql). The renamed tables stay, empty, until a later migration
-- drops them: as long as they may hold rows, an erasure and the outbox look there, too.

ALTER TABLE messages RENAME TO old_messages;
ALTER TABLE conversations RENAME TO old_conversations;

-- One conversation per pair of users; its id is derived from the pair (src/core/ids.rs). A row is written
-- when the two first meet, when the job changes, and when one of them reads; never by other messages.
CREATE TABLE conversations (
  conversation_id BLOB PRIMARY KEY CHECK (length(conversation_id) = 16),
  -- The participants in byte order: user_a < user_b.
  user_a          TEXT NOT NULL,
  user_b          TEXT NOT NULL,
  -- The job that was mentioned last, if any.
  job_id          TEXT,
  -- How far each participant has read: the id of the last message read, NULL if none.
  read_a          BLOB,
  read_b          BLOB,
  -- The time of the first message. Like all times in this schema, Unix time in milliseconds.
  created_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the messages of a send to many have in common. A sender's contents are next to each other, because
-- they are erased with the sender.
CREATE TABLE contents (
  sender_id    TEXT NOT NULL,
  -- The id of the send's first message: that of any other, with the 12 bits of its counter zeroed.
  send_id      BLOB NOT NULL CHECK (length(send_id) = 16),
  message_type TEXT NOT NULL CHECK (message_type IN ('text', 'image', 'file')),
  -- The content object as the sender wrote it (JSON).
  content      TEXT NOT NULL,
  job_id       TEXT,
  PRIMARY KEY (sender_id, send_id)
) STRICT, WITHOUT ROWID;

-- message_id is a UUIDv7: within a conversation the key order is the order in time, and the id contains the
-- time. Sender and receiver are the conversation's participants.
CREATE TABLE messages (
  conversation_id BLOB NOT NULL REFERENCES conversations (conversation_id),
  message_id      BLOB NOT NULL CHECK (length(message_id) = 16),
  -- 1 if user_a is the sender, 0 if user_b is.
  from_a          INTEGER NOT NULL CHECK (from_a IN (0, 1)),
  -- As in contents. All three are NULL if the message shares the content of its send.
  message_type    TEXT CHECK (message_type IN ('text', 'image', 'file')),
  content         TEXT CHECK ((content IS NULL) = (message_type IS NULL)),
  job_id          TEXT,
  PRIMARY KEY (conversation_id, message_id)
) STRICT, WITHOUT ROWID;
