//! Asks the user's campaigns, each of which has its own object, and remembers what they say of their state.
//!
//! Invariant: an object is asked only for a campaign that is in the user's list, so nobody makes objects by asking for
//! invented ids. The list is written before a campaign's object is made, and a campaign that turns out not to exist
//! leaves it.

use serde_json::value::RawValue;

use crate::core::campaign::command::Command;
use crate::core::campaign::{Allowance, Plan, State, not_found};
use crate::core::cost::Cost;
use crate::core::error::{ErrorCode, EventError};
use crate::core::events::campaigns::create_campaign::NewCampaign;
use crate::core::events::campaigns::{PROGRESS, not_allowed};
use crate::core::ids::send_id;
use crate::core::record::shards::Shard;
use crate::core::record::users::{User, find_user};
use crate::core::store::ListedCampaign;
use crate::core::token::Role;
use crate::messages::{CampaignAnswer, CampaignCall};
use crate::platform::{d1, log, now, objects, random};
use crate::user_do::UserObject;
use crate::user_do::ground::fault::Failure;
use crate::wire::socket_io::{MAIN, event_text};

type Outcome<T> = Result<T, Failure>;

/// What a campaign's object has answered.
pub(crate) struct Asked {
    /// The payload of the reply.
    pub(crate) payload: String,
    pub(crate) state: State,
}

/// How many campaigns an erasure erases side by side.
const ERASED_AT_ONCE: usize = 50;

impl UserObject {
    /// Makes a new campaign of the user's. Returns its id.
    pub(crate) async fn create_campaign(&self, user_id: &str, new: NewCampaign) -> Outcome<String> {
        new.check(now())?;
        self.pay(Cost::QUERY)?;
        let users: Vec<User> = d1::query(&self.env, Shard::FIRST, find_user(user_id)).await?;
        // In the meantime the user may have been erased, or have made other campaigns.
        self.unless_erased()?;
        if users.first().map(|user| user.role) != Some(Role::Contractor) {
            return Err(not_allowed().into());
        }
        let max = self.config()?.campaigns.max_open;
        if self.store.campaigns_open()?.len() >= max {
            let message = format!("You must not have more than {max} campaigns that are not ended");
            return Err(EventError::new(ErrorCode::TooMany, message).into());
        }
        let created_at = now();
        let campaign_id = send_id(created_at, random()).to_string();
        let plan = Plan {
            campaign_id: campaign_id.clone(),
            sender_id: user_id.to_owned(),
            name: new.name,
            message: new.message,
            send_at: new.send_at,
            created_at,
        };
        self.store.campaign_set(&campaign_id, State::Draft)?;
        let created = self
            .ask_campaign(user_id, &campaign_id, Command::Create(plan))
            .await;
        if created.is_err() {
            self.store.campaign_remove(&campaign_id)?;
        }
        created.map(|_| campaign_id)
    }

    /// Asks one of the user's campaigns.
    pub(crate) async fn ask_campaign(
        &self,
        user_id: &str,
        campaign_id: &str,
        command: Command,
    ) -> Outcome<Asked> {
        if self.store.campaign_state(campaign_id)?.is_none() {
            return Err(not_found().into());
        }
        let allowance = match command.may_run() {
            true => self.allowance(user_id, campaign_id).await?,
            false => Allowance::default(),
        };
        self.pay(Cost::OBJECT)?;
        self.call_campaign(user_id, campaign_id, command, allowance)
            .await
    }

    async fn call_campaign(
        &self,
        user_id: &str,
        campaign_id: &str,
        command: Command,
        allowance: Allowance,
    ) -> Outcome<Asked> {
        let call = CampaignCall {
            by: user_id.to_owned(),
            command,
            allowance,
        };
        let answer = objects::ask_campaign(&self.env, campaign_id, &call).await?;
        self.heed_campaign(campaign_id, answer)
    }

    /// Remembers the state that a campaign's object has answered.
    fn heed_campaign(&self, campaign_id: &str, answer: CampaignAnswer) -> Outcome<Asked> {
        let (payload, state, total) = match answer {
            CampaignAnswer::Done {
                payload,
                state,
                total,
            } => (payload.get().to_owned(), state, total),
            CampaignAnswer::Refused(error) => {
                if error.code == ErrorCode::NotFound {
                    self.store.campaign_remove(campaign_id)?;
                }
                return Err(error.into());
            }
        };
        // In the meantime the campaign may have left the list, with its user.
        let known = self.store.campaign_state(campaign_id)?;
        match state {
            _ if known.is_none() || known == Some(state) => {}
            State::Running => self.store.campaign_runs(campaign_id, total, now())?,
            _ => self.store.campaign_set(campaign_id, state)?,
        }
        Ok(Asked { payload, state })
    }

    /// Returns what this campaign may do if it runs from now on.
    pub(crate) async fn allowance(&self, user_id: &str, campaign_id: &str) -> Outcome<Allowance> {
        let mut is_taken = false;
        for other in self.store.campaigns_open()? {
            if other.state != State::Running || other.campaign_id == campaign_id {
                continue;
            }
            // It may have stopped without this object having been told yet.
            let asked = self
                .call_campaign(
                    user_id,
                    &other.campaign_id,
                    Command::Get,
                    Allowance::default(),
                )
                .await;
            is_taken |= match asked {
                Ok(asked) => asked.state == State::Running,
                Err(Failure::Refused(error)) if error.code == ErrorCode::NotFound => false,
                Err(failure) => return Err(failure),
            };
        }
        let per_day = self.config()?.campaigns.receivers_per_day;
        Ok(Allowance {
            is_taken,
            ..self.store.campaign_allowance(campaign_id, per_day, now())?
        })
    }

    /// Shows how a campaign stands on the user's devices, except that of session `except_sid`.
    pub(crate) fn show_campaign(&self, payload: &str, except_sid: Option<&str>) {
        self.send_to_all(&event_text(MAIN, PROGRESS, &[payload]), except_sid);
    }

    /// Returns how these campaigns stand. A page with a gap would look complete, so one that cannot be asked fails it.
    pub(crate) async fn describe_campaigns(
        &self,
        user_id: &str,
        listed: Vec<ListedCampaign>,
    ) -> Outcome<Vec<Box<RawValue>>> {
        self.pay(Cost::of(listed.len(), 0))?;
        let ids: Vec<String> = listed.into_iter().map(|one| one.campaign_id).collect();
        let mut items = Vec::new();
        let answers = self.ask_campaigns(user_id, &ids, Command::Get).await?;
        for (id, answer) in ids.iter().zip(answers) {
            match self.heed_campaign(id, answer?) {
                Ok(asked) => {
                    items.push(RawValue::from_string(asked.payload).map_err(worker::Error::from)?)
                }
                // It has been deleted since.
                Err(Failure::Refused(error)) if error.code == ErrorCode::NotFound => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(items)
    }

    async fn ask_campaigns(
        &self,
        user_id: &str,
        campaign_ids: &[String],
        command: Command,
    ) -> worker::Result<Vec<worker::Result<CampaignAnswer>>> {
        let call = CampaignCall {
            by: user_id.to_owned(),
            command,
            allowance: Allowance::default(),
        };
        let concurrency = self.config()?.fanout_concurrency;
        objects::ask_campaigns(&self.env, campaign_ids, &call, concurrency).await
    }

    /// Erases all campaigns of the user. If one cannot be reached, a repeat of the erasure continues.
    pub(crate) async fn erase_campaigns(&self, user_id: &str) -> worker::Result<()> {
        loop {
            let page = self.store.campaign_page(None, ERASED_AT_ONCE)?;
            if page.is_empty() {
                return Ok(());
            }
            let ids: Vec<String> = page.into_iter().map(|one| one.campaign_id).collect();
            let answers = self.ask_campaigns(user_id, &ids, Command::Erase).await?;
            for (id, answer) in ids.iter().zip(answers) {
                if let CampaignAnswer::Refused(error) = answer? {
                    log::error("erase campaign", &error);
                }
                self.store.campaign_remove(id)?;
            }
        }
    }
}
