-- Webhooks (src/core/record/webhooks.rs). All of it is in the first database; the others have the tables, too, and leave
-- them empty.

-- URLs at which nobody wants webhooks any more, because they were answered 410. Whoever changes WEBHOOK_URL has no row.
-- A URL may have a secret in it, so this is its SHA-256, in base64url.
CREATE TABLE webhook_endpoint (
  url_hash TEXT PRIMARY KEY,
  gone_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Webhooks that were given up, until they are replayed. What they say is in the user's object.
CREATE TABLE failed_webhooks (
  -- A UUIDv7: the key order is the order in time.
  webhook_id  TEXT PRIMARY KEY,
  user_id     TEXT NOT NULL,
  event       TEXT NOT NULL,
  failed_at   INTEGER NOT NULL,
  -- NULL if the last attempt got no answer.
  last_status INTEGER
) STRICT, WITHOUT ROWID;
