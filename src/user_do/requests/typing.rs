//! `typing_start`, `typing_stop`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::join_conversation::payload;
use crate::core::events::typing::{Start, Stop, UserTyping};
use crate::messages::Notify;

impl CarryOut for Start {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        object.tell_typing(caller, self.0, true).await
    }
}

impl CarryOut for Stop {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        object.tell_typing(caller, self.0, false).await
    }
}

impl UserObject {
    /// Volatile: sent once, to the devices that are connected. The only reply is the ack.
    async fn tell_typing(
        &self,
        caller: &Caller,
        conversation_id: String,
        is_typing: bool,
    ) -> Result<Reply, Failure> {
        let peer = self.peer(&caller.user_id, &conversation_id).await?;
        let reply = Reply::ack(payload(&conversation_id));
        let typing = UserTyping {
            conversation_id,
            user_id: caller.user_id.clone(),
            is_typing,
        };
        // A blocked user must not see that this user is here.
        if !self.store.has_blocked(&peer)? {
            self.tell_peer(&peer, &Notify::Typing(typing)).await;
        }
        Ok(reply)
    }
}
