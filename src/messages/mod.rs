//! The messages between the Worker and the objects: all of them, typed, in one place.
//!
//! An object is reached by fetch only. Every request is built from nothing, so an object can trust what it
//! reads; no client's header or URL is passed on.
//!
//! ```text
//!   client            Worker               PollingGateway          User object      other User objects
//!     |-- WebSocket ----|--- Connect ---------------------------------->|
//!     |-- handshake ----|--- Greeting -------->|                        |
//!     |-- GET, POST ----|--- Poll ------------>|--- Connect ----------->|
//!     |-- probe --------|--- Route, LobbyRequest ---->|                        |
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
//!
//! Invariant: no URL says who somebody is, because Workers Logs records the URL of every request. A message
//! is JSON in the request's body, which is recorded nowhere. Where the body is not free for it, or would cost
//! too much, the same JSON stands in the header [`HEADER`], which the platform's logs redact. Only
//! [`Deliver`] is a query, of a message's and a conversation's id: its body is shared by all receivers.
//!
//! A deploy runs two versions side by side for minutes, so each has to read what the other writes: a new
//! field has a default, a field that is unknown is ignored, and a message that the version before would
//! misread gets a new path, which that version refuses. `tests.rs` pins the JSON.

mod gateway;
mod peers;
mod service;
#[cfg(test)]
mod tests;

pub use gateway::{
    GatewayControl, Greeting, LOST, LobbyRequest, LobbyStep, Poll, Route, SILENT, Taken,
};
pub use peers::{Deliver, Heard, Notify, PresenceQuery, Receipt, StatusChange, Watch, Watching};
pub use service::{Act, Acted, Disconnect, Disconnected, Erase, Pulse};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::connection::{Carrier, Phase};
use crate::core::error::to_json;
use crate::core::region::Region;
use crate::core::time::Millis;
use crate::core::token::Identity;

/// What the Worker or an object says to an object.
pub trait Message {
    /// The path that the object knows it by.
    const PATH: &'static str;
    /// What a 200 brings as JSON. `()` stands for nothing, and for an answer that is no JSON.
    type Answer: Serialize + DeserializeOwned;
}

/// Where a message goes. The host means nothing: the stub is what finds the object.
pub fn url<M: Message>() -> String {
    format!("https://object{}", M::PATH)
}

/// Carries a message that the body has no place for. The runtime redacts a header in what it logs if the
/// name contains `secret` (workerd, `src/workerd/api/trace.c++`).
pub const HEADER: &str = "Switchboard-Secret-Message";

/// A message as a header's value. It has to be ASCII, and JSON can escape whatever is not.
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

/// Reads a message from a query, as the version before sent it: JSON in the field `m`, or each of its fields
/// as text. It can go when no such version runs any more.
pub fn read_query<M: DeserializeOwned>(query: &str) -> Option<M> {
    let fields = || form_urlencoded::parse(query.as_bytes());
    if let Some((_, json)) = fields().find(|(key, _)| key == "m") {
        return serde_json::from_str(&json).ok();
    }
    let fields: Map<String, Value> = fields()
        .map(|(key, value)| (key.into_owned(), value.into_owned().into()))
        .collect();
    serde_json::from_value(fields.into()).ok()
}

/// Opens a WebSocket to a User object. Such a request has no body, so this stands in the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connect {
    /// The Engine.IO session id.
    pub engine_sid: String,
    /// When the Engine.IO session began.
    pub opened_at: Millis,
    /// Whose connection it is. The token was checked.
    pub identity: Identity,
    /// Tells a gateway's WebSocket, which another may take over, from a client's own.
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
    /// The answer to a probe of a session that was taken over already, or has ended.
    pub const NOTHING_TO_UPGRADE: u16 = 409;
}

impl Message for Connect {
    const PATH: &'static str = "/connect";
    type Answer = ();
}
