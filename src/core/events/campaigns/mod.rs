//! The events of campaigns ([`crate::core::campaign`]), for contractors: one file for each exchange, and here what they
//! share.

pub mod add_campaign_receivers;
pub mod change_campaign;
pub mod create_campaign;
pub mod get_campaign;
pub mod get_campaign_results;
pub mod get_campaigns;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Reply, fields};
use crate::core::campaign::store::Counts;
use crate::core::campaign::{Plan, Progress, State};
use crate::core::error::{ErrorCode, EventError, to_json};
use crate::core::time::iso;

/// The event that answers whatever asks for one campaign or changes it.
pub const CAMPAIGN: &str = "campaign";

/// The event that tells the contractor's devices how a campaign stands. It is not in the log.
pub const PROGRESS: &str = "campaign_progress";

/// The event that tells the contractor's devices that a campaign has ended.
pub const FINISHED: &str = "campaign_finished";

/// A payload that names a campaign.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct CampaignRef<'a> {
    /// The campaign.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String"))]
    campaign_id: Option<&'a RawValue>,
}

/// Reads the field `campaignId`.
fn campaign_id(payload: &RawValue) -> Result<String, EventError> {
    let id = fields::<CampaignRef>(payload)?.campaign_id;
    let id = id.and_then(read_id);
    id.ok_or_else(|| EventError::invalid("campaignId must be the id of a campaign"))
}

fn read_id(value: &RawValue) -> Option<String> {
    let text = serde_json::from_str::<String>(value.get()).ok()?;
    Uuid::parse_str(&text).ok().map(|id| id.to_string())
}

/// The error for a user who is not a contractor.
pub fn not_allowed() -> EventError {
    EventError::new(ErrorCode::Forbidden, "Only contractors can send campaigns")
}

/// How a campaign stands.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Campaign<'a> {
    /// The campaign.
    campaign_id: &'a str,
    /// What the contractor calls it.
    name: Option<&'a str>,
    /// What it is doing.
    state: State,
    /// Why it is paused or has to wait, for a person, if the contractor is not the reason.
    reason: Option<&'a str>,
    /// How many receivers it has. In a draft, a receiver of two parts counts twice.
    total: u64,
    /// Receivers whose copy is stored and will arrive.
    sent: u64,
    /// Receivers who get nothing.
    failed: u64,
    /// Receivers with a device that took the message at once.
    delivered: u64,
    /// When it starts by itself: ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    send_at: Option<String>,
    /// When it was created: ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    created_at: String,
    /// When it started: ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    started_at: Option<String>,
    /// When it was finished or cancelled: ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    finished_at: Option<String>,
}

/// Returns how a campaign stands, as JSON. `total` is the number of its receivers.
pub fn payload(plan: &Plan, progress: &Progress, total: u64, counts: Counts) -> String {
    to_json(&Campaign {
        campaign_id: &plan.campaign_id,
        name: plan.name.as_deref(),
        state: progress.state,
        reason: progress.reason.as_deref(),
        total,
        sent: counts.sent,
        failed: counts.failed,
        delivered: counts.delivered,
        send_at: plan.send_at.map(iso),
        created_at: iso(plan.created_at),
        started_at: progress.started_at.map(iso),
        finished_at: progress.finished_at.map(iso),
    })
}

/// Returns the reply with how a campaign stands.
pub fn reply(payload: String) -> Reply {
    Reply::event(CAMPAIGN, payload)
}
