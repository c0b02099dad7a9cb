//! `send_message`

use crate::core::events::Reply;
use crate::core::events::send_message::{DirectMessage, To};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;
use crate::user_do::sending::send::Outgoing;

impl UserObject {
    pub(crate) async fn send_message(
        &self,
        caller: &Caller,
        message: DirectMessage,
    ) -> Result<Reply, Failure> {
        // Before anybody is asked anything: the order of sends is the one in which they came in.
        let turn = self.sends.turn().await;
        let receiver_id = match message.to {
            To::Receiver(id) => id,
            To::Conversation(id) => self.peer(&caller.user_id, &id).await?,
        };
        let outgoing = Outgoing {
            is_direct: true,
            receiver_ids: vec![receiver_id],
            draft: message.draft,
        };
        self.send_out(caller, outgoing, turn).await
    }
}
