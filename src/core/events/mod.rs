//! The events: one file for each, with its payloads and their validation.
//!
//! Every request event takes an optional ack. Its reply is sent as an event and, if requested, as the ack.
//! A payload ends in an object, never in a string: a client takes a string in last place for a log offset.

pub mod block_user;
pub mod campaigns;
pub mod content;
pub mod draft;
pub mod get_bulk_online_status;
pub mod get_conversations;
pub mod get_messages;
pub mod get_online_status;
pub mod get_push_key;
pub mod get_unread_total;
pub mod join_conversation;
pub mod mark_as_read;
pub mod new_message;
pub mod preferences;
pub mod send_bulk_message;
pub mod send_message;
pub mod subscribe_online_status;
pub mod subscribe_push;
pub mod typing;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::config::Config;
use super::error::{ErrorCode, EventError};
use super::ids::{MAX_USER_ID_CHARS, is_user_id};
use crate::wire::socket_io::Args;

/// The event that reports an error: `{ code, message, event }`.
pub const ERROR: &str = "error";

/// The table of request events: the name or names, the variant of [`Request`], and the type that reads the payload.
/// Everything that covers all request events is generated from it, here and where they are carried out
/// (`user_do/requests`).
macro_rules! request_events {
    ($make:ident) => {
        $make! {
            get_online_status::NAME => GetOnlineStatus(get_online_status::StatusQuery),
            get_bulk_online_status::NAME => GetBulkOnlineStatus(get_bulk_online_status::BulkStatusQuery),
            subscribe_online_status::SUBSCRIBE => Subscribe(subscribe_online_status::Subscription),
            subscribe_online_status::UNSUBSCRIBE => Unsubscribe(subscribe_online_status::Unsubscription),
            send_message::NAME => SendMessage(send_message::DirectMessage),
            send_bulk_message::NAME => SendBulkMessage(send_bulk_message::BulkMessage),
            mark_as_read::NAME => MarkAsRead(mark_as_read::Marking),
            typing::START => TypingStart(typing::Typing<true>),
            typing::STOP => TypingStop(typing::Typing<false>),
            get_conversations::NAME => GetConversations(get_conversations::ConversationPage),
            get_messages::NAME => GetMessages(get_messages::MessagePage),
            get_unread_total::NAME => GetUnreadTotal(get_unread_total::UnreadQuery),
            join_conversation::JOIN => JoinConversation(join_conversation::Membership<true>),
            join_conversation::LEAVE => LeaveConversation(join_conversation::Membership<false>),
            block_user::BLOCK => BlockUser(block_user::Blocking<true>),
            block_user::UNBLOCK => UnblockUser(block_user::Blocking<false>),
            preferences::SET | preferences::GET => Preferences(preferences::Change),
            get_push_key::NAME => GetPushKey(get_push_key::PushKeyQuery),
            subscribe_push::SUBSCRIBE => SubscribePush(subscribe_push::PushSubscription),
            subscribe_push::UNSUBSCRIBE => UnsubscribePush(subscribe_push::PushUnsubscription),
            create_campaign::NAME | add_campaign_receivers::NAME | change_campaign::START
                | change_campaign::PAUSE | change_campaign::RESUME | change_campaign::CANCEL
                | campaigns::GET | get_campaigns::NAME | get_campaign_results::NAME
                => Campaign(campaigns::CampaignRequest),
        }
    };
}
// Used by the objects, which native builds omit.
#[allow(unused_imports)]
pub(crate) use request_events;

use self::campaigns::{
    add_campaign_receivers, change_campaign, create_campaign, get_campaign_results, get_campaigns,
};

macro_rules! define_requests {
    ($($($name:path)|+ => $variant:ident($payload:ty)),* $(,)?) => {
        /// The names of all request events.
        pub(super) const NAMES: &[&str] = &[$($($name),+),*];

        /// A request event with its validated payload.
        #[derive(Debug)]
        #[allow(missing_docs)]
        pub enum Request {
            $($variant($payload)),*
        }

        impl Request {
            /// Reads an event. The error says what is wrong with it.
            pub fn read(name: &str, args: &Args, config: &Config) -> Result<Self, EventError> {
                $(
                    if [$($name),+].contains(&name) {
                        return <$payload>::from_event(name, args, config).map(Self::$variant);
                    }
                )*
                let name: String = name.chars().take(64).collect();
                let message = format!("There is no event \"{name}\"");
                Err(EventError::new(ErrorCode::UnknownEvent, message))
            }
        }
    };
}
request_events!(define_requests);

/// Returns whether there is a request event with this name.
pub fn is_event(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The payload of a request event.
pub trait RequestPayload: Sized {
    /// Reads the payload. The error names the invalid field.
    fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError>;

    /// Reads the arguments, the first of which must be an object.
    fn read_args(args: &Args, config: &Config) -> Result<Self, EventError> {
        Self::read(payload(args)?, config)
    }
}

/// What can be read from an event.
pub trait FromEvent: Sized {
    /// Reads the event with this name. The error says what is wrong with it.
    fn from_event(name: &str, args: &Args, config: &Config) -> Result<Self, EventError>;
}

impl<T: RequestPayload> FromEvent for T {
    fn from_event(_name: &str, args: &Args, config: &Config) -> Result<Self, EventError> {
        Self::read_args(args, config)
    }
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The reply event's name; `None` if only the ack replies.
    pub event: Option<&'static str>,
    /// The payload of both the event and the ack, as JSON.
    pub payload: String,
}

impl Reply {
    /// Creates a reply that is sent as an event and as the ack.
    pub fn event(event: &'static str, payload: String) -> Self {
        Self {
            event: Some(event),
            payload,
        }
    }

    /// Creates a reply that is sent only as the ack.
    pub fn ack(payload: String) -> Self {
        Self {
            event: None,
            payload,
        }
    }
}

/// Returns the first argument, which must be a plain object.
fn payload(args: &Args) -> Result<&RawValue, EventError> {
    if !args.attachments.is_empty() {
        return Err(EventError::invalid("The payload must not hold binary data"));
    }
    match args.values.first() {
        Some(value) if value.get().starts_with('{') => Ok(value),
        _ => Err(EventError::invalid("The payload must be an object")),
    }
}

/// Returns the first argument, or an empty object if there are no arguments.
fn payload_or_none(args: &Args) -> Result<&RawValue, EventError> {
    match args.values.first() {
        None => serde_json::from_str("{}").map_err(|_| EventError::internal()),
        Some(_) => payload(args),
    }
}

/// Reads a payload's fields. Each field stays raw, so that the checks can name the invalid one.
pub(crate) fn fields<'a, T: Deserialize<'a>>(payload: &'a RawValue) -> Result<T, EventError> {
    serde_json::from_str(payload.get())
        .map_err(|_| EventError::invalid("The payload must be an object with each field once"))
}

/// Returns the field unless it is missing or null.
pub(crate) fn present(field: Option<&RawValue>) -> Option<&RawValue> {
    field.filter(|value| value.get() != "null")
}

/// Reads a user id from the field `name`.
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

/// Reads the distinct user ids from the field `name`, in order; at most `max` of them.
fn user_ids(field: Option<&RawValue>, name: &str, max: usize) -> Result<Vec<String>, EventError> {
    ids(field, name, max, "users", |value, name| {
        user_id(Some(value), name)
    })
}

/// Reads the distinct ids from an array, in order.
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
        let message = format!("{name} must not name more than {max} {what}");
        return Err(EventError::new(ErrorCode::TooMany, message));
    }
    Ok(ids)
}

/// A payload that names a user.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct UserRef<'a> {
    /// The user.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1, max = 128)))]
    user_id: Option<&'a RawValue>,
}

fn only_user_id(payload: &RawValue) -> Result<String, EventError> {
    user_id(fields::<UserRef>(payload)?.user_id, "userId")
}

/// A payload that names users.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct UserRefs<'a> {
    /// The users. A repeated id counts once.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Vec<String>", length(min = 1)))]
    user_ids: Option<&'a RawValue>,
}

fn only_user_ids(payload: &RawValue, max: usize) -> Result<Vec<String>, EventError> {
    user_ids(fields::<UserRefs>(payload)?.user_ids, "userIds", max)
}

/// A payload that names a conversation.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct ConversationRef<'a> {
    /// The conversation.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1, max = 64)))]
    conversation_id: Option<&'a RawValue>,
}

fn only_conversation_id(payload: &RawValue) -> Result<String, EventError> {
    conversation_id(fields::<ConversationRef>(payload)?.conversation_id)
}

/// Reads the field `conversationId`. Whether the conversation exists is checked against the record.
fn conversation_id(field: Option<&RawValue>) -> Result<String, EventError> {
    optional_text(field, "conversationId", MAX_CONVERSATION_ID_CHARS)?.ok_or_else(|| {
        EventError::invalid(format!(
            "conversationId must be a string of 1 to {MAX_CONVERSATION_ID_CHARS} characters"
        ))
    })
}

const MAX_CONVERSATION_ID_CHARS: usize = 64;

/// Reads a message id. Cursors are message ids, too.
fn message_id(value: &RawValue, name: &str) -> Result<String, EventError> {
    serde_json::from_str::<String>(value.get())
        .ok()
        .and_then(|text| uuid::Uuid::parse_str(&text).ok())
        .map(|id| id.to_string())
        .ok_or_else(|| EventError::invalid(format!("{name} must be the id of a message")))
}

/// Reads the distinct message ids from the field `name`, in order; at most `max` of them.
fn message_ids(
    field: Option<&RawValue>,
    name: &str,
    max: usize,
) -> Result<Vec<String>, EventError> {
    ids(field, name, max, "messages", message_id)
}

/// Reads the number of items on a page: 50 unless `limit` is given.
pub(crate) fn limit(field: Option<&RawValue>) -> Result<usize, EventError> {
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

/// Reads an optional string of 1 to `max` characters from the field `name`.
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

/// The maximum content of a page, in bytes: a polling client can fetch many such pages.
const MAX_PAGE_BYTES: usize = 512 * 1024;

/// Returns how many items of these sizes fit on a page, at least one.
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
    //! Helpers for the payload tests.
    use super::*;
    use crate::core::push::subscription::tests::P256DH;

    pub fn config() -> Config {
        Config::read(|name| match name {
            "JWT_SECRET" => Some("0123456789".repeat(4)),
            "MAX_STATUS_USERS" | "MAX_BULK_RECIPIENTS" => Some("3".to_owned()),
            "MAX_TEXT_CHARS" => Some("20".to_owned()),
            "VAPID_PUBLIC_KEY" => Some(P256DH.to_owned()),
            "VAPID_PRIVATE_KEY" => Some("A".repeat(43)),
            "VAPID_SUBJECT" => Some("mailto:push@example.com".to_owned()),
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

    /// Returns the error message for an invalid payload.
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
