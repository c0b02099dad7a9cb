//! `get_messages`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::cost::Cost;
use crate::core::events::get_messages::{MessagePage, reply};
use crate::platform::d1;

impl CarryOut for MessagePage {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        object.refuse_inaccessible(&self.conversation_id)?;
        object.pay(Cost::QUERY)?;
        let (pair, items) = d1::messages(&object.env, &self).await?;
        object.participant(&caller.user_id, &self.conversation_id, pair.as_ref())?;
        Ok(reply(&self, items))
    }
}
