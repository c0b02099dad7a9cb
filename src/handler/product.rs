//! Switchboard itself: users identified by their tokens, their log, the request events.

use serde_json::value::RawValue;

use super::Handler;
use crate::core::connection::Connection;
use crate::core::token::Identity;
use crate::user_do::{AfterConnect, Socket, UserObject};
use crate::wire::engine_io::Packet;
use crate::wire::session::Event;
use crate::wire::socket_io::MAIN;

/// The handler that is deployed.
pub struct Product;

impl Handler for Product {
    const PATHS: &'static [&'static str] = &["/socket.io"];
    const NAMESPACES: &'static [&'static str] = &[MAIN];

    fn user_at_handshake(_path: &str, _engine_sid: &str) -> Option<Identity> {
        None
    }

    fn on_message(_connection: &Connection, _packet: &Packet) -> Option<Packet> {
        None
    }

    async fn on_connect(
        object: &UserObject,
        socket: Socket,
        _namespace: String,
        auth: Option<Box<RawValue>>,
    ) -> Option<AfterConnect> {
        object.join(socket, auth.as_deref()).await
    }

    async fn on_event(object: &UserObject, socket: Socket, event: Event) {
        object.on_request(socket, event).await;
    }
}
