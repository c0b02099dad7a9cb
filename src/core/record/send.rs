//! The statements of a send.
//!
//! Invariant: a send is one batch for each shard that it touches, which D1 runs as one transaction, however many
//! receivers it has: every statement is set-based over `json_each`. Running the same send again changes nothing, because its
//! message ids are the same and conflicting inserts do nothing. So a send whose outcome is unknown can
//! simply be repeated.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use uuid::Uuid;

use super::id::join_contents;
use super::shards::{Shard, Shards};
use super::users::is_for;
use super::{Param, Statement};
use crate::core::error::{name_of, to_json};
use crate::core::events::draft::Draft;
use crate::core::events::new_message::Target;
use crate::core::ids::{conversation_id, created_at, message_id};
use crate::core::refusal::Refusal;
use crate::core::region::Region;
use crate::core::token::Role;

/// Returns the targets of a send, in the order of its receivers, without the sender.
pub fn targets(send: Uuid, sender_id: &str, receiver_ids: &[String]) -> Vec<Target> {
    receiver_ids
        .iter()
        .enumerate()
        .filter(|(_, receiver_id)| *receiver_id != sender_id)
        .map(|(index, receiver_id)| Target {
            receiver_id: receiver_id.clone(),
            conversation_id: conversation_id(sender_id, receiver_id),
            message_id: message_id(send, index),
        })
        .collect()
}

const SENDER: &str = "SELECT role, name, avatar_url AS avatarUrl FROM users WHERE user_id = ?1";

/// Selects a block of the sender `?2` by the target `t`.
macro_rules! is_blocked {
    () => {
        "EXISTS (SELECT 1 FROM blocks WHERE blocker_id = t.value ->> 'r' AND blocked_id = ?2)"
    };
}

/// The condition on which a message may go to the target `t`: the sender `?2` has the required role `?3`, and the
/// receiver exists, has not blocked the sender, and takes bulk messages of theirs, which are those that require a role.
/// All inserts depend on it, so none takes effect without the others.
macro_rules! may_receive {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM users WHERE user_id = ?2 AND (?3 IS NULL OR role = ?3))
  AND EXISTS (SELECT 1 FROM users AS r WHERE r.user_id = t.value ->> 'r' AND (?3 IS NULL OR ",
            is_for!(
                "r.bulk_messages",
                "unhex(t.value ->> 'c', '-')",
                "((t.value ->> 'r') < ?2)"
            ),
            "))
  AND NOT ",
            is_blocked!()
        )
    };
}

/// Selects the target's message, as `m`.
macro_rules! is_target {
    () => {
        "m.conversation_id = unhex(t.value ->> 'c', '-') AND m.message_id = unhex(t.value ->> 'm', '-')"
    };
}

/// Adds the conversations of those who meet for the first time. That of the others is written only if its job changes,
/// which an older message than the newest does not do.
const ADD_CONVERSATIONS: &str = concat!(
    "
INSERT INTO conversations (conversation_id, user_a, user_b, job_id, created_at)
SELECT unhex(t.value ->> 'c', '-'), min(t.value ->> 'r', ?2), max(t.value ->> 'r', ?2),
  CASE WHEN ?4 IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM messages AS m WHERE m.conversation_id = unhex(t.value ->> 'c', '-')
      AND m.message_id >= unhex(t.value ->> 'm', '-')) THEN ?4 END,
  ?5
FROM json_each(?1) AS t
WHERE ",
    may_receive!(),
    "
ON CONFLICT (conversation_id) DO UPDATE SET job_id = excluded.job_id
WHERE excluded.job_id IS NOT NULL AND excluded.job_id IS NOT conversations.job_id"
);

const ADD_MESSAGES: &str = concat!(
    "
INSERT INTO messages (conversation_id, message_id, from_a, message_type, content, job_id)
SELECT unhex(t.value ->> 'c', '-'), unhex(t.value ->> 'm', '-'), ?2 < (t.value ->> 'r'), ?4, ?5, ?6
FROM json_each(?1) AS t
WHERE ",
    may_receive!(),
    "
ON CONFLICT (conversation_id, message_id) DO NOTHING"
);

/// Adds what the messages of the send share, if any of them was stored.
const ADD_CONTENT: &str = concat!(
    "
INSERT INTO contents (sender_id, send_id, message_type, content, job_id)
SELECT ?2, unhex(?3, '-'), ?4, ?5, ?6
WHERE EXISTS (SELECT 1 FROM json_each(?1) AS t JOIN messages AS m ON ",
    is_target!(),
    ")
ON CONFLICT (sender_id, send_id) DO NOTHING"
);

const OUTCOMES: &str = concat!(
    "
SELECT t.value ->> 'r' AS receiverId,
  EXISTS (SELECT 1 FROM messages AS m WHERE ",
    is_target!(),
    ") AS stored,
  u.user_id IS NOT NULL AS known, ",
    is_blocked!(),
    " AS blocked, u.region AS region
FROM json_each(?1) AS t
LEFT JOIN users AS u ON u.user_id = t.value ->> 'r'
ORDER BY t.key"
);

/// The send may have been stored before the tables of today were made, and its messages not have been moved yet.
const STORED: &str = concat!(
    "
SELECT t.value ->> 'r' AS receiverId, coalesce(m.message_type, s.message_type) AS messageType,
  coalesce(m.content, s.content) AS content, coalesce(m.job_id, s.job_id) AS jobId, u.region AS region
FROM json_each(?1) AS t
JOIN messages AS m ON ",
    is_target!(),
    join_contents!("?2"),
    "
LEFT JOIN users AS u ON u.user_id = t.value ->> 'r'
UNION ALL
SELECT m.receiver_id, m.message_type, m.content, m.job_id, u.region
FROM json_each(?1) AS t
JOIN old_messages AS m
  ON m.conversation_id = t.value ->> 'c' AND m.message_id = t.value ->> 'm'
LEFT JOIN users AS u ON u.user_id = m.receiver_id"
);

/// The batch that stores a send for these targets, which may be some of its targets only. `role` is the role that the
/// sender must have; `None` allows any. The results are, in this order: [`super::Sender`] rows (none or one), nothing,
/// nothing, [`RecordedCopy`] rows. One message has its content itself; several share a row of `contents`, which is
/// written last.
pub fn store(
    send: Uuid,
    sender_id: &str,
    role: Option<Role>,
    draft: &Draft,
    targets: &[Target],
) -> Vec<Statement> {
    let is_shared = targets.len() > 1;
    let targets = Param::Text(to_json(&targets));
    let sender = Param::from(sender_id);
    let role = Param::from(role.map(name_of));
    let job = Param::from(draft.job_id.as_deref());
    let content = [
        Param::from(draft.message_type.as_str()),
        Param::from(draft.content.get()),
        job.clone(),
    ];
    let guarded = [targets.clone(), sender.clone(), role];
    let first_message = [job, Param::Integer(created_at(send))];
    let own = if is_shared {
        [Param::Null, Param::Null, Param::Null]
    } else {
        content.clone()
    };
    let mut statements = vec![
        Statement {
            sql: SENDER,
            params: vec![sender.clone()],
        },
        Statement {
            sql: ADD_CONVERSATIONS,
            params: guarded.iter().cloned().chain(first_message).collect(),
        },
        Statement {
            sql: ADD_MESSAGES,
            params: guarded.into_iter().chain(own).collect(),
        },
        Statement {
            sql: OUTCOMES,
            params: vec![targets.clone(), sender.clone()],
        },
    ];
    if is_shared {
        let sent = [targets, sender, Param::Text(send.to_string())];
        statements.push(Statement {
            sql: ADD_CONTENT,
            params: sent.into_iter().chain(content).collect(),
        });
    }
    statements
}

/// The batch that reads a send back after an interrupted fan-out: [`super::Sender`] rows, then
/// [`StoredMessage`] rows.
pub fn read_back(sender_id: &str, targets: &[Target]) -> Vec<Statement> {
    let sender = Param::from(sender_id);
    vec![
        Statement {
            sql: SENDER,
            params: vec![sender.clone()],
        },
        Statement {
            sql: STORED,
            params: vec![Param::Text(to_json(&targets)), sender],
        },
    ]
}

/// The outcome for one receiver's copy. SQLite's truth values are 0 and 1.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedCopy {
    /// The receiver's id.
    pub receiver_id: String,
    /// 1 if the message is in the record.
    pub stored: u8,
    /// 1 if the receiver exists.
    pub known: u8,
    /// 1 if the receiver has blocked the sender.
    pub blocked: u8,
    /// The region of the receiver's object, if known.
    pub region: Option<Region>,
}

/// A stored message that was read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredMessage {
    /// The receiver's id.
    pub receiver_id: String,
    /// `text`, `image` or `file`.
    pub message_type: String,
    /// The content object as JSON.
    pub content: String,
    /// The job's id, if any.
    pub job_id: Option<String>,
    /// The region of the receiver's object, if known.
    pub region: Option<Region>,
}

/// Splits the targets of a send among the shards. Without any, the first shard has to find out who the sender is.
pub fn parts(shards: &Shards, targets: &[Target]) -> Vec<(Shard, Vec<Target>)> {
    let parts = shards.split(targets.iter().cloned(), |target| &target.conversation_id);
    if parts.is_empty() {
        return vec![(Shard::FIRST, Vec::new())];
    }
    parts
}

/// Splits a send into the stored targets, and the refused receivers with the reasons; both are in the order of
/// the receivers. `unconfirmed` are the receivers whose shards have not confirmed the send.
pub fn settle(
    sender_id: &str,
    receiver_ids: &[String],
    targets: Vec<Target>,
    outcomes: &[RecordedCopy],
    unconfirmed: &HashSet<String>,
) -> (Vec<Target>, Vec<(String, Refusal)>) {
    let outcomes: HashMap<&str, &RecordedCopy> = outcomes
        .iter()
        .map(|outcome| (outcome.receiver_id.as_str(), outcome))
        .collect();
    let outcome = |id: &str| outcomes.get(id).copied();
    let refusal = |id: &String| {
        if unconfirmed.contains(id) {
            return Some(Refusal::Unconfirmed);
        }
        refusal(sender_id, id, outcome(id))
    };
    let refused = receiver_ids
        .iter()
        .filter_map(|id| Some((id.clone(), refusal(id)?)))
        .collect();
    let stored = targets
        .into_iter()
        .filter(|target| outcome(&target.receiver_id).is_some_and(|outcome| outcome.stored == 1))
        .collect();
    (stored, refused)
}

fn refusal(sender_id: &str, receiver_id: &str, outcome: Option<&RecordedCopy>) -> Option<Refusal> {
    if receiver_id == sender_id {
        return Some(Refusal::Oneself);
    }
    match outcome {
        Some(outcome) if outcome.stored == 1 => None,
        Some(outcome) if outcome.blocked == 1 => Some(Refusal::Blocked),
        Some(outcome) if outcome.known == 1 => Some(Refusal::NoBulk),
        _ => Some(Refusal::NotFound),
    }
}
