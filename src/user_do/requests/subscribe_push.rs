//! `subscribe_push`, `unsubscribe_push`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::subscribe_push::{
    PushSubscription, PushUnsubscription, SUBSCRIBED, UNSUBSCRIBED, reply,
};
use crate::platform::now;

impl CarryOut for PushSubscription {
    async fn carry_out(self, object: &UserObject, _caller: &Caller) -> Result<Reply, Failure> {
        let Self(subscription) = self;
        // Without the settings, the payload was refused.
        if let Some(push) = &object.config()?.push {
            object
                .store
                .push_add(&subscription, push.max_subscriptions, now())?;
        }
        Ok(reply(SUBSCRIBED, &subscription.endpoint))
    }
}

impl CarryOut for PushUnsubscription {
    async fn carry_out(self, object: &UserObject, _caller: &Caller) -> Result<Reply, Failure> {
        let Self(endpoint) = self;
        object.store.push_remove(&endpoint)?;
        Ok(reply(UNSUBSCRIBED, &endpoint))
    }
}
