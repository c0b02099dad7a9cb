//! The events: one file each, with its payloads and their validation.
//!
//! Every request event takes an optional ack. Its reply goes out as an event and, if asked for, as
//! the ack. Payloads end in an object, never in a string: a client takes a string in last place for
//! a log offset.

pub mod block_user;
pub mod content;
pub mod draft;
pub mod get_bulk_online_status;
pub mod get_conversations;
pub mod get_messages;
pub mod get_online_status;
pub mod join_conversation;
pub mod mark_as_read;
pub mod new_message;
pub mod send_bulk_message;
pub mod send_message;
pub mod subscribe_online_status;
pub mod typing;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::config::Config;
use super::error::{ErrorCode, EventError};
use super::ids::{MAX_USER_ID_CHARS, is_user_id};
use crate::wire::socket_io::Args;

/// The event that reports what went wrong: `{ code, message, event }`.
pub const ERROR: &str = "error";

/// Every request event.
pub(super) const NAMES: [&str; 15] = [
    get_online_status::NAME,
    get_bulk_online_status::NAME,
    subscribe_online_status::SUBSCRIBE,
    subscribe_online_status::UNSUBSCRIBE,
    send_message::NAME,
    send_bulk_message::NAME,
    mark_as_read::NAME,
    typing::START,
    typing::STOP,
    get_conversations::NAME,
    get_messages::NAME,
    join_conversation::JOIN,
    join_conversation::LEAVE,
    block_user::BLOCK,
    block_user::UNBLOCK,
];

/// Whether there is an event by this name.
pub fn is_event(name: &str) -> bool {
    NAMES.contains(&name)
}

/// A request event with its payload, checked.
#[derive(Debug)]
pub enum Request {
    /// `get_online_status`
    OnlineStatus(get_online_status::Query),
    /// `get_bulk_online_status`
    BulkOnlineStatus(get_bulk_online_status::Query),
    /// `subscribe_online_status`
    Subscribe(Vec<String>),
    /// `unsubscribe_online_status`
    Unsubscribe(Vec<String>),
    /// `send_message`
    SendMessage(send_message::DirectMessage),
    /// `send_bulk_message`
    SendBulkMessage(send_bulk_message::BulkMessage),
    /// `mark_as_read`
    MarkAsRead(mark_as_read::Marking),
    /// `typing_start` and `typing_stop`
    Typing {
        /// Where.
        conversation_id: String,
        /// Which of the two.
        is_typing: bool,
    },
    /// `get_conversations`
    GetConversations(get_conversations::Page),
    /// `get_messages`
    GetMessages(get_messages::Page),
    /// `join_conversation`
    JoinConversation(String),
    /// `leave_conversation`
    LeaveConversation(String),
    /// `block_user`
    BlockUser(String),
    /// `unblock_user`
    UnblockUser(String),
}

impl Request {
    /// Reads an event. The error names what is wrong with it.
    pub fn read(name: &str, args: &Args, config: &Config) -> Result<Self, EventError> {
        match name {
            get_online_status::NAME => {
                get_online_status::Query::read(payload(args)?).map(Self::OnlineStatus)
            }
            get_bulk_online_status::NAME => {
                get_bulk_online_status::Query::read(payload(args)?, config)
                    .map(Self::BulkOnlineStatus)
            }
            subscribe_online_status::SUBSCRIBE => {
                only_user_ids(payload(args)?, config.max_subscriptions).map(Self::Subscribe)
            }
            subscribe_online_status::UNSUBSCRIBE => {
                only_user_ids(payload(args)?, usize::MAX).map(Self::Unsubscribe)
            }
            send_message::NAME => {
                send_message::DirectMessage::read(payload(args)?, config).map(Self::SendMessage)
            }
            send_bulk_message::NAME => send_bulk_message::BulkMessage::read(payload(args)?, config)
                .map(Self::SendBulkMessage),
            mark_as_read::NAME => mark_as_read::Marking::read(payload(args)?).map(Self::MarkAsRead),
            typing::START | typing::STOP => Ok(Self::Typing {
                conversation_id: only_conversation_id(payload(args)?)?,
                is_typing: name == typing::START,
            }),
            get_conversations::NAME => {
                get_conversations::Page::read(payload_or_none(args)?).map(Self::GetConversations)
            }
            get_messages::NAME => get_messages::Page::read(payload(args)?).map(Self::GetMessages),
            join_conversation::JOIN => {
                only_conversation_id(payload(args)?).map(Self::JoinConversation)
            }
            join_conversation::LEAVE => {
                only_conversation_id(payload(args)?).map(Self::LeaveConversation)
            }
            block_user::BLOCK => only_user_id(payload(args)?).map(Self::BlockUser),
            block_user::UNBLOCK => only_user_id(payload(args)?).map(Self::UnblockUser),
            _ => Err(EventError::new(
                ErrorCode::UnknownEvent,
                format!(
                    "There is no event \"{}\"",
                    name.chars().take(64).collect::<String>()
                ),
            )),
        }
    }
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The event; none if the request is answered by its ack alone.
    pub event: Option<&'static str>,
    /// The payload of the event and of the ack, JSON.
    pub payload: String,
}

impl Reply {
    /// A reply as an event and as the ack.
    pub fn event(event: &'static str, payload: String) -> Self {
        Self {
            event: Some(event),
            payload,
        }
    }

    /// A reply for whoever asked for an ack.
    pub fn ack(payload: String) -> Self {
        Self {
            event: None,
            payload,
        }
    }
}

/// The first argument, which must be a plain object.
fn payload(args: &Args) -> Result<&RawValue, EventError> {
    if !args.attachments.is_empty() {
        return Err(EventError::invalid("The payload must not hold binary data"));
    }
    match args.values.first() {
        Some(value) if value.get().starts_with('{') => Ok(value),
        _ => Err(EventError::invalid("The payload must be an object")),
    }
}

/// As [`payload`], where a request without arguments is one without wishes.
fn payload_or_none(args: &Args) -> Result<&RawValue, EventError> {
    match args.values.first() {
        None => serde_json::from_str("{}").map_err(|_| EventError::internal()),
        Some(_) => payload(args),
    }
}

/// Reads a payload's fields. Each field stays raw, so that the checks can name the one that is
/// wrong.
fn fields<'a, T: Deserialize<'a>>(payload: &'a RawValue) -> Result<T, EventError> {
    serde_json::from_str(payload.get())
        .map_err(|_| EventError::invalid("The payload must be an object with each field once"))
}

/// A field that is there and not null.
fn present(field: Option<&RawValue>) -> Option<&RawValue> {
    field.filter(|value| value.get() != "null")
}

/// A user id in the field `name`.
fn user_id(field: Option<&RawValue>, name: &str) -> Result<String, EventError> {
    field
        .and_then(|value| serde_json::from_str::<String>(value.get()).ok())
        .filter(|id| is_user_id(id))
        .ok_or_else(|| {
            EventError::invalid(format!(
                "{name} must be a string of 1 to {MAX_USER_ID_CHARS} characters, without control characters"
            ))
        })
}

/// The distinct user ids of the field `name`, in order; at most `max` of them.
fn user_ids(field: Option<&RawValue>, name: &str, max: usize) -> Result<Vec<String>, EventError> {
    ids(field, name, max, "users", |value, name| {
        user_id(Some(value), name)
    })
}

/// The distinct ids of an array, in order.
fn ids(
    field: Option<&RawValue>,
    name: &str,
    max: usize,
    what: &str,
    read: impl Fn(&RawValue, &str) -> Result<String, EventError>,
) -> Result<Vec<String>, EventError> {
    let not_an_array = || EventError::invalid(format!("{name} must be a non-empty array"));
    let items: Vec<&RawValue> = field
        .and_then(|value| serde_json::from_str(value.get()).ok())
        .ok_or_else(not_an_array)?;
    if items.is_empty() {
        return Err(not_an_array());
    }
    let mut seen = std::collections::HashSet::new();
    let mut ids = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let id = read(item, &format!("{name}[{index}]"))?;
        if seen.insert(id.clone()) {
            ids.push(id);
        }
    }
    if ids.len() > max {
        return Err(EventError::new(
            ErrorCode::TooMany,
            format!("{name} must not name more than {max} {what}"),
        ));
    }
    Ok(ids)
}

/// A payload that names a user.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "UserRef"))]
#[serde(rename_all = "camelCase")]
pub(super) struct UserFields<'a> {
    /// The user.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1, max = 128)))]
    user_id: Option<&'a RawValue>,
}

fn only_user_id(payload: &RawValue) -> Result<String, EventError> {
    user_id(fields::<UserFields>(payload)?.user_id, "userId")
}

/// A payload that names users.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "UserRefs"))]
#[serde(rename_all = "camelCase")]
pub(super) struct UsersFields<'a> {
    /// The users. A repeated id counts once.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Vec<String>", length(min = 1)))]
    user_ids: Option<&'a RawValue>,
}

fn only_user_ids(payload: &RawValue, max: usize) -> Result<Vec<String>, EventError> {
    user_ids(fields::<UsersFields>(payload)?.user_ids, "userIds", max)
}

/// A payload that names a conversation.
#[derive(Deserialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "ConversationRef")
)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConversationFields<'a> {
    /// The conversation.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1, max = 64)))]
    conversation_id: Option<&'a RawValue>,
}

fn only_conversation_id(payload: &RawValue) -> Result<String, EventError> {
    conversation_id(fields::<ConversationFields>(payload)?.conversation_id)
}

/// The field `conversationId`. Whether there is such a conversation is the record's to say.
fn conversation_id(field: Option<&RawValue>) -> Result<String, EventError> {
    optional_text(field, "conversationId", MAX_CONVERSATION_ID_CHARS)?.ok_or_else(|| {
        EventError::invalid(format!(
            "conversationId must be a string of 1 to {MAX_CONVERSATION_ID_CHARS} characters"
        ))
    })
}

const MAX_CONVERSATION_ID_CHARS: usize = 64;

/// A message id, which is also what cursors are.
fn message_id(value: &RawValue, name: &str) -> Result<String, EventError> {
    serde_json::from_str::<String>(value.get())
        .ok()
        .and_then(|text| uuid::Uuid::parse_str(&text).ok())
        .map(|id| id.to_string())
        .ok_or_else(|| EventError::invalid(format!("{name} must be the id of a message")))
}

/// The distinct message ids of the field `name`, in order; at most `max` of them.
fn message_ids(
    field: Option<&RawValue>,
    name: &str,
    max: usize,
) -> Result<Vec<String>, EventError> {
    ids(field, name, max, "messages", message_id)
}

/// How many items a page has: 50 unless `limit` says otherwise.
fn limit(field: Option<&RawValue>) -> Result<usize, EventError> {
    match present(field) {
        None => Ok(DEFAULT_PAGE),
        Some(value) => serde_json::from_str::<usize>(value.get())
            .ok()
            .filter(|limit| (1..=MAX_PAGE).contains(limit))
            .ok_or_else(|| {
                EventError::invalid(format!("limit must be a whole number from 1 to {MAX_PAGE}"))
            }),
    }
}

const DEFAULT_PAGE: usize = 50;
const MAX_PAGE: usize = 100;

/// An optional string of 1 to `max` characters in the field `name`.
fn optional_text(
    field: Option<&RawValue>,
    name: &str,
    max: usize,
) -> Result<Option<String>, EventError> {
    let Some(value) = present(field) else {
        return Ok(None);
    };
    serde_json::from_str::<String>(value.get())
        .ok()
        .filter(|text| !text.is_empty() && text.chars().count() <= max)
        .map(Some)
        .ok_or_else(|| {
            EventError::invalid(format!("{name} must be a string of 1 to {max} characters"))
        })
}

/// A page's content, in bytes: what a polling client can take many of.
const MAX_PAGE_BYTES: usize = 512 * 1024;

/// How many items of these sizes a page has room for: one at least.
fn fitting(sizes: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = sizes.take_while(|size| {
        bytes += size;
        bytes <= MAX_PAGE_BYTES
    });
    fits.count().max(1)
}

#[cfg(test)]
pub(crate) mod testing {
    //! Short hands for the payload tests.
    use super::*;

    pub fn config() -> Config {
        Config::read(|name| match name {
            "JWT_SECRET" => Some("0123456789".repeat(4)),
            "MAX_STATUS_USERS" | "MAX_BULK_RECIPIENTS" => Some("3".to_owned()),
            "MAX_TEXT_CHARS" => Some("20".to_owned()),
            _ => None,
        })
        .unwrap()
    }

    pub fn read(name: &str, payload: &str) -> Result<Request, EventError> {
        let args = Args {
            values: serde_json::from_str(&format!("[{payload}]")).unwrap(),
            attachments: Vec::new(),
        };
        Request::read(name, &args, &config())
    }

    /// The refusal of a payload.
    pub fn refusal(name: &str, payload: &str) -> String {
        read(name, payload).unwrap_err().message
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{read, refusal};
    use super::*;

    #[test]
    fn every_name_is_an_event() {
        for name in NAMES {
            let error = read(name, "7").unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidPayload, "{name}");
        }
        assert!(!is_event("nonsense"));
    }

    #[test]
    fn an_unknown_event_is_named() {
        let error = read("nonsense", "{}").unwrap_err();
        assert_eq!(error.code, ErrorCode::UnknownEvent);
        assert_eq!(error.message, "There is no event \"nonsense\"");
    }

    #[test]
    fn a_payload_is_an_object() {
        for bad in ["", "null", "7", "\"x\"", "[]", "[{}]"] {
            assert_eq!(
                refusal("get_online_status", bad),
                "The payload must be an object"
            );
        }
    }

    #[test]
    fn binary_payloads_are_refused_clearly() {
        let args = Args {
            values: serde_json::from_str(r#"[{"userId":{"_placeholder":true,"num":0}}]"#).unwrap(),
            attachments: vec![vec![1]],
        };
        let error = Request::read("get_online_status", &args, &testing::config()).unwrap_err();
        assert_eq!(error.message, "The payload must not hold binary data");
    }
}
