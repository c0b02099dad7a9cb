//! A WebSocket takes over a polling session, and no packet is lost or repeated.
//!
//! ```text
//!  client              gateway              this object
//!    |--- WebSocket, 2probe ---------------------->|
//!    |<-- 3probe ----------------------------------|
//!    |                    |<-- u (upgrading) ------|
//!    |<-- 6 on the GET ---|                        |    GETs no longer wait
//!    |--- another GET --->|                        |    some clients poll until they have the 3probe
//!    |                    |--- s, and back ------->|    ends that GET, unless a t came before
//!    |--- 5 -------------------------------------->|    from here on, hold everything:
//!    |                    |<-- t (take over) ------|    frames of the WebSocket, packets for it
//!    |                    |--- q (queue) --------->|    the gateway's last message
//!    |<-- queue, then the held packets ------------|    then handle the held frames
//! ```
//!
//! Why this works: the gateway's WebSocket preserves order, so when `q` arrives, every packet that the client
//! posted has been handled, and every packet that we sent before `t` is in the response to a GET or in `q`.
//! Held frames and packets are in memory; if they are lost, both sockets close, and the client reconnects and
//! recovers from the log.

use super::close::farewell;
use crate::core::close::CloseReason;
use crate::core::connection::{Carrier, Phase};
use crate::messages::GatewayControl;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;
use crate::wire::close::ProtocolEnd;
use crate::wire::engine_io::{Frame, PROBE, Packet};

impl UserObject {
    /// Handles `2probe`.
    pub(crate) fn probe(&self, socket: Socket) {
        let Some(polling) = self.polling_socket(&socket.connection.engine_sid) else {
            return self.close(socket, ProtocolEnd::UpgradeFailed);
        };
        // First the answer: a client that has it does not poll again when its GET ends.
        socket.send(Packet::Pong(PROBE.to_owned()));
        polling.control(&GatewayControl::Upgrading);
    }

    /// Handles `5`.
    pub(crate) fn take_over(&self, mut socket: Socket) {
        let Some(mut polling) = self.polling_socket(&socket.connection.engine_sid) else {
            let reason = socket.connection.ended;
            if let Some(packet) = reason.and_then(farewell) {
                socket.send(packet);
            }
            let reason = reason.unwrap_or(ProtocolEnd::UpgradeFailed.into());
            return self.close(socket, reason);
        };
        polling.connection.phase = Phase::Upgrading;
        socket.connection.phase = Phase::Upgrading;
        if polling.save().and(socket.save()).is_err() {
            return self.close(socket, ProtocolEnd::UpgradeFailed);
        }
        self.start_holding(&socket.connection.engine_sid);
        polling.control(&GatewayControl::TakeOver);
    }

    /// Handles a gateway's control message. Returns the WebSocket that has taken the session over, if one
    /// has, and the frames that were held for it.
    pub(crate) fn on_control(
        &self,
        polling: Socket,
        message: GatewayControl,
    ) -> Option<(Socket, Vec<Frame>)> {
        match message {
            GatewayControl::Queue(packets) => return self.hand_over(polling, packets),
            GatewayControl::Sync => polling.control(&message),
            GatewayControl::Confirmed(offset) => self.confirmed_by_poll(offset),
            _ => log::error("upgrade", &"a gateway sent an unexpected control message"),
        }
        None
    }

    /// Handles `q`: the session moves to the WebSocket.
    fn hand_over(&self, mut polling: Socket, packets: Vec<Packet>) -> Option<(Socket, Vec<Frame>)> {
        let sid = polling.connection.engine_sid.clone();
        let taker = self.sockets_of(&sid).into_iter().find(|socket| {
            socket.connection.carrier == Carrier::WebSocket
                && socket.connection.phase == Phase::Upgrading
        });
        let Some(mut taker) = taker else {
            self.close(polling, ProtocolEnd::UpgradeFailed);
            return None;
        };
        // Pongs received over polling belong to the polling socket, which closes.
        log::fault(
            "upgrade",
            self.store.set_confirmed(polling.confirmed(&self.state)),
        );
        let ponged_at = polling.ponged_at(&self.state);
        let connection = &mut taker.connection;
        connection.take_over(&polling.connection, ponged_at, now());
        polling.connection.phase = Phase::Closed;
        if taker.save().and(polling.save()).is_err() {
            self.close(taker, ProtocolEnd::UpgradeFailed);
            return None;
        }
        polling.close_ws(CloseReason::Replaced);
        let held = self.stop_holding(&sid);
        for packet in packets.into_iter().chain(held.packets) {
            taker.send(packet);
        }
        // No ping could go out during the upgrade to confirm what awaits a receipt.
        log::fault("receipts", self.ask_for_receipts());
        self.needs_schedule();
        Some((taker.reload()?, held.frames))
    }
}
