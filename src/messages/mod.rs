//! The messages between the Worker and the objects: all of them, typed, in one place.
//!
//! User objects are reached by remote calls, except where a WebSocket is opened; polling gateways by
//! requests. Every request is built from scratch, and no header or URL of a client is passed on, so an object
//! can trust what it reads.
//!
//! ```text
//!   client            Worker               PollingGateway          User object      other User objects
//!     |-- WebSocket ----|--- Connect ---------------------------------->|
//!     |-- handshake ----|--- Greeting -------->|                        |
//!     |-- GET, POST ----|--- Poll ------------>|--- Connect ----------->|
//!     |-- probe --------|--- Route,            |                        |
//!     |                 |    LobbyRequest ---->|                        |
//!     |                 |<-- Identity, Taken --|                        |
//!     |                 |--- Connect ---------------------------------->|
//!     |                                        |<-- GatewayControl ---->|
//!     |                                                                 |--- PresenceQuery ->|
//!     |                                                                 |--- Watch --------->|
//!     |                                                                 |--- Deliver ------->|
//!     |                                                                 |--- Notify -------->|
//!     |                                        Pacemaker                |
//!     |                                            |<--- Register ------|
//!     |                                            |---- Beat --------->|
//!   backend             |                                               |
//!     |-- /v1 ----------|--- PresenceQuery, Act, Erase,                 |
//!     |                 |    Disconnect, Revoke ----------------------->|
//!     |-- /healthz -----|--- Pulse ------------------------------------>|
//! ```
//!
//! Invariant: no URL contains a user's identity, because Workers Logs records the URL of every request. A
//! message is JSON: the argument of a remote call, or a request's body, neither of which is recorded. Where
//! the body is used for something else, the same JSON is in the header [`HEADER`], which the platform redacts
//! in its logs.
//!
//! During a deploy, two versions run side by side for minutes, so each must be able to read what the other
//! writes: a new field has a default, an unknown field is ignored, and a message that the previous version
//! would misread gets a new path, which that version refuses. The previous version sends all its messages as
//! requests, with a query in the URL: objects still answer these. `tests.rs` pins the JSON, and `released.rs`
//! compares it with what the last released version reads and writes.

mod campaigns;
mod gateway;
mod pacemaker;
mod peers;
mod read;
#[cfg(test)]
mod released;
mod service;
#[cfg(test)]
mod tests;

pub use campaigns::{CampaignAnswer, CampaignCall, CampaignNews, ChunkAnswer, SendChunk, Stopped};
pub use gateway::{
    GatewayControl, Greeting, LOST, LobbyRequest, LobbyStep, Poll, Route, SILENT, SessionRef, Taken,
};
pub use pacemaker::{Beat, BeatAnswer, Register, Registered};
pub use peers::{Deliver, Heard, Notify, PresenceQuery, StatusChange, Watch, Watching};
pub use service::{
    Act, Acted, Disconnect, Disconnected, Erase, Pulse, ReplayWebhook, Revoke, WebhookReplayed,
};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::core::connection::{Carrier, Phase};
use crate::core::error::{to_json, to_object};
use crate::core::region::Region;
use crate::core::time::Millis;
use crate::core::token::Identity;

/// A message to an object, from the Worker or another object.
pub trait Message {
    /// The path that identifies the message.
    const PATH: &'static str;
    /// The answer, as JSON. `()` also stands for a response that is not JSON.
    type Answer: Serialize + DeserializeOwned;
}

/// How the answer to a remote call begins if there is none: the rest is why, for the log. JSON never begins
/// like this.
pub const FAILED: char = '!';

/// Returns the URL of a message. The host has no meaning: the stub determines the object.
pub fn url<M: Message>() -> String {
    format!("https://object{}", M::PATH)
}

/// The header for a message that cannot be in the body. The runtime redacts a header in its logs if the
/// name contains `secret` (workerd, `src/workerd/api/trace.c++`).
pub const HEADER: &str = "Switchboard-Secret-Message";

/// Converts a message to a header value. It must be ASCII, so all other characters are escaped in the
/// JSON.
pub fn to_header<M: Message + Serialize>(message: &M) -> String {
    let mut value = String::new();
    for unit in to_json(message).encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ b' '..=b'~') => value.push(char::from(byte)),
            _ => value.push_str(&format!("\\u{unit:04x}")),
        }
    }
    value
}

/// Returns the JSON of a message in a query, as the previous version sends it: as JSON in the field `m`, or
/// with each of its fields as text. It can be removed when that version no longer runs.
pub fn message_in(query: &str) -> String {
    let fields = || form_urlencoded::parse(query.as_bytes());
    if let Some((_, json)) = fields().find(|(key, _)| key == "m") {
        return json.into_owned();
    }
    let members: Vec<_> = fields().collect();
    to_object(
        members
            .iter()
            .map(|(name, value)| (name.as_ref(), to_json(value))),
    )
}

/// Splits the URL of a message into its path and query. It is our own ([`url`]), so it has no fragment, and
/// nothing in it has to be normalized.
pub fn split_url(url: &str) -> (&str, Option<&str>) {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find('/').and_then(|at| after_scheme.get(at..));
    let path = path.unwrap_or("/");
    match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    }
}

/// Opens a WebSocket to a User object. Such a request has no body, so the message is in the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connect {
    /// The Engine.IO session id.
    pub engine_sid: String,
    /// When the Engine.IO session began.
    pub opened_at: Millis,
    /// The user whose connection it is. The token has been verified.
    pub identity: Identity,
    /// Distinguishes a gateway's WebSocket, which another may take over, from a client's own.
    pub carrier: Carrier,
    /// [`Phase::Probing`] for an upgrade, [`Phase::Open`] otherwise.
    pub phase: Phase,
    /// Whether the object must send the Engine.IO handshake, because it has not been sent yet.
    pub send_open: bool,
    /// The client's region, for the user's row in D1.
    #[serde(default)]
    pub region: Option<Region>,
}

impl Connect {
    /// The status that answers a probe if the session has already been taken over or has ended.
    pub const NOTHING_TO_UPGRADE: u16 = 409;
}

impl Message for Connect {
    const PATH: &'static str = "/connect";
    type Answer = ();
}
