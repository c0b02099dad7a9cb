//! Why a connection ends: the protocol's reasons, and the product's.

use serde::{Deserialize, Serialize};

use crate::wire::close::ProtocolEnd;

/// How often a client may join on one transport: it gets what it missed each time.
pub const MAX_JOINS: u64 = 8;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Its token has expired.
    TokenExpired,
    /// It went on sending in spite of refusals.
    Flooding,
    /// The marketplace's backend disconnected or erased its user.
    Disconnected,
    /// A CONNECT for a user whom another object serves.
    OtherUser,
    /// Its client has come back on another connection.
    Replaced,
    /// The object was interrupted while it held the connection's frames, or failed at its CONNECT.
    Interrupted,
    /// Its CONNECT goes on failing on our side, and its client was told so.
    Unavailable,
    /// One of the protocol's.
    #[serde(untagged)]
    Protocol(ProtocolEnd),
}

impl From<ProtocolEnd> for CloseReason {
    fn from(end: ProtocolEnd) -> Self {
        Self::Protocol(end)
    }
}

impl CloseReason {
    /// The WebSocket close code and reason, as [`ProtocolEnd::code`]. The reference server has no ends
    /// such as these.
    pub fn code(self) -> Option<(u16, &'static str)> {
        match self {
            Self::TokenExpired => Some((1000, "token expired")),
            Self::Flooding => Some((1008, "too many events")),
            Self::Disconnected => Some((1000, "disconnected by the service")),
            Self::OtherUser => Some((1000, "connect again for another user")),
            Self::Replaced => Some((1000, "replaced by a newer connection")),
            Self::Interrupted => Some((1012, "please reconnect")),
            Self::Unavailable => Some((1000, "unavailable")),
            Self::Protocol(end) => end.code(),
        }
    }

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::Flooding => "flooding",
            Self::Disconnected => "disconnected",
            Self::OtherUser => "other_user",
            Self::Replaced => "replaced",
            Self::Interrupted => "interrupted",
            Self::Unavailable => "unavailable",
            Self::Protocol(end) => end.name(),
        }
    }

    /// Whether the client ended the connection itself, in good order.
    pub fn is_clean(self) -> bool {
        self == Self::Protocol(ProtocolEnd::ClientClosed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::error::to_json;

    #[test]
    fn stored_json_is_pinned() {
        let all: [(CloseReason, &str); 3] = [
            (CloseReason::Disconnected, "\"disconnected\""),
            (CloseReason::TokenExpired, "\"token_expired\""),
            (ProtocolEnd::PingTimeout.into(), "\"ping_timeout\""),
        ];
        for (reason, json) in all {
            assert_eq!(to_json(&reason), json);
            assert_eq!(serde_json::from_str::<CloseReason>(json).ok(), Some(reason));
            assert_eq!(json, format!("\"{}\"", reason.name()));
        }
    }
}
