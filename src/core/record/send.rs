//! The statements of a send.
//!
//! Invariant: a send is one batch, which D1 runs as one transaction, however many receivers it has: every
//! statement is set-based over `json_each`. Running the same send again changes nothing, because its
//! message ids are the same and conflicting inserts do nothing. So a send whose outcome is unknown can
//! simply be repeated.

use std::collections::HashMap;

use serde::Deserialize;
use uuid::Uuid;

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

/// Adds or updates the conversations that the message may go into: the sender has the required role, and
/// the receiver exists and has not blocked the sender. Both inserts have the same guard, so neither takes
/// effect without the other.
const ADD_CONVERSATIONS: &str = "
INSERT INTO conversations
  (conversation_id, user_a, user_b, job_id, last_message_id, created_at, updated_at)
SELECT t.value ->> 'c', min(t.value ->> 'r', ?2), max(t.value ->> 'r', ?2), ?3, t.value ->> 'm', ?4, ?4
FROM json_each(?1) AS t
WHERE EXISTS (SELECT 1 FROM users WHERE user_id = ?2 AND (?5 IS NULL OR role = ?5))
  AND EXISTS (SELECT 1 FROM users WHERE user_id = t.value ->> 'r')
  AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = t.value ->> 'r' AND blocked_id = ?2)
ON CONFLICT (conversation_id) DO UPDATE SET
  last_message_id = excluded.last_message_id,
  updated_at = excluded.updated_at,
  job_id = coalesce(excluded.job_id, job_id)
WHERE excluded.last_message_id > last_message_id";

const ADD_MESSAGES: &str = "
INSERT INTO messages
  (conversation_id, message_id, sender_id, receiver_id, message_type, content, job_id, created_at)
SELECT t.value ->> 'c', t.value ->> 'm', ?2, t.value ->> 'r', ?5, ?6, ?3, ?4
FROM json_each(?1) AS t
WHERE EXISTS (SELECT 1 FROM users WHERE user_id = ?2 AND (?7 IS NULL OR role = ?7))
  AND EXISTS (SELECT 1 FROM users WHERE user_id = t.value ->> 'r')
  AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = t.value ->> 'r' AND blocked_id = ?2)
ON CONFLICT (conversation_id, message_id) DO NOTHING";

const OUTCOMES: &str = "
SELECT t.value ->> 'r' AS receiverId,
  EXISTS (SELECT 1 FROM messages
          WHERE conversation_id = t.value ->> 'c' AND message_id = t.value ->> 'm') AS stored,
  u.user_id IS NOT NULL AS known, u.region AS region
FROM json_each(?1) AS t
LEFT JOIN users AS u ON u.user_id = t.value ->> 'r'
ORDER BY t.key";

const STORED: &str = "
SELECT m.receiver_id AS receiverId, m.message_type AS messageType, m.content, m.job_id AS jobId,
  u.region AS region
FROM json_each(?1) AS t
JOIN messages AS m
  ON m.conversation_id = t.value ->> 'c' AND m.message_id = t.value ->> 'm'
LEFT JOIN users AS u ON u.user_id = m.receiver_id
ORDER BY t.key";

/// The batch of a send. `role` is the role that the sender must have; `None` allows any. The results are,
/// in this order: [`super::Sender`] rows (none or one), nothing, nothing, [`RecordedCopy`] rows.
pub fn store(
    send: Uuid,
    sender_id: &str,
    role: Option<Role>,
    draft: &Draft,
    targets: &[Target],
) -> Vec<Statement> {
    let targets = Param::Text(to_json(&targets));
    let sender = Param::from(sender_id);
    let job = Param::from(draft.job_id.as_deref());
    let now = Param::Integer(created_at(send));
    let role = Param::from(role.map(name_of));
    vec![
        Statement {
            sql: SENDER,
            params: vec![sender.clone()],
        },
        Statement {
            sql: ADD_CONVERSATIONS,
            params: vec![
                targets.clone(),
                sender.clone(),
                job.clone(),
                now.clone(),
                role.clone(),
            ],
        },
        Statement {
            sql: ADD_MESSAGES,
            params: vec![
                targets.clone(),
                sender,
                job,
                now,
                Param::from(draft.message_type.as_str()),
                Param::from(draft.content.get()),
                role,
            ],
        },
        Statement {
            sql: OUTCOMES,
            params: vec![targets],
        },
    ]
}

/// The batch that reads a send back after an interrupted fan-out: [`super::Sender`] rows, then
/// [`StoredMessage`] rows.
pub fn read_back(sender_id: &str, targets: &[Target]) -> Vec<Statement> {
    vec![
        Statement {
            sql: SENDER,
            params: vec![Param::from(sender_id)],
        },
        Statement {
            sql: STORED,
            params: vec![Param::Text(to_json(&targets))],
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

/// Splits a send into the stored targets, and the refused receivers with the reasons; both are in the order of
/// the receivers.
pub fn settle(
    sender_id: &str,
    receiver_ids: &[String],
    targets: Vec<Target>,
    outcomes: &[RecordedCopy],
) -> (Vec<Target>, Vec<(String, Refusal)>) {
    let outcomes: HashMap<&str, &RecordedCopy> = outcomes
        .iter()
        .map(|outcome| (outcome.receiver_id.as_str(), outcome))
        .collect();
    let outcome = |id: &str| outcomes.get(id).copied();
    let refused = receiver_ids
        .iter()
        .filter_map(|id| Some((id.clone(), refusal(sender_id, id, outcome(id))?)))
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
        Some(outcome) if outcome.known == 1 => Some(Refusal::Blocked),
        _ => Some(Refusal::NotFound),
    }
}
