//! The events of campaigns: all of them go to the campaign's object, on behalf of the contractor.

use super::{Caller, CarryOut, Failure, Reply, UserObject, cut_page};
use crate::core::events::campaigns::get_campaigns::CampaignPage;
use crate::core::events::campaigns::{CampaignRequest, create_campaign, get_campaigns};

impl CarryOut for CampaignRequest {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        match self {
            Self::Create(new) => {
                let campaign_id = object.create_campaign(&caller.user_id, new).await?;
                Ok(create_campaign::reply(&campaign_id))
            }
            Self::List(page) => object.list_campaigns(&caller.user_id, page).await,
            Self::Ask {
                campaign_id,
                command,
                reply,
            } => {
                let is_change = command.is_change();
                let asked = object
                    .ask_campaign(&caller.user_id, &campaign_id, command)
                    .await?;
                if is_change {
                    object.show_campaign(&asked.payload, caller.sid.as_deref());
                }
                Ok(Reply::event(reply, asked.payload))
            }
        }
    }
}

impl UserObject {
    async fn list_campaigns(&self, user_id: &str, page: CampaignPage) -> Result<Reply, Failure> {
        let mut listed = self
            .store
            .campaign_page(page.cursor.as_deref(), page.limit + 1)?;
        let next_cursor = cut_page(&mut listed, page.limit, |one| &one.campaign_id);
        let items = self.describe_campaigns(user_id, listed).await?;
        Ok(get_campaigns::reply(&items, next_cursor.as_deref()))
    }
}
