//! The webhook, as one of the sinks of the user's notices.
//!
//! Invariant: one call is one attempt, whose log line has neither the body nor a secret; whoever calls decides about the next
//! one.

use crate::core::telemetry::Fact;
use crate::core::webhook::answer::Attempt;
use crate::platform::{log, telemetry, webhook};
use crate::user_do::UserObject;

impl UserObject {
    /// Makes one attempt to send this body under this id, a UUIDv7. A webhook that is not configured any more may be so
    /// again.
    pub(crate) async fn send_webhook(&self, id: &str, body: &str) -> Attempt {
        // If the configuration is invalid, nobody knows whether there is a webhook.
        let Ok(config) = self.config() else {
            return Attempt::UNANSWERED;
        };
        let Some(webhook) = &config.webhook else {
            return Attempt::UNANSWERED;
        };
        let attempt = webhook::attempt(&self.env, webhook, id, body).await;
        // Meanwhile the user may have read what this is about, or may have been erased; the caller looks.
        let user = log::fault("webhook", self.store.user_state());
        let fact = Fact::WebhookSent {
            id: id.to_owned(),
            status: attempt.status,
        };
        let user_id = user.as_ref().map(|user| user.user_id.as_str());
        telemetry::tell(&self.env, config, user_id, &fact);
        attempt
    }

    /// Finds out whether the webhook is switched off, if that is not known, so that the next attempt need not.
    pub(crate) async fn learn_webhook_state(&self) {
        if let Ok(config) = self.config()
            && let Some(webhook) = &config.webhook
        {
            webhook::is_off(&self.env, webhook).await;
        }
    }
}
