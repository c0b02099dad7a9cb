//! Finds the participants of a conversation. The object knows its user's conversations, so D1 is only queried
//! for unknown ids, most of which belong to other users or do not exist.

use crate::core::events::new_message::Target;
use crate::core::record::history::{self, Pair, peer};
use crate::platform::d1;
use crate::user_do::UserObject;
use crate::user_do::ground::fault::Failure;

impl UserObject {
    /// Returns the other participant.
    pub(crate) async fn peer(
        &self,
        user_id: &str,
        conversation_id: &str,
    ) -> Result<String, Failure> {
        let known = self.store.peer(conversation_id);
        if let Some(peer) = known? {
            return Ok(peer);
        }
        let statement = history::participants(conversation_id);
        let pairs: Vec<Pair> = d1::query(&self.env, statement).await?;
        let pair = pairs.first();
        let peer = peer(user_id, pair)?;
        if let Some(pair) = pair {
            let target = Target {
                receiver_id: peer.to_owned(),
                conversation_id: conversation_id.to_owned(),
                message_id: pair.last_message_id.clone(),
            };
            self.store.conversations_add(&[target])?;
        }
        Ok(peer.to_owned())
    }
}
