//! Sends a push to one of the user's browsers.
//!
//! Invariant: one call is one attempt, and whoever calls decides about the next one. A subscription that its push
//! service no longer knows, or whose key is none, is deleted here. The log names neither the endpoint's path, which is as good as a password
//! for the browser, nor what was pushed.

use crate::core::notice::attempt::Outcome;
use crate::core::push::answer;
use crate::core::push::subscription::Subscription;
use crate::core::push::topic::topic;
use crate::core::web_url::origin_of;
use crate::platform::{log, now, outbound, web_push};
use crate::user_do::UserObject;

/// What the browser shows is a message, for which a phone that saves energy need not wake at once (RFC 8030, section
/// 5.3).
const URGENCY: &str = "normal";

impl UserObject {
    /// Makes one attempt to push `payload` to a browser. A newer push about the same `key`, e.g. a conversation,
    /// replaces it while the browser is not running.
    pub(crate) async fn send_push(
        &self,
        subscription: &Subscription,
        key: &str,
        payload: &str,
    ) -> Outcome {
        let outcome = self.try_push(subscription, key, payload).await;
        if outcome == Outcome::Gone {
            // Meanwhile the browser may have subscribed again, but then with another endpoint.
            log::fault("push", self.store.push_remove(&subscription.endpoint));
        }
        outcome
    }

    async fn try_push(&self, subscription: &Subscription, key: &str, payload: &str) -> Outcome {
        let push = self.config().ok().and_then(|config| config.push.as_ref());
        // The configuration may have changed since the browser subscribed.
        let allowed = push.filter(|push| push.hosts.allow(&subscription.endpoint));
        let (Some(push), Some(service)) = (allowed, origin_of(&subscription.endpoint)) else {
            return Outcome::Refused;
        };
        // A key that is not on the curve never will be.
        let body = web_push::encrypt(payload, subscription).await;
        let Some(body) = log::fault("encrypt push", body) else {
            return Outcome::Gone;
        };
        // The operator can correct keys that do not belong together.
        let authorization = web_push::authorization(push, &service).await;
        let Some(authorization) = log::fault("VAPID_PRIVATE_KEY", authorization) else {
            return Outcome::Again { after: None };
        };
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Encoding", "aes128gcm"),
            ("Content-Type", "application/octet-stream"),
            ("TTL", &push.ttl.to_string()),
            ("Topic", &topic(subscription, key)),
            ("Urgency", URGENCY),
        ];
        // In all of this, the subscription may have been deleted. The push is sent all the same, as if it had been
        // faster.
        let answer = outbound::post(&subscription.endpoint, &headers, &body, push.timeout).await;
        let Some(answer) = answer else {
            log::warning("push", &format!("{service} did not answer"));
            return Outcome::Again { after: None };
        };
        let outcome = answer::outcome(answer.status, answer.retry_after.as_deref(), now());
        if outcome != Outcome::Taken {
            log::warning("push", &format!("{service} answered {}", answer.status));
        }
        outcome
    }
}
