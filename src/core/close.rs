//! Why a connection ends: the reasons that the protocol defines, and our own.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::wire::close::ProtocolEnd;

/// How many CONNECTs of a client may be refused in a row on one transport. While one is checked, its later frames
/// are held, and handled again after it.
pub const MAX_REFUSALS: u64 = 10;

/// How many bytes of a client's frames may wait while its CONNECT or its upgrade is carried out, as a multiple of the
/// largest frame.
pub const MAX_HELD_PAYLOADS: usize = 4;

/// How many authenticated CONNECTs a client may send on one transport: each one replays what it missed.
pub const MAX_JOINS: u64 = 8;

/// The reason why a connection ends. The log has it by the same name as storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum CloseReason {
    /// The token has expired.
    TokenExpired,
    /// The client kept sending after refusals, joined too often, or sent too much while its frames were held.
    Flooding,
    /// The client left too much unconfirmed of what it was sent.
    TooSlow,
    /// The marketplace's backend disconnected or erased the user.
    Disconnected,
    /// The CONNECT was for a user whom another object serves.
    OtherUser,
    /// The client has reconnected on another connection, or has upgraded to a WebSocket.
    Replaced,
    /// The user has too many connections that have not joined, and this one was the oldest.
    NotJoined,
    /// The user's object was interrupted while it held the connection's frames, failed to carry out its
    /// CONNECT, or could not be reached.
    Interrupted,
    /// The CONNECT keeps failing on our side, and the client was told so.
    Unavailable,
    /// A reason that the protocol defines.
    #[serde(untagged, skip_deserializing)]
    Protocol(ProtocolEnd),
}

impl Serialize for CloseReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

// serde's own way to read an untagged variant is much more code.
impl<'de> Deserialize<'de> for CloseReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        serde_json::from_str(json.get())
            .map(Self::Protocol)
            .or_else(|_| Self::deserialize(&mut serde_json::Deserializer::from_str(json.get())))
            .map_err(D::Error::custom)
    }
}

impl From<ProtocolEnd> for CloseReason {
    fn from(end: ProtocolEnd) -> Self {
        Self::Protocol(end)
    }
}

impl CloseReason {
    /// Returns the WebSocket close code and reason, as [`ProtocolEnd::code`] does. The reference server has no
    /// counterpart to the reasons listed here.
    pub fn code(self) -> Option<(u16, &'static str)> {
        match self {
            Self::TokenExpired => Some((1000, "token expired")),
            Self::Flooding => Some((1008, "too many events")),
            Self::TooSlow => Some((1008, "too slow")),
            Self::Disconnected => Some((1000, "disconnected by the service")),
            Self::OtherUser => Some((1000, "connect again for another user")),
            Self::Replaced => Some((1000, "replaced by a newer connection")),
            Self::NotJoined => Some((1008, "too many connections that have not joined")),
            Self::Interrupted => Some((1012, "please reconnect")),
            Self::Unavailable => Some((1000, "unavailable")),
            Self::Protocol(end) => end.code(),
        }
    }

    /// Returns whether the client itself closed the connection cleanly.
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
        let all: [(CloseReason, &str); 16] = [
            (CloseReason::Disconnected, "\"disconnected\""),
            (CloseReason::TokenExpired, "\"token_expired\""),
            (CloseReason::Flooding, "\"flooding\""),
            (CloseReason::TooSlow, "\"too_slow\""),
            (CloseReason::OtherUser, "\"other_user\""),
            (CloseReason::Replaced, "\"replaced\""),
            (CloseReason::NotJoined, "\"not_joined\""),
            (CloseReason::Interrupted, "\"interrupted\""),
            (CloseReason::Unavailable, "\"unavailable\""),
            (ProtocolEnd::ClientClosed.into(), "\"client_closed\""),
            (ProtocolEnd::TransportLost.into(), "\"transport_lost\""),
            (ProtocolEnd::ProtocolError.into(), "\"protocol_error\""),
            (ProtocolEnd::TooLarge.into(), "\"too_large\""),
            (ProtocolEnd::PingTimeout.into(), "\"ping_timeout\""),
            (ProtocolEnd::ConnectTimeout.into(), "\"connect_timeout\""),
            (ProtocolEnd::UpgradeFailed.into(), "\"upgrade_failed\""),
        ];
        for (reason, json) in all {
            assert_eq!(to_json(&reason), json);
            assert_eq!(serde_json::from_str::<CloseReason>(json).ok(), Some(reason));
        }
    }
}
