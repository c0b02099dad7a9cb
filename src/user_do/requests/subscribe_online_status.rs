//! `subscribe_online_status`, `unsubscribe_online_status`

use crate::core::error::EventError;
use crate::core::events::Reply;
use crate::core::events::get_bulk_online_status::reply;
use crate::core::events::subscribe_online_status::{SUBSCRIBE, SUBSCRIBED, too_many, unsubscribed};
use crate::core::presence::Presence;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;

impl UserObject {
    /// The row is written before the others are asked, so that what changes meanwhile finds it.
    pub(crate) async fn subscribe(
        &self,
        caller: &Caller,
        user_ids: Vec<String>,
    ) -> Result<Reply, Failure> {
        let sid = session(caller)?;
        let config = self.config()?;
        // Sessions that cannot recover any more have left theirs behind.
        self.store
            .watches_prune(now().saturating_sub(config.log_retention))?;
        let mut watches = self.store.watches(sid)?;
        let new = watches
            .add(&user_ids, config.max_subscriptions)
            .ok_or_else(|| too_many(config.max_subscriptions))?;
        self.store.watches_set(sid, &watches)?;
        let answers = self.watch_all(&caller.user_id, &user_ids).await?;
        // Meanwhile the row may have learned of changes, or be gone with its connection.
        let mut watches = self.store.watches(sid)?;
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
            let mut watches = self.store.watches(sid)?;
            watches.remove(&new);
            self.store.watches_set(sid, &watches)?;
            return Err(EventError::internal().into());
        }
        self.store.watches_set(sid, &watches)?;
        Ok(reply(SUBSCRIBED, &statuses))
    }

    /// The others are not told: they find out when they next have something to tell.
    pub(crate) fn unsubscribe(
        &self,
        caller: &Caller,
        user_ids: &[String],
    ) -> Result<Reply, Failure> {
        let sid = session(caller)?;
        let mut watches = self.store.watches(sid)?;
        watches.remove(user_ids);
        self.store.watches_set(sid, &watches)?;
        Ok(unsubscribed(user_ids))
    }
}

fn session(caller: &Caller) -> Result<&str, EventError> {
    caller
        .sid
        .as_deref()
        .ok_or_else(|| EventError::invalid("Only a connection can subscribe"))
}
