//! `get_conversations { limit?, cursor? }` → `conversations { items: [{ conversationId, participants,
//! jobId, lastMessage, unreadCount, updatedAt }], nextCursor }`, newest first.
//!
//! The cursor is the id of the last item's newest message, so its place in the list stays the same
//! whatever is written in the meantime.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::new_message::{Author, Message};
use super::{Reply, RequestPayload, fields, fitting, limit, message_id, payload_or_none, present};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};
use crate::wire::socket_io::Args;

/// The request event.
pub const NAME: &str = "get_conversations";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "conversations";

/// Counting stops here: 1000 means that many or more.
pub const MAX_UNREAD_COUNT: u64 = 1_000;

/// A request for a page of conversations.
#[derive(Debug, PartialEq, Eq)]
pub struct ConversationPage {
    /// The maximum number of conversations.
    pub limit: usize,
    /// The `nextCursor` of the previous page.
    pub cursor: Option<String>,
}

/// Which page of conversations.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetConversations<'a> {
    /// How many conversations at most: 50 unless given.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<u8>", range(min = 1, max = 100)))]
    limit: Option<&'a RawValue>,
    /// The `nextCursor` of the page before.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    cursor: Option<&'a RawValue>,
}

impl RequestPayload for ConversationPage {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        let fields: GetConversations = fields(payload)?;
        let cursor = present(fields.cursor).map(|cursor| message_id(cursor, "cursor"));
        Ok(Self {
            limit: limit(fields.limit)?,
            cursor: cursor.transpose()?,
        })
    }

    fn read_args(args: &Args, config: &Config) -> Result<Self, EventError> {
        Self::read(payload_or_none(args)?, config)
    }
}

/// A participant.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// The user.
    #[serde(flatten)]
    pub user: Author,
    /// The last message that they have read, if any.
    pub read_up_to: Option<String>,
}

/// A conversation.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Its id.
    pub conversation_id: String,
    /// Both users.
    pub participants: Vec<Participant>,
    /// The job that was mentioned last, if any.
    pub job_id: Option<String>,
    /// The newest message.
    pub last_message: Message,
    /// How many messages the user has not read.
    pub unread_count: u64,
    /// When the newest message was accepted: ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub updated_at: String,
}

/// A page of conversations.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversations<'a> {
    /// Newest first.
    items: &'a [Conversation],
    /// The `cursor` of the next page; null on the last one.
    next_cursor: Option<&'a str>,
}

/// Returns how far the user has read in the conversations where they have read anything: conversations and message ids.
pub fn own_marks<'a>(items: &'a [Conversation], user_id: &str) -> Vec<(&'a str, &'a str)> {
    let own_mark = |item: &'a Conversation| {
        let own = item.participants.iter().find(|one| one.user.id == user_id);
        Some((item.conversation_id.as_str(), own?.read_up_to.as_deref()?))
    };
    items.iter().filter_map(own_mark).collect()
}

/// Returns the reply, with as many of the conversations as fit into it.
pub fn reply(items: &[Conversation], next_cursor: Option<&str>) -> Reply {
    let size = |conversation: &Conversation| conversation.last_message.letter.content.get().len();
    let fitting = fitting(items.iter().map(size));
    let (items, next_cursor) = match items.get(..fitting) {
        Some(some) if fitting < items.len() => {
            let last = some
                .last()
                .map(|last| last.last_message.target.message_id.as_str());
            (some, last)
        }
        _ => (items, next_cursor),
    };
    Reply::event(REPLY, to_json(&Conversations { items, next_cursor }))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;
    use crate::core::events::new_message::{Letter, Target};

    #[test]
    fn reads_a_page() {
        let page = |payload| match read(NAME, payload) {
            Ok(Request::GetConversations(page)) => page,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            page("{}"),
            ConversationPage {
                limit: 50,
                cursor: None
            }
        );
        assert_eq!(
            page(r#"{"limit":7,"cursor":"019a0000-0000-7000-8000-000000000001"}"#),
            ConversationPage {
                limit: 7,
                cursor: Some("019a0000-0000-7000-8000-000000000001".into())
            }
        );
        for bad in ["0", "101", "1.5", "\"7\""] {
            assert_eq!(
                refusal(NAME, &format!(r#"{{"limit":{bad}}}"#)),
                "limit must be a whole number from 1 to 100"
            );
        }
        assert_eq!(
            refusal(NAME, r#"{"cursor":"x"}"#),
            "cursor must be the id of a message"
        );
    }

    #[test]
    fn reply_is_pinned() {
        let author = |id: &str| Author {
            id: id.into(),
            name: None,
            avatar_url: None,
        };
        let letter = Letter {
            sender: author("a"),
            message_type: "text".into(),
            content: RawValue::from_string(r#"{"text":"x"}"#.into()).unwrap(),
            job_id: None,
            created_at: 1_762_338_600_000,
            wants_receipt: false,
            is_from_contractor: false,
        };
        let target = Target {
            receiver_id: "b".into(),
            conversation_id: "k".into(),
            message_id: "m".into(),
        };
        let conversation = Conversation {
            conversation_id: "k".into(),
            participants: vec![Participant {
                user: author("a"),
                read_up_to: Some("m".into()),
            }],
            job_id: Some("j".into()),
            last_message: Message { letter, target },
            unread_count: 1,
            updated_at: "t".into(),
        };
        assert_eq!(
            reply(&[conversation], Some("m")).payload,
            r#"{"items":[{"conversationId":"k","participants":[{"id":"a","name":null,"avatarUrl":null,"readUpTo":"m"}],"jobId":"j","lastMessage":{"messageId":"m","conversationId":"k","senderId":"a","sender":{"id":"a","name":null,"avatarUrl":null},"receiverId":"b","messageType":"text","content":{"text":"x"},"jobId":null,"timestamp":"2025-11-05T10:30:00.000Z"},"unreadCount":1,"updatedAt":"t"}],"nextCursor":"m"}"#
        );
    }
}
