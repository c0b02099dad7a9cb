//! What the Worker asks of User objects for the marketplace's own backend.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::core::error::EventError;

/// Carries out a request event on behalf of a user: `POST /act`, with this as JSON. Answered by
/// [`Acted`]. The backend thereby gets what a device of the user would, limits included.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// Whose object it is.
    pub user_id: String,
    /// The event's name.
    pub event: String,
    /// Its payload.
    pub payload: Box<RawValue>,
}

impl Act {
    /// The path.
    pub const PATH: &'static str = "/act";

    /// The URL.
    pub const URL: &'static str = "https://object/act";
}

/// The answer to [`Act`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Acted {
    /// The reply's payload.
    Reply(Box<RawValue>),
    /// Why not.
    Refused(EventError),
}

/// Closes every connection of the user: `POST /disconnect`. Answered by [`Disconnected`].
pub struct Disconnect;

impl Disconnect {
    /// The path.
    pub const PATH: &'static str = "/disconnect";

    /// The URL.
    pub const URL: &'static str = "https://object/disconnect";
}

/// The answer to [`Disconnect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    /// How many connections were closed.
    pub disconnected: usize,
}

/// Erases the user: `POST /erase`, with this as JSON. Answered by nothing, when it is done; it can be
/// repeated if it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erase {
    /// Whose object it is.
    pub user_id: String,
}

impl Erase {
    /// The path.
    pub const PATH: &'static str = "/erase";

    /// The URL.
    pub const URL: &'static str = "https://object/erase";
}

/// Asks whether objects answer: `GET /pulse`, to the object that has this for its name. No user can
/// have it: it is no user id.
pub struct Pulse;

impl Pulse {
    /// The path.
    pub const PATH: &'static str = "/pulse";

    /// The URL.
    pub const URL: &'static str = "https://object/pulse";

    /// The object's name.
    pub const NAME: &'static str = "\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::is_user_id;

    #[test]
    fn the_pulse_is_nobodys() {
        assert!(!is_user_id(Pulse::NAME));
    }

    #[test]
    fn answers_read_back() {
        let json =
            serde_json::to_string(&Acted::Refused(EventError::rate_limited("m", 7))).unwrap();
        assert_eq!(
            json,
            r#"{"refused":{"code":"rate_limited","message":"m","retryAfterMs":7}}"#
        );
        assert!(matches!(
            serde_json::from_str(&json),
            Ok(Acted::Refused(error)) if error.retry_after_ms == Some(7)
        ));
        let reply = serde_json::from_str(r#"{"reply":{"a":1}}"#).unwrap();
        assert!(matches!(reply, Acted::Reply(payload) if payload.get() == r#"{"a":1}"#));
    }
}
