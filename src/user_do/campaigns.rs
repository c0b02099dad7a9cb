//! What the objects of the user's campaigns ask and tell this one.

use serde_json::value::RawValue;
use worker::Result;

use super::UserObject;
use crate::core::campaign::{State, chunk_key};
use crate::core::error::{ErrorCode, EventError};
use crate::core::events::campaigns::FINISHED;
use crate::core::events::draft::Draft;
use crate::core::send_kind::SendKind;
use crate::core::store::NewEntry;
use crate::core::webhook::event::WebhookEvent;
use crate::messages::{CampaignNews, ChunkAnswer, SendChunk};
use crate::platform::now;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;
use crate::user_do::sending::send::Outgoing;

impl UserObject {
    /// Sends a chunk of a campaign like any bulk send.
    pub(crate) async fn send_chunk(&self, chunk: SendChunk) -> Result<ChunkAnswer> {
        let sent = self.try_send_chunk(chunk).await;
        Ok(sent.unwrap_or_else(|failure| ChunkAnswer::Refused(failure.told("campaign"))))
    }

    async fn try_send_chunk(&self, chunk: SendChunk) -> std::result::Result<ChunkAnswer, Failure> {
        self.unless_erased()?;
        let campaign_id = &chunk.campaign_id;
        let key = chunk_key(campaign_id, chunk.chunk);
        if !chunk.only_if_begun {
            let allowed = self.let_run(&chunk.sender_id, campaign_id, chunk.total);
            if let Err(failure) = allowed.await {
                return held_or_failed(failure);
            }
            self.show_progress(&chunk.progress)?;
        } else if self.store.outbox_keyed(&key)?.is_none() {
            return Ok(ChunkAnswer::NotBegun);
        }
        let caller = Caller {
            user_id: chunk.sender_id,
            sid: None,
        };
        let outgoing = Outgoing {
            kind: SendKind::Bulk,
            receiver_ids: chunk.receiver_ids,
            draft: Draft {
                idempotency_key: Some(key.clone()),
                ..Draft::read(&chunk.message, self.config()?)?
            },
            is_limited: false,
        };
        // From here on it is a send like others: it is refused if the user is erased while it waits for its turn.
        let turn = self
            .send_turn(&caller, &outgoing.draft, &outgoing.receiver_ids)
            .await?;
        let reply = self.send_out(&caller, outgoing, turn).await?;
        // A result that is not kept lacks receivers whose shard has not confirmed its part. A repeat completes it.
        let kept = self.store.outbox_keyed(&key)?;
        if kept.is_none_or(|kept| kept.result.is_none()) {
            return Err(EventError::unavailable().into());
        }
        let sent = RawValue::from_string(reply.payload).map_err(worker::Error::from)?;
        Ok(ChunkAnswer::Sent(sent))
    }

    /// Lets the campaign run, unless another one does, or it has too many receivers for today.
    async fn let_run(
        &self,
        user_id: &str,
        campaign_id: &str,
        total: u64,
    ) -> std::result::Result<(), Failure> {
        if self.store.campaign_state(campaign_id)? == Some(State::Running) {
            return Ok(());
        }
        let allowance = self.allowance(user_id, campaign_id).await?;
        // In the meantime the user may have been erased.
        self.unless_erased()?;
        allowance.admit(total)?;
        self.store.campaign_runs(campaign_id, total, now())?;
        Ok(())
    }

    fn show_progress(&self, campaign: &RawValue) -> Result<()> {
        let pause = self.config()?.campaigns.progress_pause;
        let now = now();
        if now < self.progress_told_at.get().saturating_add(pause) {
            return Ok(());
        }
        self.progress_told_at.set(now);
        self.show_campaign(campaign.get(), None);
        Ok(())
    }

    /// Remembers that a campaign has come to a stop, and tells the user's devices. A repeat has no further effect.
    pub(crate) fn hear_of_campaign(&self, news: &CampaignNews) -> Result<()> {
        let campaign_id = &news.campaign_id;
        if self.store.campaign_state(campaign_id)?.is_none() {
            // It was erased with its user.
            return Ok(());
        }
        let Some(stopped) = &news.stopped else {
            return Ok(self.store.campaign_remove(campaign_id)?);
        };
        self.store.campaign_set(campaign_id, stopped.state)?;
        let payload = stopped.campaign.get();
        if stopped.state.is_open() {
            self.show_campaign(payload, None);
            return Ok(());
        }
        let key = format!("{FINISHED}:{campaign_id}");
        if self.store.has_message(&key)? {
            return Ok(());
        }
        let finished = WebhookEvent::CampaignFinished;
        self.queue_webhook(&format!("campaign:{campaign_id}"), finished, payload, 0)?;
        self.publish(&NewEntry {
            message_id: &key,
            event: FINISHED,
            payload,
            except_sid: None,
            is_held: false,
            incoming: None,
        })?;
        Ok(())
    }
}

/// Tells what a campaign has to wait for from what stands in its way.
fn held_or_failed(failure: Failure) -> std::result::Result<ChunkAnswer, Failure> {
    match failure {
        Failure::Refused(error)
            if matches!(error.code, ErrorCode::Conflict | ErrorCode::RateLimited) =>
        {
            Ok(ChunkAnswer::Held(error))
        }
        failure => Err(failure),
    }
}
