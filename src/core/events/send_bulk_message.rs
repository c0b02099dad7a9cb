//! `send_bulk_message { receiverIds, messageType, content, jobId?, idempotencyKey? }` →
//! `bulk_message_sent { totalSent, totalFailed, results, errors }`

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::draft::Draft;
use super::new_message::{Receipt, Target, is_false};
use super::{Reply, RequestPayload, fields, user_ids};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};
use crate::core::refusal::Refusal;

/// The request event.
pub const NAME: &str = "send_bulk_message";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "bulk_message_sent";

/// One message to many users.
#[derive(Debug)]
pub struct BulkMessage {
    /// The receivers, each once, in the order of the request.
    pub receiver_ids: Vec<String>,
    /// Everything but the receivers.
    pub draft: Draft,
}

/// The fields that a send to one does not have, raw.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receivers<'a> {
    /// The receivers. A repeated id counts once.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Vec<String>", length(min = 1)))]
    receiver_ids: Option<&'a RawValue>,
}

impl RequestPayload for BulkMessage {
    fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError> {
        let fields: Receivers = fields(payload)?;
        let max = config.max_bulk_recipients;
        Ok(Self {
            receiver_ids: user_ids(fields.receiver_ids, "receiverIds", max)?,
            draft: Draft::read(payload, config)?,
        })
    }
}

/// A receiver whose copy is in the record.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkResult<'a> {
    /// The receiver.
    receiver_id: &'a str,
    /// Their conversation with the sender.
    conversation_id: &'a str,
    /// Their copy.
    message_id: &'a str,
    /// That it is stored and will arrive.
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    /// Whether a device of theirs was there to take it, and the sender may see that.
    delivered: bool,
    /// Whether it is held until they connect again: too many contractors have written to them for the first time today.
    #[serde(skip_serializing_if = "is_false")]
    held: bool,
}

/// A receiver who gets nothing.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkError<'a> {
    /// The receiver.
    receiver_id: &'a str,
    /// Why, for a person.
    error: String,
}

/// What became of a bulk message.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct BulkMessageSent<'a> {
    /// How many results there are.
    total_sent: usize,
    /// How many errors there are.
    total_failed: usize,
    /// In the order of the receivers.
    results: Vec<BulkResult<'a>>,
    /// In the order of the receivers.
    errors: Vec<BulkError<'a>>,
}

/// Returns the reply. `receipt` returns what a receiver's object has answered.
pub fn reply(
    stored: &[Target],
    refused: &[(String, Refusal)],
    receipt: impl Fn(&str) -> Receipt,
) -> Reply {
    let results: Vec<BulkResult> = stored
        .iter()
        .map(|target| {
            let Receipt { delivered, held } = receipt(&target.receiver_id);
            BulkResult {
                receiver_id: &target.receiver_id,
                conversation_id: &target.conversation_id,
                message_id: &target.message_id,
                success: true,
                delivered,
                held,
            }
        })
        .collect();
    let errors: Vec<BulkError> = refused
        .iter()
        .map(|(receiver_id, error)| BulkError {
            receiver_id,
            error: error.to_string(),
        })
        .collect();
    let sent = BulkMessageSent {
        total_sent: results.len(),
        total_failed: errors.len(),
        results,
        errors,
    };
    Reply::event(REPLY, to_json(&sent))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::content::MessageType;
    use super::super::testing::{read, refusal};
    use super::*;
    use crate::core::error::ErrorCode;

    fn good(payload: &str) -> BulkMessage {
        match read(NAME, payload) {
            Ok(Request::SendBulkMessage(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_the_seeds_payload() {
        let message = good(
            r#"{"receiverIds":["a","b","a"],"messageType":"text","content":{"text":"Hi! I'm"},"jobId":"job123"}"#,
        );
        assert_eq!(message.receiver_ids, ["a", "b"]);
        assert_eq!(message.draft.message_type, MessageType::Text);
        assert_eq!(message.draft.content.get(), r#"{"text":"Hi! I'm"}"#);
        assert_eq!(message.draft.job_id.as_deref(), Some("job123"));
        assert_eq!(message.draft.idempotency_key, None);
    }

    #[test]
    fn files_need_a_url() {
        good(
            r#"{"receiverIds":["a"],"messageType":"image","content":{"fileUrl":"https://f.example/u"}}"#,
        );
        good(
            r#"{"receiverIds":["a"],"messageType":"file","content":{"fileUrl":"https://f.example/u","fileName":"n","fileSize":7}}"#,
        );
    }

    #[test]
    fn a_size_is_a_whole_number() {
        let read = |size: &str| {
            let payload = format!(
                r#"{{"receiverIds":["a"],"messageType":"file","content":{{"fileUrl":"https://f.example/u","fileSize":{size}}}}}"#
            );
            read(NAME, &payload).is_ok()
        };
        assert!(["0", "7", "7.0", "1e3"].iter().all(|size| read(size)));
        assert!(!["-1", "0.5", "\"7\"", "[]"].iter().any(|size| read(size)));
    }

    #[test]
    fn names_what_is_wrong() {
        let cases = [
            ("{}", "receiverIds must be a non-empty array"),
            (
                r#"{"receiverIds":[]}"#,
                "receiverIds must be a non-empty array",
            ),
            (r#"{"receiverIds":["a"]}"#, "Missing required fields"),
            (
                r#"{"receiverIds":["a"],"messageType":"text"}"#,
                "Missing required fields",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"text","content":null}"#,
                "Missing required fields",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"video","content":{}}"#,
                r#"messageType must be "text", "image" or "file""#,
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"text","content":"hi"}"#,
                "content must be an object",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"text","content":{"text":""}}"#,
                "content.text must be a non-empty string",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"text","content":{"text":7}}"#,
                "content.text must be a non-empty string",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"file","content":{"text":"x"}}"#,
                "content.fileUrl must be an https URL, or http on localhost",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"image","content":{"fileUrl":"javascript:alert(1)"}}"#,
                "content.fileUrl must be an https URL, or http on localhost",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"file","content":{"fileUrl":"https://f.example/u","fileSize":"1"}}"#,
                "content.fileSize must be a whole number of bytes",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"x"},"jobId":7}"#,
                "jobId must be a string of 1 to 128 characters",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"x"},"idempotencyKey":""}"#,
                "idempotencyKey must be a string of 1 to 64 characters",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"x"},"idempotencyKey":"campaign:1"}"#,
                r#"idempotencyKey must not begin with "campaign:""#,
            ),
        ];
        for (payload, message) in cases {
            assert_eq!(refusal(NAME, payload), message, "{payload}");
        }
        let error = read(NAME, r#"{"receiverIds":["a","b","c","d"]}"#).unwrap_err();
        assert_eq!(error.code, ErrorCode::TooMany);
    }

    #[test]
    fn a_text_has_so_many_characters_and_no_more() {
        let payload = |text: &str| {
            format!(r#"{{"receiverIds":["a"],"messageType":"text","content":{{"text":"{text}"}}}}"#)
        };
        // MAX_TEXT_CHARS is 20 here. It counts characters, not bytes or escapes.
        for fits in ["x".repeat(20), "\u{5b57}".repeat(20), r"\u5b57".repeat(20)] {
            good(&payload(&fits));
        }
        let error = read(NAME, &payload(&"x".repeat(21))).unwrap_err();
        assert_eq!(error.code, ErrorCode::TooMany);
        assert_eq!(
            error.message,
            "content.text must not be longer than 20 characters"
        );
    }

    #[test]
    fn content_is_so_large_and_so_deep_and_no_more() {
        let payload = |more: &str| {
            format!(
                r#"{{"receiverIds":["a"],"messageType":"text","content":{{"text":"x","more":{more}}}}}"#
            )
        };
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        // Brackets inside a string do not count as nesting.
        good(&payload(r#""[[\"{{[[""#));
        good(&payload(&nested(63)));
        assert_eq!(
            refusal(NAME, &payload(&nested(64))),
            "content must not be nested deeper than 64 levels"
        );
        let error = read(NAME, &payload(&format!("\"{}\"", "x".repeat(66_000)))).unwrap_err();
        assert_eq!(error.code, ErrorCode::TooMany);
        assert_eq!(error.message, "content must not be larger than 65536 bytes");
    }

    #[test]
    fn the_fingerprint_covers_all_but_the_key() {
        let base = good(
            r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"x"},"idempotencyKey":"k"}"#,
        );
        let other_key = good(
            r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"x"},"idempotencyKey":"l"}"#,
        );
        let of = |message: &BulkMessage| message.draft.fingerprint(NAME, &message.receiver_ids);
        assert_eq!(of(&base), of(&other_key));
        assert_ne!(
            of(&base),
            base.draft.fingerprint("send_message", &base.receiver_ids)
        );
        for other in [
            r#"{"receiverIds":["b"],"messageType":"text","content":{"text":"x"}}"#,
            r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"y"}}"#,
            r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"x"},"jobId":"j"}"#,
        ] {
            assert_ne!(of(&base), of(&good(other)));
        }
    }

    #[test]
    fn reply_is_pinned() {
        let stored = Target {
            receiver_id: "a".into(),
            conversation_id: "k".into(),
            message_id: "m".into(),
        };
        let refused = ("b".into(), Refusal::NotFound);
        let told = |delivered, held| {
            let receipt = |_: &str| Receipt { delivered, held };
            reply(
                std::slice::from_ref(&stored),
                std::slice::from_ref(&refused),
                receipt,
            )
            .payload
        };
        assert_eq!(
            told(true, false),
            r#"{"totalSent":1,"totalFailed":1,"results":[{"receiverId":"a","conversationId":"k","messageId":"m","success":true,"delivered":true}],"errors":[{"receiverId":"b","error":"Receiver not found"}]}"#
        );
        assert!(told(false, true).contains(r#""delivered":false,"held":true}]"#));
    }
}
