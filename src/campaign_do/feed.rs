//! Feeds the campaign to its sender's object, one chunk at a time.
//!
//! Between two awaits the campaign may be paused, resumed, cancelled or erased. So its progress is read again after each
//! of them, and only what concerns the chunk is changed.

use std::time::Duration;

use serde_json::value::RawValue;
use worker::{Delay, Result};

use super::CampaignObject;
use crate::core::campaign::store::Counts;
use crate::core::campaign::{Plan, Progress, State, Step};
use crate::core::error::EventError;
use crate::core::time::Millis;
use crate::messages::{CampaignNews, ChunkAnswer, SendChunk, Stopped};
use crate::platform::{log, now, objects};

/// How long one alarm goes on with further steps, before the next one does. The platform ends an alarm after 15 minutes, and
/// the last step may take some of them.
const LONGEST_FEED: Millis = 60_000;

impl CampaignObject {
    /// Does what is due.
    pub(super) async fn feed(&self) -> Result<()> {
        let until = now() + LONGEST_FEED;
        while now() < until {
            let Some((plan, mut progress)) = self.store.campaign()? else {
                return Ok(());
            };
            match progress.step(&plan, now(), self.limits()?.retention) {
                Step::Wait(_) => return Ok(()),
                Step::Begin => {
                    progress.begin(now());
                    self.store.set_progress(&progress)?;
                }
                Step::Send => self.send(plan, progress, false).await?,
                Step::Settle => self.send(plan, progress, true).await?,
                Step::Tell => self.tell(&plan, &progress).await?,
                Step::Expire => return self.expire(&plan).await,
            }
            // The local runtime serves calls between objects before anything that comes from outside, so without a
            // pause the contractor's commands would wait for the whole campaign (platform/calls.js).
            Delay::from(Duration::ZERO).await;
        }
        Ok(())
    }

    /// Has the next chunk sent, or completed if it was begun before.
    async fn send(&self, plan: Plan, mut progress: Progress, only_if_begun: bool) -> Result<()> {
        let Some(chunk) = self.store.next_chunk()? else {
            progress.complete(now());
            return Ok(self.store.set_progress(&progress)?);
        };
        let message = SendChunk {
            total: progress.total,
            chunk: chunk.number,
            receiver_ids: chunk.receiver_ids,
            only_if_begun,
            progress: RawValue::from_string(self.describe(&plan, &progress)?)?,
            campaign_id: plan.campaign_id,
            sender_id: plan.sender_id,
            message: plan.message,
        };
        let answer = objects::call(&self.env, &message.sender_id, &message).await;
        let Some((_, before)) = self.store.campaign()? else {
            return Ok(());
        };
        let after = self.after(chunk.number, answer, before.clone())?;
        if after != before {
            self.store.set_progress(&after)?;
        }
        Ok(())
    }

    /// Stores what has become of a chunk, and returns the progress with it.
    fn after(
        &self,
        chunk: u32,
        answer: Result<ChunkAnswer>,
        mut progress: Progress,
    ) -> Result<Progress> {
        let now = now();
        let patience = self.limits()?.patience;
        match answer {
            Ok(ChunkAnswer::Sent(reply)) => {
                let counts = Counts::of(reply.get()).unwrap_or_default();
                self.store.chunk_sent(chunk, counts, reply.get())?;
                progress.has_worked();
                progress.is_settled |= progress.state != State::Running;
            }
            Ok(ChunkAnswer::NotBegun) => progress.is_settled = true,
            Ok(ChunkAnswer::Held(error)) => progress.held(&error, now),
            Ok(ChunkAnswer::Refused(error)) => progress.refused(&error, now, patience),
            Err(error) => {
                log::error("campaign", &error);
                progress.failed(&EventError::internal().message, now, patience);
            }
        }
        Ok(progress)
    }

    /// Tells the sender's object that the campaign has come to a stop.
    async fn tell(&self, plan: &Plan, progress: &Progress) -> Result<()> {
        let news = CampaignNews {
            campaign_id: plan.campaign_id.clone(),
            stopped: Some(Stopped {
                state: progress.state,
                campaign: RawValue::from_string(self.describe(plan, progress)?)?,
            }),
        };
        let told = objects::call(&self.env, &plan.sender_id, &news).await;
        let Some((_, mut after)) = self.store.campaign()? else {
            return Ok(());
        };
        match log::fault("campaign", told) {
            // It may have been resumed in the meantime.
            Some(()) if after.state == progress.state => after.told(),
            Some(()) => {}
            None => after.not_told(now()),
        }
        Ok(self.store.set_progress(&after)?)
    }

    /// Deletes the campaign. If its sender's object cannot be told, it finds out when it asks.
    async fn expire(&self, plan: &Plan) -> Result<()> {
        let news = CampaignNews {
            campaign_id: plan.campaign_id.clone(),
            stopped: None,
        };
        log::fault(
            "campaign",
            objects::call(&self.env, &plan.sender_id, &news).await,
        );
        self.delete().await
    }
}
