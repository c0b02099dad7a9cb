//! `get_bulk_online_status`

use super::CarryOut;
use crate::core::events::Reply;
use crate::core::events::get_bulk_online_status::{BulkStatusQuery, NAME, REPLY, reply};
use crate::core::presence::Presence;
use crate::platform::log;
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;

impl CarryOut for BulkStatusQuery {
    /// Users whose object cannot be reached count as offline.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let mut presences = object.presences(&caller.user_id, &self.user_ids).await?;
        let statuses: Vec<(String, Presence)> = self
            .user_ids
            .into_iter()
            .map(|id| {
                let presence = match presences.remove(&id) {
                    Some(Ok(presence)) => presence,
                    Some(Err(error)) => {
                        log::error(NAME, &error);
                        Presence::default()
                    }
                    None => Presence::default(),
                };
                (id, presence)
            })
            .collect();
        Ok(reply(REPLY, &statuses))
    }
}
