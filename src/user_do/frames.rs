//! Handles an incoming frame: decodes it, passes it to the session, carries out the effect.

use crate::wire::close::ProtocolEnd;
use futures::future::{join, join_all};

use super::UserObject;
use crate::core::close::{CloseReason, MAX_HELD_PAYLOADS};
use crate::core::connection::{Carrier, Phase};
use crate::handler::{Active, Handler};
use crate::messages::GatewayControl;
use crate::platform::log;
use crate::user_do::ground::socket::Socket;
use crate::wire::engine_io::{Frame, Packet};
use crate::wire::probe::receive_probing;
use crate::wire::session::{Effect, decode};

impl UserObject {
    /// The socket's attachment, which now says when the client was last heard, is written once per frame: here,
    /// or with the rate limit of an event.
    pub(crate) async fn on_frame(&self, socket: Socket, frame: Frame) {
        if socket.connection.phase == Phase::Closed {
            return;
        }
        if is_event(&socket, &frame) {
            return self.on_decodable(socket, frame).await;
        }
        save(&socket);
        if socket.connection.phase != Phase::Connecting
            && socket.connection.carrier == Carrier::Gateway
            && let Some(control) = GatewayControl::read(&frame)
        {
            if let Some((socket, held)) = self.on_control(socket, control) {
                self.replay(socket, held).await;
            }
            return;
        }
        if self.must_hold(&socket) {
            return self.hold_frame(socket, frame);
        }
        self.on_decodable(socket, frame).await;
    }

    async fn on_decodable(&self, socket: Socket, frame: Frame) {
        let Ok(config) = self.config() else { return };
        let is_connect = frame.is_connect();
        match decode(frame, socket.connection.max_frame(config)) {
            Ok(packet) => self.on_packet(socket, packet).await,
            Err(ProtocolEnd::TooLarge) => self.end_too_large(&socket, is_connect),
            Err(reason) => self.close_as_heard(&socket, reason),
        }
    }

    /// Ends the connection after a frame that is too large; `is_connect` is whether it began like a CONNECT.
    pub(crate) fn end_too_large(&self, socket: &Socket, is_connect: bool) {
        if is_connect {
            self.refuse_large(socket);
        }
        self.close_as_heard(socket, ProtocolEnd::TooLarge);
    }

    fn close_as_heard(&self, socket: &Socket, reason: ProtocolEnd) {
        save(socket);
        self.close(socket.clone(), reason);
    }

    /// A gateway's own frames must stay in order with its control messages, so an upgrade never holds them.
    /// It holds those of the WebSocket that takes over.
    fn must_hold(&self, socket: &Socket) -> bool {
        match socket.connection.phase {
            Phase::Connecting => true,
            Phase::Upgrading => socket.connection.carrier == Carrier::WebSocket,
            _ => false,
        }
    }

    fn hold_frame(&self, socket: Socket, frame: Frame) {
        let Ok(config) = self.config() else { return };
        let problem = match self
            .held
            .borrow_mut()
            .get_mut(&socket.connection.engine_sid)
        {
            Some(_) if frame.len() > socket.connection.max_frame(config) => {
                Some(ProtocolEnd::TooLarge.into())
            }
            Some(held) => {
                let fits = held.hold(frame, MAX_HELD_PAYLOADS * config.max_payload);
                (!fits).then_some(CloseReason::Flooding)
            }
            // The CONNECT or upgrade that it waits for was interrupted.
            None => Some(CloseReason::Interrupted),
        };
        if let Some(reason) = problem {
            self.close(socket, reason);
        }
    }

    /// Handles held frames as if they arrived now. They are started in order, and before any frame that
    /// arrives from now on; none waits for the previous one to finish.
    async fn replay(&self, socket: Socket, frames: Vec<Frame>) {
        let ws = &socket.ws;
        let handled = frames.into_iter().map(|frame| async move {
            // The previous frame may have changed the attachment or closed the socket.
            if let Some(socket) = Socket::load(ws.clone()) {
                Box::pin(self.on_frame(socket, frame)).await;
            }
        });
        join_all(handled).await;
    }

    async fn on_packet(&self, mut socket: Socket, packet: Packet) {
        if socket.connection.phase == Phase::Probing {
            return match receive_probing(&packet) {
                Effect::Probe => self.probe(socket),
                Effect::Upgrade => self.take_over(socket),
                Effect::Close(reason) => self.close(socket, reason),
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
                let Some(after) = Active::on_connect(self, socket, namespace, auth).await else {
                    return;
                };
                // The held frames are replayed as soon as the decision is made; the remaining work runs
                // alongside.
                let replayed = async {
                    if let Some(socket) = Socket::load(after.ws) {
                        self.replay(socket, after.held).await;
                    }
                };
                let joined = async {
                    if let Some(joined) = after.joined {
                        self.after_join(joined).await;
                    }
                };
                join(replayed, joined).await;
            }
            Effect::Left(sid) => self.left(socket, &sid),
            Effect::Event(event) => Active::on_event(self, socket, event).await,
            Effect::Close(reason) => self.close_as_heard(&socket, reason),
        }
    }
}

/// Returns whether the frame is an event, unless it is invalid.
fn is_event(socket: &Socket, frame: &Frame) -> bool {
    let connection = &socket.connection;
    connection.phase == Phase::Open
        && connection.session.is_joined()
        && matches!(frame, Frame::Text(text) if text.starts_with("42"))
}

fn save(socket: &Socket) {
    if let Err(error) = socket.save() {
        log::error("attachment", &error);
    }
}
