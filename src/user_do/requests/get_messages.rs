//! `get_messages`

use super::CarryOut;
use crate::core::events::Reply;
use crate::core::events::get_messages::{MessagePage, reply};
use crate::core::record::history::peer;
use crate::platform::d1;
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;

impl CarryOut for MessagePage {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let (pair, items) = d1::messages(&object.env, &self).await?;
        peer(&caller.user_id, pair.as_ref())?;
        Ok(reply(&self, items))
    }
}
