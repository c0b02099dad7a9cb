//! A WebSocket takes over a polling session, with no packet lost or repeated.
//!
//! ```text
//!  client              gateway              this object
//!    |--- WebSocket, 2probe ---------------------->|
//!    |                    |<-- u (upgrading) ------|    no GET waits any longer
//!    |<-- 3probe ----------------------------------|
//!    |<-- 6 on the GET ---|                        |
//!    |                    |--- s, and back ------->|    the GET ends only if no t came before
//!    |--- 5 -------------------------------------->|    from here on all is held:
//!    |                    |<-- t (take over) ------|    frames of the WebSocket, packets for it
//!    |                    |--- q (queue) --------->|    the last word of the gateway
//!    |<-- queue, then what was held ---------------|    then the held frames are handled
//! ```
//!
//! Why that holds: the gateway's WebSocket keeps its order, so every packet that the client posted
//! has been handled when `q` arrives, and every packet that we sent before `t` is in a GET's answer
//! or in `q`. What is held is in memory; if it is lost, both sockets close and the client comes
//! again, to be served from the log.

use super::UserObject;
use super::close::farewell;
use super::socket::Socket;
use crate::core::connection::{Carrier, Phase};
use crate::core::engine::{PROBE, Packet};
use crate::core::session::CloseReason;
use crate::messages::GatewayControl;
use crate::platform::{log, now};

impl UserObject {
    /// `2probe`
    pub(super) async fn probe(&self, socket: Socket) {
        let Some(polling) = self.polling_socket(&socket.connection.engine_sid) else {
            return self.close(socket, CloseReason::UpgradeFailed).await;
        };
        control(&polling, &GatewayControl::Upgrading);
        socket.send(Packet::Pong(PROBE.to_owned()));
    }

    /// `5`
    pub(super) async fn take_over(&self, mut socket: Socket) {
        let Some(mut polling) = self.polling_socket(&socket.connection.engine_sid) else {
            let reason = socket.connection.ended;
            if let Some(packet) = reason.and_then(farewell) {
                socket.send(packet);
            }
            let reason = reason.unwrap_or(CloseReason::UpgradeFailed);
            return self.close(socket, reason).await;
        };
        polling.connection.phase = Phase::Upgrading;
        socket.connection.phase = Phase::Upgrading;
        if polling.save().and(socket.save()).is_err() {
            return self.close(socket, CloseReason::UpgradeFailed).await;
        }
        self.start_holding(&socket.connection.engine_sid);
        control(&polling, &GatewayControl::TakeOver);
    }

    /// A gateway's word.
    pub(super) async fn on_control(&self, polling: Socket, message: GatewayControl) {
        match message {
            GatewayControl::Queue(packets) => self.hand_over(polling, packets).await,
            GatewayControl::Sync => control(&polling, &message),
            GatewayControl::Confirmed(offset) => self.confirmed_by_poll(offset).await,
            _ => log::error("upgrade", &"a gateway sent what only we send"),
        }
    }

    /// `q`: the session moves to the WebSocket.
    async fn hand_over(&self, mut polling: Socket, packets: Vec<Packet>) {
        let sid = polling.connection.engine_sid.clone();
        let taker = self.sockets_of(&sid).into_iter().find(|socket| {
            socket.connection.carrier == Carrier::WebSocket
                && socket.connection.phase == Phase::Upgrading
        });
        let Some(mut taker) = taker else {
            return self.close(polling, CloseReason::UpgradeFailed).await;
        };
        // The pongs that polling brought are the polling socket's, which goes.
        if let Err(error) = self.store.set_confirmed(polling.confirmed(&self.state)) {
            log::error("upgrade", &error);
        }
        taker.connection.take_over(&polling.connection, now());
        polling.connection.phase = Phase::Closed;
        if taker.save().and(polling.save()).is_err() {
            return self.close(taker, CloseReason::UpgradeFailed).await;
        }
        polling.close_ws(CloseReason::Replaced);
        let held = self.stop_holding(&sid);
        for packet in packets.into_iter().chain(held.packets) {
            taker.send(packet);
        }
        // What waits for a receipt could not be asked about meanwhile.
        if let Err(error) = self.ask_for_receipts() {
            log::error("receipts", &error);
        }
        let Some(taker) = taker.reload() else { return };
        self.schedule().await;
        self.replay(taker, held.frames).await;
    }

    /// We end a session that a WebSocket is about to take over. After `3probe` its client may ask the
    /// gateway for nothing more, so it learns of the end on the WebSocket: at once if it listens there
    /// already, and at its `5` otherwise.
    pub(super) fn end_upgrade(&self, polling: &Socket, reason: CloseReason) {
        let sid = &polling.connection.engine_sid;
        if polling.connection.carrier != Carrier::Gateway {
            return;
        }
        for mut taker in self.sockets_of(sid) {
            if taker.connection.carrier == Carrier::Gateway {
                continue;
            }
            match taker.connection.phase {
                Phase::Probing => taker.connection.ended = Some(reason),
                Phase::Upgrading => {
                    for packet in self.stop_holding(sid).packets {
                        taker.send(packet);
                    }
                    taker.connection.phase = Phase::Closed;
                    taker.close_ws(reason);
                }
                _ => continue,
            }
            if let Err(error) = taker.save() {
                log::error("upgrade", &error);
            }
        }
    }

    /// The polling side of a session, if it is in use.
    pub(super) fn polling_socket(&self, engine_sid: &str) -> Option<Socket> {
        self.sockets_of(engine_sid).into_iter().find(|other| {
            other.connection.carrier == Carrier::Gateway && other.connection.phase == Phase::Open
        })
    }

    /// A WebSocket that was to take a session over has gone. Before its `5` the client goes on
    /// polling; after it nobody can say what arrived, and the client has to come again.
    pub(super) async fn upgrade_failed(&self, socket: &Socket, phase: Phase) {
        let sid = &socket.connection.engine_sid;
        if phase == Phase::Probing {
            // Nothing to tell if another one has taken over meanwhile.
            if let Some(polling) = self.polling_socket(sid) {
                control(&polling, &GatewayControl::UpgradeFailed);
            }
            return;
        }
        for other in self.sockets_of(sid) {
            if other.connection.carrier == Carrier::Gateway {
                Box::pin(self.close(other, CloseReason::TransportLost)).await;
            }
        }
    }
}

fn control(polling: &Socket, message: &GatewayControl) {
    // A gateway that cannot be told is gone, and its close event will say so.
    let _ = polling.ws.send_with_str(message.frame());
}
