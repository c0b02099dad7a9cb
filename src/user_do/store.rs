//! The object's own SQLite storage: whether the user is online, the event log, the outbox.
//!
//! Storage calls are synchronous and the object runs one event at a time between awaits, so each
//! method here is atomic. Tables are made by the first write: a question about a user who was never
//! here writes nothing.

use std::cell::Cell;
use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

use crate::core::error::to_json;
use crate::core::outbox::{Entry, Next};
use crate::core::recovery::LogBounds;
use crate::core::time::Millis;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS user_state (
  id          INTEGER PRIMARY KEY CHECK (id = 1),
  user_id     TEXT NOT NULL,
  is_recorded INTEGER NOT NULL DEFAULT 0,
  is_online   INTEGER NOT NULL DEFAULT 0,
  last_seen   INTEGER,
  confirmed   INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS log (
  offset     INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL,
  event      TEXT NOT NULL,
  payload    TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
  send_id         TEXT PRIMARY KEY,
  receiver_ids    TEXT NOT NULL,
  pending         TEXT,
  attempts        INTEGER NOT NULL DEFAULT 0,
  next_attempt_at INTEGER,
  idempotency_key TEXT,
  fingerprint     TEXT NOT NULL,
  result          TEXT,
  created_at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS outbox_by_key ON outbox (idempotency_key)
  WHERE idempotency_key IS NOT NULL;
";

/// How long the result of a send with an idempotency key is kept.
const KEY_RETENTION: Millis = 24 * 60 * 60_000;

/// The storage.
pub struct Store {
    sql: SqlStorage,
    has_schema: Cell<bool>,
}

/// What is known of the user.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UserState {
    /// The user's id.
    pub user_id: String,
    /// 1 if the user is known to have a row in D1.
    pub is_recorded: u8,
    /// 1 from the first connection's start to the last one's end.
    pub is_online: u8,
    /// The last evidence of life when this was written.
    pub last_seen: Option<Millis>,
    /// The log's last offset that a device has confirmed.
    pub confirmed: u64,
}

/// An event in the log.
#[derive(Debug, Deserialize)]
pub struct LogEntry {
    /// Its place.
    pub offset: u64,
    /// Its name.
    pub event: String,
    /// Its payload, JSON.
    pub payload: String,
}

/// An earlier send with the same idempotency key.
#[derive(Debug, Deserialize)]
pub struct Keyed {
    /// Its id.
    pub send_id: String,
    /// What it said.
    pub fingerprint: String,
    /// What it was answered with; none if it did not get that far.
    pub result: Option<String>,
}

impl Store {
    /// Over the object's database.
    pub fn new(sql: SqlStorage) -> Self {
        Self {
            sql,
            has_schema: Cell::new(false),
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        query: &str,
        bindings: Vec<SqlStorageValue>,
    ) -> Result<Vec<T>> {
        if !self.has_tables()? {
            return Ok(Vec::new());
        }
        self.sql.exec(query, bindings)?.to_array()
    }

    fn write(&self, query: &str, bindings: Vec<SqlStorageValue>) -> Result<()> {
        if !self.has_tables()? {
            self.sql.exec(SCHEMA, None)?;
            self.has_schema.set(true);
        }
        self.sql.exec(query, bindings).map(|_| ())
    }

    fn has_tables(&self) -> Result<bool> {
        if !self.has_schema.get() {
            #[derive(Deserialize)]
            struct Row {}
            let tables: Vec<Row> = self
                .sql
                .exec(
                    "SELECT name FROM sqlite_master WHERE name = 'outbox_by_key'",
                    None,
                )?
                .to_array()?;
            self.has_schema.set(!tables.is_empty());
        }
        Ok(self.has_schema.get())
    }

    /// What is known of the user; the default if nothing is.
    pub fn user_state(&self) -> Result<UserState> {
        let rows = self.read(
            "SELECT user_id, is_recorded, is_online, last_seen, confirmed FROM user_state",
            vec![],
        )?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// The user has come online, or has a row in D1.
    pub fn set_online(&self, user_id: &str, is_recorded: bool, now: Millis) -> Result<()> {
        self.write(
            "INSERT INTO user_state (id, user_id, is_recorded, is_online, last_seen)
             VALUES (1, ?1, ?2, 1, ?3)
             ON CONFLICT (id) DO UPDATE SET
               is_recorded = excluded.is_recorded, is_online = 1, last_seen = excluded.last_seen",
            vec![user_id.into(), i32::from(is_recorded).into(), int(now)?],
        )
    }

    /// The user has gone.
    pub fn set_offline(&self, last_seen: Millis, confirmed: u64) -> Result<()> {
        self.write(
            "UPDATE user_state
             SET is_online = 0, last_seen = ?1, confirmed = max(confirmed, ?2)",
            vec![int(last_seen)?, int(confirmed)?],
        )
    }

    /// A device has confirmed the log up to here.
    pub fn set_confirmed(&self, confirmed: u64) -> Result<()> {
        self.write(
            "UPDATE user_state SET confirmed = ?1 WHERE confirmed < ?1",
            vec![int(confirmed)?],
        )
    }

    /// Appends an event to the log and lets go of what it need not keep: its offset. The newest
    /// entry always stays, so that offsets only ever grow.
    pub fn append(
        &self,
        message_id: &str,
        event: &str,
        payload: &str,
        now: Millis,
        keep: &Retention,
    ) -> Result<u64> {
        let bounds = self.log_bounds(0)?;
        let offset = bounds.map_or(1, |bounds| bounds.last + 1);
        self.write(
            "INSERT INTO log (offset, message_id, event, payload, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            vec![
                int(offset)?,
                message_id.into(),
                event.into(),
                payload.into(),
                int(now)?,
            ],
        )?;
        self.prune(offset, now, keep)?;
        Ok(offset)
    }

    fn prune(&self, last: u64, now: Millis, keep: &Retention) -> Result<()> {
        #[derive(Deserialize)]
        struct Row {
            offset: u64,
            created_at: Millis,
        }
        let oldest: Vec<Row> = self.read(
            "SELECT offset, created_at FROM log ORDER BY offset LIMIT 1",
            vec![],
        )?;
        let up_to = last.saturating_sub(keep.events);
        let since = now.saturating_sub(keep.time);
        let is_due = |row: &Row| row.offset <= up_to || row.created_at < since;
        if !oldest.first().is_some_and(is_due) {
            return Ok(());
        }
        self.write(
            "DELETE FROM log WHERE (offset <= ?1 OR created_at < ?2) AND offset < ?3",
            vec![int(up_to)?, int(since)?, int(last)?],
        )
    }

    /// Whether the log holds this message.
    pub fn has_message(&self, message_id: &str) -> Result<bool> {
        #[derive(Deserialize)]
        struct Row {}
        let rows: Vec<Row> = self.read(
            "SELECT 1 AS found FROM log WHERE message_id = ?1 LIMIT 1",
            vec![message_id.into()],
        )?;
        Ok(!rows.is_empty())
    }

    /// The part of the log that is not older than `since`.
    pub fn log_bounds(&self, since: Millis) -> Result<Option<LogBounds>> {
        #[derive(Deserialize)]
        struct Row {
            first: Option<u64>,
            last: Option<u64>,
        }
        // Offsets grow with time, so the first one that is young enough bounds them all.
        let rows: Vec<Row> = self.read(
            "SELECT (SELECT offset FROM log WHERE created_at >= ?1 ORDER BY offset LIMIT 1) AS first,
                    (SELECT max(offset) FROM log) AS last",
            vec![int(since)?],
        )?;
        let row = rows.into_iter().next();
        Ok(row.and_then(|row| {
            let last = row.last?;
            // Everything is too old: only a client that missed nothing can go on.
            let first = row.first.unwrap_or(last + 1);
            Some(LogBounds { first, last })
        }))
    }

    /// The log's last offset, 0 if it is empty.
    pub fn last_offset(&self) -> Result<u64> {
        Ok(self.log_bounds(0)?.map_or(0, |bounds| bounds.last))
    }

    /// The events after an offset that are not older than `since`, in order.
    pub fn events_after(&self, offset: u64, since: Millis) -> Result<Vec<LogEntry>> {
        self.read(
            "SELECT offset, event, payload FROM log
             WHERE offset > ?1 AND created_at >= ?2 ORDER BY offset",
            vec![int(offset)?, int(since)?],
        )
    }

    /// Notes a send before it is committed.
    pub fn outbox_add(
        &self,
        entry: &Entry,
        idempotency_key: Option<&str>,
        fingerprint: &str,
        next_attempt_at: Millis,
    ) -> Result<()> {
        self.write(
            "INSERT INTO outbox
               (send_id, receiver_ids, next_attempt_at, idempotency_key, fingerprint, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            vec![
                entry.send_id.to_string().into(),
                to_json(&entry.receiver_ids).into(),
                int(next_attempt_at)?,
                idempotency_key.into(),
                fingerprint.into(),
                int(entry.created_at)?,
            ],
        )
    }

    /// Strikes a send out.
    pub fn outbox_remove(&self, send_id: Uuid) -> Result<()> {
        self.write(
            "DELETE FROM outbox WHERE send_id = ?1",
            vec![send_id.to_string().into()],
        )
    }

    /// Records what a try has come to. A send that is done goes, unless its result must be kept for
    /// its idempotency key.
    pub fn outbox_update(&self, send_id: Uuid, next: &Next) -> Result<()> {
        let id = SqlStorageValue::from(send_id.to_string());
        match next {
            Next::Done => {
                self.write(
                    "UPDATE outbox SET next_attempt_at = NULL, pending = NULL
                     WHERE send_id = ?1 AND result IS NOT NULL",
                    vec![id.clone()],
                )?;
                self.write(
                    "DELETE FROM outbox WHERE send_id = ?1 AND result IS NULL",
                    vec![id],
                )
            }
            Next::Retry { pending, at } => self.write(
                "UPDATE outbox SET pending = ?2, next_attempt_at = ?3, attempts = attempts + 1
                 WHERE send_id = ?1",
                vec![id, pending.as_ref().map(to_json).into(), int(*at)?],
            ),
        }
    }

    /// Keeps the answer to a send for its idempotency key.
    pub fn outbox_keep_result(&self, send_id: Uuid, result: &str) -> Result<()> {
        self.write(
            "UPDATE outbox SET result = ?2 WHERE send_id = ?1",
            vec![send_id.to_string().into(), result.into()],
        )
    }

    /// The sends that are not finished, oldest first.
    pub fn outbox_open(&self) -> Result<Vec<(Entry, Millis)>> {
        #[derive(Deserialize)]
        struct Row {
            send_id: String,
            receiver_ids: String,
            pending: Option<String>,
            attempts: u32,
            next_attempt_at: Millis,
            created_at: Millis,
        }
        let rows: Vec<Row> = self.read(
            "SELECT send_id, receiver_ids, pending, attempts, next_attempt_at, created_at
             FROM outbox WHERE next_attempt_at IS NOT NULL ORDER BY send_id",
            vec![],
        )?;
        rows.into_iter()
            .map(|row| {
                let pending = match row.pending {
                    Some(json) => Some(serde_json::from_str::<HashSet<String>>(&json)?),
                    None => None,
                };
                let entry = Entry {
                    send_id: parse_id(&row.send_id)?,
                    receiver_ids: serde_json::from_str(&row.receiver_ids)?,
                    pending,
                    attempts: row.attempts,
                    created_at: row.created_at,
                };
                Ok((entry, row.next_attempt_at))
            })
            .collect()
    }

    /// When the next send wants another try.
    pub fn outbox_due(&self) -> Result<Option<Millis>> {
        #[derive(Deserialize)]
        struct Row {
            due: Option<Millis>,
        }
        let rows: Vec<Row> = self.read("SELECT min(next_attempt_at) AS due FROM outbox", vec![])?;
        Ok(rows.into_iter().next().and_then(|row| row.due))
    }

    /// An earlier send with this key that still counts. Results that do not are let go.
    pub fn outbox_by_key(&self, key: &str, now: Millis) -> Result<Option<Keyed>> {
        self.write(
            "DELETE FROM outbox WHERE created_at < ?1 AND next_attempt_at IS NULL",
            vec![int(now.saturating_sub(KEY_RETENTION))?],
        )?;
        let rows = self.read(
            "SELECT send_id, fingerprint, result FROM outbox WHERE idempotency_key = ?1",
            vec![key.into()],
        )?;
        Ok(rows.into_iter().next())
    }
}

/// What the log keeps.
pub struct Retention {
    /// At most this many events.
    pub events: u64,
    /// For at most this long.
    pub time: Millis,
}

/// Reads an id that we wrote.
pub fn parse_id(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).map_err(|error| Error::RustError(error.to_string()))
}

fn int(value: u64) -> Result<SqlStorageValue> {
    let value = i64::try_from(value).map_err(|error| Error::RustError(error.to_string()))?;
    SqlStorageValue::try_from_i64(value)
}
