//! The events of campaigns: all of them go to the campaign's object, on behalf of the contractor.

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::events::campaigns::add_campaign_receivers::Part;
use crate::core::events::campaigns::change_campaign::{Cancel, Pause, Resume, Start};
use crate::core::events::campaigns::create_campaign::NewCampaign;
use crate::core::events::campaigns::get_campaign::CampaignQuery;
use crate::core::events::campaigns::get_campaign_results::ResultsPage;
use crate::core::events::campaigns::get_campaigns::CampaignPage;
use crate::core::events::campaigns::{
    add_campaign_receivers, create_campaign, get_campaign_results, get_campaigns, reply,
};
use crate::messages::Command;

impl CarryOut for NewCampaign {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let campaign_id = object.create_campaign(&caller.user_id, self).await?;
        Ok(create_campaign::reply(&campaign_id))
    }
}

impl CarryOut for Part {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let command = Command::AddReceivers {
            part: self.part,
            receiver_ids: self.receiver_ids,
        };
        let asked = object
            .ask_campaign(&caller.user_id, &self.campaign_id, command)
            .await?;
        Ok(Reply::event(add_campaign_receivers::REPLY, asked.payload))
    }
}

impl CarryOut for Start {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let allowance = object.allowance(&caller.user_id, &self.0).await?;
        object
            .change_campaign(caller, &self.0, Command::Start(allowance))
            .await
    }
}

impl CarryOut for Pause {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        object
            .change_campaign(caller, &self.0, Command::Pause)
            .await
    }
}

impl CarryOut for Resume {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let allowance = object.allowance(&caller.user_id, &self.0).await?;
        object
            .change_campaign(caller, &self.0, Command::Resume(allowance))
            .await
    }
}

impl CarryOut for Cancel {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        object
            .change_campaign(caller, &self.0, Command::Cancel)
            .await
    }
}

impl CarryOut for CampaignQuery {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let asked = object
            .ask_campaign(&caller.user_id, &self.0, Command::Get)
            .await?;
        Ok(reply(asked.payload))
    }
}

impl CarryOut for CampaignPage {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let mut listed = object
            .store
            .campaign_page(self.cursor.as_deref(), self.limit + 1)?;
        let has_more = listed.len() > self.limit;
        listed.truncate(self.limit);
        let next_cursor = listed
            .last()
            .filter(|_| has_more)
            .map(|last| last.campaign_id.clone());
        let items = object.describe_campaigns(&caller.user_id, listed).await?;
        Ok(get_campaigns::reply(&items, next_cursor.as_deref()))
    }
}

impl CarryOut for ResultsPage {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let command = Command::Results { from: self.from };
        let asked = object
            .ask_campaign(&caller.user_id, &self.campaign_id, command)
            .await?;
        Ok(Reply::event(get_campaign_results::REPLY, asked.payload))
    }
}
