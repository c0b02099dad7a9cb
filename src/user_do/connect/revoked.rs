//! Refuses a CONNECT whose token has been revoked, or that is older than the user's erasure.
//!
//! This is the only place that checks it: whichever way a client takes (directly, through the relay or a
//! gateway, or on a connection that it already has), its CONNECT ends here.

use worker::Result;

use crate::core::revocation::withdraws;
use crate::core::token::{Identity, TokenError};
use crate::platform::log;
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;

impl UserObject {
    /// Gives the connection its identity, unless the token has been revoked: then the client is told.
    pub(crate) fn unless_revoked(&self, mut socket: Socket, identity: Identity) -> Option<Socket> {
        match log::fault("connect", self.is_revoked(&identity)) {
            Some(false) => {
                socket.connection.identity = identity;
                return Some(socket);
            }
            Some(true) => self.refuse(socket, TokenError::Revoked.into()),
            None => self.fail(socket),
        }
        None
    }

    fn is_revoked(&self, identity: &Identity) -> Result<bool> {
        let revoked_at = self.store.revoked_at()?;
        Ok(revoked_at.is_some_and(|revoked_at| withdraws(revoked_at, identity.issued_at)))
    }
}
