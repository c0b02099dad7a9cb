//! The seam between the protocol and the product: it decides how a connection's events are handled.
//!
//! Everything below it (transports, sessions, heartbeats, upgrades) is the same for every handler.
//! [`product`] is the one that is deployed. The feature `conformance` replaces it with the fixture of the
//! official protocol test suites, so that those suites run against the same code that serves the product.

#[cfg(feature = "conformance")]
mod conformance;
mod product;

use serde_json::value::RawValue;

use crate::core::connection::Connection;
use crate::core::token::Identity;
use crate::user_do::{AfterConnect, Socket, UserObject};
use crate::wire::engine_io::Packet;
use crate::wire::session::Event;

/// The handler of this build.
#[cfg(not(feature = "conformance"))]
pub type Active = product::Product;
/// The handler of this build.
#[cfg(feature = "conformance")]
pub type Active = conformance::Fixture;

/// Handles what the protocol leaves to the application.
pub trait Handler {
    /// The paths that it serves, without the trailing slash.
    const PATHS: &'static [&'static str];

    /// The namespaces that a client may join.
    const NAMESPACES: &'static [&'static str];

    /// Returns the user of a connection that is identified without a CONNECT, or `None` if a token has to
    /// identify it.
    fn user_at_handshake(path: &str, engine_sid: &str) -> Option<Identity>;

    /// Returns the reply to an Engine.IO message that is not meant for Socket.IO, or `None` if Socket.IO
    /// handles it.
    fn on_message(connection: &Connection, packet: &Packet) -> Option<Packet>;

    /// Handles a CONNECT to one of the namespaces, with its `auth` object: joins or refuses. Returns what
    /// remains to be done, if anything.
    async fn on_connect(
        object: &UserObject,
        socket: Socket,
        namespace: String,
        auth: Option<Box<RawValue>>,
    ) -> Option<AfterConnect>;

    /// Handles an event, complete with its attachments.
    async fn on_event(object: &UserObject, socket: Socket, event: Event);
}
