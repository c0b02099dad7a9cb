//! `get_messages { conversationId, limit?, before?, after? }` → `messages { items, nextCursor }`
//!
//! `before`, `after` and `nextCursor` are message ids. `nextCursor` is the `before` (or, if the request
//! had only an `after`, the `after`) of the next page; it is null on the last page. Items are newest
//! first; with only an `after`, oldest first. Their format is that of `new_message`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::new_message::Message;
use super::{Reply, RequestPayload, conversation_id, fields, fitting, limit, message_id, present};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};

/// The request event.
pub const NAME: &str = "get_messages";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "messages";

/// A request for a page of a conversation's messages.
#[derive(Debug, PartialEq, Eq)]
pub struct MessagePage {
    /// The conversation's id.
    pub conversation_id: String,
    /// The maximum number of messages.
    pub limit: usize,
    /// If given, the page has only messages before the one with this id.
    pub before: Option<String>,
    /// If given, the page has only messages after the one with this id.
    pub after: Option<String>,
}

/// Which page of a conversation's messages.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetMessages<'a> {
    /// The conversation.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1, max = 64)))]
    conversation_id: Option<&'a RawValue>,
    /// How many messages at most: 50 unless given.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<u8>", range(min = 1, max = 100)))]
    limit: Option<&'a RawValue>,
    /// Only messages before the one with this id.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    before: Option<&'a RawValue>,
    /// Only messages after the one with this id.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    after: Option<&'a RawValue>,
}

impl RequestPayload for MessagePage {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        let fields: GetMessages = fields(payload)?;
        let bound = |field, name| present(field).map(|id| message_id(id, name)).transpose();
        Ok(Self {
            conversation_id: conversation_id(fields.conversation_id)?,
            limit: limit(fields.limit)?,
            before: bound(fields.before, "before")?,
            after: bound(fields.after, "after")?,
        })
    }
}

impl MessagePage {
    /// Returns whether the page is sorted oldest first.
    pub fn is_oldest_first(&self) -> bool {
        self.after.is_some() && self.before.is_none()
    }
}

/// A page of messages.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Messages<'a> {
    /// Newest first; with only an `after`, oldest first.
    items: &'a [Message],
    /// The `before` (or, of a request with only an `after`, the `after`) of the next page; null on
    /// the last one.
    next_cursor: Option<&'a str>,
}

/// Returns the reply. If there are more messages than `limit`, `items` holds one more than that.
pub fn reply(page: &MessagePage, mut items: Vec<Message>) -> Reply {
    let fitting = fitting(
        items
            .iter()
            .map(|message| message.letter.content.get().len()),
    );
    let taken = page.limit.min(fitting);
    let has_more = items.len() > taken;
    items.truncate(taken);
    let last = items
        .last()
        .map(|message| message.target.message_id.as_str());
    let messages = Messages {
        items: &items,
        next_cursor: last.filter(|_| has_more),
    };
    Reply::event(REPLY, to_json(&messages))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-000000000001";

    fn page(payload: &str) -> MessagePage {
        match read(NAME, payload) {
            Ok(Request::GetMessages(page)) => page,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_a_page() {
        let newest = page(r#"{"conversationId":"k"}"#);
        assert_eq!((newest.limit, newest.is_oldest_first()), (50, false));
        let older = page(&format!(
            r#"{{"conversationId":"k","before":"{ID}","limit":100}}"#
        ));
        assert_eq!((older.limit, older.is_oldest_first()), (100, false));
        assert!(page(&format!(r#"{{"conversationId":"k","after":"{ID}"}}"#)).is_oldest_first());
        let between = page(&format!(
            r#"{{"conversationId":"k","after":"{ID}","before":"{ID}"}}"#
        ));
        assert!(!between.is_oldest_first());
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(
            refusal(NAME, "{}"),
            "conversationId must be a string of 1 to 64 characters"
        );
        for name in ["before", "after"] {
            assert_eq!(
                refusal(NAME, &format!(r#"{{"conversationId":"k","{name}":7}}"#)),
                format!("{name} must be the id of a message")
            );
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let one = MessagePage {
            limit: 1,
            ..page(r#"{"conversationId":"k"}"#)
        };
        assert_eq!(
            reply(&one, vec![]).payload,
            r#"{"items":[],"nextCursor":null}"#
        );
    }
}
