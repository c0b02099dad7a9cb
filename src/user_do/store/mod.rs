//! The object's own SQLite storage: whether the user is online, the event log, the outbox.
//!
//! Storage calls are synchronous and the object runs one event at a time between awaits, so each
//! method here is atomic. Tables are made by the first write: a question about a user who was never
//! here writes nothing.

mod log;
mod outbox;

use std::cell::Cell;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

use crate::core::time::Millis;
pub use log::Retention;
pub use outbox::parse_id;

/// What every user needs who is reached or comes online.
const USER_SCHEMA: &str = "
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
";

/// What only those need who send.
const OUTBOX_SCHEMA: &str = "
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

/// Tables that are made together. Each has a marker: its last part, so that it is there only if all
/// of them are.
struct Tables {
    schema: &'static str,
    marker: &'static str,
    are_there: Cell<bool>,
}

/// The storage.
pub struct Store {
    sql: SqlStorage,
    user: Tables,
    outbox: Tables,
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

impl Store {
    /// Over the object's database.
    pub fn new(sql: SqlStorage) -> Self {
        let tables = |schema, marker| Tables {
            schema,
            marker,
            are_there: Cell::new(false),
        };
        Self {
            sql,
            user: tables(USER_SCHEMA, "log"),
            outbox: tables(OUTBOX_SCHEMA, "outbox_by_key"),
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        tables: &Tables,
        query: &str,
        bindings: Vec<SqlStorageValue>,
    ) -> Result<Vec<T>> {
        if !self.are_there(tables)? {
            return Ok(Vec::new());
        }
        self.sql.exec(query, bindings)?.to_array()
    }

    fn write(&self, tables: &Tables, query: &str, bindings: Vec<SqlStorageValue>) -> Result<()> {
        if !self.are_there(tables)? {
            self.sql.exec(tables.schema, None)?;
            tables.are_there.set(true);
        }
        self.sql.exec(query, bindings).map(|_| ())
    }

    fn are_there(&self, tables: &Tables) -> Result<bool> {
        if !tables.are_there.get() {
            #[derive(Deserialize)]
            struct Row {}
            let found: Vec<Row> = self
                .sql
                .exec(
                    "SELECT 1 AS found FROM sqlite_master WHERE name = ?1",
                    vec![tables.marker.into()],
                )?
                .to_array()?;
            tables.are_there.set(!found.is_empty());
        }
        Ok(tables.are_there.get())
    }

    /// What is known of the user; the default if nothing is.
    pub fn user_state(&self) -> Result<UserState> {
        let rows = self.read(
            &self.user,
            "SELECT user_id, is_recorded, is_online, last_seen, confirmed FROM user_state",
            vec![],
        )?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// The user has come online, or has a row in D1.
    pub fn set_online(&self, user_id: &str, is_recorded: bool, now: Millis) -> Result<()> {
        self.write(
            &self.user,
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
            &self.user,
            "UPDATE user_state
             SET is_online = 0, last_seen = max(last_seen, ?1), confirmed = max(confirmed, ?2)",
            vec![int(last_seen)?, int(confirmed)?],
        )
    }

    /// A device has confirmed the log up to here.
    pub fn set_confirmed(&self, confirmed: u64) -> Result<()> {
        self.write(
            &self.user,
            "UPDATE user_state SET confirmed = ?1 WHERE confirmed < ?1",
            vec![int(confirmed)?],
        )
    }
}

fn int(value: u64) -> Result<SqlStorageValue> {
    let value = i64::try_from(value).map_err(|error| Error::RustError(error.to_string()))?;
    SqlStorageValue::try_from_i64(value)
}
