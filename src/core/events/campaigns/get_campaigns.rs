//! `get_campaigns { limit?, cursor? }` → `campaigns { items: [campaign], nextCursor }`, newest first.
//!
//! The cursor is the id of the last item.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::{Reply, fields, limit, present};
use super::read_id;
use crate::core::error::{EventError, to_json};

/// The request event.
pub const NAME: &str = "get_campaigns";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "campaigns";

/// A request for a page of campaigns.
#[derive(Debug, PartialEq, Eq)]
pub struct CampaignPage {
    /// The maximum number of campaigns.
    pub limit: usize,
    /// The `nextCursor` of the previous page.
    pub cursor: Option<String>,
}

/// Which page of campaigns.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetCampaigns<'a> {
    /// How many campaigns at most: 50 unless given.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<u8>", range(min = 1, max = 100)))]
    limit: Option<&'a RawValue>,
    /// The `nextCursor` of the page before.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    cursor: Option<&'a RawValue>,
}

impl CampaignPage {
    /// Reads the payload.
    pub fn read(payload: &RawValue) -> Result<Self, EventError> {
        let fields: GetCampaigns = fields(payload)?;
        let cursor = present(fields.cursor).map(|cursor| {
            read_id(cursor)
                .ok_or_else(|| EventError::invalid("cursor must be the id of a campaign"))
        });
        Ok(Self {
            limit: limit(fields.limit)?,
            cursor: cursor.transpose()?,
        })
    }
}

/// A page of campaigns.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Campaigns<'a> {
    /// Newest first.
    #[cfg_attr(test, schemars(with = "Vec<super::Campaign>"))]
    items: &'a [Box<RawValue>],
    /// The `cursor` of the next page; null on the last one.
    next_cursor: Option<&'a str>,
}

/// Returns the reply with these campaigns.
pub fn reply(items: &[Box<RawValue>], next_cursor: Option<&str>) -> Reply {
    Reply::event(REPLY, to_json(&Campaigns { items, next_cursor }))
}

#[cfg(test)]
mod tests {
    use super::super::super::Request;
    use super::super::super::testing::{read, refusal};
    use super::super::CampaignRequest;
    use super::*;

    #[test]
    fn reads_a_page() {
        let page = |payload| match read(NAME, payload) {
            Ok(Request::Campaign(CampaignRequest::List(page))) => (page.limit, page.cursor),
            other => panic!("{other:?}"),
        };
        assert_eq!(page("{}"), (50, None));
        let id = "019a0000-0000-7000-8000-000000000001";
        assert_eq!(
            page(&format!(r#"{{"limit":7,"cursor":"{id}"}}"#)),
            (7, Some(id.to_owned()))
        );
        assert_eq!(
            refusal(NAME, r#"{"cursor":"x"}"#),
            "cursor must be the id of a campaign"
        );
    }

    #[test]
    fn reply_is_pinned() {
        let item: Box<RawValue> = serde_json::from_str(r#"{"campaignId":"c"}"#).unwrap();
        assert_eq!(
            reply(&[item], Some("c")).payload,
            r#"{"items":[{"campaignId":"c"}],"nextCursor":"c"}"#
        );
    }
}
