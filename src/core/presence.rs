//! Presence, as objects tell it to each other and as replies are made from.

use serde::{Deserialize, Serialize};

use super::time::Millis;

/// A user's presence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// Live connections.
    pub connection_count: usize,
    /// The last evidence of life; none if the user never connected.
    pub last_seen: Option<Millis>,
}

impl Presence {
    /// Whether the user is online.
    pub fn is_online(&self) -> bool {
        self.connection_count > 0
    }
}
