//! Watched presence: what both sides keep, so that what each watcher was told last is the truth once
//! things are quiet.
//!
//! A watched user's comings and goings are numbered: an even version says that the user is offline, an odd
//! one that they are online, and each change is the next one. Every answer to a subscription and every push
//! carries the version, so both say the same, whichever arrives first:
//!
//! - the watched side ([`ADD_WATCHER`] and what follows it) remembers which version each watcher knows: the
//!   one that everybody was told, or the one of a later subscription. When a change is due, it tells those
//!   who know the opposite. A reload within the grace is two changes, so it is told to nobody, except to
//!   who subscribed in between;
//! - the watcher's side ([`Watches`]) keeps for each connection what it was told, and takes nothing that is
//!   older than that.
//!
//! Whom the user blocks stays a watcher, to whom the user is offline. A block and its end are changes, too,
//! of which the one who is blocked is owed a push: they take a number each ([`NEW_TRUTH`]), with which
//! nothing changes for everybody else.
//!
//! Invariant: whoever knows something else than what is true is owed a push, and while anybody is,
//! `watched.due_at` is set. All of it stands in the objects' storage, so an eviction changes nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::Millis;

/// What a watched user's object says of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusReport {
    /// Whether the user is online.
    pub is_online: bool,
    /// Its place in the order of the user's changes. `None` overrules all others: the user is erased.
    pub version: Option<u64>,
}

/// What a connection was last told of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    is_online: bool,
    version: u64,
    at: Millis,
}

/// The time of what is known and was not told: the answer to the subscription will be.
const NOT_YET: Millis = Millis::MAX;

/// As it is stored: null, or three values; earlier versions stored the first one alone.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Nothing(()),
    Earlier(bool),
    Told(bool, u64, Millis),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
struct Known(Option<Told>);

impl From<Stored> for Known {
    fn from(stored: Stored) -> Self {
        let (is_online, version, at) = match stored {
            Stored::Nothing(()) => return Self(None),
            Stored::Earlier(is_online) => (is_online, 0, 0),
            Stored::Told(is_online, version, at) => (is_online, version, at),
        };
        Self(Some(Told {
            is_online,
            version,
            at,
        }))
    }
}

impl From<Known> for Stored {
    fn from(Known(told): Known) -> Self {
        match told {
            None => Self::Nothing(()),
            Some(told) => Self::Told(told.is_online, told.version, told.at),
        }
    }
}

impl Known {
    /// Takes a statement down, unless it is older than what is known: whether that differs from what was
    /// known, or `None` if it is older.
    fn take(&mut self, statement: StatusReport) -> Option<bool> {
        let StatusReport { is_online, version } = statement;
        let (before, at) = match self.0 {
            Some(told) if version.is_some_and(|version| version < told.version) => return None,
            Some(told) => (Some(told.is_online), told.at),
            None => (None, NOT_YET),
        };
        self.0 = Some(Told {
            is_online,
            version: version.unwrap_or_default(),
            at,
        });
        Some(before != Some(is_online))
    }

    /// The connection is told what is known.
    fn tell(&mut self, now: Millis) {
        if let Some(told) = &mut self.0 {
            told.at = now;
        }
    }
}

/// Whom a connection watches, and what it was last told of each, if anything yet. It is stored as JSON, one
/// row per connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watches(BTreeMap<String, Known>);

impl Watches {
    /// Adds users, unless that makes it more than `max`; those who are there already stay as they are.
    /// Returns those who are new, or `None` if they are too many.
    pub fn add(&mut self, user_ids: &[String], max: usize) -> Option<Vec<String>> {
        let is_new = |id: &&String| !self.0.contains_key(*id);
        let new: Vec<String> = user_ids.iter().filter(is_new).cloned().collect();
        if self.0.len() + new.len() > max {
            return None;
        }
        for id in &new {
            self.0.insert(id.clone(), Known::default());
        }
        Some(new)
    }

    /// Removes users.
    pub fn remove(&mut self, user_ids: &[String]) {
        for id in user_ids {
            self.0.remove(id);
        }
    }

    /// The users.
    pub fn user_ids(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Whether this user is watched.
    pub fn watches(&self, user_id: &str) -> bool {
        self.0.contains_key(user_id)
    }

    /// Whether nobody is watched.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A push came in: whether the connection is to be told. Before the reply to its subscription the first
    /// one is not: the reply will say it.
    pub fn on_push(&mut self, user_id: &str, statement: StatusReport, now: Millis) -> bool {
        let Some(known) = self.0.get_mut(user_id) else {
            return false;
        };
        let is_first = known.0.is_none();
        let is_news = known.take(statement) == Some(true) && !is_first;
        if is_news {
            known.tell(now);
        }
        is_news
    }

    /// The answer to a subscription came in: whether the reply is to say that the user is online. A push
    /// that is newer may have overtaken it.
    pub fn on_answer(&mut self, user_id: &str, statement: StatusReport, now: Millis) -> bool {
        let Some(known) = self.0.get_mut(user_id) else {
            return statement.is_online;
        };
        known.take(statement);
        known.tell(now);
        known.0.map_or(statement.is_online, |told| told.is_online)
    }

    /// The session recovers. What it was told from `seen_until` on may have been lost with its old
    /// connection, so it counts as not told.
    pub fn on_recovery(&mut self, seen_until: Millis) {
        for told in self.0.values_mut().filter_map(|known| known.0.as_mut()) {
            if told.at >= seen_until {
                told.at = NOT_YET;
            }
        }
    }

    /// The answer to a subscription that is renewed after a recovery came in: what the connection is to be
    /// told, if it does not know.
    pub fn on_renewal(
        &mut self,
        user_id: &str,
        statement: StatusReport,
        now: Millis,
    ) -> Option<bool> {
        let known = self.0.get_mut(user_id)?;
        let was_told = known.0.is_some_and(|told| told.at != NOT_YET);
        let is_news = known.take(statement) == Some(true);
        if was_told && !is_news {
            return None;
        }
        known.tell(now);
        known.0.map(|told| told.is_online)
    }
}

/// The version that a user starts with who is watched for the first time: later than any that an erased
/// predecessor had, since nobody changes more often than twice a millisecond.
pub fn first_version(is_online: bool, now: Millis) -> u64 {
    now.saturating_mul(2) + u64::from(is_online)
}

/// The user is watched for the first time: `?1` is the [`first_version`].
pub const BEGIN: &str = "
INSERT INTO watched (id, told, version) VALUES (1, ?1, ?1) ON CONFLICT (id) DO NOTHING";

/// The user is online (`?1` is 1) or not (0); `?2` is when that is to be told, if nothing else is due.
pub const SYNC: &str = "
UPDATE watched SET version = version + 1, due_at = coalesce(due_at, ?2) WHERE (version & 1) <> ?1";

/// The user has come online (`?1` is 1) or gone (0); `?2` is when that is to be told, if it still holds.
pub const CHANGE: &str = "
UPDATE watched SET version = version + ((version & 1) <> ?1), due_at = ?2
WHERE EXISTS (SELECT 1 FROM watchers)";

/// `?1` watches, and is told the current version. If another connection of theirs knows the opposite, or may
/// just be told it, it is owed a push.
pub const ADD_WATCHER: &str = "
INSERT INTO watchers (user_id, version, owed, asked)
SELECT ?1, version, 0, 1 FROM watched WHERE true
ON CONFLICT (user_id) DO UPDATE SET
  owed = max(
    owed,
    (max(version, (SELECT told FROM watched)) + excluded.version) & 1,
    (SELECT telling IS NOT NULL FROM watched)
  ),
  version = excluded.version,
  asked = asked + 1";

/// Makes sure that who is owed a push gets one: at `?1`, unless a change is due anyway, whose grace must
/// not be cut short.
pub const SET_DUE: &str = "
UPDATE watched SET due_at = ?1
WHERE due_at IS NULL AND EXISTS (SELECT 1 FROM watchers WHERE owed = 1)";

/// The user has blocked `?1`, or does so no more: another truth for them, and the same one for all others.
pub const NEW_TRUTH: &str = "
UPDATE watched SET version = version + 2 WHERE EXISTS (SELECT 1 FROM watchers WHERE user_id = ?1)";

/// `?1` is owed a push of it. Whatever they are being told is older, so it counts as if they had asked again.
pub const OWE_TRUTH: &str = "UPDATE watchers SET owed = 1, asked = asked + 1 WHERE user_id = ?1";

/// Whom to tell the current version, how often each has asked, and whether they are blocked. If telling was
/// interrupted, nobody knows who has heard: all of them. Who is blocked is told what is owed, and no change.
pub const TO_TELL: &str = "
SELECT watchers.user_id, asked, blocks.user_id IS NOT NULL AS is_blocked
FROM watched, watchers LEFT JOIN blocks USING (user_id)
WHERE owed = 1 OR (
  blocks.user_id IS NULL
  AND (telling IS NOT NULL OR (max(watchers.version, told) + watched.version) & 1 = 1)
)";

/// Telling begins.
pub const TELLING: &str = "UPDATE watched SET telling = version";

/// `?1` was told; not if they have asked again meanwhile (`?2` is how often they had).
pub const HEARD: &str = "
UPDATE watchers SET owed = 0 WHERE user_id = ?1 AND asked = ?2 AND owed = 1";

/// `?1` does not watch any more; unless they have asked again meanwhile.
pub const UNWANTED: &str = "DELETE FROM watchers WHERE user_id = ?1 AND asked = ?2";

/// `?1` could not be told.
pub const OWE: &str = "UPDATE watchers SET owed = 1 WHERE user_id = ?1 AND owed = 0";

/// Everybody was told the version `?1`, except those who are owed it. Nothing more is due, unless something
/// else than `?2` is by now.
pub const TOLD: &str = "
UPDATE watched
SET told = max(told, ?1), telling = NULL, due_at = CASE WHEN due_at IS ?2 THEN NULL ELSE due_at END";

/// The current version, and when something is due; no row if nobody watches.
pub const WATCHED: &str = "
SELECT version, due_at FROM watched WHERE EXISTS (SELECT 1 FROM watchers)";

#[cfg(test)]
mod tests;
