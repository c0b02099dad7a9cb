-- The record: who the users are, who talks to whom, and every message.
--
-- Every table is WITHOUT ROWID and keyed for the way it is read, so that an insert writes exactly
-- one row (D1 bills rows written, and a TEXT key on a rowid table costs two).

CREATE TABLE users (
  user_id    TEXT PRIMARY KEY,
  role       TEXT NOT NULL DEFAULT 'customer' CHECK (role IN ('customer', 'contractor')),
  name       TEXT,
  avatar_url TEXT,
  -- Unix time in milliseconds, as are all times in this schema.
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- blocked_id's messages to blocker_id are refused.
CREATE TABLE blocks (
  blocker_id TEXT NOT NULL,
  blocked_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (blocker_id, blocked_id)
) STRICT, WITHOUT ROWID;

-- One conversation per pair of users; its id is derived from the pair (src/core/ids.rs).
CREATE TABLE conversations (
  conversation_id TEXT PRIMARY KEY,
  -- The participants in byte order: user_a < user_b.
  user_a          TEXT NOT NULL,
  user_b          TEXT NOT NULL,
  -- The job that was mentioned last, if any.
  job_id          TEXT,
  last_message_id TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- message_id is a UUIDv7: within a conversation the key order is the order in time.
CREATE TABLE messages (
  conversation_id TEXT NOT NULL REFERENCES conversations (conversation_id),
  message_id      TEXT NOT NULL,
  sender_id       TEXT NOT NULL,
  receiver_id     TEXT NOT NULL,
  message_type    TEXT NOT NULL CHECK (message_type IN ('text', 'image', 'file')),
  -- The content object as the sender wrote it (JSON).
  content         TEXT NOT NULL,
  job_id          TEXT,
  created_at      INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, message_id)
) STRICT, WITHOUT ROWID;
