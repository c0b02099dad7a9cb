//! `get_campaign { campaignId }` → `campaign { campaignId, name, state, reason, total, sent, failed, delivered, sendAt,
//! createdAt, startedAt, finishedAt }`

use serde_json::value::RawValue;

use super::super::RequestPayload;
use super::campaign_id;
use crate::core::config::Config;
use crate::core::error::EventError;

/// The request event.
pub const NAME: &str = "get_campaign";

/// The id of the campaign to describe.
#[derive(Debug)]
pub struct CampaignQuery(pub String);

impl RequestPayload for CampaignQuery {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        campaign_id(payload).map(Self)
    }
}
