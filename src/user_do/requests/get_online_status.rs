//! `get_online_status`

use crate::core::error::EventError;
use crate::core::events::Reply;
use crate::core::events::get_online_status::{Query, reply};
use crate::user_do::UserObject;
use crate::user_do::ground::fault::Failure;

impl UserObject {
    pub(crate) async fn get_online_status(
        &self,
        user_id: &str,
        query: Query,
    ) -> Result<Reply, Failure> {
        let asked = std::slice::from_ref(&query.user_id);
        let presences = self.presences(user_id, asked).await?;
        match presences.into_values().next() {
            Some(presence) => Ok(reply(&query.user_id, presence?)),
            None => Err(EventError::internal().into()),
        }
    }
}
