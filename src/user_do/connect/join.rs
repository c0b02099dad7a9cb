//! A CONNECT: identifies the user, resumes or creates the session, and sends the missed events.

use futures::future::join;
use serde_json::value::RawValue;
use worker::{Result, WebSocket};

use crate::core::close::{CloseReason, MAX_JOINS};
use crate::core::connect::{ConnectRequest, Other, Standing, decide};
use crate::core::connection::Phase;
use crate::core::ids::socket_sid;
use crate::core::recovery::ConnectAuth;
use crate::core::telemetry::Fact;
use crate::core::token::signature::{Opened, SignedToken, open};
use crate::core::token::{Verdict, user};
use crate::platform::{self, log, now, public_keys};
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;
use crate::wire::engine_io::{Frame, Packet};
use crate::wire::socket_io::MAIN;

/// What follows a CONNECT.
pub(crate) struct AfterConnect {
    pub(crate) ws: WebSocket,
    /// The frames that arrived in the meantime, to be handled next.
    pub(crate) held: Vec<Frame>,
    /// The remaining work, if the client has joined.
    pub(crate) joined: Option<AfterJoin>,
}

/// What remains to be done after a join.
pub(crate) struct AfterJoin {
    user_id: String,
    engine_sid: String,
    /// The connections that this one replaces.
    replaced: Vec<Socket>,
    /// The id of the session, if it was resumed.
    resumed: Option<String>,
}

impl UserObject {
    /// Joins the client, refuses it or closes its connection. Returns what remains to be done, if anything.
    pub(crate) async fn join(
        &self,
        socket: Socket,
        auth: Option<&RawValue>,
    ) -> Option<AfterConnect> {
        let auth = ConnectAuth::read(auth);
        match self.identify(&socket, &auth) {
            Ok(verdict) => self.join_as(socket, verdict, &auth).await,
            Err(token) => self.join_checked(socket, &token, &auth).await,
        }
    }

    /// Joins the client once the platform has checked its token's signature. The client's next frames are held
    /// until then, and follow in their order whatever becomes of the CONNECT.
    async fn join_checked(
        &self,
        socket: Socket,
        token: &SignedToken,
        auth: &ConnectAuth,
    ) -> Option<AfterConnect> {
        let config = self.config().ok()?;
        // A client that upgrades and connects again at the same moment has both kinds of frames to hold.
        if socket.connection.phase == Phase::Upgrading {
            self.close(socket, CloseReason::Interrupted);
            return None;
        }
        let check = async |_: &Socket| public_keys::check(config, token).await;
        let (socket, mut held, claims) = self.held_while(socket, check).await?;
        let ws = socket.ws.clone();
        let verdict = claims.and_then(|claims| user(&claims, config, now()));
        let joined = self.join_as(socket, verdict, auth).await;
        let (later, joined) = joined.map_or((Vec::new(), None), |after| (after.held, after.joined));
        held.extend(later);
        Some(AfterConnect { ws, held, joined })
    }

    /// Holds a connection's frames while `work` is awaited. Returns the socket as it is then, the frames and what the
    /// work has led to, or `None` if the connection has closed meanwhile.
    async fn held_while<T>(
        &self,
        mut socket: Socket,
        work: impl AsyncFnOnce(&Socket) -> T,
    ) -> Option<(Socket, Vec<Frame>, T)> {
        socket.connection.phase = Phase::Connecting;
        log::fault("connect", socket.save());
        let sid = socket.connection.engine_sid.clone();
        self.start_holding(&sid);
        let outcome = work(&socket).await;
        let held = self.stop_holding(&sid).frames;
        let mut socket = socket.reload()?;
        if socket.connection.phase != Phase::Connecting {
            return None;
        }
        socket.connection.phase = Phase::Open;
        log::fault("connect", socket.save());
        Some((socket, held, outcome))
    }

    /// Joins the client if the verdict is good.
    async fn join_as(
        &self,
        socket: Socket,
        verdict: Verdict,
        auth: &ConnectAuth,
    ) -> Option<AfterConnect> {
        let identity = match verdict {
            Ok(identity) => identity,
            Err(error) => {
                self.refuse(socket, error.into());
                return None;
            }
        };
        if identity.user_id != socket.connection.identity.user_id {
            self.turn_away(socket);
            return None;
        }
        let mut socket = self.unless_revoked(socket, identity)?;
        socket.connection.joins += 1;
        if socket.connection.joins > MAX_JOINS {
            self.close(socket, CloseReason::Flooding);
            return None;
        }
        let obstacles = self.obstacles(&socket, auth);
        let Some((is_recorded, is_full)) = log::fault("connect", obstacles) else {
            self.fail(socket);
            return None;
        };
        // A session that is being upgraded has connected before.
        if (is_recorded && !is_full) || socket.connection.phase == Phase::Upgrading {
            return Some(AfterConnect {
                ws: socket.ws.clone(),
                held: Vec::new(),
                joined: self.finish_join(socket, auth, is_recorded),
            });
        }
        let prepare = async |socket: &Socket| {
            let recorded = async { is_recorded || self.record_user(&socket.connection).await };
            let (is_recorded, ()) = join(recorded, self.make_room(socket, auth)).await;
            is_recorded
        };
        let (socket, held, is_recorded) = self.held_while(socket, prepare).await?;
        let ws = socket.ws.clone();
        // A revocation or an erasure may have come in between.
        let identity = socket.connection.identity.clone();
        let joined = self
            .unless_revoked(socket, identity)
            .and_then(|socket| self.finish_join(socket, auth, is_recorded));
        Some(AfterConnect { ws, held, joined })
    }

    /// Returns whether the user has a row in D1, and whether they have reached the connection limit.
    fn obstacles(&self, socket: &Socket, auth: &ConnectAuth) -> Result<(bool, bool)> {
        let is_recorded = self.store.user_state()?.is_recorded == 1;
        let others = self.others(socket, auth, Standing::Counts)?.len();
        Ok((is_recorded, others >= self.config()?.max_connections))
    }

    /// Verifies the CONNECT's own token; without one, the identity that the connection came with applies. A
    /// token that the platform has to check is returned.
    fn identify(
        &self,
        socket: &Socket,
        auth: &ConnectAuth,
    ) -> std::result::Result<Verdict, SignedToken> {
        let (Some(token), Ok(config)) = (&auth.token, self.config()) else {
            return Ok(Ok(socket.connection.identity.clone()));
        };
        match open(config, token) {
            Opened::Checked(claims) => Ok(claims.and_then(|claims| user(&claims, config, now()))),
            Opened::Unchecked(token) => Err(token),
        }
    }

    /// Nothing can be delivered while this runs, so a client receives every event exactly once, either from
    /// the log here or live.
    fn finish_join(
        &self,
        mut socket: Socket,
        auth: &ConnectAuth,
        is_recorded: bool,
    ) -> Option<AfterJoin> {
        let entered = self.enter(&mut socket, auth, is_recorded);
        let Some(entered) = log::fault("connect", entered) else {
            self.fail(socket);
            return None;
        };
        let entered = entered?;
        for other in &entered.replaced {
            let old_sid = other.connection.session.sid(MAIN);
            self.close(other.clone(), CloseReason::Replaced);
            if entered.resumed.is_none()
                && let Some(sid) = old_sid
            {
                log::fault("watch", self.store.watches_remove(sid));
            }
        }
        self.needs_schedule();
        Some(entered)
    }

    /// Renews a recovered session's subscriptions. The connection may be gone by now.
    pub(crate) async fn after_join(&self, entered: AfterJoin) {
        let Some(sid) = entered.resumed else { return };
        let resumed = self.resume_watches(&entered.user_id, &sid, &entered.engine_sid);
        log::fault("watch", resumed.await);
    }

    /// Joins the client, or tells it that the user has too many connections. `core::connect` decides.
    fn enter(
        &self,
        socket: &mut Socket,
        auth: &ConnectAuth,
        is_recorded: bool,
    ) -> Result<Option<AfterJoin>> {
        let config = self.config()?;
        let now = now();
        let user_id = socket.connection.identity.user_id.clone();
        let replaced = self.others(socket, auth, Standing::Replaced)?;
        let all = self.live_sockets_but(socket);
        self.release_held(&all)?;
        let others: Vec<Other> = all.iter().map(|other| self.as_other(other)).collect();
        let asked = ConnectRequest {
            user_id: &user_id,
            auth,
            new_sid: socket_sid(platform::random()),
            confirmed: self.confirmed()?,
            now,
        };
        let entered = match decide(&self.store, config, asked, &others)? {
            Ok(entered) => entered,
            Err(refusal) => {
                socket.save()?;
                self.refused(socket, refusal.code());
                self.send(socket, Packet::Text(refusal.packet()));
                return Ok(None);
            }
        };
        socket.connection.enter(&entered.sid, now);
        socket.save()?;
        let state = self.store.user_state()?;
        let away_since = state.last_seen;
        if !entered.was_online || (state.is_recorded == 1) != is_recorded {
            self.store.set_online(&user_id, is_recorded, now)?;
        }
        if !entered.was_online {
            self.store.watched_change(true, now)?;
            log::fault("notices", self.on_return(away_since));
        }
        for message in entered.messages {
            self.send(socket, Packet::Text(message));
        }
        self.ask_for_receipts()?;
        self.fact(
            &user_id,
            &Fact::ConnectionOpened {
                carrier: socket.connection.carrier,
                recovered: entered.is_resumed,
                connections: self.live_sockets().len(),
            },
        );
        Ok(Some(AfterJoin {
            user_id,
            engine_sid: socket.connection.engine_sid.clone(),
            replaced,
            resumed: entered.is_resumed.then_some(entered.sid),
        }))
    }
}
