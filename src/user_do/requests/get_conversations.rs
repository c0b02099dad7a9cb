//! `get_conversations`

use super::{Caller, CarryOut, Failure, Reply, UserObject, cut_page};
use crate::core::cost::Cost;
use crate::core::events::get_conversations::{ConversationPage, own_marks, reply};
use crate::core::record::history::{ConversationRow, conversations, in_order};
use crate::platform::d1::{self, Batch};
use crate::platform::meter::Meter;

impl CarryOut for ConversationPage {
    /// The order is stored here; everything else is read from D1, in one round trip to each shard that the page
    /// touches, all at once. A page with a gap would look complete, so one shard that does not answer fails it.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let mut listed = object
            .store
            .conversation_page(self.cursor.as_deref(), self.limit + 1)?;
        let next_cursor = cut_page(&mut listed, self.limit, |one| &one.last_message_id);
        if listed.is_empty() {
            return Ok(reply(&[], None));
        }
        let ids: Vec<String> = listed
            .into_iter()
            .map(|item| item.conversation_id)
            .collect();
        let shards = &object.config()?.record_shards;
        let batches: Vec<Batch> = shards
            .split(ids.clone(), String::as_str)
            .into_iter()
            .map(|(shard, ids)| (shard, vec![conversations(&caller.user_id, &ids)]))
            .collect();
        object.pay(Cost::of(0, batches.len()))?;
        let mut rows: Vec<ConversationRow> = Vec::new();
        for answer in d1::batches(&object.env, &batches, &Meter::default()).await {
            rows.extend(d1::rows::<ConversationRow>(&answer?, 0)?);
        }
        let items = in_order(&ids, rows);
        // The answer to a marker of the user's may have been lost; in the meantime other markers may have moved.
        object.note_read(&own_marks(&items, &caller.user_id))?;
        Ok(reply(&items, next_cursor.as_deref()))
    }
}
