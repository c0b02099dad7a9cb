//! `typing_start`, `typing_stop`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::cost::Cost;
use crate::core::events::join_conversation::payload;
use crate::core::events::typing::{Typing, UserTyping};
use crate::messages::Notify;

impl<const IS_TYPING: bool> CarryOut for Typing<IS_TYPING> {
    /// Volatile: sent once, to the devices that are connected. The only reply is the ack.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let Self(conversation_id) = self;
        let peer = object.peer(&caller.user_id, &conversation_id).await?;
        let reply = Reply::ack(payload(&conversation_id));
        let typing = UserTyping {
            conversation_id,
            user_id: caller.user_id.clone(),
            is_typing: IS_TYPING,
        };
        if object.may_be_seen_by(&peer)? {
            object.pay(Cost::OBJECT)?;
            object.tell_peer(&peer, &Notify::Typing(typing)).await;
        }
        Ok(reply)
    }
}
