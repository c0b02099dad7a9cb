//! The user's row in D1, which the first connect adds.

use worker::Result;

use crate::core::connection::Connection;
use crate::core::record::users::add_user;
use crate::platform::{d1, log, now};
use crate::user_do::UserObject;

impl UserObject {
    /// Makes sure that the user has a row in D1. If D1 does not answer, the user connects all the
    /// same, and the next connect tries again.
    pub(crate) async fn record_user(&self, connection: &Connection) -> bool {
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
    pub(crate) async fn record_belatedly(&self) -> Result<bool> {
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
}
