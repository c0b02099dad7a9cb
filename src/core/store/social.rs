//! Whom the user blocks, whom their connections watch, who watches them, and their rate limits.

use serde::Deserialize;

use super::{Database, Result, Store, Table};
use crate::core::error::to_json;
use crate::core::limits::Bucket;
use crate::core::preferences::Audience;
use crate::core::sql::Param;
use crate::core::time::Millis;
use crate::core::watch::{self, Watches, first_version};

/// What the user's watchers are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Watched {
    /// The number of the user's last change.
    pub version: u64,
    /// When to tell the watchers whose last known status is wrong; `None` if nothing is due.
    pub due_at: Option<Millis>,
}

/// A user who watches this one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Watcher {
    /// The watcher's id.
    pub user_id: String,
    /// How often the watcher has subscribed, been blocked or been unblocked.
    pub asked: u64,
    /// 1 if the user has blocked the watcher, or does not show them their presence. The user then appears offline to
    /// them.
    #[serde(default)]
    pub is_hidden: u8,
    /// 1 if the watcher has to be told even if the user hides from them.
    #[serde(default)]
    pub(super) is_due: u8,
}

/// The watchers whom one alarm tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TellingStep {
    /// The watchers, in the order of their ids.
    pub watchers: Vec<Watcher>,
    /// The last one of those whom the step was about; `None` if the round ends with it.
    last: Option<String>,
    /// What they are told.
    pub version: u64,
    /// When telling was due.
    due_at: Option<Millis>,
}

/// The outcome of a push to a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    /// At least one of the watcher's connections still watches the user.
    Heard,
    /// None of the watcher's connections watches the user any more.
    Unwanted,
    /// The watcher's object did not answer.
    Unreached,
}

/// How many sessions that have ended keep their watches in case they recover: a client may open and end any number.
const MAX_ENDED: u64 = 100;

/// A row that only has to exist.
#[derive(Deserialize)]
pub(super) struct Found {}

fn limit(max: usize) -> Param {
    Param::from(u64::try_from(max).unwrap_or(u64::MAX))
}

impl<D: Database> Store<D> {
    /// Returns whether the user has blocked `user_id`.
    pub fn has_blocked(&self, user_id: &str) -> Result<bool> {
        if !self.has_blocked_anybody()? {
            return Ok(false);
        }
        let sql = "SELECT 1 AS found FROM blocks WHERE user_id = ?1";
        self.has(&self.social, sql, vec![user_id.into()])
    }

    /// Returns how many users this one has blocked.
    pub fn blocks_count(&self) -> Result<usize> {
        let sql = "SELECT 1 AS found FROM blocks";
        let rows: Vec<Found> = self.read(&self.social, sql, vec![])?;
        Ok(rows.len())
    }

    fn has_blocked_anybody(&self) -> Result<bool> {
        self.known.has_blocks.get_or(|| {
            let sql = "SELECT 1 AS found FROM blocks LIMIT 1";
            self.has(&self.social, sql, vec![])
        })
    }

    /// Blocks a user. If they watch this user, they are told at `now` that this user is offline.
    pub fn block_add(&self, user_id: &str, now: Millis) -> Result<()> {
        self.write(
            Table::Blocks,
            "INSERT INTO blocks (user_id) VALUES (?1) ON CONFLICT (user_id) DO NOTHING",
            vec![user_id.into()],
        )?;
        self.watcher_owe_truth(user_id, now)
    }

    /// Unblocks a user. If they watch this user, they are told at `now` whether this user is online.
    pub fn block_remove(&self, user_id: &str, now: Millis) -> Result<()> {
        self.write(
            Table::Blocks,
            "DELETE FROM blocks WHERE user_id = ?1",
            vec![user_id.into()],
        )?;
        self.watcher_owe_truth(user_id, now)
    }

    /// Records that `user_id` may see more or less of the user's presence than before. If they watch the user, they are
    /// told at `now`.
    pub(super) fn watcher_owe_truth(&self, user_id: &str, now: Millis) -> Result<()> {
        self.write(Table::Watched, watch::NEW_TRUTH, vec![user_id.into()])?;
        self.write(Table::Watched, watch::OWE_TRUTH, vec![user_id.into()])?;
        self.set_due_for(user_id, now)
    }

    fn set_due_for(&self, user_id: &str, now: Millis) -> Result<()> {
        let bindings = vec![Param::from(now), user_id.into()];
        self.write(Table::Watched, watch::SET_DUE_FOR, bindings)
    }

    /// Returns whom a session watches.
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

    /// Stores whom a session watches.
    pub fn watches_set(&self, sid: &str, watches: &Watches) -> Result<()> {
        if watches.is_empty() {
            return self.watches_remove(sid);
        }
        self.write(
            Table::Watches,
            "INSERT INTO watches (sid, statuses) VALUES (?1, ?2)
             ON CONFLICT (sid) DO UPDATE SET statuses = excluded.statuses",
            vec![sid.into(), to_json(watches).into()],
        )
    }

    /// Removes the watches of a session that has ended and cannot recover.
    pub fn watches_remove(&self, sid: &str) -> Result<()> {
        if self.watches(sid)?.is_empty() {
            return Ok(());
        }
        self.write(
            Table::Watches,
            "DELETE FROM watches WHERE sid = ?1",
            vec![sid.into()],
        )
    }

    /// Marks a session's watches as ended: its connection is lost, but the session may recover for as long
    /// as the log is kept.
    pub fn watches_end(&self, sid: &str, now: Millis) -> Result<()> {
        if self.watches(sid)?.is_empty() {
            return Ok(());
        }
        self.write(
            Table::Watches,
            "UPDATE watches SET ended_at = ?2 WHERE sid = ?1",
            vec![sid.into(), Param::from(now)],
        )
    }

    /// Resumes a session's watches. Its client has seen everything that was sent before `seen_until`.
    pub fn watches_resume(&self, sid: &str, seen_until: Millis) -> Result<()> {
        let mut watches = self.watches(sid)?;
        if watches.is_empty() {
            return Ok(());
        }
        watches.on_recovery(seen_until);
        self.write(
            Table::Watches,
            "UPDATE watches SET statuses = ?2, ended_at = NULL WHERE sid = ?1",
            vec![sid.into(), to_json(&watches).into()],
        )
    }

    /// Deletes the watches of sessions that ended before `since`, and of all but the last [`MAX_ENDED`] that have
    /// ended.
    pub fn watches_prune(&self, since: Millis) -> Result<()> {
        self.write(
            Table::Watches,
            "DELETE FROM watches WHERE ended_at < ?1 OR ended_at < (
               SELECT ended_at FROM watches WHERE ended_at IS NOT NULL
               ORDER BY ended_at DESC LIMIT 1 OFFSET ?2)",
            vec![Param::from(since), Param::from(MAX_ENDED - 1)],
        )
    }

    /// Adds a watcher, who is told the current status. Returns its version. A user who already has `max` watchers
    /// gets no more: then the watcher is told the status, but no change of it.
    pub fn watcher_add(
        &self,
        user_id: &str,
        is_online: bool,
        max: usize,
        now: Millis,
    ) -> Result<u64> {
        let count = self.watcher_count()?;
        let is_new = self.watcher(user_id)?.is_none();
        if is_new && count >= max {
            let version = self.watched_sync(is_online, now)?;
            self.known.watcher_count.set(count);
            return Ok(version);
        }
        let first = first_version(is_online, now);
        self.write(Table::Watched, watch::BEGIN, vec![Param::from(first)])?;
        let version = self.watched_sync(is_online, now)?;
        self.write(Table::Watched, watch::ADD_WATCHER, vec![user_id.into()])?;
        self.set_due_for(user_id, now)?;
        self.known.watcher_count.set(count + usize::from(is_new));
        Ok(version)
    }

    /// Returns the number of watchers. Counting reads every row.
    pub(super) fn watcher_count(&self) -> Result<usize> {
        self.known.watcher_count.get_or(|| {
            let sql = "SELECT count(*) AS number FROM watchers";
            let count = self.number(&self.social, sql, vec![])?.unwrap_or_default();
            Ok(usize::try_from(count).unwrap_or(usize::MAX))
        })
    }

    /// Makes the stored version agree with `is_online` and returns it. An odd version means online, an
    /// even one offline.
    pub fn watched_sync(&self, is_online: bool, now: Millis) -> Result<u64> {
        let bindings = vec![Param::from(is_online), Param::from(now)];
        self.write(Table::Watched, watch::SYNC, bindings)?;
        let sql = "SELECT version AS number FROM watched";
        Ok(self.number(&self.social, sql, vec![])?.unwrap_or_default())
    }

    /// Records that the user came online or went offline. The watchers are told at `due_at`, if it still
    /// holds then. If the user hides from everybody, there is nothing to tell.
    pub fn watched_change(&self, is_online: bool, due_at: Millis) -> Result<()> {
        let is_hidden = self.user_state()?.preferences.presence == Audience::Nobody;
        if is_hidden || self.watched()?.is_none() {
            return Ok(());
        }
        let bindings = vec![Param::from(is_online), Param::from(due_at)];
        self.write(Table::Watched, watch::CHANGE, bindings)
    }

    /// Returns the current version and when a push is due; `None` if nobody watches.
    pub fn watched(&self) -> Result<Option<Watched>> {
        self.known.watched.get_or(|| {
            let rows = self.read(&self.social, watch::WATCHED, vec![])?;
            Ok(rows.into_iter().next())
        })
    }

    /// Returns the next watchers to tell the current version, at most `max`, without those from whom the user hides and
    /// who know nothing else. The user is online if `is_online` is set.
    pub fn watchers_to_tell(
        &self,
        is_online: bool,
        max: usize,
        now: Millis,
    ) -> Result<TellingStep> {
        let due_at = self.watched()?.and_then(|watched| watched.due_at);
        let version = self.watched_sync(is_online, now)?;
        self.write(Table::Watched, watch::MIX, vec![])?;
        let next: Vec<Watcher> = self.read(&self.social, watch::TO_TELL, vec![limit(max)])?;
        if !next.is_empty() {
            self.write(Table::Watched, watch::TELLING, vec![])?;
        }
        let last = next.last().filter(|_| next.len() >= max);
        let last = last.map(|watcher| watcher.user_id.clone());
        let mut watchers = Vec::new();
        for mut watcher in next {
            if !self.shows_presence_to(&watcher.user_id)? {
                watcher.is_hidden = 1;
            }
            if watcher.is_hidden == 0 || watcher.is_due == 1 {
                watchers.push(watcher);
            }
        }
        Ok(TellingStep {
            watchers,
            last,
            version,
            due_at,
        })
    }

    /// Returns this user as a watcher, if they are one.
    pub fn watcher(&self, user_id: &str) -> Result<Option<Watcher>> {
        let rows = self.read(
            &self.social,
            "SELECT user_id, asked, EXISTS (SELECT 1 FROM blocks WHERE user_id = ?1) AS is_hidden
             FROM watchers WHERE user_id = ?1",
            vec![user_id.into()],
        )?;
        Ok(rows.into_iter().next())
    }

    /// Returns watchers, at most `max`.
    pub fn watchers(&self, max: usize) -> Result<Vec<Watcher>> {
        self.read(
            &self.social,
            "SELECT user_id, asked FROM watchers LIMIT ?1",
            vec![limit(max)],
        )
    }

    /// Records the outcome of a push of this version to a watcher.
    pub fn watcher_told(
        &self,
        watcher: &Watcher,
        version: u64,
        outcome: PushOutcome,
    ) -> Result<()> {
        let user_id = Param::from(watcher.user_id.as_str());
        let asked = Param::from(watcher.asked);
        match outcome {
            PushOutcome::Heard => {
                let bindings = vec![user_id, asked, Param::from(version)];
                self.write(Table::Watched, watch::HEARD, bindings)
            }
            PushOutcome::Unwanted => {
                self.write(Table::Watched, watch::UNWANTED, vec![user_id, asked])
            }
            PushOutcome::Unreached => self.write(Table::Watched, watch::OWE, vec![user_id]),
        }
    }

    /// Records that the watchers of this step were told, except those who are still owed a push: they are told again
    /// at `retry_at`, alone. If it was the last step, ends the round.
    pub fn watched_told(
        &self,
        step: &TellingStep,
        retry_at: Option<Millis>,
        now: Millis,
    ) -> Result<()> {
        if let Some(retry_at) = retry_at {
            self.write(Table::Watched, watch::RETRY_AT, vec![Param::from(retry_at)])?;
        }
        if let Some(last) = &step.last {
            let cursor = vec![Param::from(last.as_str())];
            return self.write(Table::Watched, watch::ADVANCE, cursor);
        }
        let bindings = vec![
            step.due_at.into(),
            Param::from(now),
            Param::from(step.version),
        ];
        self.write(Table::Watched, watch::END_ROUND, bindings)?;
        self.write(Table::Watched, watch::SET_DUE, vec![Param::from(now)])
    }

    /// Returns the bucket of a rate limit.
    pub fn bucket(&self, name: &str) -> Result<Bucket> {
        let sql = "SELECT full_at AS number FROM buckets WHERE name = ?1";
        let full_at = self.number(&self.social, sql, vec![name.into()])?;
        Ok(Bucket::stored(full_at.unwrap_or_default()))
    }

    /// Stores the bucket of a rate limit.
    pub fn bucket_set(&self, name: &str, bucket: Bucket) -> Result<()> {
        self.write(
            Table::Buckets,
            "INSERT INTO buckets (name, full_at) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at",
            vec![name.into(), Param::from(bucket.to_stored())],
        )
    }
}
