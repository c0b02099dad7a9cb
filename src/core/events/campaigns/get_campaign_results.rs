//! `get_campaign_results { campaignId, cursor? }` → `campaign_results { campaignId, results, errors, nextCursor }`
//!
//! The results have the shape of a bulk send's, a page for each chunk that has them, in the order of the receivers. The
//! cursor is the number of the next chunk.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::{Reply, fields, present};
use crate::core::campaign::command::Command;
use crate::core::error::{EventError, to_json};

/// The request event.
pub const NAME: &str = "get_campaign_results";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "campaign_results";

/// Which page of results.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResultsCursor<'a> {
    /// The `nextCursor` of the page before.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    cursor: Option<&'a RawValue>,
}

/// Reads which page is asked for.
pub fn read(payload: &RawValue) -> Result<Command, EventError> {
    let fields: ResultsCursor = fields(payload)?;
    let from = match present(fields.cursor) {
        None => 0,
        Some(cursor) => serde_json::from_str::<String>(cursor.get())
            .ok()
            .and_then(|cursor| cursor.parse().ok())
            .ok_or_else(|| EventError::invalid("cursor must be the nextCursor of a page"))?,
    };
    Ok(Command::Results { from })
}

/// What became of some receivers of a campaign.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct CampaignResults<'a> {
    /// The campaign.
    campaign_id: &'a str,
    /// The receivers whose copy is stored, as in a bulk send.
    #[cfg_attr(
        test,
        schemars(with = "Vec<crate::core::events::send_bulk_message::BulkResult>")
    )]
    results: Option<&'a RawValue>,
    /// The receivers who get nothing, as in a bulk send.
    #[cfg_attr(
        test,
        schemars(with = "Vec<crate::core::events::send_bulk_message::BulkError>")
    )]
    errors: Option<&'a RawValue>,
    /// The `cursor` of the next page; null if there are no further results by now.
    next_cursor: Option<String>,
}

/// Returns the reply with the results of a chunk, given the reply to its bulk send, and the number of the next chunk.
pub fn reply(campaign_id: &str, chunk: Option<(&str, Option<u32>)>) -> Reply {
    #[derive(Deserialize)]
    struct Sent<'a> {
        #[serde(borrow)]
        results: &'a RawValue,
        #[serde(borrow)]
        errors: &'a RawValue,
    }
    let (sent, next) = match chunk {
        Some((sent, next)) => (sent, next),
        None => (r#"{"results":[],"errors":[]}"#, None),
    };
    let sent = serde_json::from_str::<Sent>(sent).ok();
    let results = CampaignResults {
        campaign_id,
        results: sent.as_ref().map(|sent| sent.results),
        errors: sent.as_ref().map(|sent| sent.errors),
        next_cursor: next.map(|next| next.to_string()),
    };
    Reply::event(REPLY, to_json(&results))
}

#[cfg(test)]
mod tests {
    use super::super::super::Request;
    use super::super::super::testing::{read, refusal};
    use super::super::CampaignRequest;
    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-000000000001";

    #[test]
    fn reads_a_page() {
        let page = |cursor: &str| {
            let payload = format!(r#"{{"campaignId":"{ID}","cursor":{cursor}}}"#);
            match read(NAME, &payload) {
                Ok(Request::Campaign(CampaignRequest::Ask {
                    command: Command::Results { from },
                    ..
                })) => from,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(page("null"), 0);
        assert_eq!(page("\"12\""), 12);
        let payload = format!(r#"{{"campaignId":"{ID}","cursor":"x"}}"#);
        assert_eq!(
            refusal(NAME, &payload),
            "cursor must be the nextCursor of a page"
        );
    }

    #[test]
    fn a_page_has_the_shape_of_a_bulk_sends_result() {
        let sent = r#"{"totalSent":1,"totalFailed":1,"results":[{"receiverId":"a"}],"errors":[{"receiverId":"b"}]}"#;
        assert_eq!(
            reply("c", Some((sent, Some(1)))).payload,
            r#"{"campaignId":"c","results":[{"receiverId":"a"}],"errors":[{"receiverId":"b"}],"nextCursor":"1"}"#
        );
        assert_eq!(
            reply("c", None).payload,
            r#"{"campaignId":"c","results":[],"errors":[],"nextCursor":null}"#
        );
    }
}
