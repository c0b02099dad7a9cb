//! `get_conversations`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::cost::Cost;
use crate::core::events::get_conversations::{Conversation, ConversationPage, reply};
use crate::core::record::history::{ConversationRow, conversations};
use crate::platform::d1;

impl CarryOut for ConversationPage {
    /// The order is stored here; everything else is read from D1 in one round trip.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let mut listed = object
            .store
            .conversation_page(self.cursor.as_deref(), self.limit + 1)?;
        let has_more = listed.len() > self.limit;
        listed.truncate(self.limit);
        let next_cursor = listed
            .last()
            .filter(|_| has_more)
            .map(|last| last.last_message_id.clone());
        if listed.is_empty() {
            return Ok(reply(&[], None));
        }
        object.pay(Cost::QUERY)?;
        let ids: Vec<String> = listed
            .into_iter()
            .map(|item| item.conversation_id)
            .collect();
        let statement = conversations(&caller.user_id, &ids);
        let rows: Vec<ConversationRow> = d1::query(&object.env, statement).await?;
        let items: Vec<Conversation> = rows
            .into_iter()
            .map(ConversationRow::conversation)
            .collect();
        Ok(reply(&items, next_cursor.as_deref()))
    }
}
