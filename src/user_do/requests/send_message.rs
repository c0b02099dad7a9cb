//! `send_message`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::send_message::{DirectMessage, To};
use crate::core::send_kind::SendKind;
use crate::user_do::sending::send::Outgoing;

impl CarryOut for DirectMessage {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        // Take the turn before any lookup: sends are ordered by arrival.
        let turn = object.send_turn(caller, &self.draft, &[]).await?;
        let receiver_id = match self.to {
            To::Receiver(id) => id,
            To::Conversation(id) => object.peer(&caller.user_id, &id).await?,
        };
        let outgoing = Outgoing {
            kind: SendKind::Direct,
            receiver_ids: vec![receiver_id],
            draft: self.draft,
            is_limited: true,
        };
        object.send_out(caller, outgoing, turn).await
    }
}
