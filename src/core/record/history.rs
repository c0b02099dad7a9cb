//! Conversations, messages and read state. Every page is a range read by primary key.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::id::{Id, join_contents, key, sender};
use super::users::is_for;
use super::{Param, Statement};
use crate::core::error::{ErrorCode, EventError, to_json};
use crate::core::events::get_conversations::{Conversation, MAX_UNREAD_COUNT, Participant};
use crate::core::events::get_messages::MessagePage;
use crate::core::events::mark_as_read::Marking;
use crate::core::events::new_message::{Author, Letter, Message, Target};
use crate::core::ids::created_at;
use crate::core::time::iso;

/// Reads the participants of a conversation: [`Pair`] rows, none or one.
pub fn participants(conversation_id: &str) -> Statement {
    Statement {
        sql: "SELECT user_a AS userA, user_b AS userB,
                (SELECT hex(m.message_id) FROM messages AS m
                 WHERE m.conversation_id = c.conversation_id
                 ORDER BY m.message_id DESC LIMIT 1) AS lastMessageId
              FROM conversations AS c WHERE conversation_id = unhex(?1, '-')",
        params: vec![key(conversation_id)],
    }
}

/// The participants of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    user_a: String,
    user_b: String,
    /// The id of the newest message. There is none only while older messages are still being moved.
    pub last_message_id: Option<Id>,
}

/// Returns the other participant, or an error if there is no such conversation or `user_id` is not in it.
pub fn peer<'a>(user_id: &str, pair: Option<&'a Pair>) -> Result<&'a str, EventError> {
    match pair {
        None => Err(not_found()),
        Some(pair) if pair.user_a == user_id => Ok(&pair.user_b),
        Some(pair) if pair.user_b == user_id => Ok(&pair.user_a),
        Some(_) => Err(inaccessible(ErrorCode::Forbidden)),
    }
}

/// The error of [`peer`] with this code.
pub fn inaccessible(code: ErrorCode) -> EventError {
    match code {
        ErrorCode::Forbidden => {
            EventError::new(code, "You are not a participant in this conversation")
        }
        _ => not_found(),
    }
}

/// The error for a conversation that does not exist.
pub fn not_found() -> EventError {
    EventError::new(ErrorCode::NotFound, "Conversation not found")
}

/// The columns of a [`MessageRow`], without the author's name and picture.
macro_rules! message_columns {
    () => {
        concat!(
            "hex(m.message_id) AS messageId, hex(m.conversation_id) AS conversationId, ",
            sender!(),
            " AS senderId,
  CASE m.from_a WHEN 1 THEN c.user_b ELSE c.user_a END AS receiverId,
  coalesce(m.message_type, s.message_type) AS messageType,
  coalesce(m.content, s.content) AS content, coalesce(m.job_id, s.job_id) AS jobId"
        )
    };
}

/// Selects a page of messages with their authors, in the given order of their ids.
macro_rules! message_page {
    ($order:literal) => {
        concat!(
            "
SELECT ",
            message_columns!(),
            ", u.name AS senderName, u.avatar_url AS senderAvatarUrl
FROM conversations AS c
JOIN messages AS m ON m.conversation_id = c.conversation_id",
            join_contents!(sender!()),
            "
LEFT JOIN users AS u ON u.user_id = ",
            sender!(),
            "
WHERE c.conversation_id = unhex(?1, '-')
  AND m.message_id > unhex(?2, '-') AND m.message_id < unhex(?3, '-')
ORDER BY m.message_id ",
            $order,
            " LIMIT ?4"
        )
    };
}

const NEWEST_FIRST: &str = message_page!("DESC");
const OLDEST_FIRST: &str = message_page!("ASC");

/// Bounds that sort before and after every message id.
const FIRST: &str = "";
const LAST: &str = "ff";

/// The batch that reads a page of messages: [`Pair`] rows, then [`MessageRow`] rows, one more than fits on
/// the page if there are more.
pub fn messages(page: &MessagePage) -> Vec<Statement> {
    let read = Statement {
        sql: if page.is_oldest_first() {
            OLDEST_FIRST
        } else {
            NEWEST_FIRST
        },
        params: vec![
            key(&page.conversation_id),
            Param::from(page.after.as_deref().unwrap_or(FIRST)),
            Param::from(page.before.as_deref().unwrap_or(LAST)),
            Param::Integer(page.limit as u64 + 1),
        ],
    };
    vec![participants(&page.conversation_id), read]
}

/// A message with its author.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageRow {
    message_id: Id,
    conversation_id: Id,
    sender_id: String,
    sender_name: Option<String>,
    sender_avatar_url: Option<String>,
    receiver_id: String,
    message_type: String,
    content: String,
    job_id: Option<String>,
}

impl MessageRow {
    /// Converts the row to the message that history returns. Content that is not valid JSON becomes null;
    /// this code never writes such content.
    pub fn message(self) -> Message {
        let letter = Letter {
            sender: Author {
                id: self.sender_id,
                name: self.sender_name,
                avatar_url: self.sender_avatar_url,
            },
            message_type: self.message_type,
            content: RawValue::from_string(self.content)
                .unwrap_or_else(|_| RawValue::NULL.to_owned()),
            job_id: self.job_id,
            created_at: created_at(self.message_id.0),
            wants_receipt: false,
            is_from_contractor: false,
        };
        let target = Target {
            receiver_id: self.receiver_id,
            conversation_id: self.conversation_id.to_string(),
            message_id: self.message_id.to_string(),
        };
        Message { letter, target }
    }
}

/// Selects the read marker of a participant of `conversations AS c`, if the user `?2` is this participant or may see
/// their presence. Takes the participant's letter and their `from_a`.
macro_rules! read_marker {
    ($letter:literal, $from_a:literal) => {
        concat!(
            "CASE WHEN ?2 = c.user_",
            $letter,
            " OR ",
            is_for!(concat!($letter, ".presence"), "c.conversation_id", $from_a),
            " THEN nullif(hex(c.read_",
            $letter,
            "), '') END"
        )
    };
}

const CONVERSATIONS: &str = concat!(
    "
SELECT ",
    message_columns!(),
    ", c.job_id AS conversationJobId,
  c.user_a AS userA, a.name AS nameA, a.avatar_url AS avatarUrlA, ",
    read_marker!("a", "1"),
    " AS readA,
  c.user_b AS userB, b.name AS nameB, b.avatar_url AS avatarUrlB, ",
    read_marker!("b", "0"),
    " AS readB,
  (SELECT count(*) FROM (
     SELECT 1 FROM messages AS n
     WHERE n.conversation_id = c.conversation_id AND n.from_a = (?2 = c.user_b)
       AND n.message_id > coalesce(CASE ?2 WHEN c.user_a THEN c.read_a ELSE c.read_b END, x'')
     LIMIT ?3)) AS unreadCount
FROM json_each(?1) AS t
JOIN conversations AS c ON c.conversation_id = unhex(t.value, '-')
JOIN messages AS m ON m.conversation_id = c.conversation_id AND m.message_id = (
  SELECT n.message_id FROM messages AS n WHERE n.conversation_id = c.conversation_id
  ORDER BY n.message_id DESC LIMIT 1)",
    join_contents!(sender!()),
    "
LEFT JOIN users AS a ON a.user_id = c.user_a
LEFT JOIN users AS b ON b.user_id = c.user_b
WHERE ?2 IN (c.user_a, c.user_b)
ORDER BY t.key"
);

/// Reads the given conversations of the user, in this order: [`ConversationRow`] rows.
pub fn conversations(user_id: &str, conversation_ids: &[String]) -> Statement {
    Statement {
        sql: CONVERSATIONS,
        params: vec![
            Param::Text(to_json(&conversation_ids)),
            Param::from(user_id),
            Param::Integer(MAX_UNREAD_COUNT),
        ],
    }
}

/// Puts rows of several shards into the order of the ids that were asked for, as list items.
pub fn in_order(conversation_ids: &[String], rows: Vec<ConversationRow>) -> Vec<Conversation> {
    let mut items: Vec<Conversation> = rows
        .into_iter()
        .map(ConversationRow::conversation)
        .collect();
    items.sort_by_cached_key(|item| {
        let is_it = |id: &String| *id == item.conversation_id;
        conversation_ids.iter().position(is_it)
    });
    items
}

/// A conversation with its participants, its newest message and the unread count.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConversationRow {
    /// The newest message, without its author's name and picture: the author is one of the participants.
    #[serde(flatten)]
    last: MessageRow,
    conversation_job_id: Option<String>,
    user_a: String,
    name_a: Option<String>,
    avatar_url_a: Option<String>,
    read_a: Option<Id>,
    user_b: String,
    name_b: Option<String>,
    avatar_url_b: Option<String>,
    read_b: Option<Id>,
    unread_count: u64,
}

impl ConversationRow {
    /// Converts the row to a list item.
    pub fn conversation(self) -> Conversation {
        let participant = |id: String, name, avatar_url, read_up_to: Option<Id>| Participant {
            user: Author {
                id,
                name,
                avatar_url,
            },
            read_up_to: read_up_to.map(|id| id.to_string()),
        };
        let a = participant(self.user_a, self.name_a, self.avatar_url_a, self.read_a);
        let b = participant(self.user_b, self.name_b, self.avatar_url_b, self.read_b);
        let mut last_message = self.last.message();
        let is_of_a = last_message.letter.sender.id == a.user.id;
        last_message.letter.sender = if is_of_a { &a } else { &b }.user.clone();
        Conversation {
            conversation_id: last_message.target.conversation_id.clone(),
            participants: vec![a, b],
            job_id: self.conversation_job_id,
            updated_at: iso(last_message.letter.created_at),
            last_message,
            unread_count: self.unread_count,
        }
    }
}

/// Moves the watermark to the newest message that is not after the named one, and only forward.
const MARK_READ: &str = "
UPDATE conversations SET
  read_a = CASE ?2 WHEN user_a THEN up_to.id ELSE read_a END,
  read_b = CASE ?2 WHEN user_b THEN up_to.id ELSE read_b END
FROM (SELECT max(message_id) AS id FROM messages
      WHERE conversation_id = unhex(?1, '-') AND message_id <= unhex(?3, '-')) AS up_to
WHERE conversation_id = unhex(?1, '-') AND ?2 IN (user_a, user_b)
  AND up_to.id > coalesce(CASE ?2 WHEN user_a THEN read_a ELSE read_b END, x'')
RETURNING true AS moved";

/// The batch that marks messages as read: [`Pair`] rows, then one row if the watermark moved.
pub fn mark_read(user_id: &str, marking: &Marking) -> Vec<Statement> {
    let mark = Statement {
        sql: MARK_READ,
        params: vec![
            key(&marking.conversation_id),
            Param::from(user_id),
            key(marking.what.last()),
        ],
    };
    vec![participants(&marking.conversation_id), mark]
}

/// A row that [`mark_read`] returns if the watermark moved.
#[derive(Debug, Deserialize)]
pub struct Moved {}
