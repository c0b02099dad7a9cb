//! `get_bulk_online_status`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::get_bulk_online_status::{BulkStatusQuery, NAME, REPLY, reply};
use crate::core::presence::Presence;
use crate::platform::log;

impl CarryOut for BulkStatusQuery {
    /// Users whose object cannot be reached count as offline.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let mut presences = object.presences(&caller.user_id, &self.user_ids).await?;
        let statuses: Vec<(String, Presence)> = self
            .user_ids
            .into_iter()
            .map(|id| {
                let presence = presences.remove(&id);
                let presence = presence.and_then(|presence| log::fault(NAME, presence));
                (id, presence.unwrap_or_default())
            })
            .collect();
        Ok(reply(REPLY, &statuses))
    }
}
