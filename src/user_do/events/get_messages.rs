//! `get_messages`

use super::{Caller, ours};
use crate::core::error::EventError;
use crate::core::events::Reply;
use crate::core::events::get_messages::{NAME, Page, reply};
use crate::core::record::history::{MessageRow, Pair, messages, peer};
use crate::platform::d1;
use crate::user_do::UserObject;
use crate::user_do::conversations::unavailable;

impl UserObject {
    pub(super) async fn get_messages(
        &self,
        caller: &Caller,
        page: Page,
    ) -> Result<Reply, EventError> {
        let results = d1::batch(&self.env, &messages(&page))
            .await
            .map_err(unavailable)?;
        let pairs: Vec<Pair> = d1::rows(&results, 0).map_err(ours(NAME))?;
        peer(&caller.user_id, pairs.first())?;
        let rows: Vec<MessageRow> = d1::rows(&results, 1).map_err(ours(NAME))?;
        let items = rows.into_iter().map(MessageRow::message).collect();
        Ok(reply(&page, items))
    }
}
