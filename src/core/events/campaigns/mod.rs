//! The events of campaigns ([`crate::core::campaign`]), for contractors: one file for each exchange, and here what they
//! share.

pub mod add_campaign_receivers;
pub mod change_campaign;
pub mod create_campaign;
pub mod get_campaign_results;
pub mod get_campaigns;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use self::change_campaign::{CANCEL, PAUSE, RESUME, START};
use self::create_campaign::NewCampaign;
use self::get_campaigns::CampaignPage;
use super::{FromEvent, fields, payload_or_none};
use crate::core::campaign::command::Command;
use crate::core::campaign::store::Counts;
use crate::core::campaign::{Plan, Progress, State};
use crate::core::config::Config;
use crate::core::error::{ErrorCode, EventError, to_json};
use crate::core::time::iso;
use crate::wire::socket_io::Args;

/// The request event `get_campaign { campaignId }`, which is answered by [`CAMPAIGN`].
pub const GET: &str = "get_campaign";

/// The event that answers whatever asks for one campaign or changes it.
pub const CAMPAIGN: &str = "campaign";

/// The event that tells the contractor's devices how a campaign stands. It is not in the log.
pub const PROGRESS: &str = "campaign_progress";

/// The event that tells the contractor's devices that a campaign has ended.
pub const FINISHED: &str = "campaign_finished";

/// A request event of campaigns, with its validated payload.
#[derive(Debug)]
pub enum CampaignRequest {
    /// `create_campaign`
    Create(NewCampaign),
    /// `get_campaigns`
    List(CampaignPage),
    /// Everything else concerns one campaign.
    Ask {
        /// The campaign.
        campaign_id: String,
        /// What is asked of it.
        command: Command,
        /// The name of the reply event.
        reply: &'static str,
    },
}

impl FromEvent for CampaignRequest {
    fn from_event(name: &str, args: &Args, config: &Config) -> Result<Self, EventError> {
        if name == get_campaigns::NAME {
            return CampaignPage::read(payload_or_none(args)?).map(Self::List);
        }
        let payload = super::payload(args)?;
        let (command, reply) = match name {
            create_campaign::NAME => return NewCampaign::read(payload, config).map(Self::Create),
            add_campaign_receivers::NAME => (
                add_campaign_receivers::read(payload, config)?,
                add_campaign_receivers::REPLY,
            ),
            get_campaign_results::NAME => (
                get_campaign_results::read(payload)?,
                get_campaign_results::REPLY,
            ),
            START => (Command::Start, CAMPAIGN),
            PAUSE => (Command::Pause, CAMPAIGN),
            RESUME => (Command::Resume, CAMPAIGN),
            CANCEL => (Command::Cancel, CAMPAIGN),
            _ => (Command::Get, CAMPAIGN),
        };
        Ok(Self::Ask {
            campaign_id: campaign_id(payload)?,
            command,
            reply,
        })
    }
}

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

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    #[test]
    fn a_campaign_is_named() {
        let id = "019a0000-0000-7000-8000-000000000001";
        for (name, expected) in [
            (START, Command::Start),
            (PAUSE, Command::Pause),
            (RESUME, Command::Resume),
            (CANCEL, Command::Cancel),
            (GET, Command::Get),
        ] {
            let payload = format!(r#"{{"campaignId":"{id}"}}"#);
            let Ok(Request::Campaign(CampaignRequest::Ask {
                campaign_id,
                command,
                reply,
            })) = read(name, &payload)
            else {
                panic!()
            };
            assert_eq!(
                (campaign_id.as_str(), command, reply),
                (id, expected, CAMPAIGN)
            );
            assert_eq!(
                refusal(name, r#"{"campaignId":"x"}"#),
                "campaignId must be the id of a campaign"
            );
        }
    }

    #[test]
    fn payload_is_pinned() {
        let plan = Plan {
            campaign_id: "c".into(),
            sender_id: "s".into(),
            name: None,
            message: serde_json::from_str("{}").unwrap(),
            send_at: None,
            created_at: 1_762_338_600_000,
        };
        let progress = Progress::new(1_762_338_600_000);
        assert_eq!(
            payload(&plan, &progress, 3, Counts::default()),
            r#"{"campaignId":"c","name":null,"state":"draft","reason":null,"total":3,"sent":0,"failed":0,"delivered":0,"sendAt":null,"createdAt":"2025-11-05T10:30:00.000Z","startedAt":null,"finishedAt":null}"#
        );
    }
}
