//! `subscribe_online_status`, `unsubscribe_online_status`

use crate::core::error::EventError;
use crate::core::events::Reply;
use crate::core::events::get_bulk_online_status::reply;
use crate::core::events::subscribe_online_status::{SUBSCRIBE, SUBSCRIBED, too_many, unsubscribed};
use crate::core::presence::Presence;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::ours;

impl UserObject {
    /// The row is written before the others are asked, so that what changes meanwhile finds it.
    pub(crate) async fn subscribe(
        &self,
        caller: &Caller,
        user_ids: Vec<String>,
    ) -> Result<Reply, EventError> {
        let sid = session(caller)?;
        let config = self.config().map_err(ours(SUBSCRIBE))?;
        // Sessions that cannot recover any more have left theirs behind.
        self.store
            .watches_prune(now().saturating_sub(config.log_retention))
            .map_err(ours(SUBSCRIBE))?;
        let mut watches = self.store.watches(sid).map_err(ours(SUBSCRIBE))?;
        let new = watches
            .add(&user_ids, config.max_subscriptions)
            .ok_or_else(|| too_many(config.max_subscriptions))?;
        self.store
            .watches_set(sid, &watches)
            .map_err(ours(SUBSCRIBE))?;
        let answers = self
            .watch_all(&caller.user_id, &user_ids)
            .await
            .map_err(ours(SUBSCRIBE))?;
        // Meanwhile the row may have learned of changes, or be gone with its connection.
        let mut watches = self.store.watches(sid).map_err(ours(SUBSCRIBE))?;
        let mut is_complete = true;
        let mut statuses: Vec<(String, Presence)> = Vec::new();
        for (id, answer) in answers {
            match answer {
                Ok(watching) => {
                    let is_online = watches.on_answer(&id, watching.statement(), now());
                    statuses.push((id, watching.presence.corrected(is_online)));
                }
                Err(error) => {
                    log::error(SUBSCRIBE, &error);
                    is_complete = false;
                }
            }
        }
        if !is_complete {
            // An error tells the client nothing of anybody, so nothing of what came in counts as told.
            let mut watches = self.store.watches(sid).map_err(ours(SUBSCRIBE))?;
            watches.remove(&new);
            self.store
                .watches_set(sid, &watches)
                .map_err(ours(SUBSCRIBE))?;
            return Err(EventError::internal());
        }
        self.store
            .watches_set(sid, &watches)
            .map_err(ours(SUBSCRIBE))?;
        Ok(reply(SUBSCRIBED, &statuses))
    }

    /// The others are not told: they find out when they next have something to tell.
    pub(crate) fn unsubscribe(
        &self,
        caller: &Caller,
        user_ids: &[String],
    ) -> Result<Reply, EventError> {
        let sid = session(caller)?;
        let mut watches = self.store.watches(sid).map_err(ours(SUBSCRIBE))?;
        watches.remove(user_ids);
        self.store
            .watches_set(sid, &watches)
            .map_err(ours(SUBSCRIBE))?;
        Ok(unsubscribed(user_ids))
    }
}

fn session(caller: &Caller) -> Result<&str, EventError> {
    caller
        .sid
        .as_deref()
        .ok_or_else(|| EventError::invalid("Only a connection can subscribe"))
}
