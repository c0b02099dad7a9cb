//! `get_unread_total`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::get_unread_total::{UnreadQuery, reply};

impl CarryOut for UnreadQuery {
    async fn carry_out(self, object: &UserObject, _caller: &Caller) -> Result<Reply, Failure> {
        Ok(reply(object.store.unread_total()?))
    }
}
