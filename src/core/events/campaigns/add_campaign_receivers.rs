//! `add_campaign_receivers { campaignId, part, receiverIds }` → `campaign_receivers_added { campaignId, part, total }`
//!
//! A part that is added again replaces itself, so a client that does not know whether a part has arrived repeats it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::{Reply, fields, user_ids};
use crate::core::campaign::command::Command;
use crate::core::config::Config;
use crate::core::error::{ErrorCode, EventError, to_json};

/// The request event.
pub const NAME: &str = "add_campaign_receivers";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "campaign_receivers_added";

/// The highest number of a part.
const LAST_PART: u32 = 999;

/// A part of a campaign's receivers.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct CampaignPart<'a> {
    /// The number of the part. A part that is added again replaces itself.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "u16", range(min = 0, max = 999)))]
    part: Option<&'a RawValue>,
    /// The receivers. A repeated id counts once.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Vec<String>", length(min = 1)))]
    receiver_ids: Option<&'a RawValue>,
}

/// Reads the part: its number and its receivers, each once.
pub fn read(payload: &RawValue, config: &Config) -> Result<Command, EventError> {
    let fields: CampaignPart = fields(payload)?;
    let part = fields
        .part
        .and_then(|part| serde_json::from_str::<u32>(part.get()).ok())
        .filter(|part| *part <= LAST_PART)
        .ok_or_else(|| {
            EventError::invalid(format!("part must be a whole number from 0 to {LAST_PART}"))
        })?;
    let max = config.campaigns.max_receivers;
    Ok(Command::AddReceivers {
        part,
        receiver_ids: user_ids(fields.receiver_ids, "receiverIds", max)?,
    })
}

/// The error for a campaign that would have more than `max` receivers.
pub fn too_many(max: usize) -> EventError {
    let message = format!("A campaign must not have more than {max} receivers");
    EventError::new(ErrorCode::TooMany, message)
}

/// The receivers that a campaign has now.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct CampaignReceiversAdded<'a> {
    /// The campaign.
    campaign_id: &'a str,
    /// The part that was added.
    part: u32,
    /// How many receivers all parts have together. A receiver of two parts counts twice.
    total: u64,
}

/// Returns the reply that confirms a part.
pub fn reply(campaign_id: &str, part: u32, total: u64) -> Reply {
    let added = CampaignReceiversAdded {
        campaign_id,
        part,
        total,
    };
    Reply::event(REPLY, to_json(&added))
}

#[cfg(test)]
mod tests {
    use super::super::super::Request;
    use super::super::super::testing::{read, refusal};
    use super::super::CampaignRequest;
    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-000000000001";

    #[test]
    fn reads_a_part() {
        let payload = format!(r#"{{"campaignId":"{ID}","part":999,"receiverIds":["a","b","a"]}}"#);
        let Ok(Request::Campaign(CampaignRequest::Ask {
            campaign_id,
            command,
            reply,
        })) = read(NAME, &payload)
        else {
            panic!()
        };
        let part = Command::AddReceivers {
            part: 999,
            receiver_ids: vec!["a".into(), "b".into()],
        };
        assert_eq!((campaign_id.as_str(), command, reply), (ID, part, REPLY));
        for part in ["-1", "1000", "0.5", "\"0\"", "null"] {
            let payload = format!(r#"{{"campaignId":"{ID}","part":{part},"receiverIds":["a"]}}"#);
            assert_eq!(
                refusal(NAME, &payload),
                "part must be a whole number from 0 to 999"
            );
        }
        assert_eq!(
            refusal(NAME, r#"{"campaignId":"x","part":0,"receiverIds":["a"]}"#),
            "campaignId must be the id of a campaign"
        );
        assert_eq!(
            refusal(NAME, &format!(r#"{{"campaignId":"{ID}","part":0}}"#)),
            "receiverIds must be a non-empty array"
        );
    }

    #[test]
    fn reply_is_pinned() {
        assert_eq!(
            reply("c", 1, 2).payload,
            r#"{"campaignId":"c","part":1,"total":2}"#
        );
    }
}
