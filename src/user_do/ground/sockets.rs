//! The user's sockets, and what can be sent to them.

use worker::Result;

use super::socket::Socket;
use crate::core::connection::{Admission, Carrier, Phase};
use crate::core::heartbeat::is_ghost;
use crate::core::time::Millis;
use crate::core::unconfirmed::{Lag, Unconfirmed};
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::wire::engine_io::Packet;
use crate::wire::socket_io::MAIN;

impl UserObject {
    /// Returns all sockets, live or not.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = Socket> {
        self.state
            .get_websockets()
            .into_iter()
            .filter_map(Socket::load)
    }

    /// Returns all sockets, each with the time at which its client was last heard.
    pub(crate) fn sockets_heard(&self) -> Vec<(Socket, Millis)> {
        self.sockets()
            .map(|socket| {
                let heard = socket.heard(&self.state);
                (socket, heard)
            })
            .collect()
    }

    /// Returns whether any socket makes the user online.
    pub(crate) fn has_live_socket(&self) -> bool {
        self.sockets().any(|socket| socket.connection.is_live())
    }

    /// Returns the sockets that make the user online.
    pub(crate) fn live_sockets(&self) -> Vec<Socket> {
        self.sockets()
            .filter(|socket| socket.connection.is_live())
            .collect()
    }

    /// Returns the sockets of one Engine.IO session: one, or two during an upgrade.
    pub(crate) fn sockets_of(&self, engine_sid: &str) -> Vec<Socket> {
        self.state
            .get_websockets_with_tag(engine_sid)
            .into_iter()
            .filter_map(Socket::load)
            .collect()
    }

    /// Returns the polling side of a session, if it is in use.
    pub(crate) fn polling_socket(&self, engine_sid: &str) -> Option<Socket> {
        self.sockets_of(engine_sid).into_iter().find(|other| {
            other.connection.carrier == Carrier::Gateway && other.connection.phase == Phase::Open
        })
    }

    /// Returns the socket of a Socket.IO session, if it is live.
    pub(crate) fn live_socket(&self, sid: &str) -> Option<Socket> {
        let mut sockets = self.live_sockets().into_iter();
        sockets.find(|socket| socket.connection.session.sid(MAIN) == Some(sid))
    }

    /// Returns whether the client has disappeared without notice.
    pub(crate) fn is_ghost(&self, socket: &Socket) -> bool {
        let heard = socket.heard(&self.state);
        self.config()
            .is_ok_and(|config| is_ghost(&socket.connection, heard, now(), config))
    }

    /// Returns the last log offset that any device has confirmed.
    pub(crate) fn confirmed(&self) -> Result<u64> {
        self.confirmed_on(self.live_sockets().iter())
    }

    /// The same, if the user's sockets are at hand.
    pub(crate) fn confirmed_on<'a>(
        &self,
        sockets: impl Iterator<Item = &'a Socket>,
    ) -> Result<u64> {
        let live = sockets
            .filter(|socket| socket.connection.is_live())
            .map(|socket| socket.confirmed(&self.state))
            .max();
        Ok(self
            .store
            .user_state()?
            .confirmed
            .max(live.unwrap_or_default()))
    }

    /// Sends a packet to a client. During an upgrade, holds it until the new WebSocket takes over. A client that is
    /// too slow gets nothing more: it is disconnected at the end of the event.
    pub(crate) fn send(&self, socket: &Socket, packet: Packet) {
        if self.count_sent(socket, packet.data_len()) == Lag::TooSlow {
            return;
        }
        if socket.connection.phase != Phase::Upgrading {
            return socket.send(packet);
        }
        match self
            .held
            .borrow_mut()
            .get_mut(&socket.connection.engine_sid)
        {
            Some(held) => held.packets.push(packet),
            // The upgrade was interrupted: the alarm closes the connection, and the client recovers.
            None => log::error("upgrade", &"interrupted; the client has to reconnect"),
        }
    }

    /// Counts what is about to be sent to a client.
    fn count_sent(&self, socket: &Socket, bytes: usize) -> Lag {
        let Ok(config) = self.config() else {
            return Lag::None;
        };
        let sid = &socket.connection.engine_sid;
        let mut unconfirmed = self.unconfirmed.borrow_mut();
        if !unconfirmed.contains_key(sid) {
            unconfirmed.insert(sid.clone(), Unconfirmed::default());
        }
        let Some(client) = unconfirmed.get_mut(sid) else {
            return Lag::None;
        };
        client.sent(bytes);
        // As a rule, this is little, and it need not be known whether the last ping was answered.
        if client.lag(false, config.max_unconfirmed) == Lag::None {
            return Lag::None;
        }
        self.lagging.borrow_mut().insert(sid.clone());
        let is_answered = socket.is_answered(&self.state);
        client.lag(is_answered, config.max_unconfirmed)
    }

    /// Returns whether a client is too slow, or should be pinged to find out.
    pub(crate) fn lag(&self, socket: &Socket) -> Lag {
        let unconfirmed = self.unconfirmed.borrow();
        match (
            unconfirmed.get(&socket.connection.engine_sid),
            self.config(),
        ) {
            (Some(client), Ok(config)) => {
                client.lag(socket.is_answered(&self.state), config.max_unconfirmed)
            }
            _ => Lag::None,
        }
    }

    /// Pings a client, after everything in the log up to `last_offset`.
    pub(crate) fn ping_socket(&self, mut socket: Socket, last_offset: u64) -> Result<()> {
        let ponged_at = socket.ponged_at(&self.state);
        let sid = &socket.connection.engine_sid;
        if let Some(client) = self.unconfirmed.borrow_mut().get_mut(sid) {
            let is_first = socket.connection.pinged_at.is_none();
            client.pinged(is_first || socket.connection.is_answered(ponged_at));
        }
        socket.connection.pinged(now(), last_offset, ponged_at);
        socket.save()?;
        self.send(&socket, Packet::Ping(String::new()));
        Ok(())
    }

    /// Counts an event against the rate limit. The count is stored in the attachment, so it survives
    /// hibernation.
    pub(crate) fn admit(&self, socket: &mut Socket) -> Result<Admission> {
        let rate = self.config()?.events;
        let admission = socket.connection.admit(rate, now());
        socket.save()?;
        Ok(admission)
    }
}
