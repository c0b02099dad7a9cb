//! The relay: a WebSocket whose user is not known yet.
//!
//! The Worker sends the handshake and waits for the CONNECT that carries the token. Then it opens a
//! WebSocket to the User object, hands the CONNECT over and passes frames on both ways. It keeps no
//! state of the session, and drops the noops with which the object's auto-response answers pongs.
//! What a refused CONNECT leaves behind is a connection that may try again. A WebSocket that upgrades
//! a polling session before any CONNECT comes in through [`upgrade`].

mod upgrade;

use crate::wire::close::ProtocolEnd;
use std::time::Duration;

use futures::future::{Either, select};
use futures::{Stream, StreamExt, pin_mut, stream};
use wasm_bindgen_futures::spawn_local;
use worker::{Delay, Env, Response, Result, WebSocket, WebSocketPair, WebsocketEvent};

use crate::core::close::{CloseReason, MAX_REFUSALS};
use crate::core::config::Config;
use crate::core::connect_refusal::ConnectRefusal;
use crate::core::connection::{Carrier, Phase};
use crate::core::ids::EngineSid;
use crate::core::recovery::ConnectAuth;
use crate::core::region::Region;
use crate::core::token::{Identity, Verdict, admit};
use crate::handler::{Active, Handler};
use crate::messages::{Connect, LOST, Taken};
use crate::platform::js::receive_array_buffers;
use crate::platform::{close, close_with, log, now, objects, send, telemetry};
use crate::wire::engine_io::{Frame, Packet, decode_payload, open};
use crate::wire::session::{Effect, Session, decode};
use crate::wire::socket_io::MAIN;

/// What is known of the connection.
pub struct Relay {
    pub env: Env,
    pub config: Config,
    pub engine_sid: String,
    /// What the sid says.
    pub sid: EngineSid,
    /// What the request's own token says: it counts for a CONNECT that brings none.
    pub own: Verdict,
    /// The user, if no CONNECT is needed to know it.
    pub user_at_handshake: Option<Identity>,
    /// Where the client is.
    pub region: Option<Region>,
}

/// How the connection begins.
pub enum Begin {
    /// With a handshake.
    Handshake,
    /// By taking over a polling session.
    Upgrade,
}

/// Accepts the client's WebSocket and serves it in the background.
pub fn start(relay: Relay, begin: Begin) -> Result<Response> {
    let pair = WebSocketPair::new()?;
    receive_array_buffers(&pair.server);
    pair.server.accept()?;
    spawn_local(async move {
        if let Err(error) = relay.run(&pair.server, begin).await {
            log::error("relay", &error);
            close(&pair.server, ProtocolEnd::TransportLost);
        }
    });
    Response::from_websocket(pair.client)
}

impl Relay {
    async fn run(&self, client: &WebSocket, begin: Begin) -> Result<()> {
        let events = client.events()?;
        let events = events.filter_map(|event| async { incoming(event) });
        pin_mut!(events);
        let mut handshake = None;
        match begin {
            Begin::Handshake => {
                let open = open(&self.engine_sid, &[], self.config.handshake());
                send(client, open.into_frame())?;
            }
            Begin::Upgrade => match self.take_over(client, &mut events).await? {
                Some(Taken::Session(queue)) => deliver(client, &queue)?,
                Some(Taken::Greeted { queue, own }) => {
                    deliver(client, &queue)?;
                    handshake = Some(own);
                }
                Some(Taken::User(user)) => return self.pass_upgrade_on(client, events, user).await,
                None => return Ok(()),
            },
        }
        let (identity, connect) = match &self.user_at_handshake {
            Some(identity) => (identity.clone(), None),
            None => match self.wait_for_user(client, &mut events, handshake).await? {
                Some((identity, connect)) => (identity, Some(connect)),
                None => return Ok(()),
            },
        };
        let Some(user) = self.open(client, identity, Phase::Open).await else {
            return Ok(());
        };
        // The stream must listen before the first frame can arrive.
        let from_user = user.events()?.filter_map(|event| async { incoming(event) });
        if let Some(connect) = connect {
            send(&user, connect)?;
        }
        pass_on(client, events, &user, from_user, &self.config).await
    }

    /// Opens the WebSocket to the user's object; if that goes on failing, the client is let go, and comes
    /// again.
    async fn open(
        &self,
        client: &WebSocket,
        identity: Identity,
        phase: Phase,
    ) -> Option<WebSocket> {
        let connect = Connect {
            engine_sid: self.engine_sid.clone(),
            opened_at: match phase {
                Phase::Probing => now(),
                _ => self.sid.opened_at,
            },
            identity,
            carrier: Carrier::WebSocket,
            phase,
            send_open: false,
            region: self.region,
        };
        match objects::open(&self.env, &connect).await {
            Ok(user) => Some(user),
            Err(error) => {
                log::error("user object", &error);
                close(client, CloseReason::Interrupted);
                None
            }
        }
    }

    /// Serves the connection until a CONNECT brings a good token: the user, and that CONNECT.
    async fn wait_for_user(
        &self,
        client: &WebSocket,
        events: &mut (impl Stream<Item = Incoming> + Unpin),
        handshake: Option<Verdict>,
    ) -> Result<Option<(Identity, Frame)>> {
        let ends_at = self.sid.opened_at + self.config.lobby_timeout();
        let left = Duration::from_millis(ends_at.saturating_sub(now()));
        let mut deadline = Delay::from(left);
        let mut refusals = 0;
        let mut session = Session::default();
        let mut pending = None;
        loop {
            let frame = match select(events.next(), &mut deadline).await {
                Either::Left((Some(Incoming::Frame(frame)), _)) => frame,
                Either::Left((Some(Incoming::Closed(..)) | None, _)) => {
                    close(client, ProtocolEnd::ClientClosed);
                    return Ok(None);
                }
                Either::Right(_) => {
                    close(client, ProtocolEnd::ConnectTimeout);
                    return Ok(None);
                }
            };
            if let Some(refusal) = ConnectRefusal::of_unread(&frame, self.config.max_payload) {
                reply(client, refusal.packet(MAIN))?;
            }
            let effect = match decode(frame.clone(), self.config.max_payload) {
                Ok(packet) => session.receive(packet, &mut pending, Active::NAMESPACES),
                Err(reason) => Effect::Close(reason),
            };
            let is_asked = matches!(effect, Effect::Connect(..) | Effect::Reply(_));
            match effect {
                Effect::Connect(namespace, auth) => {
                    let auth = ConnectAuth::read(auth.as_deref());
                    match self.admit(&auth, handshake.as_ref()) {
                        Ok(identity) => return Ok(Some((identity, frame))),
                        Err(error) => {
                            let carrier = Carrier::WebSocket;
                            telemetry::refused(&self.env, &self.config, carrier, error);
                            reply(client, ConnectRefusal::from(error).packet(&namespace))?;
                        }
                    }
                }
                Effect::Reply(text) => reply(client, text)?,
                Effect::Nothing => {}
                Effect::Close(reason) => {
                    close(client, reason);
                    return Ok(None);
                }
                // Nobody has joined a namespace, and nothing probes here.
                Effect::Event(_)
                | Effect::Ack(..)
                | Effect::Left(_)
                | Effect::Probe
                | Effect::Upgrade => {
                    close(client, ProtocolEnd::ProtocolError);
                    return Ok(None);
                }
            }
            // Whoever is let in has been returned.
            refusals += u32::from(is_asked);
            if refusals > MAX_REFUSALS {
                close(client, CloseReason::Flooding);
                return Ok(None);
            }
        }
    }

    /// Without a token of its own, a CONNECT counts by that of the WebSocket's request, or else of the
    /// handshake of the session that it has taken over.
    fn admit(&self, auth: &ConnectAuth, handshake: Option<&Verdict>) -> Verdict {
        let requests = [Some(&self.own), handshake].into_iter().flatten();
        admit(self.config.keys(), auth.token.as_deref(), requests, now())
    }
}

/// Sends what was queued for polling.
fn deliver(client: &WebSocket, queue: &str) -> Result<()> {
    if queue.is_empty() {
        return Ok(());
    }
    for packet in decode_payload(queue).unwrap_or_default() {
        send(client, packet.into_frame())?;
    }
    Ok(())
}

fn reply(client: &WebSocket, text: String) -> Result<()> {
    send(client, Packet::Text(text).into_frame())
}

/// Something that came in on a WebSocket.
enum Incoming {
    Frame(Frame),
    /// The close code and reason.
    Closed(u16, String),
}

fn incoming(event: Result<WebsocketEvent>) -> Option<Incoming> {
    match event {
        Ok(WebsocketEvent::Message(message)) => match message.text() {
            Some(text) => Some(Incoming::Frame(Frame::Text(text))),
            None => message
                .bytes()
                .map(|bytes| Incoming::Frame(Frame::Binary(bytes))),
        },
        Ok(WebsocketEvent::Close(close)) if close.was_clean() => {
            Some(Incoming::Closed(close.code(), close.reason()))
        }
        Ok(WebsocketEvent::Close(_)) | Err(_) => Some(Incoming::Closed(LOST, String::new())),
    }
}

/// Passes frames on until either side closes, and then closes the other in the same way.
async fn pass_on(
    client: &WebSocket,
    from_client: impl Stream<Item = Incoming>,
    user: &WebSocket,
    from_user: impl Stream<Item = Incoming>,
    config: &Config,
) -> Result<()> {
    let both = stream::select(
        from_client.map(|incoming| (incoming, true)),
        from_user.map(|incoming| (incoming, false)),
    );
    pin_mut!(both);
    while let Some((incoming, is_client)) = both.next().await {
        match (incoming, is_client) {
            (Incoming::Frame(frame), true) if frame.len() > config.max_payload => {
                close_both(client, user, ProtocolEnd::TooLarge.code());
                return Ok(());
            }
            (Incoming::Frame(frame), false) if is_noop(&frame) => {}
            (Incoming::Frame(frame), is_client) => {
                let to = if is_client { user } else { client };
                if send(to, frame).is_err() {
                    close_both(client, user, Some((LOST, "")));
                    return Ok(());
                }
            }
            (Incoming::Closed(code, text), _) => {
                close_both(
                    client,
                    user,
                    sendable(code).map(|code| (code, text.as_str())),
                );
                return Ok(());
            }
        }
    }
    Ok(())
}

fn is_noop(frame: &Frame) -> bool {
    matches!(frame, Frame::Text(text) if text == "6")
}

/// 1005 and 1006 only ever stand for a close frame that was not there (RFC 6455, section 7.4.1).
fn sendable(code: u16) -> Option<u16> {
    match code {
        1005 => None,
        1006 => Some(LOST),
        code => Some(code),
    }
}

fn close_both(client: &WebSocket, user: &WebSocket, code: Option<(u16, &str)>) {
    for socket in [client, user] {
        close_with(socket, code);
    }
}
