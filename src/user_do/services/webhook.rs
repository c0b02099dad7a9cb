//! The webhook, as one of the sinks of the user's notices: one attempt, and what becomes of a notice that it never took.

use worker::Result;

use crate::core::record::shards::Shard;
use crate::core::record::webhooks::add_failed;
use crate::core::telemetry::Fact;
use crate::core::time::Millis;
use crate::core::webhook::answer::Attempt;
use crate::core::webhook::failed::FailedWebhook;
use crate::platform::{d1, log, telemetry, webhook};
use crate::user_do::UserObject;

impl UserObject {
    /// Makes one attempt to send this body under this id, a UUIDv7. A webhook that is not configured any more counts as
    /// gone.
    #[expect(dead_code, reason = "no notice is sent yet")]
    pub(crate) async fn send_webhook(&self, id: &str, body: &str) -> Attempt {
        // If the configuration is invalid, nobody knows whether there is a webhook.
        let Ok(config) = self.config() else {
            return Attempt::UNANSWERED;
        };
        let Some(webhook) = &config.webhook else {
            return Attempt::OFF;
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

    /// Records a webhook that is given up, so that it can be replayed. Its payload stays in the object.
    #[expect(dead_code, reason = "no notice is sent yet")]
    pub(crate) async fn record_failed(
        &self,
        id: &str,
        event: &str,
        user_id: &str,
        failed_at: Millis,
        last_status: Option<u16>,
    ) -> Result<()> {
        let failed = FailedWebhook {
            webhook_id: id.to_owned(),
            user_id: user_id.to_owned(),
            event: event.to_owned(),
            failed_at,
            last_status,
        };
        // Meanwhile it may be replayed, for an earlier failure. If it fails again, it is recorded again.
        d1::batch(&self.env, Shard::FIRST, &[add_failed(&failed)]).await?;
        Ok(())
    }

    /// Puts a webhook that was given up back among what is due, under the same id. Returns whether the object still has
    /// it.
    pub(crate) fn replay_webhook(&self, _webhook_id: &str) -> Result<bool> {
        Ok(false)
    }
}
