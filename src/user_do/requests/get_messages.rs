//! `get_messages`

use crate::core::events::Reply;
use crate::core::events::get_messages::{Page, reply};
use crate::core::record::history::peer;
use crate::platform::d1;
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;

impl UserObject {
    pub(crate) async fn get_messages(&self, caller: &Caller, page: Page) -> Result<Reply, Failure> {
        let (pair, items) = d1::messages(&self.env, &page).await?;
        peer(&caller.user_id, pair.as_ref())?;
        Ok(reply(&page, items))
    }
}
