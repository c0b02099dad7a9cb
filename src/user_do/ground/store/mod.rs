//! The object's own SQLite storage: whether the user is online, the event log, the outbox, whom they
//! talk to, watch and block. Its tables: `core::object_schema`.
//!
//! Storage calls are synchronous and the object runs one event at a time between awaits, so each
//! method here is atomic. Tables are made by the first write: a question about a user who was never
//! here writes nothing.

mod conversations;
mod log;
mod outbox;
mod social;

use std::cell::Cell;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

use crate::core::object_schema::{OUTBOX, SOCIAL, Step, USER};
use crate::core::time::Millis;
pub use log::{Entry as NewEntry, LogEntry, Missed, PendingReceipt, Retention};
pub use outbox::parse_id;
pub use social::{Outcome, Watcher};

/// Tables that are made together.
struct Tables {
    steps: &'static [Step],
    are_there: Cell<bool>,
}

/// The storage.
pub struct Store {
    sql: SqlStorage,
    user: Tables,
    social: Tables,
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
        let tables = |steps| Tables {
            steps,
            are_there: Cell::new(false),
        };
        Self {
            sql,
            user: tables(USER),
            social: tables(SOCIAL),
            outbox: tables(OUTBOX),
        }
    }

    /// Everything was deleted.
    pub fn forget_tables(&self) {
        for tables in [&self.user, &self.social, &self.outbox] {
            tables.are_there.set(false);
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        tables: &Tables,
        query: &str,
        bindings: Vec<SqlStorageValue>,
    ) -> Result<Vec<T>> {
        let rows = self.rows(tables, query, bindings)?;
        rows.into_iter().flatten().collect()
    }

    /// Rows as they are asked for, one by one; none if the tables are not there.
    fn rows<T: DeserializeOwned>(
        &self,
        tables: &Tables,
        query: &str,
        bindings: Vec<SqlStorageValue>,
    ) -> Result<Option<impl Iterator<Item = Result<T>>>> {
        if !self.bring_up_to_date(tables, false)? {
            return Ok(None);
        }
        Ok(Some(self.sql.exec(query, bindings)?.next()))
    }

    fn write(&self, tables: &Tables, query: &str, bindings: Vec<SqlStorageValue>) -> Result<()> {
        self.bring_up_to_date(tables, true)?;
        self.sql.exec(query, bindings).map(|_| ())
    }

    /// Does the steps that are missing. If all of them are, only when asked to.
    fn bring_up_to_date(&self, tables: &Tables, may_make: bool) -> Result<bool> {
        if tables.are_there.get() {
            return Ok(true);
        }
        let mut is_made = may_make;
        for step in tables.steps {
            if self.has(step.marker)? {
                is_made = true;
            } else if is_made {
                self.sql.exec(step.sql, None)?;
            } else {
                return Ok(false);
            }
        }
        tables.are_there.set(true);
        Ok(true)
    }

    fn has(&self, marker: &str) -> Result<bool> {
        #[derive(Deserialize)]
        struct Row {}
        let found: Vec<Row> = self
            .sql
            .exec(
                "SELECT 1 AS found FROM sqlite_master WHERE name = ?1",
                vec![marker.into()],
            )?
            .to_array()?;
        Ok(!found.is_empty())
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

    /// The user has a row in D1.
    pub fn set_recorded(&self) -> Result<()> {
        self.write(&self.user, "UPDATE user_state SET is_recorded = 1", vec![])
    }

    /// Whose object this is: for the work of alarms, which nobody tells.
    pub fn know_user(&self, user_id: &str) -> Result<()> {
        if !self.user_state()?.user_id.is_empty() {
            return Ok(());
        }
        self.write(
            &self.user,
            "INSERT INTO user_state (id, user_id) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING",
            vec![user_id.into()],
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
