//! Refuses CONNECTs: either the client is told why, or its connection is closed and it reconnects.
//! `core::connect_refusal` explains which, and why.

use crate::core::close::{CloseReason, MAX_REFUSALS};
use crate::core::connect_refusal::{ConnectRefusal, FAULTS};
use crate::core::connection::{Admission, Phase};
use crate::core::telemetry::Fact;
use crate::platform::now;
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;
use crate::wire::engine_io::Packet;

impl UserObject {
    /// The CONNECT is for another user than the object's. A client that has joined before reconnects, and is
    /// then routed by its CONNECT. One that has not was routed here by a token in the URL, a header or the
    /// handshake; reconnecting would lead here again, so it is refused.
    pub(crate) fn turn_away(&self, socket: Socket) {
        if socket.connection.session.was_joined() {
            return self.close(socket, CloseReason::OtherUser);
        }
        self.refuse(socket, ConnectRefusal::OtherUser);
    }

    pub(crate) fn refuse(&self, mut socket: Socket, refusal: ConnectRefusal) {
        self.refused(&socket, refusal.code());
        socket.connection.refused += 1;
        let admission = self.admit(&mut socket);
        if socket.connection.refused > MAX_REFUSALS || matches!(admission, Ok(Admission::Flooding))
        {
            return self.close(socket, CloseReason::Flooding);
        }
        self.send(&socket, Packet::Text(refusal.packet()));
    }

    /// A fault on our side. The connection is closed, and the fault may be over when the client reconnects;
    /// if it persists, the client is told.
    pub(crate) fn fail(&self, socket: Socket) {
        if self.faults.borrow_mut().take(FAULTS, now()).is_ok() {
            return self.close(socket, CloseReason::Interrupted);
        }
        let refusal = ConnectRefusal::Unavailable;
        self.refused(&socket, refusal.code());
        self.send(&socket, Packet::Text(refusal.packet()));
        self.close(socket, CloseReason::Unavailable);
    }

    /// Tells the client that its CONNECT is too large, before the connection is closed for that.
    pub(crate) fn refuse_large(&self, socket: &Socket) {
        let Ok(config) = self.config() else { return };
        let connection = &socket.connection;
        if connection.phase == Phase::Open && !connection.session.was_joined() {
            let refusal = ConnectRefusal::TooLarge(connection.max_frame(config));
            self.refused(socket, refusal.code());
            self.send(socket, Packet::Text(refusal.packet()));
        }
    }

    pub(crate) fn refused(&self, socket: &Socket, code: &'static str) {
        let fact = Fact::ConnectionRefused {
            carrier: socket.connection.carrier,
            code,
        };
        self.fact(&socket.connection.identity.user_id, &fact);
    }
}
