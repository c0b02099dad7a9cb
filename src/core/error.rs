//! The errors that clients receive when their events fail.
//!
//! Invariant: the message of an [`EventError`] is safe to show to users. Internal details are logged where
//! the error occurs and never go into the message.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::time::Millis;

/// The stable, machine-readable part of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The payload is not what the event takes; the message names the field.
    InvalidPayload,
    /// No such event.
    UnknownEvent,
    /// The user may not do this.
    Forbidden,
    /// There is no such user or conversation.
    NotFound,
    /// More items, characters or connections than are allowed.
    TooMany,
    /// Too often; try again after `retryAfterMs`.
    RateLimited,
    /// The campaign is not in a state that allows this.
    Conflict,
    /// The idempotency key was used before, for something else.
    IdempotencyConflict,
    /// The connection's token has expired; the connection is closed.
    TokenExpired,
    /// The database did not answer. Try again.
    Unavailable,
    /// A fault of ours.
    Internal,
}

/// An event that was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct EventError {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// What is wrong, for a person.
    pub message: String,
    /// With `rate_limited`: when to try again, in milliseconds from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<Millis>,
}

impl EventError {
    /// Returns an error without `retryAfterMs`. The message must be safe to show to users.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
        }
    }

    /// Returns the error for a client that exceeded a rate limit and may retry after this many milliseconds.
    pub fn rate_limited(message: impl Into<String>, retry_after_ms: Millis) -> Self {
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(ErrorCode::RateLimited, message)
        }
    }

    /// Returns the error for an invalid payload; `message` names the field.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidPayload, message)
    }

    /// Returns the error for a fault on our side, whose details are in the log.
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "Something went wrong on our side")
    }

    /// Returns the error for a query that the database did not answer.
    pub fn try_again() -> Self {
        Self::new(
            ErrorCode::Unavailable,
            "The database did not answer, please try again",
        )
    }

    /// Returns the error for a message that the database did not confirm as stored.
    pub fn unavailable() -> Self {
        Self::new(
            ErrorCode::Unavailable,
            "The message could not be stored, please try again",
        )
    }

    /// Returns the payload of the `error` event: `{ code, message, retryAfterMs?, event }`, where `event` is
    /// the event that failed, or null if the error is about the connection.
    pub fn payload(&self, event: Option<&str>) -> String {
        to_json(&ErrorReport { error: self, event })
    }

    /// Returns the payload of an ack: `{ error: { code, message, retryAfterMs? } }`.
    pub fn ack(&self) -> String {
        to_json(&Ack { error: self })
    }
}

/// An event was refused or failed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ErrorReport<'a> {
    #[serde(flatten)]
    error: &'a EventError,
    /// The event that failed; null if the error is about the connection.
    event: Option<&'a str>,
}

/// The ack of an event that was refused or failed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Refusal"))]
pub(crate) struct Ack<'a> {
    /// What went wrong.
    error: &'a EventError,
}

/// Joins members whose values are JSON already to an object. The names must differ.
pub fn to_object<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut object = String::from("{");
    for (name, value) in members {
        if object.len() > 1 {
            object.push(',');
        }
        object.push_str(&to_json(name));
        object.push(':');
        object.push_str(&value);
    }
    object.push('}');
    object
}

/// Serializes one of our own types. They contain only strings, numbers and valid raw JSON under string
/// keys, so serialization cannot fail; if it did, the client would get `null`.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// Returns the name of a variant without data, as it is serialized.
pub fn name_of<T: Serialize>(variant: T) -> String {
    to_json(&variant).trim_matches('"').to_owned()
}

/// Returns the variant without data that is serialized by this name, if there is one.
pub fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_str(&to_json(name)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_json_is_pinned() {
        let error = EventError::new(
            ErrorCode::Forbidden,
            "Only contractors can send bulk messages",
        );
        assert_eq!(
            error.payload(Some("send_bulk_message")),
            r#"{"code":"forbidden","message":"Only contractors can send bulk messages","event":"send_bulk_message"}"#
        );
        assert_eq!(
            error.ack(),
            r#"{"error":{"code":"forbidden","message":"Only contractors can send bulk messages"}}"#
        );
        assert_eq!(
            EventError::new(ErrorCode::TokenExpired, "m").payload(None),
            r#"{"code":"token_expired","message":"m","event":null}"#
        );
        let limited = EventError::rate_limited("m", 250);
        assert_eq!(
            limited.ack(),
            r#"{"error":{"code":"rate_limited","message":"m","retryAfterMs":250}}"#
        );
        assert_eq!(
            limited.payload(Some("e")),
            r#"{"code":"rate_limited","message":"m","retryAfterMs":250,"event":"e"}"#
        );
    }

    #[test]
    fn every_code_has_its_wire_name() {
        let names = [
            (ErrorCode::InvalidPayload, "invalid_payload"),
            (ErrorCode::UnknownEvent, "unknown_event"),
            (ErrorCode::Forbidden, "forbidden"),
            (ErrorCode::NotFound, "not_found"),
            (ErrorCode::RateLimited, "rate_limited"),
            (ErrorCode::Conflict, "conflict"),
            (ErrorCode::TooMany, "too_many"),
            (ErrorCode::IdempotencyConflict, "idempotency_conflict"),
            (ErrorCode::TokenExpired, "token_expired"),
            (ErrorCode::Unavailable, "unavailable"),
            (ErrorCode::Internal, "internal"),
        ];
        for (code, name) in names {
            assert_eq!(to_json(&code), format!("\"{name}\""));
            assert_eq!(name_of(code), name);
        }
    }
}
