//! `join_conversation`, `leave_conversation`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::join_conversation::{JOINED, Join, LEFT, Leave, reply};

impl CarryOut for Join {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        object.peer(&caller.user_id, &self.0).await?;
        Ok(reply(JOINED, &self.0))
    }
}

impl CarryOut for Leave {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        object.peer(&caller.user_id, &self.0).await?;
        Ok(reply(LEFT, &self.0))
    }
}
