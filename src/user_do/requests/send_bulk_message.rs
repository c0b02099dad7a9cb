//! `send_bulk_message`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::send_bulk_message::BulkMessage;
use crate::core::send_kind::SendKind;
use crate::user_do::sending::send::Outgoing;

impl CarryOut for BulkMessage {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let outgoing = Outgoing {
            kind: SendKind::Bulk,
            receiver_ids: self.receiver_ids,
            draft: self.draft,
            is_limited: true,
        };
        let turn = object
            .send_turn(caller, &outgoing.draft, &outgoing.receiver_ids)
            .await?;
        object.send_out(caller, outgoing, turn).await
    }
}
