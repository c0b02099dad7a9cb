//! The relay: serves a WebSocket whose user is not known yet.
//!
//! The Worker sends the handshake and carries out what the [`Lobby`] decides until it knows the user. Then it
//! opens a WebSocket to the User object, hands the CONNECT over and relays frames in both directions. From
//! then on it keeps no state of the session. A WebSocket that upgrades a polling session before any CONNECT
//! is handled in [`upgrade`].

mod upgrade;

use std::ops::ControlFlow::{self, Break, Continue};
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::{Stream, StreamExt, pin_mut, stream};
use wasm_bindgen_futures::spawn_local;
use worker::{
    Delay, Env, MessageEvent, Response, Result, WebSocket, WebSocketPair, WebsocketEvent,
};

use crate::core::close::{CloseReason, MAX_HELD_PAYLOADS};
use crate::core::config::Config;
use crate::core::connection::{Carrier, Phase};
use crate::core::ids::EngineSid;
use crate::core::lobby::{Lobby, LobbyEffect, Received};
use crate::core::region::Region;
use crate::core::token::{Identity, Verdict};
use crate::handler::{Active, Handler};
use crate::messages::{Connect, LOST, LobbyStep};
use crate::platform::js::{FrameLimit, receive_array_buffers};
use crate::platform::{close, close_with, frame, log, now, objects, public_keys, send, telemetry};
use crate::wire::close::ProtocolEnd;
use crate::wire::engine_io::{Frame, open};

/// What the relay knows about a connection.
pub struct Relay {
    pub env: Env,
    pub config: Rc<Config>,
    pub engine_sid: String,
    /// The decoded `engine_sid`.
    pub sid: EngineSid,
    /// The verdict on the request's own token, if it has one. It applies to a CONNECT without a token.
    pub own: Option<Verdict>,
    /// The user, if known without a CONNECT.
    pub user_at_handshake: Option<Identity>,
    /// The client's location.
    pub region: Option<Region>,
}

/// How the relay starts.
pub enum Begin {
    /// It sends the handshake.
    Handshake,
    /// The client upgrades a polling session.
    Upgrade,
}

/// Accepts the client's WebSocket and serves it in the background.
pub fn start(relay: Relay, begin: Begin) -> Result<Response> {
    let pair = WebSocketPair::new()?;
    receive_array_buffers(&pair.server);
    let config = &relay.config;
    let total = MAX_HELD_PAYLOADS * config.max_payload;
    let limit = FrameLimit::of(&pair.server, config.max_connect_bytes, total);
    pair.server.accept()?;
    spawn_local(async move {
        let ended = relay.run(&pair.server, &limit, begin).await;
        if log::fault("relay", ended).is_none() {
            close(&pair.server, ProtocolEnd::TransportLost);
        }
    });
    Response::from_websocket(pair.client)
}

impl Relay {
    async fn run(&self, client: &WebSocket, limit: &FrameLimit, begin: Begin) -> Result<()> {
        let events = client.events()?;
        let events = events.filter_map(|event| async { incoming(event) });
        pin_mut!(events);
        let mut lobby = Lobby::new(self.sid.opened_at, Active::NAMESPACES, &self.config);
        match begin {
            Begin::Handshake => {
                let open = open(&self.engine_sid, &[], self.config.handshake());
                send(client, open.into_frame())?;
            }
            Begin::Upgrade => lobby = lobby.probing(&self.config, now()),
        }
        let exit = match &self.user_at_handshake {
            Some(user) => Exit::Enter(user.clone(), None),
            None => self.serve_lobby(client, &mut events, lobby).await?,
        };
        limit.set(self.config.max_payload);
        match exit {
            Exit::Enter(user, connect) => self.enter(client, limit, events, user, connect).await,
            Exit::Upgrade(user) => self.pass_upgrade_on(client, events, user).await,
            Exit::Closed => Ok(()),
        }
    }

    /// Hands the connection over to the user's object, starting with the CONNECT.
    async fn enter(
        &self,
        client: &WebSocket,
        limit: &FrameLimit,
        events: impl Stream<Item = Incoming>,
        user: Identity,
        connect: Option<Frame>,
    ) -> Result<()> {
        let Some(user) = self.open(client, user, Phase::Open).await else {
            return Ok(());
        };
        // Listen before the first frame can arrive.
        let from_user = user.events()?.filter_map(|event| async { incoming(event) });
        if let Some(connect) = connect {
            send(&user, connect)?;
        }
        limit.lift_total();
        pass_on(client, events, &user, from_user).await;
        Ok(())
    }

    /// Opens the WebSocket to the user's object. If the retries fail, too, closes the client's connection;
    /// the client reconnects.
    async fn open(&self, client: &WebSocket, user: Identity, phase: Phase) -> Option<WebSocket> {
        let connect = Connect {
            engine_sid: self.engine_sid.clone(),
            opened_at: match phase {
                Phase::Probing => now(),
                _ => self.sid.opened_at,
            },
            identity: user,
            carrier: Carrier::WebSocket,
            phase,
            send_open: false,
            region: self.region,
        };
        let user = log::fault("user object", objects::open(&self.env, &connect).await);
        if user.is_none() {
            close(client, CloseReason::Interrupted);
        }
        user
    }

    /// Serves the client until it leaves the lobby.
    async fn serve_lobby(
        &self,
        client: &WebSocket,
        events: &mut (impl Stream<Item = Incoming> + Unpin),
        mut lobby: Lobby,
    ) -> Result<Exit> {
        loop {
            for effect in self.next_effects(events, &mut lobby).await {
                if let Break(exit) = self.carry_out(effect, client, &mut lobby).await? {
                    return Ok(exit);
                }
            }
        }
    }

    async fn next_effects(
        &self,
        events: &mut (impl Stream<Item = Incoming> + Unpin),
        lobby: &mut Lobby,
    ) -> Vec<LobbyEffect> {
        let left = Duration::from_millis(lobby.deadline().saturating_sub(now()));
        let frame = match select(events.next(), Delay::from(left)).await {
            Either::Left((Some(Incoming::Frame(frame)), _)) => frame,
            Either::Left((Some(Incoming::TooLarge { is_connect }), _)) => {
                return lobby.end_too_large(is_connect, &self.config);
            }
            Either::Left((Some(Incoming::Closed(..)) | None, _)) => return lobby.leave(),
            Either::Right(_) => return lobby.time_out(),
        };
        match lobby.receive(frame, self.own.as_ref(), &self.config, now()) {
            Received::Effects(effects) => effects,
            Received::Unchecked(token, connect) => {
                // The client's next frames, and its close, wait in `events`.
                let claims = public_keys::check(&self.config, &token).await;
                lobby.checked(claims, connect, &self.config, now())
            }
        }
    }

    async fn carry_out(&self, effect: LobbyEffect, client: &WebSocket, lobby: &mut Lobby) -> Step {
        match effect {
            LobbyEffect::Send(packet) => send(client, packet.into_frame())?,
            LobbyEffect::Refused(error) => {
                telemetry::refused(&self.env, &self.config, Carrier::WebSocket, error);
            }
            LobbyEffect::Enter(user, connect) => {
                return Ok(Break(Exit::Enter(user, Some(connect))));
            }
            LobbyEffect::Probe => {
                self.tell_gateway(LobbyStep::Probe).await?;
            }
            LobbyEffect::TakeOver => return self.take_over(client, lobby).await,
            LobbyEffect::AbandonProbe(reason) => {
                close(client, reason);
                self.tell_gateway(LobbyStep::Fail).await?;
                return Ok(Break(Exit::Closed));
            }
            LobbyEffect::Close(reason) => {
                close(client, reason);
                return Ok(Break(Exit::Closed));
            }
        }
        Ok(Continue(()))
    }
}

/// The result of an effect: the client stays in the lobby, or leaves it.
type Step = Result<ControlFlow<Exit>>;

/// How a client leaves the lobby.
enum Exit {
    /// To its user's object, with the CONNECT that identified the user, if there was one.
    Enter(Identity, Option<Frame>),
    /// The object of this user already has the session, and performs the upgrade.
    Upgrade(Identity),
    /// The connection is closed.
    Closed,
}

/// What arrives on a WebSocket.
enum Incoming {
    Frame(Frame),
    /// A frame over the limit, which was not kept.
    TooLarge {
        is_connect: bool,
    },
    /// The close code and reason.
    Closed(u16, String),
}

fn incoming(event: Result<WebsocketEvent>) -> Option<Incoming> {
    match event {
        Ok(WebsocketEvent::Message(message)) => received(&message),
        Ok(WebsocketEvent::Close(close)) if close.was_clean() => {
            Some(Incoming::Closed(close.code(), close.reason()))
        }
        Ok(WebsocketEvent::Close(_)) | Err(_) => Some(Incoming::Closed(LOST, String::new())),
    }
}

fn received(message: &MessageEvent) -> Option<Incoming> {
    match message.as_ref().data().as_bool() {
        Some(is_connect) => Some(Incoming::TooLarge { is_connect }),
        None => frame(message).map(Incoming::Frame),
    }
}

/// Relays frames until either side closes, then closes the other side with the same code and reason.
async fn pass_on(
    client: &WebSocket,
    from_client: impl Stream<Item = Incoming>,
    user: &WebSocket,
    from_user: impl Stream<Item = Incoming>,
) {
    let both = stream::select(
        from_client.map(|incoming| (incoming, true)),
        from_user.map(|incoming| (incoming, false)),
    );
    pin_mut!(both);
    while let Some((incoming, is_client)) = both.next().await {
        let frame = match incoming {
            Incoming::Frame(frame) => frame,
            Incoming::TooLarge { .. } => {
                return close_both(client, user, ProtocolEnd::TooLarge.code());
            }
            Incoming::Closed(code, text) => {
                let code = sendable(code).map(|code| (code, text.as_str()));
                return close_both(client, user, code);
            }
        };
        // A noop is the object's auto-response to a pong.
        if !is_client && matches!(&frame, Frame::Text(text) if text == "6") {
            continue;
        }
        let to = if is_client { user } else { client };
        if send(to, frame).is_err() {
            return close_both(client, user, Some((LOST, "")));
        }
    }
}

/// 1005 and 1006 stand for a missing close frame and must not be sent (RFC 6455, section 7.4.1).
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
