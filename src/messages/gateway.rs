//! What the Worker asks of polling gateways, and what a gateway and a User object tell each other on the
//! WebSocket of a polling session.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::core::region::Region;
use crate::core::time::Millis;
use crate::core::token::{Identity, Verdict};
use crate::wire::engine_io::{Frame, Packet, decode_payload, encode_payload};

/// Tells a gateway what the token comes to that the handshake of one of its sessions brought. Later
/// requests may bring none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Greeting {
    /// The Engine.IO session id.
    pub engine_sid: String,
    /// When the Engine.IO session began.
    pub opened_at: Millis,
    /// What the token comes to.
    pub own: Verdict,
}

impl Message for Greeting {
    const PATH: &'static str = "/greet";
    type Answer = ();
}

/// Passes a client's GET or POST on to its gateway, with the client's body; so this stands in the header.
/// The answer's status and body are the client's, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poll {
    /// The Engine.IO session id, which the Worker has checked.
    pub engine_sid: String,
    /// When the Engine.IO session began, as the sid says.
    pub opened_at: Millis,
    /// Whether the gateway was told of the session at its handshake, as the sid says.
    #[serde(default)]
    pub is_noted: bool,
    /// What the token of the request's URL or header comes to, if it brings one.
    #[serde(default)]
    pub own: Option<Verdict>,
    /// The user, if the session needs no CONNECT to be routed.
    pub user: Option<Identity>,
    /// Where the client is.
    #[serde(default)]
    pub region: Option<Region>,
}

impl Message for Poll {
    const PATH: &'static str = "/poll";
    type Answer = ();
}

/// Asks a gateway whose session this is. Waits for a CONNECT in flight; if none comes, the answer is 404.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The Engine.IO session id.
    pub engine_sid: String,
    /// When the Engine.IO session began, as the sid says.
    pub opened_at: Millis,
    /// Whether the gateway was told of the session at its handshake, as the sid says.
    #[serde(default)]
    pub is_noted: bool,
    /// The user, if the session needs no CONNECT to be routed.
    pub user: Option<Identity>,
}

impl Message for Route {
    const PATH: &'static str = "/route";
    type Answer = Identity;
}

/// A WebSocket asks to take over a session whose user no CONNECT has told yet. [`LobbyStep::Take`] is
/// answered by [`Taken`], or 404 if there is no such session; the others by an empty 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LobbyRequest {
    /// The Engine.IO session id.
    pub engine_sid: String,
    /// When the Engine.IO session began, as the sid says.
    pub opened_at: Millis,
    /// Whether the gateway was told of the session at its handshake, as the sid says.
    #[serde(default)]
    pub is_noted: bool,
    /// Which step of the upgrade.
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
    /// `2probe`: let no GET wait.
    Probe,
    /// The probe failed; go on polling.
    Fail,
    /// `5`: the session is the WebSocket's. Waits for a CONNECT in flight.
    Take,
    /// The client has left polling, and its WebSocket is gone, too.
    End,
}

/// What the WebSocket takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Taken {
    /// The session, still without a user, and what was queued for its client: a polling body.
    Session(String),
    /// The same of a session whose handshake brought a token.
    Greeted {
        /// As in [`Taken::Session`].
        queue: String,
        /// What the token comes to.
        own: Verdict,
    },
    /// Not the session: a CONNECT came in the meantime, and it is this user's object that has it.
    User(Identity),
}

/// The WebSocket close code by which a relay or a gateway tells a User object that the client's side
/// broke. RFC 6455 has none for that that may be sent.
pub const LOST: u16 = 4000;

/// The close code by which a gateway tells a User object that the client was not heard for too long.
pub const SILENT: u16 = 4001;

/// What a gateway and a User object tell each other about the session whose WebSocket they share.
/// Engine.IO packets begin with a digit, these with a letter; a gateway passes only packets on that
/// it has decoded, so that no client can write one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayControl {
    /// `u`, to the gateway: a WebSocket is probing; let no GET wait.
    Upgrading,
    /// `f`, to the gateway: the probe failed; go on polling.
    UpgradeFailed,
    /// `t`, to the gateway: the WebSocket takes over; hand me what is queued.
    TakeOver,
    /// `q`, to the object, with a polling body: what was queued.
    Queue(Vec<Packet>),
    /// `s`, to the object, which sends it back: whatever it said before has arrived then.
    Sync,
    /// `c`, to the object, with an offset of the log: the client has everything up to there.
    Confirmed(u64),
}

impl GatewayControl {
    /// As a frame.
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

    /// Reads a frame; `None` if it is a packet.
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
