//! The fixture that the official test suites expect.
//!
//! - Engine.IO v4, path `/engine.io/`: echoes every message, text and binary.
//! - Socket.IO v5, path `/socket.io/`: on connect, the namespaces `/` and `/custom` emit `auth` with the
//!   CONNECT payload; `message` is answered by `message-back` with the same arguments; `message-with-ack` is
//!   acknowledged with its arguments.
//! - For our own tests: `trap` ends the wasm's instance, as a panic would.
//!
//! Every connection is a separate user, and so has its own object.

use serde_json::value::RawValue;

use super::Handler;
use crate::core::close::CloseReason;
use crate::core::connection::Connection;
use crate::core::ids::socket_sid;
use crate::core::token::{Identity, Role};
use crate::platform::random;
use crate::user_do::{AfterConnect, Socket, UserObject};
use crate::wire::engine_io::Packet;
use crate::wire::session::Event;
use crate::wire::socket_io::{Args, ack_packets, connected, event_packets};

const ENGINE_IO: &str = "/engine.io";
const SOCKET_IO: &str = "/socket.io";

/// An expiry that no test reaches, in Unix milliseconds.
const NEVER: u64 = 4_000_000_000_000;

/// Serves both suites at once: the path tells the protocols apart.
pub struct Fixture;

impl Handler for Fixture {
    const PATHS: &'static [&'static str] = &[SOCKET_IO, ENGINE_IO];
    const NAMESPACES: &'static [&'static str] = &["/", "/custom"];

    fn user_at_handshake(path: &str, engine_sid: &str) -> Option<Identity> {
        Some(Identity {
            user_id: format!("{path}/{engine_sid}"),
            role: Role::Customer,
            name: None,
            expires_at: NEVER,
            issued_at: None,
        })
    }

    fn on_message(connection: &Connection, packet: &Packet) -> Option<Packet> {
        if !connection.identity.user_id.starts_with(ENGINE_IO) {
            return None;
        }
        match packet {
            Packet::Text(_) | Packet::Binary(_) => Some(packet.clone()),
            _ => None,
        }
    }

    async fn on_connect(
        object: &UserObject,
        mut socket: Socket,
        namespace: String,
        auth: Option<Box<RawValue>>,
    ) -> Option<AfterConnect> {
        let sid = socket_sid(random());
        socket.connection.session.join(&namespace, &sid);
        if socket.save().is_err() {
            object.close(socket, CloseReason::Interrupted);
            return None;
        }
        object.send(&socket, Packet::Text(connected(&namespace, &sid, None)));
        let args = Args {
            values: vec![auth.unwrap_or_else(empty_object)],
            attachments: Vec::new(),
        };
        emit(object, &socket, &namespace, "auth", &args);
        None
    }

    async fn on_event(object: &UserObject, socket: Socket, event: Event) {
        match (event.name.as_str(), event.ack_id) {
            ("message", _) => emit(
                object,
                &socket,
                &event.namespace,
                "message-back",
                &event.args,
            ),
            ("message-with-ack", Some(ack_id)) => {
                for packet in ack_packets(&event.namespace, ack_id, &event.args) {
                    object.send(&socket, packet);
                }
            }
            ("trap", _) => std::arch::wasm32::unreachable(),
            _ => {}
        }
    }
}

fn emit(object: &UserObject, socket: &Socket, namespace: &str, name: &str, args: &Args) {
    for packet in event_packets(namespace, name, args) {
        object.send(socket, packet);
    }
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}
