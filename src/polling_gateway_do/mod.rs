//! The polling gateway: holds the polling sessions of a shard until they end or upgrade.
//!
//! Invariant: nothing essential is kept here. A session's packets and presence live in its user's object, to
//! which the session holds a WebSocket; a gateway that loses its memory loses transports, which its clients
//! reopen. Shards are per data centre, so they are close to their clients and warm.
//!
//! A borrow of `sessions` never crosses an await: handlers of other requests run in between. After each await
//! the session is looked up again, since it may have been closed or taken over.

mod abandoned;
mod lobby;
mod user_link;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::oneshot;
use worker::{
    DurableObject, Env, Method, Request, Response, ResponseBuilder, Result, State, WebSocket,
    durable_object,
};

use crate::core::alarm;
use crate::core::config::Config;
use crate::core::lobby::Lobby;
use crate::core::time::Millis;
use crate::core::token::Identity;
use crate::handler::{Active, Handler};
use crate::messages::{
    GatewayControl, Greeting, LOST, LobbyRequest, Message, Poll, Route, SILENT, SessionRef,
};
use crate::platform::abandoned::Abandoned;
use crate::platform::object_request::{self, ObjectRequest};
use crate::platform::{self, body, log, now, send};
use crate::wire::engine_io::{Packet, RequestError};
use crate::wire::polling::{GetOutcome, PollingPhase, PollingSession, PostOutcome};
use crate::wire::socket_io::is_disconnect;

use user_link::sync;

/// The response to a waiting GET: status and body.
type Answer = (u16, String);

/// A session and everything attached to it.
struct GatewaySession {
    polling: PollingSession,
    /// Decides what the client may do until its user is known.
    lobby: Lobby,
    /// Answers the waiting GET.
    get: Option<oneshot::Sender<Answer>>,
    /// Answers a probing WebSocket that waits for the user to be known.
    route: Option<oneshot::Sender<Option<Identity>>>,
    /// Whether a WebSocket is probing. Only one may at a time, as in the reference server.
    has_probe: bool,
    /// Wakes the requests that wait until the user's object has the connection.
    entering: Vec<oneshot::Sender<()>>,
    identity: Option<Identity>,
    /// Whether the WebSocket to the user's object is being opened.
    is_linking: bool,
    /// Whether the user's object has answered the CONNECT: only then may a WebSocket take over.
    is_answered: bool,
    /// Whether the session ends unless the client polls again (see `expect_client`).
    is_expected: bool,
    /// The WebSocket to the user's object.
    user: Option<WebSocket>,
}

type Sessions = Rc<RefCell<HashMap<String, GatewaySession>>>;

/// One gateway: a Durable Object per shard of a data centre.
#[durable_object(alarm)]
pub struct PollingGateway {
    state: State,
    env: Env,
    sessions: Sessions,
    /// When the next sweep's alarm is set for. Without memory there are no sessions to sweep, either.
    sweep_at: Cell<Option<Millis>>,
}

impl DurableObject for PollingGateway {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            sessions: Sessions::default(),
            sweep_at: Cell::default(),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let config = match platform::config(&self.env) {
            Ok(config) => config,
            Err(error) => return Response::error(error.to_string(), 500),
        };
        let config = &config;
        let mut asked = ObjectRequest::new(request);
        match (asked.path(), asked.request.method()) {
            (Poll::PATH, Method::Get) => {
                let abandoned = Abandoned::of(&asked.request);
                asked
                    .respond(|poll| self.get(poll, abandoned, config))
                    .await
            }
            (Poll::PATH, Method::Post) => match asked.message().await? {
                Some(poll) => self.post(poll, &mut asked.request, config).await,
                None => object_request::unknown(),
            },
            (Greeting::PATH, _) => asked.respond(|greeting| self.greet(greeting, config)).await,
            (Route::PATH, _) => asked.respond(|route| self.route(route, config)).await,
            (LobbyRequest::PATH, _) => asked.respond(|lobby| self.lobby(lobby, config)).await,
            _ => object_request::unknown(),
        }
    }

    /// Ends stale sessions and forgets ended ones; runs again while there are any.
    async fn alarm(&self) -> Result<Response> {
        self.sweep_at.set(None);
        if let Ok(config) = platform::config(&self.env) {
            self.sweep(&config);
            if !self.sessions.borrow().is_empty() {
                self.schedule_sweep(&config).await?;
            }
        }
        Response::empty()
    }
}

fn answer((status, body): Answer) -> Result<Response> {
    ResponseBuilder::new().with_status(status).ok(body)
}

fn refusal(error: RequestError) -> Answer {
    (400, error.body())
}

impl PollingGateway {
    async fn get(&self, poll: Poll, abandoned: Abandoned, config: &Config) -> Result<Response> {
        let sid = &poll.session.engine_sid;
        self.enter(&poll.session, poll.user.as_ref(), config)
            .await?;
        let (sender, receiver) = oneshot::channel();
        let outcome = self.with(sid, |session| {
            let outcome = session.polling.on_get(now());
            if matches!(outcome, GetOutcome::Wait | GetOutcome::Sync) {
                session.get = Some(sender);
            }
            outcome
        });
        match outcome.unwrap_or(GetOutcome::Unknown) {
            GetOutcome::Unknown => answer(refusal(RequestError::UnknownSession)),
            GetOutcome::Body(body) => answer((200, body)),
            GetOutcome::Overlap => {
                if let Some(Some(get)) = self.with(sid, |session| session.get.take()) {
                    let _ = get.send((200, "1".to_owned()));
                }
                self.refuse(sid)
            }
            GetOutcome::Sync => {
                sync(self.sessions.clone(), sid.clone());
                self.wait(sid, receiver, abandoned).await
            }
            GetOutcome::Wait => self.wait(sid, receiver, abandoned).await,
        }
    }

    async fn post(&self, poll: Poll, request: &mut Request, config: &Config) -> Result<Response> {
        let sid = &poll.session.engine_sid;
        self.enter(&poll.session, poll.user.as_ref(), config)
            .await?;
        let Some(max) = self.with(sid, |session| session.max_body(config)) else {
            return answer(refusal(RequestError::UnknownSession));
        };
        let Some(body) = body::read(request, max).await? else {
            return self.refuse_large(sid);
        };
        // In the meantime the session may have ended.
        let push = self.with(sid, |session| session.polling.on_post(&body, now(), max));
        match push.unwrap_or(PostOutcome::Unknown) {
            PostOutcome::Unknown => answer(refusal(RequestError::UnknownSession)),
            PostOutcome::TooLarge => self.refuse_large(sid),
            PostOutcome::Invalid => self.refuse(sid),
            PostOutcome::Packets(packets) => {
                for packet in packets {
                    self.act(&poll, packet, config).await;
                }
                answer((200, "ok".to_owned()))
            }
        }
    }

    /// Refuses a body that is too large, which ends its session, as a frame that is too large ends its connection.
    fn refuse_large(&self, sid: &str) -> Result<Response> {
        close(&self.sessions, sid, End::Lost);
        answer((413, String::new()))
    }

    /// Refuses an invalid request, which ends its session.
    fn refuse(&self, sid: &str) -> Result<Response> {
        close(&self.sessions, sid, End::Lost);
        answer(refusal(RequestError::BadRequest))
    }

    /// Starts a session whose handshake had a token.
    async fn greet(&self, greeting: Greeting, config: &Config) -> Result<Response> {
        let session = SessionRef {
            engine_sid: greeting.engine_sid,
            opened_at: greeting.opened_at,
            is_noted: false,
        };
        self.enter(&session, None, config).await?;
        self.with(&session.engine_sid, |session| {
            session.lobby.handshake = Some(greeting.own);
        });
        Response::empty()
    }

    /// Returns the session's user as soon as it is known.
    async fn route(&self, route: Route, config: &Config) -> Result<Response> {
        let sid = &route.session.engine_sid;
        self.enter(&route.session, route.user.as_ref(), config)
            .await?;
        let (sender, receiver) = oneshot::channel();
        self.with(sid, |session| {
            if session.polling.phase == PollingPhase::Closed || session.has_probe {
                return;
            }
            session.has_probe = true;
            session.route = Some(sender);
            if session.is_answered {
                session.resolve_route(session.identity.clone());
            }
        });
        // Waits for the CONNECT. If the session ends, the sender is dropped.
        match receiver.await {
            Ok(Some(identity)) => Response::from_json(&identity),
            _ => Response::error("no user", 404),
        }
    }

    /// Finds the session, or creates it, and links it to its user's object if the user is known without a
    /// CONNECT.
    async fn enter(
        &self,
        session: &SessionRef,
        user: Option<&Identity>,
        config: &Config,
    ) -> Result<()> {
        self.find_or_begin(session, config).await?;
        if let Some(user) = user {
            self.link_at_handshake(&session.engine_sid, user).await;
        }
        Ok(())
    }

    /// The Worker answers handshakes without the gateway, unless the sid says that the gateway was informed
    /// (`is_noted`). Ends a session that is overdue.
    async fn find_or_begin(&self, session: &SessionRef, config: &Config) -> Result<()> {
        let SessionRef {
            engine_sid: sid,
            opened_at,
            is_noted,
        } = session;
        let known = self.with(sid, |session| {
            session.is_expected = false;
            session.is_overdue(config)
        });
        if known == Some(true) {
            close(&self.sessions, sid, End::Silent);
        }
        if known.is_some() {
            return self.schedule_sweep(config).await;
        }
        let lobby = Lobby::new(*opened_at, Active::NAMESPACES, config);
        // If the sid is unknown, but the gateway was informed of it or it is too old to be new, its session
        // has ended or was lost.
        if *is_noted || lobby.is_over(now()) {
            return Ok(());
        }
        let count = self.sessions.borrow().len();
        // The session stays unknown, so its client makes another handshake, which may lead to another gateway.
        if count >= config.max_sessions {
            return Ok(());
        }
        let session = GatewaySession {
            polling: PollingSession::new(*opened_at),
            lobby,
            get: None,
            route: None,
            has_probe: false,
            entering: Vec::new(),
            identity: None,
            is_linking: false,
            is_answered: false,
            is_expected: false,
            user: None,
        };
        self.sessions.borrow_mut().insert(sid.to_owned(), session);
        self.schedule_sweep(config).await
    }

    fn with<T>(&self, sid: &str, act: impl FnOnce(&mut GatewaySession) -> T) -> Option<T> {
        self.sessions.borrow_mut().get_mut(sid).map(act)
    }

    /// Acts on a packet from the client.
    async fn act(&self, poll: &Poll, packet: Packet, config: &Config) {
        let sid = &poll.session.engine_sid;
        let phase = self.with(sid, |session| session.polling.phase);
        match (phase, packet) {
            (None | Some(PollingPhase::Closed), _) => {}
            (Some(_), Packet::Close) => close(&self.sessions, sid, End::Closed),
            (Some(PollingPhase::Lobby), packet) => self.act_in_lobby(poll, packet, config).await,
            (Some(PollingPhase::Routed | PollingPhase::Upgrading), packet) => {
                self.pass_on(sid, packet)
            }
        }
    }

    /// Passes a packet on to the user's object.
    fn pass_on(&self, sid: &str, packet: Packet) {
        let is_goodbye = matches!(&packet, Packet::Text(text) if is_disconnect(text));
        let user = self.with(sid, |session| {
            if is_goodbye {
                session.report_confirmed(End::Closed);
            }
            session.user.clone()
        });
        let user = user.flatten();
        let sent = user.map(|user| send(&user, packet.into_frame()));
        if !matches!(sent, Some(Ok(()))) {
            close(&self.sessions, sid, End::Lost);
        }
    }

    fn sweep(&self, config: &Config) {
        self.sessions.borrow_mut().retain(|_, session| {
            if session.is_overdue(config) {
                session.end(End::Silent);
            }
            // A closed session is remembered for as long as its sid could pass for a new one, and while its
            // client may still fetch the last packets.
            session.polling.phase != PollingPhase::Closed
                || !session.lobby.is_over(now())
                || (session.polling.has_more() && !session.is_overdue(config))
        });
    }

    /// Sets the alarm for the next sweep, unless it is set; a lost one is noticed at the next request.
    async fn schedule_sweep(&self, config: &Config) -> Result<()> {
        let wanted = now() + config.lobby_timeout();
        let Some(at) = alarm::to_set(wanted, self.sweep_at.get(), now()) else {
            return Ok(());
        };
        // Requests that arrive in the meantime need not set it, too.
        self.sweep_at.set(Some(at));
        let pause = Duration::from_millis(at.saturating_sub(now()));
        let outcome = self.state.storage().set_alarm(pause).await;
        if outcome.is_err() {
            self.sweep_at.set(None);
        }
        outcome
    }
}

impl GatewaySession {
    /// How many bytes a POST may have that arrives now.
    fn max_body(&self, config: &Config) -> usize {
        match self.polling.phase {
            PollingPhase::Lobby => config.max_connect_bytes,
            _ => config.max_payload,
        }
    }

    /// Whether the client has been silent for too long, or its user is still unknown after the deadline.
    fn is_overdue(&self, config: &Config) -> bool {
        let is_lost = self.polling.phase == PollingPhase::Lobby && self.lobby.is_over(now());
        is_lost || self.polling.is_silent(now(), config.silence())
    }

    /// Queues a packet for the client and answers the waiting GET. If the client does not fetch its packets,
    /// closes the session's WebSocket to the user's object and so ends the session.
    fn hand_out(&mut self, packet: Packet) {
        let fits = self.polling.push(packet);
        self.answer_get();
        if !fits {
            log::error("polling session", &"the client does not fetch its packets");
            self.end(End::Lost);
        }
    }

    /// Reports to the user's object what the client has confirmed by its GETs. This happens only when the
    /// client leaves: until then pongs confirm the same at less cost.
    fn report_confirmed(&mut self, end: End) {
        let confirmed = match end {
            End::Closed => self.polling.confirmed_at_goodbye(now()),
            End::Lost | End::Silent => self.polling.confirmed_at_end(),
        };
        if let (Some(offset), Some(user)) = (confirmed, &self.user) {
            // If the send fails, the WebSocket is closing; the next connect then resends more than necessary.
            let _ = user.send_with_str(GatewayControl::Confirmed(offset).frame());
        }
    }

    /// Answers the waiting GET, if there is anything to send.
    fn answer_get(&mut self) {
        let Some(body) = self.polling.flush(now()) else {
            return;
        };
        if let Some(get) = self.get.take() {
            // If the client has gone, the transport is lost, and the client reconnects.
            let _ = get.send((200, body));
        }
    }

    /// Tells the probing WebSocket which user the session belongs to. Without a user it may not take over.
    fn resolve_route(&mut self, identity: Option<Identity>) {
        if identity.is_none() {
            self.has_probe = false;
        }
        if let Some(route) = self.route.take() {
            // If the Worker has stopped waiting, it continues in the lobby.
            let _ = route.send(identity);
        }
    }

    /// The user's object has the connection, so a WebSocket may take over.
    fn answered(&mut self) {
        self.is_answered = true;
        self.entering.clear();
        self.resolve_route(self.identity.clone());
    }

    /// Closes the session after its last packets. If no GET is waiting, they wait for the next one.
    fn leave(&mut self) {
        self.polling.leave();
        self.user = None;
        self.over();
    }

    /// Marks the session as closed and answers every waiting request.
    fn over(&mut self) {
        self.polling.phase = PollingPhase::Closed;
        self.answer_get();
        self.get = None;
        self.entering.clear();
        self.resolve_route(None);
    }

    /// Ends the session and reports to the user's object how it ended.
    fn end(&mut self, end: End) {
        if self.polling.phase == PollingPhase::Closed {
            return;
        }
        // Packets that were not fetched were not received, even if the client left cleanly.
        self.polling.drain();
        self.over();
        self.report_confirmed(end);
        if let Some(user) = self.user.take() {
            let code = match end {
                End::Closed => 1000,
                End::Lost => LOST,
                End::Silent => SILENT,
            };
            // The WebSocket may already be closed.
            let _ = user.close(Some(code), Some("polling session ended"));
        }
    }
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closed it.
    Closed,
    /// The transport broke, or the client violated the protocol.
    Lost,
    /// The client was silent for too long.
    Silent,
}

/// Ends a session, if it is still known.
fn close(sessions: &Sessions, sid: &str, end: End) {
    if let Some(session) = sessions.borrow_mut().get_mut(sid) {
        session.end(end);
    }
}
