//! `get_messages`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::get_messages::{MessagePage, reply};
use crate::core::record::history::peer;
use crate::platform::d1;

impl CarryOut for MessagePage {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let (pair, items) = d1::messages(&object.env, &self).await?;
        peer(&caller.user_id, pair.as_ref())?;
        Ok(reply(&self, items))
    }
}
