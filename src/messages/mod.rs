//! The messages between the Worker and the objects: all of them, typed, in one place.
//!
//! An object is reached by fetch only. Every request is built here from nothing, so an object can
//! trust what it reads; no client's header or URL is passed on.
//!
//! ```text
//!   client            Worker               PollingGateway          User object      other User objects
//!     |-- WebSocket ----|--- Connect ---------------------------------->|
//!     |-- handshake ----|--- Greeting -------->|                        |
//!     |-- GET, POST ----|--- Poll ------------>|--- Connect ----------->|
//!     |-- probe --------|--- Route, Lobby ---->|                        |
//!     |                 |<-- Identity, Taken --|                        |
//!     |                 |--- Connect ---------------------------------->|
//!     |                                        |<-- GatewayControl ---->|
//!     |                                                                 |--- PresenceQuery ->|
//!     |                                                                 |--- Watch --------->|
//!     |                                                                 |--- Deliver ------->|
//!     |                                                                 |--- Notify -------->|
//!   backend             |                                               |
//!     |-- /v1 ----------|--- PresenceQuery, Act, Disconnect, Erase ---->|
//! ```

mod peers;
mod service;

pub use peers::{Heard, Notify, PresenceQuery, StatusChange, Watch, Watching};
pub use service::{Act, Acted, Disconnect, Disconnected, Erase, Pulse};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::core::connection::{Carrier, Phase};
use crate::core::error::to_json;
use crate::core::events::new_message::Target;
use crate::core::region::Region;
use crate::core::time::Millis;
use crate::core::token::{Identity, Verdict};
use crate::wire::engine_io::{Frame, Packet, decode_payload, encode_payload};

/// Opens a WebSocket to a User object: `GET /connect?m=<json>`, with `Upgrade: websocket`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connect {
    /// The Engine.IO session id.
    pub engine_sid: String,
    /// When the Engine.IO session began.
    pub opened_at: Millis,
    /// Whose connection it is. The token was checked.
    pub identity: Identity,
    /// What carries it.
    pub carrier: Carrier,
    /// [`Phase::Probing`] for an upgrade, [`Phase::Open`] otherwise.
    pub phase: Phase,
    /// Whether the object has to send the handshake: nobody has done so yet.
    pub send_open: bool,
    /// Where the client is, for the user's row.
    #[serde(default)]
    pub region: Option<Region>,
}

impl Connect {
    /// The path.
    pub const PATH: &'static str = "/connect";

    /// The answer to a probe of a session that was taken over already, or has ended.
    pub const NOTHING_TO_UPGRADE: u16 = 409;

    /// The URL.
    pub fn url(&self) -> String {
        with_json(Self::PATH, self)
    }
}

/// Tells a gateway what the token comes to that the handshake of one of its sessions brought:
/// `GET /greet?m=<json>`. Later requests may bring none.
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

impl Greeting {
    /// The path.
    pub const PATH: &'static str = "/greet";

    /// The URL.
    pub fn url(&self) -> String {
        with_json(Self::PATH, self)
    }
}

/// Passes a client's GET or POST on to its gateway: `/poll?m=<json>`, with the client's body.
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

impl Poll {
    /// The path.
    pub const PATH: &'static str = "/poll";

    /// The URL.
    pub fn url(&self) -> String {
        with_json(Self::PATH, self)
    }
}

/// Asks a gateway whose session this is: `GET /route?m=<json>`. Waits for a CONNECT in flight.
/// Answered by an [`Identity`], or 404.
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

impl Route {
    /// The path.
    pub const PATH: &'static str = "/route";

    /// The URL.
    pub fn url(&self) -> String {
        with_json(Self::PATH, self)
    }
}

/// A WebSocket asks to take over a session whose user no CONNECT has told yet: `GET /lobby?m=<json>`.
/// [`LobbyStep::Take`] is answered by [`Taken`], or 404 if there is no such session; the others by
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lobby {
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

impl Lobby {
    /// The path.
    pub const PATH: &'static str = "/lobby";

    /// The URL.
    pub fn url(&self) -> String {
        with_json(Self::PATH, self)
    }
}

/// What the WebSocket takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Taken {
    /// The session, still without a user, and what was queued for its client: a polling body.
    Session(String),
    /// The same of a session whose handshake brought a token.
    Greeted {
        /// What was queued.
        queue: String,
        /// What the token comes to.
        own: Verdict,
    },
    /// Not the session: a CONNECT came in the meantime, and it is this user's object that has it.
    User(Identity),
}

/// Reads one field of a query.
fn query_field(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Reads the message of a `?m=` URL.
pub fn read_query<T: DeserializeOwned>(query: &str) -> Option<T> {
    let (_, json) = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "m")?;
    serde_json::from_str(&json).ok()
}

fn with_json<T: Serialize>(path: &str, message: &T) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("m", &to_json(message))
        .finish();
    format!("https://object{path}?{query}")
}

/// Brings a message to a receiver's object: `POST /deliver?...`. What all copies of a send have in
/// common is the body ([`crate::core::events::new_message::Letter`]), made once; the URL says which
/// copy it is. Answered by [`Receipt`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliver {
    /// Which copy.
    pub target: Target,
    /// Whether the object may have it already.
    pub is_repeat: bool,
}

impl Deliver {
    /// The path.
    pub const PATH: &'static str = "/deliver";

    /// The URL.
    pub fn url(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("receiver", &self.target.receiver_id)
            .append_pair("conversation", &self.target.conversation_id)
            .append_pair("message", &self.target.message_id)
            .append_pair("repeat", if self.is_repeat { "1" } else { "0" })
            .finish();
        format!("https://object{}?{query}", Self::PATH)
    }

    /// Reads the URL's query.
    pub fn read(query: &str) -> Option<Self> {
        let find = |name: &str| query_field(query, name);
        Some(Self {
            target: Target {
                receiver_id: find("receiver")?,
                conversation_id: find("conversation")?,
                message_id: find("message")?,
            },
            is_repeat: find("repeat")? == "1",
        })
    }
}

/// The answer to [`Deliver`]: the message is in the receiver's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whether a device was there to take it.
    pub delivered: bool,
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
    use crate::core::token::{Role, TokenError};

    fn query(url: &str) -> &str {
        url.split_once('?').unwrap().1
    }

    #[test]
    fn connect_reads_back() {
        let connect = Connect {
            engine_sid: "E".into(),
            opened_at: 7,
            identity: Identity {
                user_id: "ü &=?#/1".into(),
                role: Role::Customer,
                name: None,
                expires_at: 9,
            },
            carrier: Carrier::Gateway,
            phase: Phase::Open,
            send_open: false,
            region: Some(Region::Weur),
        };
        assert_eq!(read_query(query(&connect.url())), Some(connect));
        assert_eq!(read_query::<Connect>("m=7"), None);
        assert_eq!(read_query::<Connect>(""), None);
    }

    #[test]
    fn messages_to_gateways_read_back() {
        let greeting = Greeting {
            engine_sid: "E".into(),
            opened_at: 7,
            own: Err(TokenError::Expired),
        };
        assert_eq!(read_query(query(&greeting.url())), Some(greeting));
        let poll = Poll {
            engine_sid: "E".into(),
            opened_at: 7,
            is_noted: true,
            own: Some(Err(TokenError::Invalid)),
            user: None,
            region: None,
        };
        assert_eq!(read_query(query(&poll.url())), Some(poll));
        // A Worker of the version before says less; what it said of the token is not read any more.
        let before = r#"m={"engineSid":"E","openedAt":7,"token":"t","user":null,"region":null}"#;
        let poll: Poll = read_query(before).unwrap();
        assert_eq!((poll.is_noted, poll.own), (false, None));
        let before = r#"m={"engineSid":"E","openedAt":7,"step":"take"}"#;
        assert!(!read_query::<Lobby>(before).unwrap().is_noted);
        let before = r#"m={"engineSid":"E","openedAt":7,"user":null}"#;
        assert!(!read_query::<Route>(before).unwrap().is_noted);
    }

    #[test]
    fn what_is_taken_over_is_pinned() {
        let taken = [
            (Taken::Session("4a".into()), r#"{"session":"4a"}"#),
            (
                Taken::Greeted {
                    queue: "4a".into(),
                    own: Err(TokenError::Expired),
                },
                r#"{"greeted":{"queue":"4a","own":{"Err":"expired"}}}"#,
            ),
        ];
        for (taken, json) in taken {
            assert_eq!(to_json(&taken), json);
            assert_eq!(serde_json::from_str::<Taken>(json).unwrap(), taken);
        }
    }

    #[test]
    fn deliver_reads_back() {
        let deliver = Deliver {
            target: Target {
                receiver_id: "ü &=?#/1".into(),
                conversation_id: "k".into(),
                message_id: "m".into(),
            },
            is_repeat: true,
        };
        assert_eq!(Deliver::read(query(&deliver.url())), Some(deliver));
        assert_eq!(Deliver::read("receiver=a"), None);
    }

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
