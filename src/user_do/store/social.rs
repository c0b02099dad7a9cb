//! Whom the user blocks, whom their connections watch, who watches them, and their rate limits.

use serde::Deserialize;
use worker::Result;

use super::{Store, int};
use crate::core::error::to_json;
use crate::core::events::subscribe_online_status::Watches;
use crate::core::limits::Bucket;
use crate::core::time::Millis;

/// What the user's watchers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Whether they were told that the user is online.
    pub told: bool,
    /// When to see whether that still holds.
    pub due_at: Option<Millis>,
}

#[derive(Deserialize)]
struct Found {}

impl Store {
    /// Whether the user has blocked this one.
    pub fn has_blocked(&self, user_id: &str) -> Result<bool> {
        let rows: Vec<Found> = self.read(
            &self.social,
            "SELECT 1 AS found FROM blocks WHERE user_id = ?1",
            vec![user_id.into()],
        )?;
        Ok(!rows.is_empty())
    }

    /// Blocks a user; they watch this one no longer: whether they did.
    pub fn block_add(&self, user_id: &str) -> Result<bool> {
        self.write(
            &self.social,
            "INSERT INTO blocks (user_id) VALUES (?1) ON CONFLICT (user_id) DO NOTHING",
            vec![user_id.into()],
        )?;
        let rows: Vec<Found> = self.read(
            &self.social,
            "DELETE FROM watchers WHERE user_id = ?1 RETURNING 1 AS found",
            vec![user_id.into()],
        )?;
        Ok(!rows.is_empty())
    }

    /// And no more.
    pub fn block_remove(&self, user_id: &str) -> Result<()> {
        self.write(
            &self.social,
            "DELETE FROM blocks WHERE user_id = ?1",
            vec![user_id.into()],
        )
    }

    /// Whom a session watches.
    pub fn watches(&self, sid: &str) -> Result<Watches> {
        #[derive(Deserialize)]
        struct Row {
            statuses: String,
        }
        let rows: Vec<Row> = self.read(
            &self.social,
            "SELECT statuses FROM watches WHERE sid = ?1",
            vec![sid.into()],
        )?;
        match rows.first() {
            Some(row) => Ok(serde_json::from_str(&row.statuses)?),
            None => Ok(Watches::default()),
        }
    }

    /// Keeps whom a session watches.
    pub fn watches_set(&self, sid: &str, watches: &Watches) -> Result<()> {
        if watches.is_empty() {
            return self.watches_remove(sid);
        }
        self.write(
            &self.social,
            "INSERT INTO watches (sid, statuses) VALUES (?1, ?2)
             ON CONFLICT (sid) DO UPDATE SET statuses = excluded.statuses",
            vec![sid.into(), to_json(watches).into()],
        )
    }

    /// A session has ended for good.
    pub fn watches_remove(&self, sid: &str) -> Result<()> {
        if self.watches(sid)?.is_empty() {
            return Ok(());
        }
        self.write(
            &self.social,
            "DELETE FROM watches WHERE sid = ?1",
            vec![sid.into()],
        )
    }

    /// A session has lost its connection: it may recover, up to the time that the log is kept.
    pub fn watches_end(&self, sid: &str, now: Millis) -> Result<()> {
        if self.watches(sid)?.is_empty() {
            return Ok(());
        }
        self.write(
            &self.social,
            "UPDATE watches SET ended_at = ?2 WHERE sid = ?1",
            vec![sid.into(), int(now)?],
        )
    }

    /// A session has recovered: whom it watches.
    pub fn watches_resume(&self, sid: &str) -> Result<Watches> {
        let watches = self.watches(sid)?;
        if !watches.is_empty() {
            self.write(
                &self.social,
                "UPDATE watches SET ended_at = NULL WHERE sid = ?1",
                vec![sid.into()],
            )?;
        }
        Ok(watches)
    }

    /// Lets go of what belongs to sessions that ended before `since`.
    pub fn watches_prune(&self, since: Millis) -> Result<()> {
        self.write(
            &self.social,
            "DELETE FROM watches WHERE ended_at < ?1",
            vec![int(since)?],
        )
    }

    /// This user watches: whether that is new.
    pub fn watcher_add(&self, user_id: &str, is_online: bool) -> Result<()> {
        self.write(
            &self.social,
            "INSERT INTO watchers (user_id) VALUES (?1) ON CONFLICT (user_id) DO NOTHING",
            vec![user_id.into()],
        )?;
        // Nobody was told anything before the first watcher.
        self.write(
            &self.social,
            "INSERT INTO watched (id, told) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET told = ?1
             WHERE due_at IS NULL AND (SELECT count(*) FROM (SELECT 1 FROM watchers LIMIT 2)) = 1",
            vec![i32::from(is_online).into()],
        )
    }

    /// This user watches no more.
    pub fn watcher_remove(&self, user_id: &str) -> Result<()> {
        self.write(
            &self.social,
            "DELETE FROM watchers WHERE user_id = ?1",
            vec![user_id.into()],
        )
    }

    /// Who watches.
    pub fn watchers(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            user_id: String,
        }
        let rows: Vec<Row> = self.read(&self.social, "SELECT user_id FROM watchers", vec![])?;
        Ok(rows.into_iter().map(|row| row.user_id).collect())
    }

    /// What the watchers know, if there are any.
    pub fn watched(&self) -> Result<Option<Watched>> {
        #[derive(Deserialize)]
        struct Row {
            told: u8,
            due_at: Option<Millis>,
        }
        let rows: Vec<Row> = self.read(
            &self.social,
            "SELECT told, due_at FROM watched WHERE EXISTS (SELECT 1 FROM watchers)",
            vec![],
        )?;
        Ok(rows.into_iter().next().map(|row| Watched {
            told: row.told == 1,
            due_at: row.due_at,
        }))
    }

    /// Keeps what the watchers know.
    pub fn watched_set(&self, watched: Watched) -> Result<()> {
        let due_at = watched.due_at.map(int).transpose()?;
        self.write(
            &self.social,
            "UPDATE watched SET told = ?1, due_at = ?2",
            vec![i32::from(watched.told).into(), due_at.into()],
        )
    }

    /// A rate limit's bucket.
    pub fn bucket(&self, name: &str) -> Result<Bucket> {
        #[derive(Deserialize)]
        struct Row {
            full_at: u64,
        }
        let rows: Vec<Row> = self.read(
            &self.social,
            "SELECT full_at FROM buckets WHERE name = ?1",
            vec![name.into()],
        )?;
        let full_at = rows.into_iter().next().map(|row| row.full_at);
        Ok(Bucket::stored(full_at.unwrap_or_default()))
    }

    /// Keeps it.
    pub fn bucket_set(&self, name: &str, bucket: Bucket) -> Result<()> {
        self.write(
            &self.social,
            "INSERT INTO buckets (name, full_at) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at",
            vec![name.into(), int(bucket.to_stored())?],
        )
    }
}
