//! `mark_as_read { conversationId, messageIds? | upTo? }` →
//! `message_read { conversationId, messageIds | upTo, readBy }`, for both participants' devices.
//!
//! Read state is a watermark: everything up to it is read, so marking a message also marks all messages
//! before it.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{RequestPayload, conversation_id, fields, message_id, message_ids, present};
use crate::core::config::Config;
use crate::core::error::EventError;

/// The request event.
pub const NAME: &str = "mark_as_read";

/// The reply event, which both participants' devices receive.
pub const READ: &str = "message_read";

/// The maximum number of messages that one request may name.
const MAX_MESSAGE_IDS: usize = 1_000;

/// What was read, as the client says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WhatIsRead"))]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// These messages.
    MessageIds(Vec<String>),
    /// Everything up to this message.
    UpTo(String),
}

impl What {
    /// Returns the id of the last named message.
    pub fn last(&self) -> &str {
        match self {
            Self::MessageIds(ids) => ids.iter().max().map_or("", String::as_str),
            Self::UpTo(id) => id,
        }
    }

    /// Drops what is after `newest`: messages still to come cannot be marked.
    pub fn within(self, newest: &str) -> Self {
        match self {
            Self::MessageIds(mut ids) => {
                ids.retain(|id| id.as_str() <= newest);
                Self::MessageIds(ids)
            }
            Self::UpTo(id) if id.as_str() > newest => Self::UpTo(newest.to_owned()),
            up_to => up_to,
        }
    }
}

/// A request to mark messages as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marking {
    /// The conversation's id.
    pub conversation_id: String,
    /// The messages.
    pub what: What,
}

/// The fields, raw. What is marked is in the shape of [`What`].
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Marking"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct MarkingFields<'a> {
    /// The conversation.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1, max = 64)))]
    conversation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    #[cfg_attr(test, schemars(skip))]
    message_ids: Option<&'a RawValue>,
    #[serde(borrow)]
    #[cfg_attr(test, schemars(skip))]
    up_to: Option<&'a RawValue>,
}

impl RequestPayload for Marking {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        let fields: MarkingFields = fields(payload)?;
        let conversation_id = conversation_id(fields.conversation_id)?;
        let what = match (present(fields.message_ids), present(fields.up_to)) {
            (Some(ids), None) => {
                What::MessageIds(message_ids(Some(ids), "messageIds", MAX_MESSAGE_IDS)?)
            }
            (None, Some(id)) => What::UpTo(message_id(id, "upTo")?),
            _ => return Err(EventError::invalid("Name messageIds or upTo")),
        };
        Ok(Self {
            conversation_id,
            what,
        })
    }
}

/// Messages were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "MessageRead"))]
#[serde(rename_all = "camelCase")]
pub struct Read {
    /// In which conversation.
    pub conversation_id: String,
    /// What, as the reader said it.
    #[serde(flatten)]
    pub what: What,
    /// Who read it.
    pub read_by: String,
}

// serde's own way to read flattened fields is much more code.
impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            conversation_id: String,
            message_ids: Option<Vec<String>>,
            up_to: Option<String>,
            read_by: String,
        }
        let fields = Fields::deserialize(deserializer)?;
        let what = match (fields.message_ids, fields.up_to) {
            (Some(ids), _) => What::MessageIds(ids),
            (None, Some(id)) => What::UpTo(id),
            (None, None) => return Err(D::Error::missing_field("messageIds")),
        };
        Ok(Self {
            conversation_id: fields.conversation_id,
            what,
            read_by: fields.read_by,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;
    use crate::core::error::to_json;

    const ONE: &str = "019a0000-0000-7000-8000-000000000001";
    const TWO: &str = "019a0000-0000-7000-8000-000000000002";

    fn good(payload: &str) -> Marking {
        match read(NAME, payload) {
            Ok(Request::MarkAsRead(marking)) => marking,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn messages_or_up_to_one() {
        let ids = good(&format!(
            r#"{{"conversationId":"k","messageIds":["{TWO}","{ONE}","{TWO}"]}}"#
        ));
        assert_eq!(ids.what, What::MessageIds(vec![TWO.into(), ONE.into()]));
        assert_eq!(ids.what.last(), TWO);
        let up_to = good(&format!(r#"{{"conversationId":"k","upTo":"{ONE}"}}"#));
        assert_eq!(up_to.what.last(), ONE);
    }

    #[test]
    fn names_what_is_wrong() {
        let cases = [
            (
                r#"{"upTo":"x"}"#.to_owned(),
                "conversationId must be a string of 1 to 64 characters",
            ),
            (
                r#"{"conversationId":"k"}"#.to_owned(),
                "Name messageIds or upTo",
            ),
            (
                format!(r#"{{"conversationId":"k","upTo":"{ONE}","messageIds":["{ONE}"]}}"#),
                "Name messageIds or upTo",
            ),
            (
                r#"{"conversationId":"k","upTo":"x"}"#.to_owned(),
                "upTo must be the id of a message",
            ),
            (
                r#"{"conversationId":"k","messageIds":[]}"#.to_owned(),
                "messageIds must be a non-empty array",
            ),
            (
                r#"{"conversationId":"k","messageIds":[7]}"#.to_owned(),
                "messageIds[0] must be the id of a message",
            ),
        ];
        for (payload, message) in cases {
            assert_eq!(refusal(NAME, &payload), message, "{payload}");
        }
    }

    #[test]
    fn wire_json_is_pinned() {
        let read = |what| {
            to_json(&Read {
                conversation_id: "k".into(),
                what,
                read_by: "u".into(),
            })
        };
        assert_eq!(
            read(What::MessageIds(vec!["m".into()])),
            r#"{"conversationId":"k","messageIds":["m"],"readBy":"u"}"#
        );
        assert_eq!(
            read(What::UpTo("m".into())),
            r#"{"conversationId":"k","upTo":"m","readBy":"u"}"#
        );
    }

    #[test]
    fn nobody_marks_what_is_still_to_come() {
        let ids = |ids: &[&str]| What::MessageIds(ids.iter().map(|id| (*id).to_owned()).collect());
        assert_eq!(ids(&["1", "2", "3"]).within("2"), ids(&["1", "2"]));
        let up_to = |id: &str| What::UpTo(id.to_owned());
        assert_eq!(up_to("3").within("2"), up_to("2"));
        assert_eq!(up_to("1").within("2"), up_to("1"));
    }
}
