//! What the Worker asks of User objects for the marketplace's own backend.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Message;
use crate::core::error::EventError;

/// Carries out a request event on behalf of a user. The backend thereby gets what a device of the user would,
/// limits included.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// Whose object it is.
    pub user_id: String,
    /// The event's name.
    pub event: String,
    /// As a device would send it: the object checks it.
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
    /// Why not.
    Refused(EventError),
}

/// Closes every connection of the user.
#[derive(Debug, Serialize)]
pub struct Disconnect {}

impl Message for Disconnect {
    const PATH: &'static str = "/disconnect";
    type Answer = Disconnected;
}

/// The answer to [`Disconnect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    /// How many connections were closed.
    pub disconnected: usize,
}

/// Erases the user. The answer comes when it is done; it can be repeated if it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erase {
    /// Whose object it is.
    pub user_id: String,
}

impl Message for Erase {
    const PATH: &'static str = "/erase";
    type Answer = ();
}

/// Asks whether objects answer.
#[derive(Debug, Serialize)]
pub struct Pulse {}

impl Pulse {
    /// The object that is asked. No user has it for an id, which has no control characters.
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
