//! `send_message { conversationId | receiverId, messageType, content, jobId?, idempotencyKey? }` →
//! `message_sent { messageId, conversationId, timestamp }` and, when a device of the receiver has received
//! the message, `message_delivered { messageId, conversationId, receiverId }`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::draft::Draft;
use super::new_message::{Target, is_false};
use super::{Reply, RequestPayload, conversation_id, fields, present, user_id};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};
use crate::core::time::{Millis, iso};

/// The request event.
pub const NAME: &str = "send_message";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "message_sent";

/// The event that tells the sender's devices that a device of the receiver has received a message.
pub const DELIVERED: &str = "message_delivered";

/// Where a message goes: the field that says so, and its value.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "To"))]
pub enum To {
    /// To the other participant of this conversation.
    #[cfg_attr(test, schemars(rename = "conversationId"))]
    Conversation(#[cfg_attr(test, schemars(length(min = 1, max = 64)))] String),
    /// To this user; their conversation with the sender is begun if there is none.
    #[cfg_attr(test, schemars(rename = "receiverId"))]
    Receiver(#[cfg_attr(test, schemars(length(min = 1, max = 128)))] String),
}

/// One message to one user.
#[derive(Debug)]
pub struct DirectMessage {
    /// The conversation or the receiver.
    pub to: To,
    /// Everything but the destination.
    pub draft: Draft,
}

impl RequestPayload for DirectMessage {
    fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a> {
            #[serde(borrow)]
            conversation_id: Option<&'a RawValue>,
            #[serde(borrow)]
            receiver_id: Option<&'a RawValue>,
        }
        let fields: Fields = fields(payload)?;
        let to = match (present(fields.conversation_id), present(fields.receiver_id)) {
            (Some(id), None) => To::Conversation(conversation_id(Some(id))?),
            (None, Some(id)) => To::Receiver(user_id(Some(id), "receiverId")?),
            (None, None) => return Err(EventError::invalid("Missing required fields")),
            (Some(_), Some(_)) => {
                return Err(EventError::invalid(
                    "Name a conversationId or a receiverId, not both",
                ));
            }
        };
        Ok(Self {
            to,
            draft: Draft::read(payload, config)?,
        })
    }
}

/// A message was accepted: it is stored and will arrive.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageSent<'a> {
    /// The message.
    message_id: &'a str,
    /// Its conversation.
    conversation_id: &'a str,
    /// When it was accepted: ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    timestamp: String,
    /// Whether it is held until the receiver connects again: too many contractors have written to them for the first time
    /// today.
    #[serde(skip_serializing_if = "is_false")]
    held: bool,
}

/// Returns the reply that tells the sender that the message is in the record, and whether it is held.
pub fn reply(target: &Target, created_at: Millis, held: bool) -> Reply {
    let sent = MessageSent {
        message_id: &target.message_id,
        conversation_id: &target.conversation_id,
        timestamp: iso(created_at),
        held,
    };
    Reply::event(REPLY, to_json(&sent))
}

/// A device of the receiver took a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "MessageDelivered")
)]
#[serde(rename_all = "camelCase")]
pub struct Delivered {
    /// Which message.
    pub message_id: String,
    /// In which conversation.
    pub conversation_id: String,
    /// Whose device took it.
    pub receiver_id: String,
}

impl From<&Target> for Delivered {
    fn from(target: &Target) -> Self {
        Self {
            message_id: target.message_id.clone(),
            conversation_id: target.conversation_id.clone(),
            receiver_id: target.receiver_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    const CONVERSATION: &str = "3f0f7a6e-6f5c-8d3a-9a51-0a1b2c3d4e5f";

    fn good(payload: &str) -> DirectMessage {
        match read(NAME, payload) {
            Ok(Request::SendMessage(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn goes_to_a_conversation_or_to_a_user() {
        let to = |field: &str| {
            good(&format!(
                r#"{{{field},"messageType":"text","content":{{"text":"x"}}}}"#
            ))
            .to
        };
        assert_eq!(
            to(&format!(r#""conversationId":"{CONVERSATION}""#)),
            To::Conversation(CONVERSATION.into())
        );
        assert_eq!(to(r#""receiverId":"a""#), To::Receiver("a".into()));
        assert_eq!(
            to(r#""receiverId":"a","conversationId":null"#),
            To::Receiver("a".into())
        );
    }

    #[test]
    fn names_what_is_wrong() {
        let cases = [
            ("{}", "Missing required fields"),
            (r#"{"receiverId":"a"}"#, "Missing required fields"),
            (
                r#"{"receiverId":"a","conversationId":"b"}"#,
                "Name a conversationId or a receiverId, not both",
            ),
            (
                r#"{"receiverId":7}"#,
                "receiverId must be a string of 1 to 128 characters, without control characters",
            ),
            (
                r#"{"conversationId":7}"#,
                "conversationId must be a string of 1 to 64 characters",
            ),
        ];
        for (payload, message) in cases {
            assert_eq!(refusal(NAME, payload), message, "{payload}");
        }
    }

    #[test]
    fn wire_json_is_pinned() {
        let target = Target {
            receiver_id: "r".into(),
            conversation_id: "k".into(),
            message_id: "m".into(),
        };
        assert_eq!(
            reply(&target, 1_762_338_600_000, false).payload,
            r#"{"messageId":"m","conversationId":"k","timestamp":"2025-11-05T10:30:00.000Z"}"#
        );
        assert!(
            reply(&target, 0, true)
                .payload
                .ends_with(r#","held":true}"#)
        );
        assert_eq!(
            to_json(&Delivered::from(&target)),
            r#"{"messageId":"m","conversationId":"k","receiverId":"r"}"#
        );
    }
}
