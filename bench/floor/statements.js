// The SQL of the floor: the rows that the product writes (src/core/store, src/core/record), in the fewest
// statements.

/** The tables of an object that is online or receives anything. */
export const USER_TABLES = `
CREATE TABLE user_state (
  id          INTEGER PRIMARY KEY CHECK (id = 1),
  user_id     TEXT NOT NULL,
  is_recorded INTEGER NOT NULL DEFAULT 0,
  is_online   INTEGER NOT NULL DEFAULT 0,
  last_seen   INTEGER,
  confirmed   INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE log (
  offset     INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL,
  event      TEXT NOT NULL,
  payload    TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  except_sid TEXT
);
CREATE TABLE conversations (
  conversation_id TEXT PRIMARY KEY,
  peer_id         TEXT NOT NULL,
  last_message_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE sent (
  send_id TEXT PRIMARY KEY,
  targets TEXT NOT NULL
) WITHOUT ROWID;
`;

/** The table of an object that receives direct messages. */
export const RECEIPTS_TABLE = `
CREATE TABLE IF NOT EXISTS receipts (
  offset    INTEGER PRIMARY KEY,
  sender_id TEXT NOT NULL,
  payload   TEXT NOT NULL
);
`;

/** The table of an object that sends. */
export const OUTBOX_TABLE = `
CREATE TABLE IF NOT EXISTS outbox (
  send_id         TEXT PRIMARY KEY,
  receiver_ids    TEXT NOT NULL,
  pending         TEXT,
  attempts        INTEGER NOT NULL DEFAULT 0,
  next_attempt_at INTEGER,
  idempotency_key TEXT,
  fingerprint     TEXT NOT NULL,
  result          TEXT,
  created_at      INTEGER NOT NULL,
  is_direct       INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS outbox_by_key ON outbox (idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
`;

export const HAS_TABLES = "SELECT 1 FROM sqlite_master WHERE name = 'log'";

export const STATE = "SELECT is_recorded, is_online, last_seen, confirmed FROM user_state";

export const SET_ONLINE = `
INSERT INTO user_state (id, user_id, is_recorded, is_online, last_seen) VALUES (1, ?1, 1, 1, ?2)
ON CONFLICT (id) DO UPDATE SET is_recorded = 1, is_online = 1, last_seen = excluded.last_seen`;

export const SET_OFFLINE = "UPDATE user_state SET is_online = 0, last_seen = ?1, confirmed = ?2";

export const LOG_ENDS = "SELECT min(offset) AS first, max(offset) AS last FROM log";

export const APPEND = `
INSERT INTO log (offset, message_id, event, payload, created_at, except_sid)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)`;

/** The same in the row of offset `?7`. */
export const OVERWRITE = `
UPDATE log SET offset = ?1, message_id = ?2, event = ?3, payload = ?4, created_at = ?5, except_sid = ?6
WHERE offset = ?7`;

export const MISSED = "SELECT offset, event, payload FROM log WHERE offset > ?1 ORDER BY offset";

/** Adds the first contacts of a send to many to the list. */
export const ADD_FIRST_CONTACTS = `
INSERT INTO conversations (conversation_id, peer_id, last_message_id)
SELECT t.value ->> 'c', t.value ->> 'r', t.value ->> 'm' FROM json_each(?1) AS t WHERE true
ON CONFLICT (conversation_id) DO NOTHING`;

/** Adds the send with the other receivers' conversations. */
export const ADD_SENT = `
INSERT INTO sent (send_id, targets)
SELECT substr(t.value ->> 'm', 1, 15) || '000' || substr(t.value ->> 'm', 19) AS send_id,
  json_group_object(conversation_id, substr(t.value ->> 'm', 16, 3))
FROM json_each(?1) AS t JOIN conversations ON conversation_id = t.value ->> 'c'
WHERE t.value ->> 'm' > last_message_id GROUP BY 1
ON CONFLICT (send_id) DO UPDATE SET targets = json_patch(targets, excluded.targets)`;

/** Selects the oldest send if the rows are larger than `?1`. */
export const SURPLUS_SENT =
  "SELECT min(send_id) AS sendId FROM sent HAVING sum(length(targets) + 1000) > ?1";

/** Writes to the list what only the send `?1` knows. */
export const FOLD_SENT = `
UPDATE conversations SET last_message_id = newest.message_id FROM (
  SELECT key, send_id, max(substr(send_id, 1, 15) || value || substr(send_id, 19)) AS message_id
  FROM sent, json_each(targets) GROUP BY key
) AS newest
WHERE newest.send_id = ?1 AND conversation_id = newest.key AND newest.message_id > last_message_id`;

export const REMOVE_SENT = "DELETE FROM sent WHERE send_id = ?1";

export const ADD_OWN_CONVERSATION = `
INSERT INTO conversations (conversation_id, peer_id, last_message_id) VALUES (?1, ?2, ?3)
ON CONFLICT (conversation_id) DO UPDATE SET last_message_id = excluded.last_message_id
WHERE excluded.last_message_id > last_message_id`;

export const ADD_RECEIPT = "INSERT INTO receipts (offset, sender_id, payload) VALUES (?1, ?2, ?3)";
export const RECEIPTS = "SELECT offset, sender_id, payload FROM receipts ORDER BY offset";
export const REMOVE_RECEIPT = "DELETE FROM receipts WHERE offset = ?1";

export const ADD_TO_OUTBOX = `
INSERT INTO outbox (send_id, receiver_ids, next_attempt_at, fingerprint, created_at, is_direct)
VALUES (?1, ?2, ?3, '', ?4, ?5)`;

export const REMOVE_FROM_OUTBOX = "DELETE FROM outbox WHERE send_id = ?1";

// D1.

export const ADD_USER = `
INSERT INTO users (user_id, role, name, created_at, region) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (user_id) DO UPDATE SET region = excluded.region
WHERE region IS NULL AND excluded.region IS NOT NULL`;

export const REGIONS = `
SELECT u.user_id AS userId, u.region FROM json_each(?1) AS t
JOIN users AS u ON u.user_id = t.value WHERE u.region IS NOT NULL`;

export const SENDER = "SELECT role, name, avatar_url AS avatarUrl FROM users WHERE user_id = ?1";

/** The conditions on which a message may be sent to `t.value`; `?2` is the sender, `?3` their role. */
const MAY_SEND = `
EXISTS (SELECT 1 FROM users WHERE user_id = ?2 AND (?3 IS NULL OR role = ?3))
AND EXISTS (SELECT 1 FROM users WHERE user_id = t.value ->> 'r')
AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = t.value ->> 'r' AND blocked_id = ?2)`;

/** The message of `t.value`. */
const IS_TARGET = `
m.conversation_id = unhex(t.value ->> 'c', '-') AND m.message_id = unhex(t.value ->> 'm', '-')`;

export const ADD_CONVERSATIONS = `
INSERT INTO conversations (conversation_id, user_a, user_b, job_id, created_at)
SELECT unhex(t.value ->> 'c', '-'), min(t.value ->> 'r', ?2), max(t.value ->> 'r', ?2),
  CASE WHEN ?4 IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM messages AS m WHERE m.conversation_id = unhex(t.value ->> 'c', '-')
      AND m.message_id >= unhex(t.value ->> 'm', '-')) THEN ?4 END,
  ?5
FROM json_each(?1) AS t WHERE ${MAY_SEND}
ON CONFLICT (conversation_id) DO UPDATE SET job_id = excluded.job_id
WHERE excluded.job_id IS NOT NULL AND excluded.job_id IS NOT conversations.job_id`;

/** `?4` is NULL if the messages share their content. */
export const ADD_MESSAGES = `
INSERT INTO messages (conversation_id, message_id, from_a, message_type, content, job_id)
SELECT unhex(t.value ->> 'c', '-'), unhex(t.value ->> 'm', '-'), ?2 < (t.value ->> 'r'),
  CASE WHEN ?4 IS NOT NULL THEN 'text' END, ?4, ?5
FROM json_each(?1) AS t WHERE ${MAY_SEND}
ON CONFLICT (conversation_id, message_id) DO NOTHING`;

export const ADD_CONTENT = `
INSERT INTO contents (sender_id, send_id, message_type, content, job_id)
SELECT ?2, unhex(?3, '-'), 'text', ?4, ?5
WHERE EXISTS (SELECT 1 FROM json_each(?1) AS t JOIN messages AS m ON ${IS_TARGET})
ON CONFLICT (sender_id, send_id) DO NOTHING`;

export const OUTCOMES = `
SELECT t.value ->> 'r' AS receiverId,
  EXISTS (SELECT 1 FROM messages AS m WHERE ${IS_TARGET}) AS stored,
  u.user_id IS NOT NULL AS known, u.region AS region
FROM json_each(?1) AS t
LEFT JOIN users AS u ON u.user_id = t.value ->> 'r'
ORDER BY t.key`;
