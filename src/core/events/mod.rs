//! The events: one file each, with its payloads and their validation.
//!
//! Every request event takes an optional ack. Its reply goes out as an event and, if asked for, as
//! the ack. Payloads end in an object, never in a string: a client takes a string in last place for
//! a log offset.

pub mod get_bulk_online_status;
pub mod get_online_status;
pub mod new_message;
pub mod send_bulk_message;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::config::Config;
use super::error::{ErrorCode, EventError};
use super::ids::{MAX_USER_ID_CHARS, is_user_id};
use super::socket::Args;

/// The event that reports what went wrong: `{ code, message, event }`.
pub const ERROR: &str = "error";

/// A request event with its payload, checked.
#[derive(Debug)]
pub enum Request {
    /// `get_online_status`
    OnlineStatus(get_online_status::Query),
    /// `get_bulk_online_status`
    BulkOnlineStatus(get_bulk_online_status::Query),
    /// `send_bulk_message`
    SendBulkMessage(send_bulk_message::BulkMessage),
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
            send_bulk_message::NAME => send_bulk_message::BulkMessage::read(payload(args)?, config)
                .map(Self::SendBulkMessage),
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

/// The reply to a request: an event, whose payload is also the ack's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The event's name.
    pub event: &'static str,
    /// Its payload, JSON.
    pub payload: String,
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
        let id = user_id(Some(item), &format!("{name}[{index}]"))?;
        if seen.insert(id.clone()) {
            ids.push(id);
        }
    }
    if ids.len() > max {
        return Err(EventError::new(
            ErrorCode::TooMany,
            format!("{name} must not name more than {max} users"),
        ));
    }
    Ok(ids)
}

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

#[cfg(test)]
pub(crate) mod testing {
    //! Short hands for the payload tests.
    use super::*;

    pub fn config() -> Config {
        Config::read(|name| match name {
            "JWT_SECRET" => Some("0123456789".repeat(4)),
            "MAX_STATUS_USERS" | "MAX_BULK_RECIPIENTS" => Some("3".to_owned()),
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
