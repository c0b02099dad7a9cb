//! `subscribe_online_status`, `unsubscribe_online_status`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::error::EventError;
use crate::core::events::get_bulk_online_status::reply;
use crate::core::events::subscribe_online_status::{
    SUBSCRIBE, SUBSCRIBED, Subscription, Unsubscription, too_many, unsubscribed,
};
use crate::core::presence::Presence;
use crate::platform::{log, now};

impl CarryOut for Subscription {
    /// Writes the row before it calls the other objects, so that changes in the meantime find it.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let Self(user_ids) = self;
        let sid = session(caller)?;
        let config = object.config()?;
        // Remove the rows of sessions that can no longer be recovered.
        object
            .store
            .watches_prune(now().saturating_sub(config.log_retention))?;
        let mut watches = object.store.watches(sid)?;
        let new = watches
            .add(&user_ids, config.max_subscriptions)
            .ok_or_else(|| too_many(config.max_subscriptions))?;
        object.pay_to_ask(&caller.user_id, &user_ids)?;
        object.store.watches_set(sid, &watches)?;
        let answers = object.watch_all(&caller.user_id, &user_ids).await?;
        // In the meantime the row may have recorded changes, or been deleted with its connection.
        let mut watches = object.store.watches(sid)?;
        let mut is_complete = true;
        let mut statuses: Vec<(String, Presence)> = Vec::new();
        for (id, answer) in answers {
            match answer {
                Ok(watching) => {
                    let is_online = watches.on_answer(&id, watching.report(), now());
                    statuses.push((id, watching.presence.corrected(is_online)));
                }
                Err(error) => {
                    log::error(SUBSCRIBE, &error);
                    is_complete = false;
                }
            }
        }
        if !is_complete {
            // An error tells the client no status, so none of the answers counts as sent.
            let mut watches = object.store.watches(sid)?;
            watches.remove(&new);
            object.store.watches_set(sid, &watches)?;
            return Err(EventError::internal().into());
        }
        object.store.watches_set(sid, &watches)?;
        Ok(reply(SUBSCRIBED, &statuses))
    }
}

impl CarryOut for Unsubscription {
    /// Does not notify the watched users' objects: they find out when they next send an update.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let Self(user_ids) = self;
        let sid = session(caller)?;
        let mut watches = object.store.watches(sid)?;
        watches.remove(&user_ids);
        object.store.watches_set(sid, &watches)?;
        Ok(unsubscribed(&user_ids))
    }
}

fn session(caller: &Caller) -> Result<&str, EventError> {
    caller
        .sid
        .as_deref()
        .ok_or_else(|| EventError::invalid("Only a connection can subscribe"))
}
