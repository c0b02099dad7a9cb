//! `join_conversation`, `leave_conversation`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::join_conversation::{JOINED, LEFT, Membership, reply};

impl<const JOINS: bool> CarryOut for Membership<JOINS> {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        object.peer(&caller.user_id, &self.0).await?;
        Ok(reply(if JOINS { JOINED } else { LEFT }, &self.0))
    }
}
