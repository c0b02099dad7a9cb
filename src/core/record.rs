//! The statements that read and write the record in D1, and what comes back.
//!
//! Invariant: a send is one batch, which D1 runs as one transaction, whatever the number of its
//! receivers: every statement is set-based over `json_each`. Running the same send again changes
//! nothing (its message ids are the same, and inserts that conflict do nothing), so a send whose
//! outcome is unknown can simply be repeated.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::error::to_json;
use super::events::new_message::{Author, Letter, Target};
use super::events::send_bulk_message::{BulkMessage, Settled};
use super::ids::{conversation_id, created_at, message_id};
use super::time::Millis;
use super::token::{Identity, Role};

/// A value bound to a placeholder.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// Text.
    Text(String),
    /// A whole number below 2^53.
    Integer(u64),
    /// NULL.
    Null,
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<&str>> for Param {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

/// A statement with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// SQL with `?1`, `?2`, ...
    pub sql: &'static str,
    /// The parameters.
    pub params: Vec<Param>,
}

/// The targets of a send, in the order of its receivers. The sender is not among them.
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

/// Adds the user, unless there is a row already: then the database's role and name count.
pub fn add_user(identity: &Identity, now: Millis) -> Statement {
    Statement {
        sql: "INSERT INTO users (user_id, role, name, created_at) VALUES (?1, ?2, ?3, ?4)
              ON CONFLICT (user_id) DO NOTHING",
        params: vec![
            Param::from(identity.user_id.as_str()),
            Param::from(identity.role.as_str()),
            Param::from(identity.name.as_deref()),
            Param::Integer(now),
        ],
    }
}

const SENDER: &str = "SELECT role, name, avatar_url AS avatarUrl FROM users WHERE user_id = ?1";

/// Conversations that a message can go into: the sender may send to many, the receiver exists and
/// has not blocked the sender. The guard stands in both inserts, so that neither happens alone.
const ADD_CONVERSATIONS: &str = "
INSERT INTO conversations
  (conversation_id, user_a, user_b, job_id, last_message_id, created_at, updated_at)
SELECT t.value ->> 'c', min(t.value ->> 'r', ?2), max(t.value ->> 'r', ?2), ?3, t.value ->> 'm', ?4, ?4
FROM json_each(?1) AS t
WHERE EXISTS (SELECT 1 FROM users WHERE user_id = ?2 AND role = 'contractor')
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
WHERE EXISTS (SELECT 1 FROM users WHERE user_id = ?2 AND role = 'contractor')
  AND EXISTS (SELECT 1 FROM users WHERE user_id = t.value ->> 'r')
  AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = t.value ->> 'r' AND blocked_id = ?2)
ON CONFLICT (conversation_id, message_id) DO NOTHING";

const OUTCOMES: &str = "
SELECT t.value ->> 'r' AS receiverId,
  EXISTS (SELECT 1 FROM messages
          WHERE conversation_id = t.value ->> 'c' AND message_id = t.value ->> 'm') AS stored,
  EXISTS (SELECT 1 FROM users WHERE user_id = t.value ->> 'r') AS known
FROM json_each(?1) AS t
ORDER BY t.key";

const STORED: &str = "
SELECT m.receiver_id AS receiverId, m.conversation_id AS conversationId, m.message_id AS messageId,
  m.message_type AS messageType, m.content, m.job_id AS jobId
FROM json_each(?1) AS t
JOIN messages AS m
  ON m.conversation_id = t.value ->> 'c' AND m.message_id = t.value ->> 'm'
ORDER BY t.key";

/// The batch of a bulk send. Its results are, in this order: [`Sender`] rows (none or one), nothing,
/// nothing, [`Outcome`] rows.
pub fn bulk_send(
    send: Uuid,
    sender_id: &str,
    message: &BulkMessage,
    targets: &[Target],
) -> Vec<Statement> {
    let targets = Param::Text(to_json(&targets));
    let sender = Param::from(sender_id);
    let job = Param::from(message.job_id.as_deref());
    let now = Param::Integer(created_at(send));
    vec![
        Statement {
            sql: SENDER,
            params: vec![sender.clone()],
        },
        Statement {
            sql: ADD_CONVERSATIONS,
            params: vec![targets.clone(), sender.clone(), job.clone(), now.clone()],
        },
        Statement {
            sql: ADD_MESSAGES,
            params: vec![
                targets.clone(),
                sender,
                job,
                now,
                Param::from(message.message_type.as_str()),
                Param::from(message.content.get()),
            ],
        },
        Statement {
            sql: OUTCOMES,
            params: vec![targets],
        },
    ]
}

/// The batch that reads a send back, for a fan-out that was interrupted: [`Sender`] rows, then
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

/// A user as the author of messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    /// The role in the database: the one that counts.
    pub role: Role,
    /// The display name.
    pub name: Option<String>,
    /// The picture.
    pub avatar_url: Option<String>,
}

/// What became of one receiver's copy. SQLite's truth values are 0 and 1.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The receiver.
    pub receiver_id: String,
    /// 1 if the message is in the record.
    pub stored: u8,
    /// 1 if there is such a user.
    pub known: u8,
}

/// A message, read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredMessage {
    /// The receiver.
    pub receiver_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The message.
    pub message_id: String,
    /// `text`, `image` or `file`.
    pub message_type: String,
    /// The content object, JSON.
    pub content: String,
    /// The job, if any.
    pub job_id: Option<String>,
}

/// Puts targets and outcomes together.
pub fn settle(
    sender_id: &str,
    receiver_ids: &[String],
    targets: Vec<Target>,
    outcomes: &[Outcome],
) -> Settled {
    let outcomes: HashMap<&str, &Outcome> = outcomes
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
    Settled { stored, refused }
}

fn refusal(sender_id: &str, receiver_id: &str, outcome: Option<&Outcome>) -> Option<&'static str> {
    if receiver_id == sender_id {
        return Some("You cannot send a message to yourself");
    }
    match outcome {
        Some(outcome) if outcome.stored == 1 => None,
        Some(outcome) if outcome.known == 1 => Some("Receiver is not accepting messages from you"),
        _ => Some("Receiver not found"),
    }
}

/// What every receiver of a send gets, from its rows.
pub fn letter(
    send: Uuid,
    sender_id: &str,
    sender: Sender,
    message_type: &str,
    content: Box<RawValue>,
    job_id: Option<String>,
) -> Letter {
    Letter {
        sender: Author {
            id: sender_id.to_owned(),
            name: sender.name,
            avatar_url: sender.avatar_url,
        },
        message_type: message_type.to_owned(),
        content,
        job_id,
        created_at: created_at(send),
    }
}

#[cfg(test)]
mod tests;
