//! `get_bulk_online_status`

use crate::core::events::Reply;
use crate::core::events::get_bulk_online_status::{NAME, Query, REPLY, reply};
use crate::core::presence::Presence;
use crate::platform::log;
use crate::user_do::UserObject;
use crate::user_do::ground::fault::Failure;

impl UserObject {
    /// One object that cannot be reached does not spoil the answer: its user counts as offline.
    pub(crate) async fn get_bulk_online_status(
        &self,
        user_id: &str,
        query: Query,
    ) -> Result<Reply, Failure> {
        let mut presences = self.presences(user_id, &query.user_ids).await?;
        let statuses: Vec<(String, Presence)> = query
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
