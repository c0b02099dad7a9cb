//! A pacemaker's own storage: its name, and a row for each registered user. Its calls are synchronous, so each method is atomic.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::roster::{Roster, Slots};
use crate::core::error::to_json;
use crate::core::store::{Database, Result};

/// The tables, which are never changed; a change is a further step, as in [`crate::core::store::schema`].
///
/// - pacemaker: its name
/// - registered: the users, and the slots in which they are called, as JSON
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS pacemaker (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  name TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS registered (
  user_id TEXT PRIMARY KEY,
  slots   TEXT NOT NULL
) WITHOUT ROWID;
";

/// The storage, on top of the object's database.
pub struct PacemakerStore<D>(D);

impl<D: Database> PacemakerStore<D> {
    /// Creates the storage on top of the object's database.
    pub fn new(database: D) -> Self {
        Self(database)
    }

    /// Reads all users.
    pub fn roster(&self) -> Result<Roster> {
        #[derive(Deserialize)]
        struct Row {
            user_id: String,
            slots: String,
        }
        self.0.execute(TABLES)?;
        let mut users = Vec::new();
        for row in self
            .0
            .query("SELECT user_id, slots FROM registered", vec![])?
        {
            let Row { user_id, slots } = row?;
            users.push((user_id, serde_json::from_str(&slots)?));
        }
        Ok(Roster::new(users))
    }

    /// Returns the pacemaker's name, if anybody was ever registered.
    pub fn name(&self) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Row {
            name: String,
        }
        let mut rows = self.0.query::<Row>("SELECT name FROM pacemaker", vec![])?;
        Ok(rows.next().transpose()?.map(|row| row.name))
    }

    /// Stores the pacemaker's name.
    pub fn set_name(&self, name: &str) -> Result<()> {
        let sql = "INSERT INTO pacemaker (id, name) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING";
        self.0
            .query::<IgnoredAny>(sql, vec![name.into()])
            .map(|_| ())
    }

    /// Stores the slots of a user; without any, deletes the user.
    pub fn set(&self, user_id: &str, slots: &Slots) -> Result<()> {
        let (sql, params) = if slots.is_empty() {
            (
                "DELETE FROM registered WHERE user_id = ?1",
                vec![user_id.into()],
            )
        } else {
            (
                "INSERT INTO registered (user_id, slots) VALUES (?1, ?2)
                 ON CONFLICT (user_id) DO UPDATE SET slots = excluded.slots",
                vec![user_id.into(), to_json(slots).into()],
            )
        };
        self.0.query::<IgnoredAny>(sql, params).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn a_new_instance_knows_everybody() {
        let database = Connection::open_in_memory().unwrap();
        let store = PacemakerStore::new(&database);
        assert!(store.roster().unwrap().is_empty());
        assert_eq!(store.name().unwrap(), None);
        store.set_name("FRA-0").unwrap();
        store.set("a", &vec![3]).unwrap();
        store.set("b", &vec![1, 0]).unwrap();
        store.set("a", &vec![4]).unwrap();
        let roster = PacemakerStore::new(&database).roster().unwrap();
        assert_eq!(store.name().unwrap().as_deref(), Some("FRA-0"));
        assert_eq!(roster.len(), 2);
        assert_eq!(
            (roster.slots("a"), roster.slots("b")),
            (&[4][..], &[1, 0][..])
        );
        store.set("a", &vec![]).unwrap();
        assert_eq!(store.roster().unwrap().len(), 1);
    }
}
