//! Webhooks that were given up: kept here until they are replayed, and listed in D1 for operators.
//!
//! Invariant: what D1 lists is kept here, under its id, because it is kept before it is listed. What is not listed yet is sent
//! again after a while, and then given up again.

use worker::Result;

use crate::core::notice::pending::{Pending, failed_key};
use crate::core::record::shards::Shard;
use crate::core::record::webhooks::{Replay, add_failed, forget};
use crate::core::store::Notice;
use crate::core::webhook::failed::FailedWebhook;
use crate::platform::{d1, now};
use crate::user_do::UserObject;

impl UserObject {
    /// Keeps a notice that the webhook has not taken for too long, and lists it for operators.
    pub(crate) async fn keep_failed(
        &self,
        user_id: &str,
        failed: Pending,
        last_status: Option<u16>,
    ) -> Result<()> {
        let key = failed_key(&failed.id);
        let retry_at = failed.due_at();
        let row = FailedWebhook {
            webhook_id: failed.id.clone(),
            user_id: user_id.to_owned(),
            event: failed.event.clone(),
            failed_at: now(),
            last_status,
        };
        let notice = Notice {
            pending: Some(failed),
            ..Notice::default()
        };
        self.store.set_notice(&key, &notice)?;
        d1::batch(&self.env, Shard::FIRST, &[add_failed(&row)]).await?;
        let mut notice = self.store.notice(&key)?;
        let Some(pending) = &mut notice.pending else {
            // Meanwhile the user was erased.
            return self.unlist(row).await;
        };
        // Unless it was replayed meanwhile.
        if pending.due_at() == retry_at {
            pending.wait_for_replay();
            self.store.set_notice(&key, &notice)?;
        }
        Ok(())
    }

    /// Puts a webhook that was given up back among what is due, under the same id. Returns whether the object still has
    /// it.
    pub(crate) fn replay_webhook(&self, webhook_id: &str) -> Result<bool> {
        let key = failed_key(webhook_id);
        let mut notice = self.store.notice(&key)?;
        let Some(pending) = &mut notice.pending else {
            return Ok(false);
        };
        pending.replay(now());
        self.store.set_notice(&key, &notice)?;
        self.webhook_paused_until.set(0);
        self.needs_schedule();
        Ok(true)
    }

    async fn unlist(&self, row: FailedWebhook) -> Result<()> {
        let row = Replay {
            webhook_id: row.webhook_id,
            user_id: row.user_id,
            failed_at: row.failed_at,
        };
        d1::batch(&self.env, Shard::FIRST, &forget(&[&row])).await?;
        Ok(())
    }
}
