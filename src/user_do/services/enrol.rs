//! The user's row in D1, which is added on the first connect.

use worker::Result;

use crate::core::connection::Connection;
use crate::core::record::users::add_user;
use crate::platform::{d1, log, now};
use crate::user_do::UserObject;

impl UserObject {
    /// Adds the user's row to D1. Returns whether every shard confirmed it. If not, the user connects anyway, and the
    /// next alarm or send tries again ([`Self::record_belatedly`]).
    pub(crate) async fn record_user(&self, connection: &Connection) -> bool {
        let identity = &connection.identity;
        let statement = add_user(identity, connection.region, now());
        let added = d1::write_user(&self.env, &identity.user_id, statement).await;
        log::fault("add user", added).is_some()
    }

    /// Adds the row of a user who connected while D1 did not respond. Returns whether the row is there now.
    pub(crate) async fn record_belatedly(&self) -> Result<bool> {
        if self.store.user_state()?.is_recorded == 1 {
            return Ok(true);
        }
        // Only a connection knows what the row should contain; without one, this is left to the next alarm or
        // send.
        let Some(socket) = self.live_sockets().pop() else {
            return Ok(false);
        };
        let is_recorded = self.record_user(&socket.connection).await;
        // If the user has been erased in the meantime, this changes nothing.
        if is_recorded {
            self.store.set_recorded()?;
        }
        Ok(is_recorded)
    }
}
