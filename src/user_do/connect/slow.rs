//! Clients that read slower than they are sent to. `core::unconfirmed` explains what counts.

use worker::Result;

use crate::core::close::CloseReason;
use crate::core::confirmation::may_ask;
use crate::core::connection::Phase;
use crate::core::unconfirmed::Lag;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;

impl UserObject {
    /// Pings clients that have been sent much, and disconnects those that left too much unconfirmed; called at
    /// the end of each event.
    pub(crate) fn tend_slow_clients(&self) {
        if self.lagging.borrow().is_empty() {
            return;
        }
        for sid in self.lagging.take() {
            for socket in self.sockets_of(&sid) {
                log::fault("slow client", self.tend(socket));
            }
        }
    }

    fn tend(&self, socket: Socket) -> Result<()> {
        if matches!(socket.connection.phase, Phase::Closed | Phase::Probing) {
            return Ok(());
        }
        let may_ping = may_ask(&socket.connection, socket.ponged_at(&self.state), now());
        match self.lag(&socket) {
            Lag::TooSlow => self.close(socket, CloseReason::TooSlow),
            Lag::Ping if may_ping => self.ping_socket(socket, self.store.last_offset()?)?,
            Lag::Ping | Lag::None => {}
        }
        Ok(())
    }
}
