//! Makes room for one more connection of the user.
//!
//! Invariant: the limit never locks out a live client. A client that disappears without notice (a page
//! reload, a phone that changes networks) stays connected from our point of view until a ping goes
//! unanswered. So before a new connection is refused, the others are pinged at once, and as many of those
//! that do not answer are closed as necessary.

use crate::wire::close::ProtocolEnd;
use std::time::Duration;

use worker::{Delay, Result};

use crate::core::confirmation::may_ask;
use crate::core::connect::{Other, Standing, shown_sid, standing};
use crate::core::heartbeat::unanswered_for;
use crate::core::recovery::ConnectAuth;
use crate::core::time::Millis;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;

/// The longest time that a pong may take on a connection that is in use.
const ROUND_TRIP: Millis = 2_000;

/// The longest time that a new connection waits for room. It covers pongs to pings that go out slightly later
/// than the first ones.
const LONGEST_WAIT: Millis = 2 * ROUND_TRIP;

/// How often to check for pongs. The platform receives them without an event.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl UserObject {
    /// Returns the user's other connections that have the `wanted` standing towards one with this `auth`.
    pub(crate) fn others(
        &self,
        socket: &Socket,
        auth: &ConnectAuth,
        wanted: Standing,
    ) -> Result<Vec<Socket>> {
        let config = self.config()?;
        let shown_sid = shown_sid(config, &socket.connection.identity.user_id, auth);
        let mut others = self.live_sockets_but(socket);
        others.retain(|other| standing(&self.as_other(other), shown_sid, now(), config) == wanted);
        Ok(others)
    }

    /// Returns the user's live connections except this one.
    pub(crate) fn live_sockets_but(&self, socket: &Socket) -> Vec<Socket> {
        let mut others = self.live_sockets();
        others.retain(|other| other.connection.engine_sid != socket.connection.engine_sid);
        others
    }

    /// Describes a connection to the decision about another one.
    pub(crate) fn as_other<'a>(&self, socket: &'a Socket) -> Other<'a> {
        Other {
            connection: &socket.connection,
            heard: socket.heard(&self.state),
        }
    }

    /// Closes connections that do not answer a ping, until there is room, all have answered, or time is up.
    pub(crate) async fn make_room(&self, socket: &Socket, auth: &ConnectAuth) {
        log::fault("connect", self.try_make_room(socket, auth).await);
    }

    async fn try_make_room(&self, socket: &Socket, auth: &ConnectAuth) -> Result<()> {
        let max = self.config()?.max_connections;
        let begun = now();
        // In each iteration, others may have connected, closed or answered.
        loop {
            let others = self.others(socket, auth, Standing::Counts)?;
            if others.len() < max {
                return Ok(());
            }
            let silence = |other: &Socket| {
                let heard = other.heard(&self.state);
                unanswered_for(&other.connection, heard, now()).unwrap_or_default()
            };
            let longest = others.iter().map(&silence).max().unwrap_or_default();
            if longest >= ROUND_TRIP {
                let silent = others.into_iter().find(|other| silence(other) == longest);
                if let Some(other) = silent {
                    self.close(other, ProtocolEnd::PingTimeout);
                }
                continue;
            }
            let is_waited_for = self.ask_others(others, begun)? || longest > 0;
            if !is_waited_for || now() >= begun + LONGEST_WAIT {
                return Ok(());
            }
            Delay::from(LOOK_EVERY).await;
        }
    }

    /// Pings the connections that have not been pinged since `begun`. Returns whether there were any.
    fn ask_others(&self, others: Vec<Socket>, begun: Millis) -> Result<bool> {
        let last_offset = self.store.last_offset()?;
        let mut has_asked = false;
        for other in others {
            let is_asked = other.connection.pinged_at.is_some_and(|at| at >= begun);
            if !is_asked && may_ask(&other.connection, other.ponged_at(&self.state), now()) {
                self.ping_socket(other, last_offset)?;
                has_asked = true;
            }
        }
        Ok(has_asked)
    }
}
