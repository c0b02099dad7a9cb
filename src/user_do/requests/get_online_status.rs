//! `get_online_status`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::error::EventError;
use crate::core::events::get_online_status::{StatusQuery, reply};

impl CarryOut for StatusQuery {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let asked = std::slice::from_ref(&self.user_id);
        let presences = object.presences(&caller.user_id, asked).await?;
        match presences.into_values().next() {
            Some(presence) => Ok(reply(&self.user_id, presence?)),
            None => Err(EventError::internal().into()),
        }
    }
}
