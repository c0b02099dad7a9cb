//! `send_bulk_message`

use crate::core::events::Reply;
use crate::core::events::send_bulk_message::BulkMessage;
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;
use crate::user_do::sending::send::Outgoing;

impl UserObject {
    pub(crate) async fn send_bulk_message(
        &self,
        caller: &Caller,
        message: BulkMessage,
    ) -> Result<Reply, Failure> {
        let outgoing = Outgoing {
            is_direct: false,
            receiver_ids: message.receiver_ids,
            draft: message.draft,
        };
        let turn = self.sends.turn().await;
        self.send_out(caller, outgoing, turn).await
    }
}
