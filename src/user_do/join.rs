//! A CONNECT: who is it, have they been here a moment ago, and what did they miss?

use futures::future::join;
use serde_json::value::RawValue;
use worker::Result;

use super::UserObject;
use super::socket::Socket;
use super::store::Missed;
use crate::core::connection::{Admission, Connection, Phase};
use crate::core::engine::Packet;
use crate::core::heartbeat::is_ghost;
use crate::core::ids::{pid, socket_sid};
use crate::core::record::users::add_user;
use crate::core::recovery::{ConnectAuth, Resumed, resume};
use crate::core::session::{CloseReason, MAX_JOINS};
use crate::core::socket::{connect_error, connected, event_text};
use crate::core::telemetry::Fact;
use crate::core::time::Millis;
use crate::core::token::{Identity, TokenError, verify};
use crate::messages::{Heard, Notify};
use crate::platform::{self, d1, log, now, objects};

/// What a CONNECT has led to.
struct Entered {
    /// The connections that this one replaces.
    ghosts: Vec<Socket>,
    /// The session that goes on.
    resumed: Option<String>,
    /// The log's first event that it got; none if it missed none.
    first_offset: Option<u64>,
}

/// The code of a CONNECT_ERROR for one connection more than is allowed.
const TOO_MANY: &str = "too_many";

/// The payload of CONNECT_ERROR, in the shape of a refused token's.
fn too_many_connections(max: usize) -> String {
    serde_json::json!({
        "message": format!("You must not have more than {max} connections"),
        "data": { "code": TOO_MANY },
    })
    .to_string()
}

impl UserObject {
    pub(crate) async fn join(
        &self,
        mut socket: Socket,
        namespace: String,
        auth: Option<&RawValue>,
    ) {
        let auth = ConnectAuth::read(auth);
        let identity = match self.identify(&socket, &auth) {
            Ok(identity) => identity,
            Err(error) => {
                self.refused(&socket, error.code());
                if matches!(self.admit(&mut socket), Ok(Admission::Flooding)) {
                    return self.close(socket, CloseReason::Flooding).await;
                }
                let refusal = connect_error(&namespace, &error.payload());
                return self.send(&socket, Packet::Text(refusal));
            }
        };
        if identity.user_id != socket.connection.identity.user_id {
            return self.close(socket, CloseReason::OtherUser).await;
        }
        socket.connection.identity = identity;
        socket.connection.joins += 1;
        if socket.connection.joins > MAX_JOINS {
            return self.close(socket, CloseReason::Flooding).await;
        }
        let is_recorded = match self.store.user_state() {
            Ok(state) => state.is_recorded == 1,
            Err(error) => {
                log::error("connect", &error);
                return self.close(socket, CloseReason::Interrupted).await;
            }
        };
        // An upgrade under way means that the session has been here before.
        if is_recorded || socket.connection.phase == Phase::Upgrading {
            return self
                .finish_join(socket, &namespace, &auth, is_recorded)
                .await;
        }

        socket.connection.phase = Phase::Connecting;
        if let Err(error) = socket.save() {
            log::error("connect", &error);
        }
        let sid = socket.connection.engine_sid.clone();
        self.start_holding(&sid);
        let is_recorded = self.record_user(&socket.connection).await;
        // Meanwhile the socket may have closed; its frames were held.
        let frames = self.stop_holding(&sid).frames;
        let Some(mut socket) = socket.reload() else {
            return;
        };
        if socket.connection.phase != Phase::Connecting {
            return;
        }
        socket.connection.phase = Phase::Open;
        let ws = socket.ws.clone();
        // What was held is next as soon as the decision is made; nothing else that follows concerns it.
        let replayed = async {
            if let Some(socket) = Socket::load(ws) {
                self.replay(socket, frames).await;
            }
        };
        join(
            self.finish_join(socket, &namespace, &auth, is_recorded),
            replayed,
        )
        .await;
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

    /// Makes sure that the user has a row in D1. If D1 does not answer, the user connects all the
    /// same, and the next connect tries again.
    async fn record_user(&self, connection: &Connection) -> bool {
        let statement = add_user(&connection.identity, connection.region, now());
        match d1::batch(&self.env, &[statement]).await {
            Ok(_) => true,
            Err(error) => {
                log::error("add user", &error);
                false
            }
        }
    }

    /// A user who connected while D1 did not answer is added to it as soon as it does: whether they are
    /// there now.
    pub(super) async fn record_belatedly(&self) -> Result<bool> {
        if self.store.user_state()?.is_recorded == 1 {
            return Ok(true);
        }
        // Without a device nobody knows what the row should say; the next one brings it along.
        let Some(socket) = self.live_sockets().pop() else {
            return Ok(false);
        };
        let is_recorded = self.record_user(&socket.connection).await;
        // Meanwhile the user may have been erased; then there is nothing that this would change.
        if is_recorded {
            self.store.set_recorded()?;
        }
        Ok(is_recorded)
    }

    /// No await from the decision on: nothing can be delivered in between, so a client gets every
    /// event either from the log here or live, and none twice.
    async fn finish_join(
        &self,
        mut socket: Socket,
        namespace: &str,
        auth: &ConnectAuth,
        is_recorded: bool,
    ) {
        let entered = match self.enter(&mut socket, namespace, auth, is_recorded) {
            Ok(entered) => entered,
            Err(error) => {
                log::error("connect", &error);
                return self.close(socket, CloseReason::Interrupted).await;
            }
        };
        let Some(entered) = entered else { return };
        for ghost in entered.ghosts {
            self.close(ghost, CloseReason::Replaced).await;
        }
        self.schedule().await;
        // From here on nothing depends on this connection any more: it may be gone by now.
        let user_id = &socket.connection.identity.user_id;
        if let Err(error) = self.tell_senders(entered.first_offset).await {
            log::error("receipts", &error);
        }
        if let Some(sid) = entered.resumed
            && let Err(error) = self.resume_watches(user_id, &sid).await
        {
            log::error("watch", &error);
        }
    }

    /// Tells the senders of what was waiting here that a device took it. Whoever cannot be told is
    /// told at the next connect.
    async fn tell_senders(&self, first_offset: Option<u64>) -> Result<()> {
        for receipt in self.store.receipts()? {
            // What is too old, or too much, no device took from the log. And whoever is blocked is not
            // to see that the user is here.
            let is_taken = first_offset.is_some_and(|first| receipt.offset >= first);
            let is_due = is_taken && !self.store.has_blocked(&receipt.sender_id)?;
            if is_due {
                let delivered = serde_json::from_str(&receipt.payload)?;
                let notify = Notify::Delivered(delivered);
                let told: Result<Heard> =
                    objects::post(&self.env, &receipt.sender_id, Notify::URL, &notify).await;
                if let Err(error) = told {
                    log::error("receipts", &error);
                    continue;
                }
            }
            self.store.receipt_remove(receipt.offset)?;
        }
        Ok(())
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
        let since = now.saturating_sub(config.log_retention);
        let user_id = socket.connection.identity.user_id.clone();
        let bounds = self.store.log_bounds(since)?;
        let resumed = resume(config.keys(), &user_id, auth, bounds);
        let missed = match &resumed {
            Some(Resumed { sid, after }) => Some(self.missed(*after, since, sid)?),
            None => None,
        };
        // A session of which too much was missed does not go on.
        let resumed = resumed.filter(|_| missed.as_ref().is_some_and(|missed| missed.is_complete));
        let others = self.live_sockets();
        let was_online = !others.is_empty();
        let replaced = resumed.as_ref().map(|resumed| resumed.sid.as_str());
        let is_other = |other: &&Socket| {
            let heard = other.heard(&self.state);
            let is_replaced =
                replaced.is_some() && other.connection.session.sid(namespace) == replaced;
            !is_replaced && !is_ghost(&other.connection, heard, now, config)
        };
        if others.iter().filter(is_other).count() >= config.max_connections {
            socket.save()?;
            self.refused(socket, TOO_MANY);
            let refusal = too_many_connections(config.max_connections);
            self.send(socket, Packet::Text(connect_error(namespace, &refusal)));
            return Ok(None);
        }

        let (sid, missed) = match (&resumed, missed) {
            (Some(Resumed { sid, .. }), Some(missed)) => (sid.clone(), missed),
            _ => {
                let sid = socket_sid(platform::random());
                let missed = self.missed(self.confirmed()?, since, &sid)?;
                (sid, missed)
            }
        };
        socket.connection.session.join(namespace, &sid);
        socket.save()?;
        let state = self.store.user_state()?;
        if !was_online || (state.is_recorded == 1) != is_recorded {
            self.store.set_online(&user_id, is_recorded, now)?;
        }
        if !was_online {
            self.presence_changed(now)?;
        }

        // A client takes its session for recovered only if its own pid comes back, whichever key made it.
        let shown = auth.pid.clone().filter(|_| resumed.is_some());
        let pid = shown.unwrap_or_else(|| pid(config.secret(), &user_id, &sid));
        let reply = Packet::Text(connected(namespace, &sid, Some(&pid)));
        let first_offset = missed.events.first().map(|entry| entry.offset);
        let missed = missed.events.iter().map(|entry| {
            let offset = format!("\"{}\"", entry.offset);
            Packet::Text(event_text(
                namespace,
                &entry.event,
                &[&entry.payload, &offset],
            ))
        });
        match resumed.is_some() {
            // The client counts what comes before the reply to its recovered session.
            true => missed
                .chain([reply])
                .for_each(|packet| self.send(socket, packet)),
            false => [reply]
                .into_iter()
                .chain(missed)
                .for_each(|packet| self.send(socket, packet)),
        }
        self.fact(
            &user_id,
            &Fact::ConnectionOpened {
                carrier: socket.connection.carrier,
                recovered: resumed.is_some(),
                connections: self.live_sockets().len(),
            },
        );
        Ok(Some(Entered {
            ghosts: self.ghosts(socket, &sid, namespace),
            resumed: resumed.map(|resumed| resumed.sid),
            first_offset,
        }))
    }

    fn missed(&self, after: u64, since: Millis, sid: &str) -> Result<Missed> {
        let max_bytes = self.config()?.log_replay_bytes;
        self.store.events_after(after, since, sid, max_bytes)
    }

    /// Older connections with the same session id: their client has come back on this one.
    fn ghosts(&self, socket: &Socket, sid: &str, namespace: &str) -> Vec<Socket> {
        self.live_sockets()
            .into_iter()
            .filter(|other| other.connection.session.sid(namespace) == Some(sid))
            .filter(|other| other.connection.engine_sid != socket.connection.engine_sid)
            .collect()
    }

    /// The log's last offset that any device has confirmed.
    pub(super) fn confirmed(&self) -> Result<u64> {
        let stored = self.store.user_state()?.confirmed;
        let live = self
            .live_sockets()
            .iter()
            .map(|socket| socket.confirmed(&self.state))
            .max();
        Ok(stored.max(live.unwrap_or_default()))
    }
}
