//! A frame comes in: decoded, judged by the session, carried out.

use futures::future::join_all;

use super::socket::Socket;
use super::{Held, UserObject};
use crate::core::connection::{Carrier, Phase};
use crate::core::engine::{Frame, Packet};
use crate::core::session::{CloseReason, Effect, decode, receive_probing};
use crate::handler::{Active, Handler};
use crate::messages::GatewayControl;
use crate::platform::log;

/// How much is held for a connection, as a multiple of the largest frame.
const MAX_HELD_PAYLOADS: usize = 4;

impl UserObject {
    pub(super) async fn on_frame(&self, socket: Socket, frame: Frame) {
        if socket.connection.phase == Phase::Closed {
            return;
        }
        if socket.connection.phase != Phase::Connecting
            && socket.connection.carrier == Carrier::Gateway
            && let Some(control) = GatewayControl::read(&frame)
        {
            return self.on_control(socket, control).await;
        }
        if self.must_hold(&socket) {
            return self.hold_frame(socket, frame).await;
        }
        let Ok(config) = self.config() else { return };
        match decode(frame, config.max_payload) {
            Ok(packet) => self.on_packet(socket, packet).await,
            Err(reason) => self.close(socket, reason).await,
        }
    }

    /// A gateway's own frames keep their order with its controls, so they are never held for an
    /// upgrade; those of the WebSocket that takes over are.
    fn must_hold(&self, socket: &Socket) -> bool {
        match socket.connection.phase {
            Phase::Connecting => true,
            Phase::Upgrading => socket.connection.carrier == Carrier::WebSocket,
            _ => false,
        }
    }

    async fn hold_frame(&self, socket: Socket, frame: Frame) {
        let Ok(config) = self.config() else { return };
        let problem = match self
            .held
            .borrow_mut()
            .get_mut(&socket.connection.engine_sid)
        {
            Some(_) if frame.len() > config.max_payload => Some(CloseReason::TooLarge),
            Some(held) => match held.hold(frame, MAX_HELD_PAYLOADS * config.max_payload) {
                true => None,
                false => Some(CloseReason::Flooding),
            },
            // What it waited for was interrupted, and will not come.
            None => Some(CloseReason::Interrupted),
        };
        if let Some(reason) = problem {
            self.close(socket, reason).await;
        }
    }

    /// Starts to hold frames and packets back.
    pub(super) fn start_holding(&self, engine_sid: &str) {
        self.held
            .borrow_mut()
            .insert(engine_sid.to_owned(), Held::default());
    }

    /// Stops, and gives what was held.
    pub(super) fn stop_holding(&self, engine_sid: &str) -> Held {
        self.held
            .borrow_mut()
            .remove(engine_sid)
            .unwrap_or_default()
    }

    /// Handles frames that were held, as if they came in now: begun in their order, and before any that
    /// comes in from here on; none waits for the end of the one before it.
    pub(super) async fn replay(&self, socket: Socket, frames: Vec<Frame>) {
        let ws = &socket.ws;
        let handled = frames.into_iter().map(|frame| async move {
            // The frame before it may have changed the attachment, or closed the socket.
            if let Some(socket) = Socket::load(ws.clone()) {
                Box::pin(self.on_frame(socket, frame)).await;
            }
        });
        join_all(handled).await;
    }

    async fn on_packet(&self, mut socket: Socket, packet: Packet) {
        if socket.connection.phase == Phase::Probing {
            return match receive_probing(&packet) {
                Effect::Probe => self.probe(socket).await,
                Effect::Upgrade => self.take_over(socket).await,
                Effect::Close(reason) => self.close(socket, reason).await,
                _ => {}
            };
        }
        if let Some(answer) = Active::on_message(&socket.connection, &packet) {
            return self.send(&socket, answer);
        }
        let sid = socket.connection.engine_sid.clone();
        let mut pending = self.pending.borrow_mut().remove(&sid);
        let effect = socket
            .connection
            .session
            .receive(packet, &mut pending, Active::NAMESPACES);
        if let Some(reassembly) = pending {
            self.pending.borrow_mut().insert(sid, reassembly);
        }
        match effect {
            Effect::Nothing | Effect::Probe | Effect::Upgrade => {}
            Effect::Reply(text) => self.send(&socket, Packet::Text(text)),
            Effect::Connect(namespace, auth) => {
                Active::on_connect(self, socket, namespace, auth).await;
            }
            Effect::Left(sid) => self.left(socket, &sid).await,
            Effect::Event(event) => Active::on_event(self, socket, event).await,
            Effect::Ack(awaited, args) => {
                if let Err(error) = socket.save() {
                    log::error("ack", &error);
                }
                Active::on_ack(self, socket, awaited, Some(args)).await;
            }
            Effect::Close(reason) => self.close(socket, reason).await,
        }
    }

    /// Sends a packet to a client. During an upgrade it is held until the new WebSocket is in use.
    pub(crate) fn send(&self, socket: &Socket, packet: Packet) {
        if socket.connection.phase != Phase::Upgrading {
            return socket.send(packet);
        }
        match self
            .held
            .borrow_mut()
            .get_mut(&socket.connection.engine_sid)
        {
            Some(held) => held.packets.push(packet),
            // The upgrade was interrupted: the alarm closes the connection, the client recovers.
            None => log::error("upgrade", &"interrupted; the client has to come again"),
        }
    }
}
