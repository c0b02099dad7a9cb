//! `typing_start`, `typing_stop`

use crate::core::events::Reply;
use crate::core::events::join_conversation::payload;
use crate::core::events::typing::UserTyping;
use crate::messages::Notify;
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;

impl UserObject {
    /// Volatile: told once, to whoever is there. It is answered by the ack alone.
    pub(crate) async fn typing(
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
        // Whoever is blocked is not to see that the user is here.
        if !self.store.has_blocked(&peer)? {
            self.tell_peer(&peer, &Notify::Typing(typing)).await;
        }
        Ok(reply)
    }
}
