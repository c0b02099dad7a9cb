//! `new_message`: a message, for every device of the receiver and, after `send_message`, for the sender's
//! other devices.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::core::error::to_json;
use crate::core::send_kind::SendKind;
use crate::core::time::{Millis, iso};

/// The event that carries a message.
pub const NAME: &str = "new_message";

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "User"))]
#[serde(rename_all = "camelCase")]
pub struct Author {
    /// The user.
    pub id: String,
    /// The display name.
    pub name: Option<String>,
    /// The picture.
    pub avatar_url: Option<String>,
}

/// What all copies of a send have in common: the body of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// The author.
    pub sender: Author,
    /// `text`, `image` or `file`.
    pub message_type: String,
    /// The content object, as the sender wrote it.
    pub content: Box<RawValue>,
    /// The job's id, if any.
    pub job_id: Option<String>,
    /// When the send was accepted.
    pub created_at: Millis,
    /// Whether the sender is told when a device of the receiver has received the message.
    #[serde(default)]
    pub wants_receipt: bool,
    /// Whether the author is a contractor.
    #[serde(default)]
    pub is_from_contractor: bool,
}

impl Letter {
    /// Returns to whom it was sent: the sender of a direct message waits for a receipt.
    pub fn kind(&self) -> SendKind {
        if self.wants_receipt {
            SendKind::Direct
        } else {
            SendKind::Bulk
        }
    }
}

/// What became of a copy: it is in the receiver's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whether a device of the receiver was online to receive it, and the author may know.
    pub delivered: bool,
    /// Whether it is held until the receiver connects again: too many contractors have written to them for the first time
    /// on this day.
    #[serde(default, skip_serializing_if = "is_false")]
    pub held: bool,
}

/// Returns whether a field may be left out.
pub fn is_false(is_so: &bool) -> bool {
    !is_so
}

/// Where one receiver's copy of a send goes. Its JSON is what the SQL of `core::record` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The receiver's id.
    #[serde(rename = "r")]
    pub receiver_id: String,
    /// The id of the receiver's conversation with the sender.
    #[serde(rename = "c")]
    pub conversation_id: String,
    /// The id of this copy.
    #[serde(rename = "m")]
    pub message_id: String,
}

/// Returns the payload: `{ messageId, conversationId, senderId, sender: { id, name, avatarUrl },
/// receiverId, messageType, content, jobId, timestamp }`.
pub fn payload(letter: &Letter, target: &Target) -> String {
    to_json(&Wire::new(letter, target))
}

/// A message from the record, for history. It has the same JSON as the event.
#[derive(Debug, Clone)]
pub struct Message {
    /// What was sent.
    pub letter: Letter,
    /// This copy of it.
    pub target: Target,
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire::new(&self.letter, &self.target).serialize(serializer)
    }
}

/// A message. Type and content are in the shape of [`super::content::Body`].
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Envelope"))]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    /// The message. Ids are in the order in which messages were accepted.
    message_id: &'a str,
    /// Its conversation.
    conversation_id: &'a str,
    /// Who wrote it.
    sender_id: &'a str,
    /// Who wrote it.
    sender: &'a Author,
    /// Whom it is for.
    receiver_id: &'a str,
    #[cfg_attr(test, schemars(skip))]
    message_type: &'a str,
    #[cfg_attr(test, schemars(skip))]
    content: &'a RawValue,
    /// The job that it is about.
    job_id: Option<&'a str>,
    /// When it was accepted: ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    timestamp: String,
}

impl<'a> Wire<'a> {
    fn new(letter: &'a Letter, target: &'a Target) -> Self {
        Self {
            message_id: &target.message_id,
            conversation_id: &target.conversation_id,
            sender_id: &letter.sender.id,
            sender: &letter.sender,
            receiver_id: &target.receiver_id,
            message_type: &letter.message_type,
            content: &letter.content,
            job_id: letter.job_id.as_deref(),
            timestamp: iso(letter.created_at),
        }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Message {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Message".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        use crate::core::contract::all_of;
        use crate::core::events::content::Body;
        let parts = vec![Wire::json_schema(generator), Body::json_schema(generator)];
        all_of("A message.", parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_pinned_and_content_passes_untouched() {
        let letter: Letter = serde_json::from_str(
            r#"{"sender":{"id":"c1","name":"Ann","avatarUrl":null},"messageType":"text","content":{"text":"\ud800","a":1e400},"jobId":null,"createdAt":1762338600000}"#,
        )
        .unwrap();
        let target = Target {
            receiver_id: "r".into(),
            conversation_id: "k".into(),
            message_id: "m".into(),
        };
        assert_eq!(
            payload(&letter, &target),
            r#"{"messageId":"m","conversationId":"k","senderId":"c1","sender":{"id":"c1","name":"Ann","avatarUrl":null},"receiverId":"r","messageType":"text","content":{"text":"\ud800","a":1e400},"jobId":null,"timestamp":"2025-11-05T10:30:00.000Z"}"#
        );
    }
}
