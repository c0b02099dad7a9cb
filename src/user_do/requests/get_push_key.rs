//! `get_push_key`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::get_push_key::{PushKeyQuery, reply};

impl CarryOut for PushKeyQuery {
    async fn carry_out(self, object: &UserObject, _caller: &Caller) -> Result<Reply, Failure> {
        Ok(reply(object.config()?))
    }
}
