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

    /// The same, for who knows better whether the user is online: a newer push said so.
    pub fn corrected(self, is_online: bool) -> Self {
        let connection_count = if is_online {
            self.connection_count.max(1)
        } else {
            0
        };
        Self {
            connection_count,
            ..self
        }
    }
}
