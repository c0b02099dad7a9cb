//! Accepts a WebSocket, from a client, the Worker's relay or a gateway.

use worker::{Response, Result, WebSocketPair};

use crate::core::close::CloseReason;
use crate::core::connection::{Connection, Phase};
use crate::messages::Connect;
use crate::platform::now;
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;
use crate::wire::engine_io::open;

/// The maximum number of sockets of one object, joined or not. The platform allows 32,768.
const MAX_SOCKETS: usize = 12_000;

impl UserObject {
    pub(crate) fn accept(&self, connect: Connect) -> Result<Response> {
        let config = self.config()?;
        let is_probe = connect.phase == Phase::Probing;
        if is_probe && self.polling_socket(&connect.engine_sid).is_none() {
            return Ok(Response::empty()?.with_status(Connect::NOTHING_TO_UPGRADE));
        }
        // Stays below the platform's limit, because the object would not survive exceeding it.
        if self.state.get_websockets().len() >= MAX_SOCKETS {
            return Ok(Response::empty()?.with_status(503));
        }
        self.end_oldest_unjoined(&connect.engine_sid, config.max_unjoined);
        let pair = WebSocketPair::new()?;
        // The tag is used to find the sockets of a session. It has 40 characters of at most 256.
        self.state
            .accept_websocket_with_tags(&pair.server, &[&connect.engine_sid]);
        let connection = Connection::new(
            connect.engine_sid,
            connect.carrier,
            connect.phase,
            connect.identity,
            connect.opened_at,
            now(),
        );
        let socket = Socket {
            ws: pair.server,
            connection: Connection {
                region: connect.region,
                ..connection
            },
        };
        socket.save()?;
        if connect.send_open {
            socket.send(open(&socket.connection.engine_sid, &[], config.handshake()));
        }
        self.needs_schedule();
        Response::from_websocket(pair.client)
    }

    /// Keeps below the limit of connections that have not joined, before another one is accepted. The oldest one
    /// ends, because clients join at once: so connections that never join lock nobody out.
    fn end_oldest_unjoined(&self, engine_sid: &str, max: usize) {
        // All sockets are read only if there may be too many.
        if self.state.get_websockets().len() < max {
            return;
        }
        let is_unjoined = |socket: &Socket| {
            let connection = &socket.connection;
            connection.phase != Phase::Closed
                && !connection.session.was_joined()
                && connection.engine_sid != engine_sid
        };
        let unjoined: Vec<Socket> = self.sockets().filter(is_unjoined).collect();
        if unjoined.len() < max {
            return;
        }
        let oldest = unjoined
            .into_iter()
            .min_by_key(|socket| socket.connection.opened_at);
        if let Some(oldest) = oldest {
            self.close(oldest, CloseReason::NotJoined);
        }
    }
}
