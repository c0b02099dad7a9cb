//! What the Worker asks of polling gateways, and what a gateway and a User object send each other on the
//! WebSocket of a polling session.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::core::ids::EngineSid;
use crate::core::region::Region;
use crate::core::time::Millis;
use crate::core::token::{Identity, Verdict};
use crate::wire::engine_io::{Frame, Packet, decode_payload, encode_payload};

/// Tells a gateway the verdict on the token from a session's handshake. Later requests may have no token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Greeting {
    /// The Engine.IO session id.
    pub engine_sid: String,
    /// When the Engine.IO session began.
    pub opened_at: Millis,
    /// The verdict on the token.
    pub own: Verdict,
}

impl Message for Greeting {
    const PATH: &'static str = "/greet";
    type Answer = ();
}

/// A polling session, as its sid describes it. The Worker has verified the sid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRef {
    /// The Engine.IO session id.
    pub engine_sid: String,
    /// When the Engine.IO session began.
    pub opened_at: Millis,
    /// Whether the gateway was told of the session at its handshake.
    #[serde(default)]
    pub is_noted: bool,
}

impl SessionRef {
    /// Returns the session of a sid, whose text is `engine_sid`.
    pub fn new(engine_sid: String, sid: &EngineSid) -> Self {
        Self {
            engine_sid,
            opened_at: sid.opened_at,
            is_noted: sid.is_noted,
        }
    }
}

/// Forwards a client's GET or POST to its gateway, with the client's body, so the message is in the
/// header. The gateway's status and body are returned to the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poll {
    /// The session.
    #[serde(flatten)]
    pub session: SessionRef,
    /// The verdict on the token in the request's URL or header, if there is one.
    #[serde(default)]
    pub own: Option<Verdict>,
    /// The user, if the session can be routed without a CONNECT.
    pub user: Option<Identity>,
    /// The client's region.
    #[serde(default)]
    pub region: Option<Region>,
}

impl Message for Poll {
    const PATH: &'static str = "/poll";
    type Answer = ();
}

/// Asks a gateway which user a session belongs to. Waits for the CONNECT; if there is none, the answer is
/// 404.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The session.
    #[serde(flatten)]
    pub session: SessionRef,
    /// The user, if the session can be routed without a CONNECT.
    pub user: Option<Identity>,
}

impl Message for Route {
    const PATH: &'static str = "/route";
    type Answer = Identity;
}

/// A step of a WebSocket that takes over a session whose user is not yet known from a CONNECT.
/// [`LobbyStep::Take`] is answered with [`Taken`], or with 404 if there is no such session; the other
/// steps are answered with an empty 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LobbyRequest {
    /// The session.
    #[serde(flatten)]
    pub session: SessionRef,
    /// The step of the upgrade.
    pub step: LobbyStep,
}

impl Message for LobbyRequest {
    const PATH: &'static str = "/lobby";
    type Answer = Taken;
}

/// The steps of an upgrade in the lobby.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LobbyStep {
    /// The WebSocket sent `2probe`: no GET may wait any more.
    Probe,
    /// The probe failed: polling continues.
    Fail,
    /// The WebSocket sent `5` and takes over the session. Waits for a CONNECT in flight.
    Take,
    /// The client has left polling, and its WebSocket is gone, too.
    End,
}

/// What the WebSocket takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Taken {
    /// The session, still without a user, and the packets queued for its client, as a polling body.
    Session(String),
    /// The same for a session whose handshake had a token.
    Greeted {
        /// The queued packets, as in [`Taken::Session`].
        queue: String,
        /// The verdict on the token.
        own: Verdict,
    },
    /// Not the session: a CONNECT came in the meantime, and this user's object has the session.
    User(Identity),
}

/// The WebSocket close code with which a relay or a gateway tells a User object that the client's
/// connection broke. RFC 6455 has no code for this that may be sent.
pub const LOST: u16 = 4000;

/// The close code with which a gateway tells a User object that nothing was heard from the client for too
/// long.
pub const SILENT: u16 = 4001;

/// A control frame between a gateway and a User object, about the session whose WebSocket they share.
/// Engine.IO packets begin with a digit, control frames with a letter. A gateway forwards only packets
/// that it has decoded, so no client can forge a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayControl {
    /// `u`, to the gateway: a WebSocket is probing; no GET may wait any more.
    Upgrading,
    /// `f`, to the gateway: the probe failed; polling continues.
    UpgradeFailed,
    /// `t`, to the gateway: the WebSocket takes over; send the queued packets.
    TakeOver,
    /// `q`, to the object: the queued packets, as a polling body.
    Queue(Vec<Packet>),
    /// `s`, to the object, which sends it back: everything that the object sent before has then arrived.
    Sync,
    /// `c`, to the object: the client has received everything up to this log offset.
    Confirmed(u64),
}

impl GatewayControl {
    /// Encodes the control frame.
    pub fn frame(&self) -> String {
        match self {
            Self::Upgrading => "u".to_owned(),
            Self::UpgradeFailed => "f".to_owned(),
            Self::TakeOver => "t".to_owned(),
            Self::Sync => "s".to_owned(),
            Self::Queue(packets) => format!("q{}", encode_payload(packets)),
            Self::Confirmed(offset) => format!("c{offset}"),
        }
    }

    /// Reads a control frame. Returns `None` if the frame is a packet.
    pub fn read(frame: &Frame) -> Option<Self> {
        let Frame::Text(text) = frame else {
            return None;
        };
        match text.as_str() {
            "u" => Some(Self::Upgrading),
            "f" => Some(Self::UpgradeFailed),
            "t" => Some(Self::TakeOver),
            "s" => Some(Self::Sync),
            "q" => Some(Self::Queue(Vec::new())),
            other => {
                if let Some(offset) = other.strip_prefix('c') {
                    return offset.parse().ok().map(Self::Confirmed);
                }
                let packets = decode_payload(other.strip_prefix('q')?).ok()?;
                Some(Self::Queue(packets))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_told_from_packets() {
        let controls = [
            GatewayControl::Upgrading,
            GatewayControl::UpgradeFailed,
            GatewayControl::TakeOver,
            GatewayControl::Sync,
            GatewayControl::Confirmed(17),
            GatewayControl::Queue(vec![]),
            GatewayControl::Queue(vec![Packet::Text("2[\"a\"]".into()), Packet::Noop]),
        ];
        for control in controls {
            assert_eq!(
                GatewayControl::read(&Frame::Text(control.frame())),
                Some(control)
            );
        }
        for packet in ["2", "42[]", "6", ""] {
            assert_eq!(GatewayControl::read(&Frame::Text(packet.into())), None);
        }
    }
}
