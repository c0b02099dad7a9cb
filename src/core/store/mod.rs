//! The object's own SQLite storage: whether the user is online, the event log, the outbox, and whom the
//! user talks to, watches and blocks. [`schema`] defines the tables.
//!
//! Storage calls are synchronous and the object handles one event at a time between awaits, so each method
//! here is atomic. The first write creates the tables: a query about an unknown user writes nothing.

mod campaigns;
mod contacts;
mod conversations;
mod known;
mod log;
mod new_senders;
mod notices;
mod outbox;
mod push;
mod registration;
mod revocation;
pub mod schema;
mod sent;
mod social;
#[cfg(test)]
pub mod testing;
mod unread;

use std::cell::Cell;
use std::rc::Rc;

use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use self::known::Known;
use self::schema::{
    CAMPAIGNS, NOTICES, OUTBOX, PUSH, REGISTRATION, REVOCATION, SOCIAL, Step, USER,
};
use super::events::preferences::stored;
use super::preferences::Preferences;
use super::sql::Param;
use super::time::Millis;
pub use campaigns::ListedCampaign;
pub use log::{Entry as NewEntry, LogEntry, Missed, PendingReceipt, Retention};
pub use notices::Notice;
pub use outbox::parse_id;
use social::Found;
pub use social::{PushOutcome, TellingStep, Watched, Watcher};

/// Tables that are created together.
struct Tables {
    steps: &'static [Step],
    /// Whether they exist; `None` if that has to be looked up.
    are_there: Cell<Option<bool>>,
}

/// What a write changes.
#[derive(Debug, Clone, Copy)]
enum Table {
    UserState,
    Log,
    Conversations,
    Sent,
    NewSenders,
    Receipts,
    Blocks,
    Watches,
    /// The tables `watched` and `watchers`.
    Watched,
    Buckets,
    Outbox,
    SentToday,
    Campaigns,
    PushSubscriptions,
    Revocation,
    Erasure,
    Registration,
    Notices,
}

impl Table {
    /// Returns the names in SQL.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::UserState => &["user_state"],
            Self::Log => &["log"],
            Self::Conversations => &["conversations"],
            Self::Sent => &["sent"],
            Self::NewSenders => &["new_senders"],
            Self::Receipts => &["receipts"],
            Self::Blocks => &["blocks"],
            Self::Watches => &["watches"],
            Self::Watched => &["watched", "watchers"],
            Self::Buckets => &["buckets"],
            Self::Outbox => &["outbox"],
            Self::SentToday => &["sent_today"],
            Self::Campaigns => &["campaigns"],
            Self::PushSubscriptions => &["push_subscriptions"],
            Self::Revocation => &["revocation"],
            Self::Erasure => &["erasure"],
            Self::Registration => &["registration"],
            Self::Notices => &["notices"],
        }
    }

    /// Returns whether the statement changes this table.
    fn is_changed_by(self, query: &str) -> bool {
        let words = query.split_whitespace();
        let changed = words
            .skip_while(|word| !matches!(*word, "INTO" | "UPDATE" | "FROM"))
            .nth(1);
        changed.is_some_and(|name| self.names().contains(&name))
    }
}

/// The storage failed, or holds data that this code did not write.
#[derive(Debug, Error)]
#[error("storage: {0}")]
pub struct StoreError(pub String);

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// The result of a storage call.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A SQLite database: the object's own in production, an in-memory one in tests.
pub trait Database {
    /// Runs one statement. Rows are fetched lazily, one at a time.
    fn query<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: Vec<Param>,
    ) -> Result<impl Iterator<Item = Result<T>>>;

    /// Runs statements without parameters.
    fn execute(&self, sql: &str) -> Result<()>;
}

/// An object's own storage, on top of a [`Database`].
pub struct Store<D> {
    database: D,
    user: Tables,
    social: Tables,
    outbox: Tables,
    campaigns: Tables,
    push: Tables,
    revocation: Tables,
    registration: Tables,
    notices: Tables,
    known: Known,
}

/// The stored state of the user.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UserState {
    /// The user's id; empty until it is stored.
    pub user_id: String,
    /// 1 if the user is known to have a row in D1.
    pub is_recorded: u8,
    /// 1 from the start of the first connection to the end of the last one.
    pub is_online: u8,
    /// The latest sign of life as of this row's last write.
    pub last_seen: Option<Millis>,
    /// The last log offset that a device has confirmed.
    pub confirmed: u64,
    /// Who may reach the user, and see their presence.
    #[serde(deserialize_with = "preferences")]
    pub preferences: Rc<Preferences>,
}

fn preferences<'de, D: Deserializer<'de>>(
    column: D,
) -> std::result::Result<Rc<Preferences>, D::Error> {
    let Some(json) = Option::<String>::deserialize(column)? else {
        return Ok(Rc::default());
    };
    stored(&json).map(Rc::new).map_err(D::Error::custom)
}

impl<D: Database> Store<D> {
    /// Creates the storage on top of the object's database.
    pub fn new(database: D) -> Self {
        let tables = |steps| Tables {
            steps,
            are_there: Cell::new(None),
        };
        Self {
            database,
            user: tables(USER),
            social: tables(SOCIAL),
            outbox: tables(OUTBOX),
            campaigns: tables(CAMPAIGNS),
            push: tables(PUSH),
            revocation: tables(REVOCATION),
            registration: tables(REGISTRATION),
            notices: tables(NOTICES),
            known: Known::default(),
        }
    }

    /// Forgets everything: the object's storage was deleted.
    pub fn forget(&self) {
        let groups = [
            &self.user,
            &self.social,
            &self.outbox,
            &self.campaigns,
            &self.push,
            &self.revocation,
            &self.registration,
            &self.notices,
        ];
        for tables in groups {
            tables.are_there.set(None);
        }
        self.known.forget_all();
    }

    /// Returns the database, for tests.
    #[cfg(test)]
    pub fn database(&self) -> &D {
        &self.database
    }

    fn read<T: DeserializeOwned>(
        &self,
        tables: &Tables,
        query: &str,
        bindings: Vec<Param>,
    ) -> Result<Vec<T>> {
        // A loop, because iterators over iterators would be compiled anew for every type of row.
        let mut read = Vec::new();
        if let Some(rows) = self.rows(tables, query, bindings)? {
            for row in rows {
                read.push(row?);
            }
        }
        Ok(read)
    }

    /// Returns the column `number` of all rows.
    fn numbers(&self, tables: &Tables, query: &str, bindings: Vec<Param>) -> Result<Vec<u64>> {
        // One type for all of them: each type of row is compiled anew.
        #[derive(Deserialize)]
        struct Row {
            number: u64,
        }
        let rows: Vec<Row> = self.read(tables, query, bindings)?;
        Ok(rows.into_iter().map(|row| row.number).collect())
    }

    /// Returns the column `number` of the first row, if there is one.
    fn number(&self, tables: &Tables, query: &str, bindings: Vec<Param>) -> Result<Option<u64>> {
        Ok(self.numbers(tables, query, bindings)?.first().copied())
    }

    /// Returns whether a query has a row, whose only column is `found`.
    fn has(&self, tables: &Tables, query: &str, bindings: Vec<Param>) -> Result<bool> {
        let rows: Vec<Found> = self.read(tables, query, bindings)?;
        Ok(!rows.is_empty())
    }

    /// Returns the rows lazily, or `None` if the tables do not exist.
    fn rows<T: DeserializeOwned>(
        &self,
        tables: &Tables,
        query: &str,
        bindings: Vec<Param>,
    ) -> Result<Option<impl Iterator<Item = Result<T>>>> {
        if !self.bring_up_to_date(tables, false)? {
            return Ok(None);
        }
        self.database.query(query, bindings).map(Some)
    }

    /// Every change goes through here, so that nothing outdated remains known. Only an insertion makes tables: where
    /// there are none, there is nothing to update or to delete. So the object of a user who has been erased meanwhile
    /// stays empty.
    fn write(&self, table: Table, query: &str, bindings: Vec<Param>) -> Result<()> {
        debug_assert!(table.is_changed_by(query), "{table:?}: {query}");
        self.known.forget(table);
        let first_word = query.split_whitespace().next();
        let may_make = !matches!(first_word, Some("UPDATE" | "DELETE"));
        if !self.bring_up_to_date(self.group(table), may_make)? {
            return Ok(());
        }
        self.database
            .query::<IgnoredAny>(query, bindings)
            .map(|_| ())
    }

    fn group(&self, table: Table) -> &Tables {
        match table {
            Table::UserState
            | Table::Log
            | Table::Conversations
            | Table::Sent
            | Table::NewSenders => &self.user,
            Table::Outbox | Table::SentToday => &self.outbox,
            Table::Campaigns => &self.campaigns,
            Table::PushSubscriptions => &self.push,
            Table::Revocation | Table::Erasure => &self.revocation,
            Table::Registration => &self.registration,
            Table::Notices => &self.notices,
            _ => &self.social,
        }
    }

    /// Runs the missing steps. If all of them are missing, runs them only if `may_make` is set. Returns
    /// whether the tables exist.
    fn bring_up_to_date(&self, tables: &Tables, may_make: bool) -> Result<bool> {
        match tables.are_there.get() {
            Some(true) => return Ok(true),
            Some(false) if !may_make => return Ok(false),
            _ => {}
        }
        let there = self.schema()?;
        let mut is_made = may_make;
        for step in tables.steps {
            if there.split(',').any(|marker| marker == step.marker) {
                is_made = true;
            } else if is_made {
                self.known.forget_schema();
                self.database.execute(step.sql)?;
            } else {
                tables.are_there.set(Some(false));
                return Ok(false);
            }
        }
        tables.are_there.set(Some(true));
        Ok(true)
    }

    /// Returns the names of all tables and indexes, separated by commas.
    fn schema(&self) -> Result<Rc<str>> {
        #[derive(Deserialize)]
        struct Row {
            names: Option<String>,
        }
        self.known.schema.get_or(|| {
            let sql = "SELECT group_concat(name) AS names FROM sqlite_master";
            let row = self.database.query::<Row>(sql, vec![])?.next();
            Ok(row
                .transpose()?
                .and_then(|row| row.names)
                .unwrap_or_default()
                .into())
        })
    }

    /// Returns the user's state, or the default if nothing is stored.
    pub fn user_state(&self) -> Result<UserState> {
        self.known.user_state.get_or(|| {
            let rows = self.read(
                &self.user,
                "SELECT user_id, is_recorded, is_online, last_seen, confirmed, preferences FROM user_state",
                vec![],
            )?;
            Ok(rows.into_iter().next().unwrap_or_default())
        })
    }

    /// Records that the user is online, and whether D1 is known to have a row for them.
    pub fn set_online(&self, user_id: &str, is_recorded: bool, now: Millis) -> Result<()> {
        self.write(
            Table::UserState,
            "INSERT INTO user_state (id, user_id, is_recorded, is_online, last_seen)
             VALUES (1, ?1, ?2, 1, ?3)
             ON CONFLICT (id) DO UPDATE SET
               is_recorded = excluded.is_recorded, is_online = 1, last_seen = excluded.last_seen",
            vec![user_id.into(), Param::from(is_recorded), Param::from(now)],
        )
    }

    /// Records that D1 has a row for the user.
    pub fn set_recorded(&self) -> Result<()> {
        self.write(
            Table::UserState,
            "UPDATE user_state SET is_recorded = 1",
            vec![],
        )
    }

    /// Stores whose object this is, for alarms: an alarm does not carry the user's id.
    pub fn know_user(&self, user_id: &str) -> Result<()> {
        if !self.user_state()?.user_id.is_empty() {
            return Ok(());
        }
        self.write(
            Table::UserState,
            "INSERT INTO user_state (id, user_id) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING",
            vec![user_id.into()],
        )
    }

    /// Records that the user is offline.
    pub fn set_offline(&self, last_seen: Millis, confirmed: u64) -> Result<()> {
        self.write(
            Table::UserState,
            "UPDATE user_state
             SET is_online = 0, last_seen = max(last_seen, ?1), confirmed = max(confirmed, ?2)",
            vec![Param::from(last_seen), Param::from(confirmed)],
        )
    }

    /// Records that a device has confirmed the log up to this offset.
    pub fn set_confirmed(&self, confirmed: u64) -> Result<()> {
        if confirmed <= self.user_state()?.confirmed {
            return Ok(());
        }
        self.write(
            Table::UserState,
            "UPDATE user_state SET confirmed = ?1 WHERE confirmed < ?1",
            vec![Param::from(confirmed)],
        )
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
