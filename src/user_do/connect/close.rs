//! The only way in which a connection ends, no matter which side ends it.

use crate::wire::close::ProtocolEnd;
use worker::{Result, WebSocket};

use crate::core::close::CloseReason;
use crate::core::confirmation::by_goodbye;
use crate::core::connection::{Carrier, Phase};
use crate::core::error::{ErrorCode, EventError};
use crate::core::events::ERROR;
use crate::core::telemetry::Fact;
use crate::core::time::Millis;
use crate::messages::GatewayControl;
use crate::messages::SILENT;
use crate::platform::{close, log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;
use crate::wire::engine_io::Packet;
use crate::wire::socket_io::{MAIN, disconnect_text, event_text};

impl UserObject {
    /// Closes a connection from our side.
    pub(crate) fn close(&self, socket: Socket, reason: impl Into<CloseReason>) {
        let reason = reason.into();
        let ws = socket.ws.clone();
        // The caller's copy may be from before an await.
        let current = socket.reload();
        let Some(socket) = current.filter(|socket| socket.connection.phase != Phase::Closed) else {
            return close(&ws, reason);
        };
        self.forget_lost_pacemaker();
        if socket.connection.is_live()
            && let Some(packet) = farewell(reason)
        {
            self.send(&socket, packet);
        }
        self.end_upgrade(&socket, reason);
        socket.close_ws(reason);
        self.closed(socket, reason);
    }

    /// The other side has closed a connection. We must close it, too: otherwise the client would wait for our
    /// close frame.
    pub(crate) fn on_close(&self, ws: WebSocket, code: usize, was_clean: bool) {
        let Some(socket) = Socket::load(ws.clone()) else {
            let _ = ws.close(Some(1000), Some(""));
            return;
        };
        let is_gateway = socket.connection.carrier == Carrier::Gateway;
        let reason = match u16::try_from(code) {
            Ok(1000 | 1001 | 1005) if was_clean => ProtocolEnd::ClientClosed,
            Ok(SILENT) if is_gateway => ProtocolEnd::PingTimeout,
            _ => ProtocolEnd::TransportLost,
        };
        self.close(socket, reason);
    }

    fn closed(&self, mut socket: Socket, reason: CloseReason) {
        let phase = socket.connection.phase;
        let was_live = socket.connection.is_live();
        socket.connection.phase = Phase::Closed;
        log::fault("close", socket.save());
        // What is held belongs to the session, not to a probe.
        if phase != Phase::Probing {
            self.forget(&socket);
        }
        if socket.connection.carrier == Carrier::WebSocket
            && matches!(phase, Phase::Probing | Phase::Upgrading)
        {
            self.upgrade_failed(&socket, phase);
        }
        if was_live {
            log::fault("close", self.record_end(&socket, reason));
        }
        self.needs_schedule();
    }

    fn forget(&self, socket: &Socket) {
        let sid = &socket.connection.engine_sid;
        self.held.borrow_mut().remove(sid);
        self.pending.borrow_mut().remove(sid);
        self.unconfirmed.borrow_mut().remove(sid);
    }

    /// Records what this connection has confirmed and, if it was the user's last one, when the user was last
    /// seen.
    fn record_end(&self, socket: &Socket, reason: CloseReason) -> Result<()> {
        let heard = socket.heard(&self.state);
        self.fact(
            &socket.connection.identity.user_id,
            &Fact::ConnectionClosed {
                carrier: socket.connection.carrier,
                reason,
                lasted: now().saturating_sub(socket.connection.opened_at),
            },
        );
        let confirmed = self.confirmed_at_end(socket, reason)?;
        self.end_watches(socket, reason)?;
        if !self.has_live_socket() {
            let last_seen = last_seen(reason, heard);
            self.store.set_offline(last_seen, confirmed)?;
            log::fault("notices", self.on_leaving(last_seen));
            log::fault("notices", self.look_for_notices());
            // A ghost left when it was last heard; any other client may reconnect within the grace period.
            let gone_at = match reason {
                CloseReason::Protocol(ProtocolEnd::PingTimeout) => heard,
                _ => now(),
            };
            let due_at = gone_at + self.config()?.presence_grace;
            return Ok(self.store.watched_change(false, due_at)?);
        }
        if confirmed > self.store.user_state()?.confirmed {
            self.store.set_confirmed(confirmed)?;
        }
        Ok(())
    }

    fn confirmed_at_end(&self, socket: &Socket, reason: CloseReason) -> Result<u64> {
        let by_pong = socket.confirmed(&self.state);
        match by_goodbye(&socket.connection, now()).filter(|_| reason.is_clean()) {
            Some(time) => Ok(by_pong.max(self.store.last_offset_at(time)?)),
            None => Ok(by_pong),
        }
    }

    /// Ends the session's subscriptions. As in the reference server, a client that did not leave the
    /// namespace can recover its session, no matter how its transport ended.
    fn end_watches(&self, socket: &Socket, reason: CloseReason) -> Result<()> {
        let Some(sid) = socket.connection.session.sid(MAIN) else {
            return Ok(());
        };
        match reason {
            CloseReason::Disconnected => self.store.watches_remove(sid)?,
            // The session continues on another connection.
            CloseReason::Replaced => {}
            _ => self.store.watches_end(sid, now())?,
        }
        Ok(())
    }

    /// The client has left the namespace (`41`) but keeps its transport. This is like a close, except that it
    /// may join again.
    pub(crate) fn left(&self, socket: Socket, sid: &str) {
        log::fault("leave", socket.save());
        log::fault("leave", self.store.watches_remove(sid));
        let ended = self.record_end(&socket, ProtocolEnd::ClientClosed.into());
        log::fault("leave", ended);
        self.needs_schedule();
    }

    /// Ends the upgrade of a polling session that we close. After `3probe` its client may not poll any more,
    /// so it is told on the WebSocket: at once if it has sent its `5`, otherwise when it does.
    pub(crate) fn end_upgrade(&self, polling: &Socket, reason: CloseReason) {
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
            log::fault("upgrade", taker.save());
        }
    }

    /// A WebSocket that was about to take a session over has closed. Before its `5`, the client continues
    /// polling; after it, nobody knows what arrived, so the session is closed and the client reconnects.
    pub(crate) fn upgrade_failed(&self, socket: &Socket, phase: Phase) {
        let sid = &socket.connection.engine_sid;
        if phase == Phase::Probing {
            // If another WebSocket has taken over in the meantime, there is nothing to report.
            if let Some(polling) = self.polling_socket(sid) {
                polling.control(&GatewayControl::UpgradeFailed);
            }
            return;
        }
        for other in self.sockets_of(sid) {
            if other.connection.carrier == Carrier::Gateway {
                self.close(other, ProtocolEnd::TransportLost);
            }
        }
    }
}

/// Returns the packet that tells a client why its connection ends, if it needs one: after a close alone, it
/// would reconnect at once.
pub(crate) fn farewell(reason: CloseReason) -> Option<Packet> {
    match reason {
        CloseReason::Disconnected => Some(Packet::Text(disconnect_text(MAIN))),
        CloseReason::TokenExpired => {
            let error = EventError::new(ErrorCode::TokenExpired, "The token has expired");
            let payload = error.payload(None);
            Some(Packet::Text(event_text(MAIN, ERROR, &[&payload])))
        }
        _ => None,
    }
}

/// A client that leaves was present until now. Any other end only shows that it was present when last heard.
fn last_seen(reason: CloseReason, heard: Millis) -> Millis {
    if reason.is_clean() { now() } else { heard }
}
