//! What the contractor wants of a campaign.

use serde_json::value::RawValue;
use worker::Result;

use super::CampaignObject;
use crate::core::campaign::command::Command;
use crate::core::campaign::{CampaignLimits, Plan, Progress, State, not_found};
use crate::core::error::{ErrorCode, EventError};
use crate::core::events::campaigns::{add_campaign_receivers, get_campaign_results, payload};
use crate::core::store::StoreError;
use crate::messages::{CampaignAnswer, CampaignCall};
use crate::platform::now;

/// Why a command is not carried out.
enum Failure {
    Refused(EventError),
    Fault(StoreError),
}

impl From<EventError> for Failure {
    fn from(error: EventError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Fault(error)
    }
}

type Outcome<T> = std::result::Result<T, Failure>;

impl CampaignObject {
    pub(super) async fn carry_out(&self, call: CampaignCall) -> Result<CampaignAnswer> {
        if let Command::Erase = call.command {
            return self.erase().await;
        }
        match self.outcome_of(call, &self.limits()?) {
            Ok((payload, Progress { state, total, .. })) => Ok(CampaignAnswer::Done {
                payload: RawValue::from_string(payload)?,
                state,
                total,
            }),
            Err(Failure::Refused(error)) => Ok(CampaignAnswer::Refused(error)),
            Err(Failure::Fault(error)) => Err(error.into()),
        }
    }

    /// Deletes everything. A campaign that is not there has been deleted already.
    async fn erase(&self) -> Result<CampaignAnswer> {
        self.delete().await?;
        Ok(CampaignAnswer::Refused(not_found()))
    }

    /// Deletes everything that is stored.
    pub(super) async fn delete(&self) -> Result<()> {
        self.state.storage().delete_alarm().await?;
        self.state.storage().delete_all().await
    }

    /// Carries out a command without an await. Returns the payload of the reply, and the progress afterwards.
    fn outcome_of(
        &self,
        call: CampaignCall,
        limits: &CampaignLimits,
    ) -> Outcome<(String, Progress)> {
        let CampaignCall {
            by,
            command,
            allowance,
        } = call;
        if let Command::Create(plan) = &command {
            self.store.create(plan, &Progress::new(now()))?;
        }
        let own = |(plan, _): &(Plan, Progress)| plan.sender_id == by;
        let Some((plan, progress)) = self.store.campaign()?.filter(own) else {
            return Err(not_found().into());
        };
        let mut changed = progress.clone();
        match command {
            Command::AddReceivers { part, receiver_ids } => {
                let max = limits.max_receivers;
                let payload = self.add_receivers(&plan, &progress, part, &receiver_ids, max)?;
                return Ok((payload, progress));
            }
            Command::Results { from } => {
                let chunk = self.store.results(from)?;
                let chunk = chunk.as_ref().map(|(sent, next)| (sent.as_str(), *next));
                let payload = get_campaign_results::reply(&plan.campaign_id, chunk).payload;
                return Ok((payload, progress));
            }
            Command::Start => {
                changed.start(&plan, self.store.distinct_receivers()?, &allowance, now())?;
                self.store.make_chunks(limits.chunk)?;
            }
            Command::Pause => changed.pause(now())?,
            Command::Resume => changed.resume(&plan, &allowance, now())?,
            Command::Cancel => changed.cancel(now())?,
            Command::Create(_) | Command::Get | Command::Erase => {}
        }
        if changed != progress {
            self.store.set_progress(&changed)?;
        }
        Ok((self.describe(&plan, &changed)?, changed))
    }

    fn add_receivers(
        &self,
        plan: &Plan,
        progress: &Progress,
        part: u32,
        receiver_ids: &[String],
        max: usize,
    ) -> Outcome<String> {
        if progress.state != State::Draft {
            let message = "A campaign takes no more receivers once it has been started";
            return Err(EventError::new(ErrorCode::Conflict, message).into());
        }
        let total = self.store.receivers_but(Some(part))? + receiver_ids.len() as u64;
        if total > max as u64 {
            return Err(add_campaign_receivers::too_many(max).into());
        }
        self.store.set_part(part, receiver_ids)?;
        Ok(add_campaign_receivers::reply(&plan.campaign_id, part, total).payload)
    }

    /// Returns how the campaign stands, as JSON.
    pub(super) fn describe(
        &self,
        plan: &Plan,
        progress: &Progress,
    ) -> std::result::Result<String, StoreError> {
        let total = match progress.total {
            0 => self.store.receivers_but(None)?,
            total => total,
        };
        Ok(payload(plan, progress, total, self.store.counts()?))
    }
}
