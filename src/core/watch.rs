//! Watched presence: what both sides store, so that once all pushes are delivered, every watcher knows the
//! user's true status.
//!
//! The changes of a watched user's status are numbered: an even version means that the user is offline, an
//! odd one that the user is online, and each change takes the next number. Every answer to a subscription
//! and every push carries the version, so the result is the same whichever arrives first:
//!
//! - the watched side ([`ADD_WATCHER`] and the statements after it) stores which version each watcher knows:
//!   the one that everybody was told, or that of a later subscription. When a change is due, it tells the
//!   watchers who know the opposite. A reload within the grace period is two changes, so nobody is told,
//!   except a watcher who subscribed in between;
//! - the watcher's side ([`Watches`]) stores what each connection was told, and ignores anything older.
//!
//! Telling takes a round, in the order of the watchers' ids, in steps of one alarm each: `watched.cursor` is the
//! last one who was told, so an alarm continues where the one before it has ended, or was cut off. Each step tells
//! the truth of that moment, so nobody is told something older than before. If that is no longer what the round
//! began with, `watched.tell_all` is set and the next round tells everybody. A user who changes all the time still
//! does not keep the watchers at the end of the order waiting.
//!
//! A watcher whom the user blocks remains a watcher, to whom the user appears offline. A block and its end
//! are changes, too, of which the blocked watcher is owed a push. Each of them adds 2 to the version
//! ([`NEW_TRUTH`]), so that nothing changes for anybody else.
//!
//! So does a watcher to whom the user's preferences do not show whether the user is online. That somebody becomes a
//! contact is such a change for them. A change of the preference may be one for everybody: it adds 2 to the version,
//! too, and a round tells everybody what they may see now ([`TELL_ALL`]). In other rounds, those from whom the user
//! hides are left out, unless they are owed a push. A user who hides from everybody starts no rounds by coming and going.
//!
//! Invariant: a watcher who knows an untrue status is owed a push, and while any push is owed,
//! `watched.due_at` is set. `watched.telling` is set exactly while a round is in progress; until it has ended,
//! `watched.told` is what everybody knew before. All of this is in the objects' storage, so an eviction changes nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::presence::Presence;
use super::time::Millis;

/// A user's status as the user's object reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusReport {
    /// Whether the user is online.
    pub is_online: bool,
    /// The number of the user's last change. `None` overrides every number: there is no such user (yet).
    pub version: Option<u64>,
}

impl StatusReport {
    /// Reports a presence with the number of the change that led to it.
    pub fn new(presence: Presence, version: Option<u64>) -> Self {
        Self {
            is_online: presence.is_online(),
            version,
        }
    }
}

/// What a connection was last told about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    is_online: bool,
    version: u64,
    at: Millis,
}

/// The time of a status that is known but not told yet: the reply to the subscription will tell it.
const NOT_YET: Millis = Millis::MAX;

/// The stored form: null, or three values; earlier versions stored only the first one.
#[derive(Serialize)]
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

// serde's own way to read an untagged enum is much more code.
impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyForm;
        impl<'de> Visitor<'de> for AnyForm {
            type Value = Stored;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("null, a boolean or three values")
            }

            fn visit_unit<E>(self) -> Result<Stored, E> {
                Ok(Stored::Nothing(()))
            }

            fn visit_bool<E>(self, is_online: bool) -> Result<Stored, E> {
                Ok(Stored::Earlier(is_online))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Stored, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(values))
                    .map(|(is_online, version, at)| Stored::Told(is_online, version, at))
            }
        }
        deserializer.deserialize_any(AnyForm)
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
    /// Stores a report unless it is older than what is known. Returns whether the status has changed, or
    /// `None` if the report is older.
    fn take(&mut self, report: StatusReport) -> Option<bool> {
        let StatusReport { is_online, version } = report;
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

    /// Records that the connection is told what is known.
    fn tell(&mut self, now: Millis) {
        if let Some(told) = &mut self.0 {
            told.at = now;
        }
    }
}

/// The users that a connection watches, and what it was last told about each, if anything. It is stored as
/// JSON, one row per session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watches(BTreeMap<String, Known>);

impl Watches {
    /// Adds users, unless that would make more than `max`; users that are already watched do not change.
    /// Returns the new ones, or `None` if there would be too many.
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

    /// Stops watching these users.
    pub fn remove(&mut self, user_ids: &[String]) {
        for id in user_ids {
            self.0.remove(id);
        }
    }

    /// Returns the watched users, sorted by id.
    pub fn user_ids(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Returns whether this user is watched.
    pub fn watches(&self, user_id: &str) -> bool {
        self.0.contains_key(user_id)
    }

    /// Returns whether nobody is watched.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Handles a push and returns whether the connection must be told. The first push before the reply to a
    /// subscription is not passed on: the reply will contain it.
    pub fn on_push(&mut self, user_id: &str, report: StatusReport, now: Millis) -> bool {
        let Some(known) = self.0.get_mut(user_id) else {
            return false;
        };
        let is_first = known.0.is_none();
        let is_news = known.take(report) == Some(true) && !is_first;
        if is_news {
            known.tell(now);
        }
        is_news
    }

    /// Handles the answer to a subscription and returns the status for the reply: whether the user is online.
    /// A newer push may have overtaken the answer.
    pub fn on_answer(&mut self, user_id: &str, report: StatusReport, now: Millis) -> bool {
        let Some(known) = self.0.get_mut(user_id) else {
            return report.is_online;
        };
        known.take(report);
        known.tell(now);
        known.0.map_or(report.is_online, |told| told.is_online)
    }

    /// Handles a recovery of the session: what it was told at or after `seen_until` may have been lost with the
    /// old connection, so it counts as not told.
    pub fn on_recovery(&mut self, seen_until: Millis) {
        for told in self.0.values_mut().filter_map(|known| known.0.as_mut()) {
            if told.at >= seen_until {
                told.at = NOT_YET;
            }
        }
    }

    /// Handles the answer to a subscription that is renewed after a recovery. Returns whether the user is
    /// online if the connection must be told, or `None` if it already knows.
    pub fn on_renewal(&mut self, user_id: &str, report: StatusReport, now: Millis) -> Option<bool> {
        let known = self.0.get_mut(user_id)?;
        let was_told = known.0.is_some_and(|told| told.at != NOT_YET);
        let is_news = known.take(report) == Some(true);
        if was_told && !is_news {
            return None;
        }
        known.tell(now);
        known.0.map(|told| told.is_online)
    }
}

/// Returns the version to start with when a user is watched for the first time, and to end with when the user is
/// erased: later than any that the user had before, because no status changes more often than twice a millisecond. So
/// neither a push that is on its way during an erasure, nor one to somebody who watches the next user with the same
/// id, overrides what is newer.
pub fn first_version(is_online: bool, now: Millis) -> u64 {
    now.saturating_mul(2) + u64::from(is_online)
}

/// Returns the version with which a user ends who is erased now, and is offline.
pub fn erased_version(now: Millis) -> u64 {
    first_version(false, now)
}

/// Starts the numbering when the user is watched for the first time; `?1` is the [`first_version`].
pub const BEGIN: &str = "
INSERT INTO watched (id, told, version) VALUES (1, ?1, ?1) ON CONFLICT (id) DO NOTHING";

/// Brings the version in line with the user's status: online if `?1` is 1, offline if it is 0. A change is
/// told at `?2`, unless a push is already due.
pub const SYNC: &str = "
UPDATE watched SET version = version + 1, due_at = coalesce(due_at, ?2) WHERE (version & 1) <> ?1";

/// Records that the user has come online (`?1` is 1) or gone offline (0). It is told at `?2`, if it is still
/// true then.
pub const CHANGE: &str = "
UPDATE watched SET version = version + ((version & 1) <> ?1), due_at = ?2
WHERE EXISTS (SELECT 1 FROM watchers)";

/// Adds the watcher `?1`, who is told the current version. If another connection of theirs knows the
/// opposite, or may be about to be told it, they are owed a push.
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

/// Schedules the pushes that are owed: at `?1`, or later if their watchers could not be reached, and unless something
/// is already due, because the grace period of a change must not be cut short.
pub const SET_DUE: &str = "
UPDATE watched SET due_at = max(?1, coalesce(retry_at, 0))
WHERE due_at IS NULL AND EXISTS (SELECT 1 FROM watchers WHERE owed = 1)";

/// Schedules the push that the watcher `?2` is owed: at `?1`, unless a change is due. Others who could not be reached
/// are told again on the same occasion, rather than that this one waits for them.
pub const SET_DUE_FOR: &str = "
UPDATE watched SET due_at = ?1
WHERE (due_at IS NULL OR due_at = retry_at)
  AND EXISTS (SELECT 1 FROM watchers WHERE user_id = ?2 AND owed = 1)";

/// Takes a new version after the user has blocked or unblocked `?1`: a new status for them, and the same one
/// for everybody else.
pub const NEW_TRUTH: &str = "
UPDATE watched SET version = version + 2 WHERE EXISTS (SELECT 1 FROM watchers WHERE user_id = ?1)";

/// Records that `?1` is owed a push of that version. A push in progress is older, so `asked` is increased as
/// if they had subscribed again.
pub const OWE_TRUTH: &str = "UPDATE watchers SET owed = 1, asked = asked + 1 WHERE user_id = ?1";

/// Records that what was told in this round has become untrue, if it has: then the next round tells everybody.
pub const MIX: &str = "
UPDATE watched SET tell_all = 2 WHERE tell_all < 2 AND (telling + version) & 1 = 1";

/// Records that the user's preferences show their presence to others than before: everybody is told, at `?1`, unless a
/// change is due. `tell_all` counts a round in progress.
pub const TELL_ALL: &str = "
UPDATE watched SET version = version + 2, tell_all = 1 + (telling IS NOT NULL),
  due_at = CASE WHEN due_at IS NULL OR due_at = retry_at THEN ?1 ELSE due_at END
WHERE EXISTS (SELECT 1 FROM watchers)";

/// Selects the watchers whom a step tells the current version, at most `?1`: the next ones in the round who know
/// the opposite or are owed a push. With each, how often they have subscribed, whether they are blocked, and whether they
/// have to be told even if the user hides from them. Blocked watchers are told only what they are owed.
pub const TO_TELL: &str = "
SELECT watchers.user_id, asked, blocks.user_id IS NOT NULL AS is_hidden,
  owed = 1 OR tell_all > 0 AS is_due
FROM watched, watchers LEFT JOIN blocks USING (user_id)
WHERE watched.id = 1 AND watchers.user_id > cursor AND (owed = 1 OR (
  blocks.user_id IS NULL
  AND (tell_all > 0 OR (max(watchers.version, told) + watched.version) & 1 = 1)
))
ORDER BY watchers.user_id LIMIT ?1";

/// Records that a round begins, unless one is in progress.
pub const TELLING: &str = "UPDATE watched SET telling = version WHERE telling IS NULL";

/// Records that `?1` was told the version `?3`, unless they have subscribed again since then (`?2` is the earlier
/// `asked`). For most watchers nothing has to be written: they know what everybody was told.
pub const HEARD: &str = "
UPDATE watchers SET owed = 0, version = max(version, ?3)
WHERE user_id = ?1 AND asked = ?2 AND (owed = 1 OR version > (SELECT told FROM watched))";

/// Removes the watcher `?1`, unless they have subscribed again since then (`?2` is the earlier `asked`).
pub const UNWANTED: &str = "DELETE FROM watchers WHERE user_id = ?1 AND asked = ?2";

/// Records that `?1` could not be told and is owed a push.
pub const OWE: &str = "UPDATE watchers SET owed = 1 WHERE user_id = ?1 AND owed = 0";

/// Sets when to tell those again who could not be reached.
pub const RETRY_AT: &str = "UPDATE watched SET retry_at = ?1";

/// Records that the round has told everybody up to `?1`.
pub const ADVANCE: &str = "UPDATE watched SET cursor = ?1";

/// Ends a round: everybody was told what it began with, except those who are owed a push. Clears `due_at`, unless
/// it is no longer `?1`; but another round begins at `?2` if the truth has changed since this one began. `?3` is the
/// version of the last step, for a round that had nobody to tell.
pub const END_ROUND: &str = "
UPDATE watched SET
  told = CASE WHEN tell_all < 2 THEN max(told, coalesce(telling, ?3)) ELSE told END,
  telling = CASE WHEN tell_all < 2 THEN NULL ELSE version END,
  tell_all = max(tell_all - 1, 0),
  cursor = '',
  due_at = CASE
    WHEN due_at IS NOT ?1 THEN due_at
    WHEN tell_all > 1 OR version > coalesce(telling, ?3) THEN ?2
    ELSE NULL
  END";

/// Selects the current version and when a push is due; no row if nobody watches but users who are blocked and
/// know it.
pub const WATCHED: &str = "
SELECT version, due_at FROM watched WHERE EXISTS (
  SELECT 1 FROM watchers LEFT JOIN blocks USING (user_id) WHERE owed = 1 OR blocks.user_id IS NULL
)";

#[cfg(test)]
mod rounds;
#[cfg(test)]
mod tests;
