//! `get_messages { conversationId, limit?, before?, after? }` → `messages { items, nextCursor }`
//!
//! `before` and `after` are ids of messages, and so is `nextCursor`: the `before` (or, if the
//! request had only an `after`, the `after`) of the next page; null on the last one. Newest first;
//! with only an `after`, oldest first. Items are as in `new_message`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::new_message::Message;
use super::{Reply, conversation_id, fields, limit, message_id, present};
use crate::core::error::{EventError, to_json};

/// The request.
pub const NAME: &str = "get_messages";

/// The reply.
pub const REPLY: &str = "messages";

/// Which page of which conversation.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The conversation.
    pub conversation_id: String,
    /// How many at most.
    pub limit: usize,
    /// Only messages before this one.
    pub before: Option<String>,
    /// Only messages after this one.
    pub after: Option<String>,
}

impl Page {
    /// Reads the payload.
    pub fn read(payload: &RawValue) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a> {
            #[serde(borrow)]
            conversation_id: Option<&'a RawValue>,
            #[serde(borrow)]
            limit: Option<&'a RawValue>,
            #[serde(borrow)]
            before: Option<&'a RawValue>,
            #[serde(borrow)]
            after: Option<&'a RawValue>,
        }
        let fields: Fields = fields(payload)?;
        let bound = |field, name| present(field).map(|id| message_id(id, name)).transpose();
        Ok(Self {
            conversation_id: conversation_id(fields.conversation_id)?,
            limit: limit(fields.limit)?,
            before: bound(fields.before, "before")?,
            after: bound(fields.after, "after")?,
        })
    }

    /// Whether the page goes from old to new.
    pub fn is_oldest_first(&self) -> bool {
        self.after.is_some() && self.before.is_none()
    }
}

/// The reply, from one message more than the page holds, if there is one.
pub fn reply(page: &Page, mut items: Vec<Message>) -> Reply {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload<'a> {
        items: &'a [Message],
        next_cursor: Option<&'a str>,
    }
    let has_more = items.len() > page.limit;
    items.truncate(page.limit);
    let last = items.last().map(|message| message.message_id.as_str());
    Reply::event(
        REPLY,
        to_json(&Payload {
            items: &items,
            next_cursor: last.filter(|_| has_more),
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-000000000001";

    fn page(payload: &str) -> Page {
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
        let one = Page {
            limit: 1,
            ..page(r#"{"conversationId":"k"}"#)
        };
        assert_eq!(
            reply(&one, vec![]).payload,
            r#"{"items":[],"nextCursor":null}"#
        );
    }
}
