//! What the Worker asks of User objects on behalf of the marketplace's own backend, and for the health
//! check.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Message;
use crate::core::error::EventError;

/// Carries out a request event on behalf of a user. The backend gets what a device of the user would get,
/// limits included.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// The user whose object this is sent to.
    pub user_id: String,
    /// The event's name.
    pub event: String,
    /// The payload as a device would send it; the object validates it.
    pub payload: Box<RawValue>,
}

impl Message for Act {
    const PATH: &'static str = "/act";
    type Answer = Acted;
}

/// The answer to [`Act`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Acted {
    /// The reply's payload.
    Reply(Box<RawValue>),
    /// The error that refused the event.
    Refused(EventError),
}

/// Closes all connections of the user.
#[derive(Debug, Serialize)]
pub struct Disconnect {}

impl Message for Disconnect {
    const PATH: &'static str = "/disconnect";
    type Answer = Disconnected;
}

/// Closes all connections of the user, and from now on refuses every token that was issued before
/// ([`crate::core::revocation`]). The path is its own: the previous version would only disconnect.
#[derive(Debug, Serialize)]
pub struct Revoke {}

impl Message for Revoke {
    const PATH: &'static str = "/revoke";
    type Answer = Disconnected;
}

/// The answer to [`Disconnect`] and [`Revoke`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    /// The number of connections that were closed.
    pub disconnected: usize,
}

/// Erases the user and revokes their tokens. The answer is sent when everything is erased; a failed attempt can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erase {
    /// The user whose object this is sent to.
    pub user_id: String,
}

impl Message for Erase {
    const PATH: &'static str = "/erase";
    type Answer = ();
}

/// Has a webhook that was given up sent again, under the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayWebhook {
    /// The `webhook-id`.
    pub webhook_id: String,
}

impl Message for ReplayWebhook {
    const PATH: &'static str = "/webhook/replay";
    type Answer = WebhookReplayed;
}

/// The answer to [`ReplayWebhook`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookReplayed {
    /// Whether it will be sent: `false` if the object no longer has it.
    pub is_replayed: bool,
}

/// Checks that objects answer.
#[derive(Debug, Serialize)]
pub struct Pulse {}

impl Pulse {
    /// The name of the object that is asked. It cannot be a user id, which has no control characters.
    pub const NAME: &'static str = "\n";
}

impl Message for Pulse {
    const PATH: &'static str = "/pulse";
    type Answer = ();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::is_user_id;

    #[test]
    fn the_pulse_is_nobodys() {
        assert!(!is_user_id(Pulse::NAME));
    }
}
