//! Presence, as User objects report it to each other and as replies to clients are built from it.

use serde::{Deserialize, Serialize};

use super::time::Millis;

/// Whether a user is online, and when they were last seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// The number of live connections.
    pub connection_count: usize,
    /// When the user was last heard, in Unix milliseconds; `None` if the user has never connected.
    pub last_seen: Option<Millis>,
}

impl Presence {
    /// Returns whether the user has a live connection.
    pub fn is_online(&self) -> bool {
        self.connection_count > 0
    }

    /// Returns the presence with `is_online` from a newer push, which may contradict it.
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
