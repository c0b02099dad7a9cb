//! `create_campaign { messageType, content, jobId?, sendAt?, name? }` → `campaign_created { campaignId }`

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::draft::Draft;
use super::super::{Reply, fields, optional_text, present};
use crate::core::campaign::LONGEST_WAIT;
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};
use crate::core::time::Millis;

/// The request event.
pub const NAME: &str = "create_campaign";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "campaign_created";

const MAX_NAME_CHARS: usize = 200;

/// A campaign to be prepared.
#[derive(Debug)]
pub struct NewCampaign {
    /// The message: `{ messageType, content, jobId? }`.
    pub message: Box<RawValue>,
    /// When to start it, if not at once: within [`LONGEST_WAIT`], see [`Self::check`].
    pub send_at: Option<Millis>,
    /// What the contractor calls it.
    pub name: Option<String>,
}

/// The fields that a message does not have, raw.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule<'a> {
    /// When to start it, at most 90 days ahead; if it is not given, start_campaign starts it at once.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "date-time")))]
    send_at: Option<&'a RawValue>,
    /// What to call it.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1, max = 200)))]
    name: Option<&'a RawValue>,
}

impl NewCampaign {
    /// Reads the payload.
    pub fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError> {
        let Schedule { send_at, name } = fields(payload)?;
        Ok(Self {
            message: Draft::read(payload, config)?.message()?,
            send_at: present(send_at).map(time).transpose()?,
            name: optional_text(name, "name", MAX_NAME_CHARS)?,
        })
    }

    /// Refuses a time that is past, or too far ahead.
    pub fn check(&self, now: Millis) -> Result<(), EventError> {
        match self.send_at {
            Some(at) if at <= now => Err(EventError::invalid("sendAt must be in the future")),
            Some(at) if at - now > LONGEST_WAIT => {
                Err(EventError::invalid("sendAt must be at most 90 days ahead"))
            }
            _ => Ok(()),
        }
    }
}

/// Reads a time with its offset from UTC (RFC 3339).
fn time(value: &RawValue) -> Result<Millis, EventError> {
    serde_json::from_str::<String>(value.get())
        .ok()
        .and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
        .and_then(|time| Millis::try_from(time.timestamp_millis()).ok())
        .ok_or_else(|| {
            EventError::invalid("sendAt must be a time such as \"2026-01-31T09:00:00Z\"")
        })
}

/// The campaign that was created.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct CampaignCreated<'a> {
    /// Its id.
    campaign_id: &'a str,
}

/// Returns the reply that names the new campaign.
pub fn reply(campaign_id: &str) -> Reply {
    Reply::event(REPLY, to_json(&CampaignCreated { campaign_id }))
}

#[cfg(test)]
mod tests {
    use super::super::super::Request;
    use super::super::super::testing::{read, refusal};
    use super::super::CampaignRequest;
    use super::*;

    fn good(payload: &str) -> NewCampaign {
        match read(NAME, payload) {
            Ok(Request::Campaign(CampaignRequest::Create(campaign))) => campaign,
            other => panic!("{other:?}"),
        }
    }

    fn at(send_at: &str) -> String {
        format!(r#"{{"messageType":"text","content":{{"text":"x"}},"sendAt":{send_at}}}"#)
    }

    #[test]
    fn a_message_and_when_to_send_it() {
        let plain = good(r#"{"messageType":"text","content":{"text":"x"}}"#);
        assert_eq!((plain.send_at, plain.name), (None, None));
        let full = good(
            r#"{"messageType":"text","content":{"text":"x"},"jobId":"j","name":"May","sendAt":"2025-11-05T10:30:00.000Z"}"#,
        );
        assert_eq!(
            full.message.get(),
            r#"{"messageType":"text","content":{"text":"x"},"jobId":"j"}"#
        );
        assert_eq!(full.name.as_deref(), Some("May"));
        assert_eq!(full.send_at, Some(1_762_338_600_000));
        let offset = good(&at(r#""2025-11-05T12:30:00+02:00""#));
        assert_eq!(offset.send_at, full.send_at);
        for bad in [
            "7",
            r#""""#,
            r#""tomorrow""#,
            r#""2025-11-05""#,
            r#""1969-12-31T23:59:59Z""#,
        ] {
            assert_eq!(
                refusal(NAME, &at(bad)),
                "sendAt must be a time such as \"2026-01-31T09:00:00Z\""
            );
        }
        assert_eq!(refusal(NAME, "{}"), "Missing required fields");
        assert_eq!(
            refusal(
                NAME,
                r#"{"messageType":"text","content":{"text":"x"},"name":""}"#
            ),
            "name must be a string of 1 to 200 characters"
        );
    }

    #[test]
    fn a_time_is_ahead_but_not_too_far() {
        let campaign = good(&at(r#""2025-11-05T10:30:00Z""#));
        let time = 1_762_338_600_000;
        let refusal = |now| campaign.check(now).unwrap_err().message;
        assert_eq!(campaign.check(time - 1), Ok(()));
        assert_eq!(campaign.check(time - LONGEST_WAIT), Ok(()));
        assert_eq!(refusal(time), "sendAt must be in the future");
        assert_eq!(
            refusal(time - LONGEST_WAIT - 1),
            "sendAt must be at most 90 days ahead"
        );
    }

    #[test]
    fn reply_is_pinned() {
        assert_eq!(reply("c").payload, r#"{"campaignId":"c"}"#);
    }
}
