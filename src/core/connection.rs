//! What a User object knows about one of its sockets: the socket's attachment.
//!
//! Invariant: everything needed to continue after the object has lost its memory is here or in the
//! object's storage, because attachments survive hibernation and eviction, and memory does not.
//! A test pins the JSON: connections that are open during a deploy carry it over to the next version of the
//! code.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::limits::{Bucket, Rate};
use super::region::Region;
use super::time::Millis;
use super::token::Identity;
use crate::core::close::CloseReason;
use crate::wire::session::Session;
use crate::wire::socket_io::MAIN;

/// What carries the connection's frames to the User object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// A WebSocket: the client's own, or the relay's on its behalf.
    WebSocket,
    /// A polling gateway's WebSocket, on behalf of a polling client.
    Gateway,
}

/// The state of the connection's transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// A WebSocket that is to take over a polling session and has not sent `5` yet.
    Probing,
    /// The WebSocket has sent `5`, and the gateway's queue is on its way. Until it arrives, frames in both
    /// directions are held.
    Upgrading,
    /// Frames are handled as they arrive.
    Open,
    /// A CONNECT is being carried out. Until it is finished, incoming frames are held.
    Connecting,
    /// Closed; the runtime may still list the socket while it closes.
    Closed,
}

/// One live transport connection of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The Engine.IO session id.
    pub engine_sid: String,
    /// What carries the connection's frames.
    pub carrier: Carrier,
    /// The state of the transport.
    pub phase: Phase,
    /// The user, from the token of the last CONNECT or, if it had none, of the request before it.
    pub identity: Identity,
    /// The Socket.IO side: joined namespaces.
    pub session: Session,
    /// When the Engine.IO session began.
    pub opened_at: Millis,
    /// When a packet was last received, apart from pongs, which the runtime handles itself.
    pub last_heard: Millis,
    /// When the last ping was sent.
    pub pinged_at: Option<Millis>,
    /// The log's last offset when the oldest ping went out that no pong has certainly answered: the next
    /// pong confirms everything up to this offset.
    pub offset_at_ping: u64,
    /// The same for the pings that were sent after that one, oldest first. Empty as long as each ping is
    /// answered before the next one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later_pings: Vec<u64>,
    /// When the client last answered a ping over polling, before its upgrade to this socket. The runtime
    /// records only the pongs on this socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ponged_by_polling: Option<Millis>,
    /// The log offset that the pongs to earlier pings have confirmed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub confirmed: u64,
    /// When the client was sent what it had missed: everything older in the log was sent by then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub caught_up_at: Millis,
    /// For a probing WebSocket: why the session that it was to take over has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<CloseReason>,
    /// The client's region, for the user's row in D1 if that has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// How many authenticated CONNECTs the client has sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub joins: u64,
    /// How many CONNECTs have been refused since the last one that was not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u64,
    /// The rate limit of the client's events.
    #[serde(default, skip_serializing_if = "Bucket::is_new")]
    pub events: Bucket,
    /// The rate limit of refused events; when it is exceeded, the client is flooding.
    #[serde(default, skip_serializing_if = "Bucket::is_new")]
    pub refusals: Bucket,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whether an event is within the rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The event is within the limit.
    Admitted,
    /// The event is refused; the client may retry after this many milliseconds.
    Refused(Millis),
    /// The event is refused, and the refusals themselves exceed the rate: the client ignores them.
    Flooding,
}

impl Connection {
    /// Returns a connection that has not joined a namespace and was last heard at `now`.
    pub fn new(
        engine_sid: String,
        carrier: Carrier,
        phase: Phase,
        identity: Identity,
        opened_at: Millis,
        now: Millis,
    ) -> Self {
        Self {
            engine_sid,
            carrier,
            phase,
            identity,
            session: Session::default(),
            opened_at,
            last_heard: now,
            pinged_at: None,
            offset_at_ping: 0,
            later_pings: Vec::new(),
            ponged_by_polling: None,
            confirmed: 0,
            caught_up_at: 0,
            ended: None,
            region: None,
            joins: 0,
            refused: 0,
            events: Bucket::default(),
            refusals: Bucket::default(),
        }
    }

    /// Counts an event against the rate limit.
    pub fn admit(&mut self, rate: Rate, now: Millis) -> Admission {
        let Err(pause) = self.events.take(rate, now) else {
            return Admission::Admitted;
        };
        match self.refusals.take(rate, now) {
            Ok(()) => Admission::Refused(pause),
            Err(_) => Admission::Flooding,
        }
    }

    /// Returns how many bytes a frame may have that arrives now. A gateway has measured what it forwards, and
    /// its own frames may be larger.
    pub fn max_frame(&self, config: &Config) -> usize {
        match self.phase {
            _ if self.carrier == Carrier::Gateway => usize::MAX,
            Phase::Open | Phase::Probing if !self.session.was_joined() => config.max_connect_bytes,
            _ => config.max_payload,
        }
    }

    /// Returns whether the connection makes its user online: it has joined a namespace and is not closed.
    pub fn is_live(&self) -> bool {
        self.phase != Phase::Closed && self.session.is_joined()
    }

    /// Records that the CONNECT was accepted and that the missed events are being sent. Earlier pings confirm
    /// nothing for this session: the client may not have been sent the events that preceded them.
    pub fn enter(&mut self, sid: &str, now: Millis) {
        self.session.join(MAIN, sid);
        self.refused = 0;
        self.caught_up_at = now;
        self.offset_at_ping = 0;
        self.later_pings.fill(0);
        self.confirmed = 0;
    }

    /// Records that a ping is sent after everything in the log up to `last_offset`. What the pong to the last
    /// ping has confirmed is kept.
    ///
    /// If that pong has not arrived yet, the next pong may be that one, so it proves nothing about this ping.
    /// Only the time of the last pong is known, not how many there were, so the same holds for all later
    /// pongs: from then on each pong counts for one ping earlier.
    pub fn pinged(&mut self, now: Millis, last_offset: u64, ponged_at: Option<Millis>) {
        let is_first = self.pinged_at.is_none();
        let is_answered = self.is_answered(ponged_at);
        self.confirmed = self.confirmed_by_pong(ponged_at);
        self.pinged_at = Some(now);
        self.later_pings.push(last_offset);
        if is_first || is_answered {
            self.offset_at_ping = self.later_pings.remove(0);
        }
    }

    /// Returns whether a pong arrived after the last ping; false if no ping was sent.
    pub fn is_answered(&self, ponged_at: Option<Millis>) -> bool {
        self.pinged_at
            .zip(ponged_at)
            .is_some_and(|(pinged_at, ponged_at)| ponged_at >= pinged_at)
    }

    /// Returns the log offset up to which the client's pongs have confirmed what it was sent
    /// ([`super::confirmation`]).
    pub fn confirmed_by_pong(&self, ponged_at: Option<Millis>) -> u64 {
        if self.is_answered(ponged_at) {
            return self.offset_at_ping.max(self.confirmed);
        }
        self.confirmed
    }

    /// Takes over the session of the polling connection that this WebSocket upgrades, on which the last pong
    /// arrived at `ponged_at`. The last ping may still be in the polling queue and is then answered here.
    pub fn take_over(&mut self, polling: &Connection, ponged_at: Option<Millis>, now: Millis) {
        *self = Self {
            carrier: self.carrier,
            phase: Phase::Open,
            last_heard: self.last_heard,
            ponged_by_polling: ponged_at,
            caught_up_at: now,
            ended: self.ended,
            region: self.region,
            ..polling.clone()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::token::Role;

    pub(crate) fn connection() -> Connection {
        let identity = Identity {
            user_id: "u1".into(),
            role: Role::Customer,
            name: None,
            expires_at: 2_000_000,
            issued_at: None,
        };
        Connection::new(
            "E".into(),
            Carrier::WebSocket,
            Phase::Open,
            identity,
            1000,
            1005,
        )
    }

    #[test]
    fn stored_json_is_pinned() {
        let mut connection = connection();
        connection.session.join("/", "S");
        connection.pinged_at = Some(2000);
        connection.offset_at_ping = 7;
        let json = r#"{"engineSid":"E","carrier":"websocket","phase":"open","identity":{"userId":"u1","role":"customer","expiresAt":2000000},"session":{"joined":[{"namespace":"/","sid":"S"}],"everJoined":true},"openedAt":1000,"lastHeard":1005,"pingedAt":2000,"offsetAtPing":7}"#;
        assert_eq!(serde_json::to_string(&connection).unwrap(), json);
        assert_eq!(
            serde_json::from_str::<Connection>(json).unwrap(),
            connection
        );
    }

    /// An earlier version stored the acks that it was waiting for.
    #[test]
    fn what_an_earlier_version_stored_is_read() {
        let json = r#"{"engineSid":"E","carrier":"websocket","phase":"open","identity":{"userId":"u1","role":"customer","expiresAt":2000000},"session":{"joined":[{"namespace":"/","sid":"S"}],"everJoined":true,"awaited":[{"namespace":"/","ackId":1,"purpose":"question","deadline":500}],"asked":2},"openedAt":1000,"lastHeard":1005,"pingedAt":null,"offsetAtPing":0}"#;
        let mut expected = connection();
        expected.session.join("/", "S");
        assert_eq!(serde_json::from_str::<Connection>(json).unwrap(), expected);
    }

    #[test]
    fn an_upgrade_keeps_the_session_and_its_heartbeat() {
        let mut polling = connection();
        polling.session.join("/", "S");
        polling.pinged_at = Some(3000);
        let mut websocket = connection();
        websocket.phase = Phase::Upgrading;
        assert!(!websocket.is_live());
        websocket.take_over(&polling, Some(2500), 4000);
        assert!(websocket.is_live());
        assert_eq!(websocket.pinged_at, Some(3000));
        assert_eq!(websocket.caught_up_at, 4000);
    }

    #[test]
    fn a_ping_before_the_connect_confirms_nothing_after_it() {
        let mut connection = connection();
        connection.pinged(26_000, 9, None);
        connection.pinged(51_000, 9, Some(26_100));
        connection.enter("S", 52_000);
        assert_eq!(connection.confirmed_by_pong(Some(52_100)), 0);
    }

    #[test]
    fn events_are_refused_and_in_the_end_it_floods() {
        let rate = Rate::per_second(1, 2);
        let mut connection = connection();
        let outcomes: Vec<Admission> = (0..5).map(|_| connection.admit(rate, 0)).collect();
        assert_eq!(
            outcomes,
            [
                Admission::Admitted,
                Admission::Admitted,
                Admission::Refused(1_000),
                Admission::Refused(1_000),
                Admission::Flooding,
            ]
        );
        // After a pause events are admitted again.
        assert_eq!(connection.admit(rate, 1_000), Admission::Admitted);
        assert_eq!(connection.admit(rate, 1_000), Admission::Refused(1_000));
        let json = serde_json::to_string(&connection).unwrap();
        assert!(
            json.ends_with(r#""offsetAtPing":0,"events":3000000,"refusals":3000000}"#),
            "{json}"
        );
    }

    #[test]
    fn what_only_some_connections_have_is_pinned() {
        let mut connection = connection();
        connection.session.join("/", "S");
        connection.pinged(2000, 7, None);
        connection.pinged(3000, 8, None);
        connection.ponged_by_polling = Some(1500);
        let json = serde_json::to_string(&connection).unwrap();
        assert!(
            json.ends_with(
                r#""pingedAt":3000,"offsetAtPing":7,"laterPings":[8],"pongedByPolling":1500}"#
            ),
            "{json}"
        );
        let read: Connection = serde_json::from_str(&json).unwrap();
        assert_eq!(read, connection);
    }

    #[test]
    fn frames_may_be_larger_once_the_client_has_joined() {
        let config = Config::read(|name| match name {
            "JWT_SECRET" => Some("0123456789".repeat(4)),
            _ => None,
        })
        .unwrap();
        let of = |phase, carrier, is_joined| {
            let mut connection = connection();
            connection.phase = phase;
            connection.carrier = carrier;
            if is_joined {
                connection.session.join("/", "S");
            }
            connection.max_frame(&config)
        };
        let (small, full) = (16_384, 1_000_000);
        for (phase, before, after) in [
            (Phase::Open, small, full),
            (Phase::Probing, small, full),
            // What is sent after the CONNECT, or taken over with the session.
            (Phase::Connecting, full, full),
            (Phase::Upgrading, full, full),
        ] {
            assert_eq!(of(phase, Carrier::WebSocket, false), before, "{phase:?}");
            assert_eq!(of(phase, Carrier::WebSocket, true), after, "{phase:?}");
            assert_eq!(of(phase, Carrier::Gateway, false), usize::MAX, "{phase:?}");
        }
    }

    #[test]
    fn a_closed_connection_is_not_live() {
        let mut connection = connection();
        connection.session.join("/", "S");
        assert!(connection.is_live());
        connection.phase = Phase::Closed;
        assert!(!connection.is_live());
    }
}
