//! A CONNECT: who is it, have they been here a moment ago, and what did they miss?

use futures::future::join;
use serde_json::value::RawValue;
use worker::{Result, WebSocket};

use crate::core::close::{CloseReason, MAX_JOINS};
use crate::core::connect_refusal::ConnectRefusal;
use crate::core::connection::{Admission, Phase};
use crate::core::ids::{pid, socket_sid};
use crate::core::recovery::{ConnectAuth, Resumed, resume};
use crate::core::store::{LogEntry, Missed};
use crate::core::telemetry::Fact;
use crate::core::time::Millis;
use crate::core::token::{Identity, TokenError, verify};
use crate::platform::{self, log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;
use crate::wire::engine_io::{Frame, Packet};
use crate::wire::socket_io::{connected, event_text};

/// A connection that has joined.
pub(crate) struct Joined {
    pub(crate) ws: WebSocket,
    /// The frames that came in meanwhile, to be handled next.
    pub(crate) held: Vec<Frame>,
    pub(crate) entered: Entered,
}

/// What a CONNECT has led to.
pub(crate) struct Entered {
    user_id: String,
    /// The connections that this one replaces.
    replaced: Vec<Socket>,
    /// The session that goes on.
    resumed: Option<String>,
}

/// A session of Socket.IO, as it begins or goes on.
struct Session {
    sid: String,
    is_resumed: bool,
    /// What its client is sent at once.
    missed: Vec<LogEntry>,
}

impl UserObject {
    /// Joins the client, refuses it or closes its connection. Returns what is left to do if it has joined.
    pub(crate) async fn join(
        &self,
        mut socket: Socket,
        namespace: String,
        auth: Option<&RawValue>,
    ) -> Option<Joined> {
        let auth = ConnectAuth::read(auth);
        let identity = match self.identify(&socket, &auth) {
            Ok(identity) => identity,
            Err(error) => {
                self.refuse(socket, &namespace, error.into());
                return None;
            }
        };
        if identity.user_id != socket.connection.identity.user_id {
            self.turn_away(socket, &namespace);
            return None;
        }
        socket.connection.identity = identity;
        socket.connection.joins += 1;
        if socket.connection.joins > MAX_JOINS {
            self.close(socket, CloseReason::Flooding);
            return None;
        }
        let (is_recorded, is_full) = match self.obstacles(&socket, &auth) {
            Ok(obstacles) => obstacles,
            Err(error) => {
                log::error("connect", &error);
                self.close(socket, CloseReason::Interrupted);
                return None;
            }
        };
        // An upgrade under way means that the session has been here before.
        if (is_recorded && !is_full) || socket.connection.phase == Phase::Upgrading {
            return self.finish_join(socket, &namespace, &auth, is_recorded, Vec::new());
        }

        socket.connection.phase = Phase::Connecting;
        if let Err(error) = socket.save() {
            log::error("connect", &error);
        }
        let sid = socket.connection.engine_sid.clone();
        self.start_holding(&sid);
        let recorded = async { is_recorded || self.record_user(&socket.connection).await };
        let (is_recorded, ()) = join(recorded, self.make_room(&socket, &auth)).await;
        // Meanwhile the socket may have closed; its frames were held.
        let held = self.stop_holding(&sid).frames;
        let mut socket = socket.reload()?;
        if socket.connection.phase != Phase::Connecting {
            return None;
        }
        socket.connection.phase = Phase::Open;
        self.finish_join(socket, &namespace, &auth, is_recorded, held)
    }

    /// Somebody else than the object's user. Whoever has been here before comes again, and is routed by the
    /// CONNECT. Who has not was routed by a token in the URL, the header or the handshake, and would be
    /// again.
    fn turn_away(&self, socket: Socket, namespace: &str) {
        if socket.connection.session.was_joined() {
            return self.close(socket, CloseReason::OtherUser);
        }
        self.refuse(socket, namespace, ConnectRefusal::OtherUser);
    }

    fn refuse(&self, mut socket: Socket, namespace: &str, refusal: ConnectRefusal) {
        self.refused(&socket, refusal.code());
        if matches!(self.admit(&mut socket), Ok(Admission::Flooding)) {
            return self.close(socket, CloseReason::Flooding);
        }
        self.send(&socket, Packet::Text(refusal.packet(namespace)));
    }

    /// Whether the user has a row in D1, and whether they have all the connections that they may.
    fn obstacles(&self, socket: &Socket, auth: &ConnectAuth) -> Result<(bool, bool)> {
        let is_recorded = self.store.user_state()?.is_recorded == 1;
        let others = self.others(socket, self.shown_sid(socket, auth)?)?.len();
        Ok((is_recorded, others >= self.config()?.max_connections))
    }

    fn refused(&self, socket: &Socket, code: &'static str) {
        let fact = Fact::ConnectionRefused {
            carrier: socket.connection.carrier,
            code,
        };
        self.fact(&socket.connection.identity.user_id, &fact);
    }

    /// The CONNECT's own token counts; without one, the one that the connection came with.
    fn identify(
        &self,
        socket: &Socket,
        auth: &ConnectAuth,
    ) -> std::result::Result<Identity, TokenError> {
        let known = &socket.connection.identity;
        match (&auth.token, self.config()) {
            (Some(token), Ok(config)) => verify(config.keys(), token, now()),
            _ => Ok(known.clone()),
        }
    }

    /// Nothing can be delivered while this runs, so a client gets every event either from the log here or
    /// live, and none twice.
    fn finish_join(
        &self,
        mut socket: Socket,
        namespace: &str,
        auth: &ConnectAuth,
        is_recorded: bool,
        held: Vec<Frame>,
    ) -> Option<Joined> {
        let entered = match self.enter(&mut socket, namespace, auth, is_recorded) {
            Ok(entered) => entered?,
            Err(error) => {
                log::error("connect", &error);
                self.close(socket, CloseReason::Interrupted);
                return None;
            }
        };
        for other in &entered.replaced {
            let old_sid = other.connection.session.sid(namespace);
            self.close(other.clone(), CloseReason::Replaced);
            if entered.resumed.is_none()
                && let Some(sid) = old_sid
                && let Err(error) = self.store.watches_remove(sid)
            {
                log::error("watch", &error);
            }
        }
        self.needs_schedule();
        Some(Joined {
            ws: socket.ws,
            held,
            entered,
        })
    }

    /// What a recovered session has watched is asked for again. Nothing depends on the connection any more:
    /// it may be gone by now.
    pub(crate) async fn after_join(&self, entered: Entered) {
        if let Some(sid) = entered.resumed
            && let Err(error) = self.resume_watches(&entered.user_id, &sid).await
        {
            log::error("watch", &error);
        }
    }

    /// Joins, unless the user has too many connections: then the client is told so.
    fn enter(
        &self,
        socket: &mut Socket,
        namespace: &str,
        auth: &ConnectAuth,
        is_recorded: bool,
    ) -> Result<Option<Entered>> {
        let config = self.config()?;
        let now = now();
        let shown_sid = self.shown_sid(socket, auth)?;
        let others = self.others(socket, shown_sid)?;
        if others.len() >= config.max_connections {
            socket.save()?;
            let refusal = ConnectRefusal::TooManyConnections(config.max_connections);
            self.refused(socket, refusal.code());
            self.send(socket, Packet::Text(refusal.packet(namespace)));
            return Ok(None);
        }
        let user_id = socket.connection.identity.user_id.clone();
        let replaced = self.replaced(socket, shown_sid);
        let was_online = !others.is_empty() || replaced.iter().any(|other| !self.is_ghost(other));
        let session = self.session(&user_id, auth)?;

        socket.connection.enter(namespace, &session.sid, now);
        socket.save()?;
        let state = self.store.user_state()?;
        if !was_online || (state.is_recorded == 1) != is_recorded {
            self.store.set_online(&user_id, is_recorded, now)?;
        }
        if !was_online {
            self.store.watched_change(true, now)?;
        }

        // A client takes its session for recovered only if its own pid comes back, whichever key made it.
        let is_resumed = session.is_resumed;
        let shown_pid = auth.pid.clone().filter(|_| is_resumed);
        let pid = shown_pid.unwrap_or_else(|| pid(config.secret(), &user_id, &session.sid));
        let reply = connected(namespace, &session.sid, Some(&pid));
        self.send(socket, Packet::Text(reply));
        // Behind the reply: what comes before it a client keeps until the reply is there, without its
        // offset, and would get again if the connection broke in between.
        for entry in &session.missed {
            let offset = format!("\"{}\"", entry.offset);
            let text = event_text(namespace, &entry.event, &[&entry.payload, &offset]);
            self.send(socket, Packet::Text(text));
        }
        self.ask_for_receipts()?;
        self.fact(
            &user_id,
            &Fact::ConnectionOpened {
                carrier: socket.connection.carrier,
                recovered: is_resumed,
                connections: self.live_sockets().len(),
            },
        );
        Ok(Some(Entered {
            user_id,
            replaced,
            resumed: is_resumed.then_some(session.sid),
        }))
    }

    /// The session that a CONNECT leads to: the one whose pid and offset it shows, if the log still holds
    /// all that came after, or a new one, with what no device has confirmed.
    fn session(&self, user_id: &str, auth: &ConnectAuth) -> Result<Session> {
        let config = self.config()?;
        let since = now().saturating_sub(config.log_retention);
        let bounds = self.store.log_bounds(since)?;
        if let Some(Resumed { sid, after }) = resume(config.keys(), user_id, auth, bounds) {
            let missed = self.missed(after, since, &sid)?;
            if missed.is_complete {
                // It says itself up to where it got everything.
                self.store.set_confirmed(after)?;
                // Before anything newer goes out, by which it could not be told what was lost.
                self.store
                    .watches_resume(&sid, self.store.time_of(after)?)?;
                return Ok(Session {
                    sid,
                    is_resumed: true,
                    missed: missed.events,
                });
            }
        }
        let sid = socket_sid(platform::random());
        let confirmed = self.confirmed()?;
        let missed = self.missed(confirmed, since, &sid)?.events;
        // What is too old, or too much, no device takes from here.
        let first = missed.first().map_or(u64::MAX, |entry| entry.offset);
        self.store.receipts_drop(confirmed + 1, first)?;
        Ok(Session {
            sid,
            is_resumed: false,
            missed,
        })
    }

    fn missed(&self, after: u64, since: Millis, sid: &str) -> Result<Missed> {
        let max_bytes = self.config()?.log_replay_bytes;
        Ok(self.store.events_after(after, since, sid, max_bytes)?)
    }

    /// Older connections of the session that the client shows: it has come back on this one, whether it
    /// recovers or not.
    fn replaced(&self, socket: &Socket, shown_sid: Option<&str>) -> Vec<Socket> {
        let mut sockets = self.live_sockets();
        sockets.retain(|other| {
            other.connection.engine_sid != socket.connection.engine_sid
                && shown_sid.is_some_and(|sid| other.connection.session.is_in(sid))
        });
        sockets
    }
}
