//! A session's WebSocket to its user's object.

use std::time::Duration;

use futures::StreamExt;
use futures::channel::oneshot;
use wasm_bindgen_futures::spawn_local;
use worker::{Delay, Result, WebSocket, WebsocketEvent};

use super::abandoned::expect_client;
use super::{End, PollingGateway, Sessions, close};
use crate::core::connection::{Carrier, Phase};
use crate::core::region::Region;
use crate::core::token::Identity;
use crate::messages::{Connect, GatewayControl, LOST};
use crate::platform::{frame, log, objects, send};
use crate::wire::engine_io::{Frame, Packet};
use crate::wire::polling::PollingPhase;

impl PollingGateway {
    /// If the user is known without a CONNECT, the session's first request opens the WebSocket, and
    /// concurrent requests wait for it.
    pub(super) async fn link_at_handshake(&self, sid: &str, user: &Identity) {
        let (sender, receiver) = oneshot::channel();
        let is_first = self.with(sid, |session| {
            if session.polling.phase != PollingPhase::Lobby {
                return false;
            }
            let is_first = session.identity.is_none();
            session.identity = Some(user.clone());
            session.entering.push(sender);
            is_first
        });
        if is_first == Some(true) {
            self.link(sid, user.clone(), None, None).await;
            self.with(sid, |session| session.answered());
        }
        // If the session is not in the lobby, the sender is already dropped and this returns at once.
        let _ = receiver.await;
    }

    /// Opens the WebSocket and forwards the CONNECT, if there is one.
    pub(super) async fn link(
        &self,
        sid: &str,
        identity: Identity,
        connect: Option<Frame>,
        region: Option<Region>,
    ) {
        let opened_at = self.with(sid, |session| {
            session.is_linking = true;
            session.polling.opened_at
        });
        let message = Connect {
            engine_sid: sid.to_owned(),
            opened_at: opened_at.unwrap_or_default(),
            identity: identity.clone(),
            carrier: Carrier::Gateway,
            phase: Phase::Open,
            send_open: false,
            region,
        };
        // In the meantime the session may be closed, or a second CONNECT may arrive.
        let opened = objects::open(&self.env, &message).await;
        self.with(sid, |session| session.is_linking = false);
        let Some(user) = log::fault("user object", opened) else {
            return close(&self.sessions, sid, End::Lost);
        };
        let linked = self.with(sid, |session| {
            if session.polling.phase != PollingPhase::Lobby {
                return false;
            }
            session.polling.phase = PollingPhase::Routed;
            session.identity = Some(identity);
            session.user = Some(user.clone());
            true
        });
        if linked != Some(true) {
            let _ = user.close(Some(LOST), Some("no session"));
            return;
        }
        listen(self.sessions.clone(), sid.to_owned(), user.clone());
        let sent = connect.map_or(Ok(()), |connect| send(&user, connect));
        if sent.is_err() {
            close(&self.sessions, sid, End::Lost);
        }
    }
}

/// Handles what the user's object sends until its WebSocket ends.
fn listen(sessions: Sessions, sid: String, user: WebSocket) {
    spawn_local(async move {
        // An error means that the connection broke, which is just another way to end.
        let ended = take_all(&sessions, &sid, &user).await;
        finish(&sessions, &sid, ended.ok().flatten());
    });
}

/// Returns the close code, if there was one.
async fn take_all(sessions: &Sessions, sid: &str, user: &WebSocket) -> Result<Option<u16>> {
    let mut events = user.events()?;
    while let Some(event) = events.next().await {
        match event? {
            WebsocketEvent::Message(message) => {
                if let Some(frame) = frame(&message) {
                    take(sessions, sid, user, frame)?;
                }
            }
            WebsocketEvent::Close(close) => return Ok(Some(close.code())),
        }
    }
    Ok(None)
}

fn take(all: &Sessions, sid: &str, user: &WebSocket, frame: Frame) -> Result<()> {
    let mut sessions = all.borrow_mut();
    let Some(session) = sessions.get_mut(sid) else {
        return Ok(());
    };
    match GatewayControl::read(&frame) {
        // Control messages that arrive after the session's end must not revive it.
        Some(_) if session.polling.phase == PollingPhase::Closed => {}
        Some(GatewayControl::Upgrading) => {
            session.polling.phase = PollingPhase::Upgrading;
            // It has waited since before the probe was answered, so there is no `5` on its way.
            session.answer_get();
        }
        Some(GatewayControl::Sync) => session.answer_get(),
        Some(GatewayControl::UpgradeFailed) => {
            session.polling.phase = PollingPhase::Routed;
            session.has_probe = false;
            expect_client(session, all.clone(), sid.to_owned());
        }
        Some(GatewayControl::TakeOver) => {
            // Counts as a goodbye, because one may follow right after the `5`. What the client received by
            // polling in the last moment is confirmed by pongs.
            session.report_confirmed(End::Closed);
            let queue = GatewayControl::Queue(session.polling.drain());
            session.polling.phase = PollingPhase::Closed;
            // A GET that is still waiting was sent after the `5`.
            session.get = None;
            user.send_with_str(queue.frame())?;
        }
        // Only the gateway sends these, to the object.
        Some(GatewayControl::Queue(_) | GatewayControl::Confirmed(_)) => {}
        None => take_packet(session, frame),
    }
    Ok(())
}

/// How long a GET that arrives during a probe is held before the user's object is asked about it. The client
/// may already have sent the `5` on another connection, which needs the time to arrive. The GET keeps the
/// gateway awake anyway, so the timer costs nothing.
const UPGRADE_IN_FLIGHT: Duration = Duration::from_millis(5);

/// Asks the user's object whether a WebSocket has taken over; the reply ends the waiting GET.
pub(super) fn sync(sessions: Sessions, sid: String) {
    spawn_local(async move {
        Delay::from(UPGRADE_IN_FLIGHT).await;
        let user = sessions
            .borrow()
            .get(&sid)
            .and_then(|session| session.user.clone());
        if let Some(user) = user {
            // If the send fails, the WebSocket is closing, which ends the session.
            let _ = user.send_with_str(GatewayControl::Sync.frame());
        }
    });
}

fn take_packet(session: &mut super::GatewaySession, frame: Frame) {
    match Packet::from_frame(frame) {
        // The auto-response to the client's pong, or not a packet.
        Ok(Packet::Noop) | Err(_) => {}
        Ok(packet) => {
            session.hand_out(packet);
            // The first packet is the reply to the CONNECT.
            session.answered();
        }
    }
}

/// The user's object has closed the WebSocket, so the session ends. If it gave a reason (and so closed with
/// 1000), the client receives it with its next GET. Otherwise a waiting GET gets a close packet; if none is
/// waiting, the next GET finds the session unknown.
fn finish(sessions: &Sessions, sid: &str, code: Option<u16>) {
    let mut sessions = sessions.borrow_mut();
    let Some(session) = sessions.get_mut(sid) else {
        return;
    };
    if session.polling.phase == PollingPhase::Closed {
        return;
    }
    if code == Some(1000) {
        return session.leave();
    }
    session.hand_out(Packet::Close);
    session.end(End::Lost);
}
