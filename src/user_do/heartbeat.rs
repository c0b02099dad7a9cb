//! The heartbeat: pings, and the end of connections that are over. The object's alarm does it, or the call of a
//! pacemaker.

use worker::Result;

use crate::core::close::CloseReason;
use crate::core::config::Config;
use crate::core::connection::{Connection, Phase};
use crate::core::heartbeat::{Need, may_join_ping, need};
use crate::core::time::Millis;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;

/// What has woken the object for a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waker {
    /// Its own alarm, or a timer beside an alarm's work.
    Alarm,
    /// A pacemaker, because a ping is due.
    Pacemaker,
    /// A pacemaker, to look for the answer to a ping.
    Look,
}

impl Waker {
    /// Returns how long before it is due a ping may be sent with another one: by an alarm, if they are due at about the
    /// same time; at a pacemaker's call, whenever it would be due before the next call.
    fn ahead(self, config: &Config) -> Millis {
        match self {
            Self::Alarm | Self::Look => config.ping_interval / 2,
            Self::Pacemaker => config.ping_interval,
        }
    }
}

impl UserObject {
    /// The work that depends only on time. Returns whether it could be done.
    pub(crate) fn beat(&self, waker: Waker) -> bool {
        let sockets = self.sockets_heard();
        let closed = self.close_what_is_over(&sockets, waker);
        // Closing one socket may change another.
        let sockets = if closed > 0 {
            self.sockets_heard()
        } else {
            sockets
        };
        log::fault("heartbeat", self.ping(sockets, waker)).is_some()
    }

    /// Returns how many sockets it has closed.
    fn close_what_is_over(&self, sockets: &[(Socket, Millis)], waker: Waker) -> usize {
        let Ok(config) = self.config() else { return 0 };
        let now = now();
        // An object that is called is awake in any case, so no ghost has to stay until its next ping is due.
        let is_soon = self.is_watched() || waker != Waker::Alarm;
        let reason = |(socket, heard): &(Socket, Millis)| {
            if self.is_interrupted(socket) {
                return Some(CloseReason::Interrupted);
            }
            match need(&socket.connection, *heard, now, is_soon, config) {
                Need::Close(reason) => Some(reason),
                _ => None,
            }
        };
        let over: Vec<_> = sockets
            .iter()
            .filter_map(|one| Some((one.0.clone(), reason(one)?)))
            .collect();
        let closed = over.len();
        for (socket, reason) in over {
            self.close(socket, reason);
        }
        closed
    }

    /// Returns whether the object lost its memory during a CONNECT, which will never be answered.
    fn is_interrupted(&self, socket: &Socket) -> bool {
        let Connection {
            phase, engine_sid, ..
        } = &socket.connection;
        *phase == Phase::Connecting && !self.held.borrow().contains_key(engine_sid)
    }

    /// If a ping is due, sends it together with those that may go out early, and records what earlier pongs
    /// have confirmed.
    fn ping(&self, sockets: Vec<(Socket, Millis)>, waker: Waker) -> Result<()> {
        let config = self.config()?;
        let now = now();
        let ahead = waker.ahead(config);
        let is_due = |(socket, heard): &(Socket, Millis)| match waker {
            Waker::Alarm | Waker::Look => {
                need(&socket.connection, *heard, now, false, config) == Need::Ping
            }
            // The call comes when it is time. By the object's clock, that may be a little early.
            Waker::Pacemaker => may_join_ping(&socket.connection, *heard, now, ahead, config),
        };
        if !sockets.iter().any(is_due) {
            return Ok(());
        }
        self.store
            .set_confirmed(self.confirmed_on(sockets.iter().map(|(socket, _)| socket))?)?;
        let last_offset = self.store.last_offset()?;
        for (socket, heard) in sockets {
            if may_join_ping(&socket.connection, heard, now, ahead, config) {
                self.ping_socket(socket, last_offset)?;
            }
        }
        Ok(())
    }
}
