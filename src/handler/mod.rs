//! The seam: what happens to a connection's events.
//!
//! Everything below it (transports, sessions, heartbeats, upgrades) is the same for every handler.
//! [`product`] is the one that is deployed. The feature `conformance` puts the fixture of the
//! official protocol test suites in its place, so that those suites can be run against the very
//! code that serves the product.

#[cfg(feature = "conformance")]
mod conformance;
mod product;

use serde_json::value::RawValue;

use crate::core::connection::Connection;
use crate::core::token::Identity;
use crate::user_do::{JoinedConnection, Socket, UserObject};
use crate::wire::engine_io::Packet;
use crate::wire::session::{Awaited, Event};
use crate::wire::socket_io::Args;

/// The handler that is built in.
#[cfg(not(feature = "conformance"))]
pub type Active = product::Product;
/// The handler that is built in.
#[cfg(feature = "conformance")]
pub type Active = conformance::Fixture;

/// What a handler decides.
pub trait Handler {
    /// The paths that it serves, without the slash at the end.
    const PATHS: &'static [&'static str];

    /// The namespaces that a client may join.
    const NAMESPACES: &'static [&'static str];

    /// The user of a connection that needs no CONNECT to be known. `None`: a token has to say.
    fn user_at_handshake(path: &str, engine_sid: &str) -> Option<Identity>;

    /// The answer to an Engine.IO message that is not for Socket.IO. `None`: it is.
    fn on_message(connection: &Connection, packet: &Packet) -> Option<Packet>;

    /// A CONNECT to one of the namespaces, with its `auth` object. Joins or refuses. Returns what is left to
    /// do for a connection that has joined, if anything.
    async fn on_connect(
        object: &UserObject,
        socket: Socket,
        namespace: String,
        auth: Option<Box<RawValue>>,
    ) -> Option<JoinedConnection>;

    /// An event, complete with its attachments.
    async fn on_event(object: &UserObject, socket: Socket, event: Event);

    /// An ack that the handler asked for, or `None` if it did not come in time.
    fn on_ack(object: &UserObject, socket: Socket, awaited: Awaited, args: Option<Args>);
}
