//! `join_conversation` / `leave_conversation { conversationId }` → `joined_conversation` /
//! `left_conversation { conversationId }`
//!
//! Kept for clients of the previous server: checked and replied to. There is nothing else to do, since a
//! user's devices receive the events of all their conversations.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Reply, RequestPayload, only_conversation_id};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};

/// The request event to join a conversation.
pub const JOIN: &str = "join_conversation";
/// The request event to leave a conversation.
pub const LEAVE: &str = "leave_conversation";

/// The reply to [`JOIN`], sent whether or not an ack is requested.
pub const JOINED: &str = "joined_conversation";
/// The reply to [`LEAVE`], sent whether or not an ack is requested.
pub const LEFT: &str = "left_conversation";

/// The id of the conversation to join or to leave.
#[derive(Debug)]
pub struct Membership<const JOINS: bool>(pub String);

impl<const JOINS: bool> RequestPayload for Membership<JOINS> {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        only_conversation_id(payload).map(Self)
    }
}

/// What was joined, left or typed into.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversationNamed<'a> {
    /// The conversation.
    conversation_id: &'a str,
}

/// Returns the payload that names a conversation, as JSON.
pub fn payload(conversation_id: &str) -> String {
    to_json(&ConversationNamed { conversation_id })
}

/// Returns the reply that confirms joining or leaving a conversation.
pub fn reply(event: &'static str, conversation_id: &str) -> Reply {
    Reply::event(event, payload(conversation_id))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    #[test]
    fn reads_a_conversation_id() {
        for name in [JOIN, LEAVE] {
            let request = read(name, r#"{"conversationId":"k"}"#).unwrap();
            assert!(matches!(
                request,
                Request::JoinConversation(Membership(id)) | Request::LeaveConversation(Membership(id))
                    if id == "k"
            ));
            assert_eq!(
                refusal(name, "{}"),
                "conversationId must be a string of 1 to 64 characters"
            );
        }
    }

    #[test]
    fn reply_is_pinned() {
        assert_eq!(reply(JOINED, "k").payload, r#"{"conversationId":"k"}"#);
    }
}
