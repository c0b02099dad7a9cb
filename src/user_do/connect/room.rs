//! Room for one more connection of the user.
//!
//! Invariant: the limit never locks out whoever is there. Clients that went without a word (a page that was
//! reloaded, a phone that changed its network) stay connected for us until a ping goes unanswered; before a
//! new connection is refused, the others are pinged out of turn, and those that do not answer go, as many
//! as need be.

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

/// How long the answer to a ping may take at most on a connection that is in use.
const ROUND_TRIP: Millis = 2_000;

/// How long a new connection waits for room at most: for the answers to pings that go out a little later
/// than the first ones, too.
const LONGEST_WAIT: Millis = 2 * ROUND_TRIP;

/// How often the answers are looked for. The platform takes pongs without an event.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl UserObject {
    /// The user's other connections of this standing to one that brings this `auth`.
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

    /// The live connections of the user but this one.
    pub(crate) fn live_sockets_but(&self, socket: &Socket) -> Vec<Socket> {
        let mut others = self.live_sockets();
        others.retain(|other| other.connection.engine_sid != socket.connection.engine_sid);
        others
    }

    /// A connection as the decision on another one sees it.
    pub(crate) fn as_other<'a>(&self, socket: &'a Socket) -> Other<'a> {
        Other {
            connection: &socket.connection,
            heard: socket.heard(&self.state),
        }
    }

    /// Lets connections go that do not answer, until there is room, all have answered, or had their time.
    pub(crate) async fn make_room(&self, socket: &Socket, auth: &ConnectAuth) {
        if let Err(error) = self.try_make_room(socket, auth).await {
            log::error("connect", &error);
        }
    }

    async fn try_make_room(&self, socket: &Socket, auth: &ConnectAuth) -> Result<()> {
        let max = self.config()?.max_connections;
        let begun = now();
        // Each time around others may have come, gone or answered.
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

    /// Pings those that were not pinged since `begun`: whether there were any.
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
