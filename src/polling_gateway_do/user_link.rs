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
    /// If the user is known without a CONNECT, the first request of the session opens the WebSocket,
    /// and those that come in meanwhile wait for it.
    pub(super) async fn link_at_handshake(&self, sid: &str, user: Option<&Identity>) {
        let Some(user) = user else { return };
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
        // A session that is not in the lobby has dropped the sender, and nothing is waited for.
        let _ = receiver.await;
    }

    /// Opens the WebSocket and hands the CONNECT over, if there is one.
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
        // Meanwhile the session may be closed, or a second CONNECT may come in.
        let opened = objects::open(&self.env, &message).await;
        self.with(sid, |session| session.is_linking = false);
        let user = match opened {
            Ok(user) => user,
            Err(error) => {
                log::error("user object", &error);
                return close(&self.sessions, sid, End::Lost);
            }
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

/// Takes what the user's object sends, until its WebSocket ends.
fn listen(sessions: Sessions, sid: String, user: WebSocket) {
    spawn_local(async move {
        // However it ends, it has ended; an error is but a connection that broke.
        let ended = take_all(&sessions, &sid, &user).await;
        finish(&sessions, &sid, ended.ok().flatten());
    });
}

/// The close code, if there was one.
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
        // What crosses the session's end does not bring it back.
        Some(_) if session.polling.phase == PollingPhase::Closed => {}
        Some(GatewayControl::Upgrading) => {
            session.polling.phase = PollingPhase::Upgrading;
            sync(all.clone(), sid.to_owned());
        }
        Some(GatewayControl::Sync) => session.answer_get(),
        Some(GatewayControl::UpgradeFailed) => {
            session.polling.phase = PollingPhase::Routed;
            session.has_probe = false;
            expect_client(session, all.clone(), sid.to_owned());
        }
        Some(GatewayControl::TakeOver) => {
            // It may say goodbye right behind its `5`. What it has got by polling since, pongs confirm.
            session.report_confirmed(End::Closed);
            let queue = GatewayControl::Queue(session.polling.drain());
            session.polling.phase = PollingPhase::Closed;
            // A GET that still waits came after the `5`.
            session.get = None;
            user.send_with_str(queue.frame())?;
        }
        // These are for the object alone.
        Some(GatewayControl::Queue(_) | GatewayControl::Confirmed(_)) => {}
        None => take_packet(session, frame),
    }
    Ok(())
}

/// How long a GET that meets a probe is held before the user's object is asked about it. Its client
/// may have sent the `5` already, on another connection; this gives that the time to arrive. The GET
/// keeps the gateway awake in any case, so the timer costs nothing.
const UPGRADE_IN_FLIGHT: Duration = Duration::from_millis(25);

/// Asks the user's object whether a WebSocket has taken over; the answer ends the GET that waits.
pub(super) fn sync(sessions: Sessions, sid: String) {
    spawn_local(async move {
        Delay::from(UPGRADE_IN_FLIGHT).await;
        let user = sessions
            .borrow()
            .get(&sid)
            .and_then(|session| session.user.clone());
        if let Some(user) = user {
            // A WebSocket that cannot take it is closing, and that ends the session.
            let _ = user.send_with_str(GatewayControl::Sync.frame());
        }
    });
}

fn take_packet(session: &mut super::GatewaySession, frame: Frame) {
    match Packet::from_frame(frame) {
        // The auto-response to the client's pong.
        Ok(Packet::Noop) | Err(_) => {}
        Ok(packet) => {
            session.hand_out(packet);
            // The first packet answers the CONNECT.
            session.answered();
        }
    }
}

/// The user's object has closed the WebSocket: so ends the session. Did it say why (it closes by 1000
/// then), the client gets that with its next GET; otherwise it is told by a close packet if a GET waits,
/// and by an unknown session if none does.
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
