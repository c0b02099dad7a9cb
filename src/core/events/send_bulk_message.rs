//! `send_bulk_message { receiverIds, messageType, content, jobId?, idempotencyKey? }` →
//! `bulk_message_sent { totalSent, totalFailed, results, errors }`

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::new_message::Target;
use super::{Reply, fields, optional_text, present, user_ids};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};

/// The request.
pub const NAME: &str = "send_bulk_message";

/// The reply.
pub const REPLY: &str = "bulk_message_sent";

const MAX_JOB_ID_CHARS: usize = 128;
const MAX_IDEMPOTENCY_KEY_CHARS: usize = 64;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// `content.text`
    Text,
    /// `content.fileUrl`, `fileName`, `fileSize`
    Image,
    /// `content.fileUrl`, `fileName`, `fileSize`
    File,
}

impl MessageType {
    /// As it is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::File => "file",
        }
    }

    fn read(value: &RawValue) -> Result<Self, EventError> {
        match value.get() {
            "\"text\"" => Ok(Self::Text),
            "\"image\"" => Ok(Self::Image),
            "\"file\"" => Ok(Self::File),
            _ => Err(EventError::invalid(
                "messageType must be \"text\", \"image\" or \"file\"",
            )),
        }
    }
}

/// One message to many.
#[derive(Debug)]
pub struct BulkMessage {
    /// The receivers, each once, in the order of the request.
    pub receiver_ids: Vec<String>,
    /// What the message is.
    pub message_type: MessageType,
    /// The content object, checked and otherwise as the sender wrote it.
    pub content: Box<RawValue>,
    /// The job it is about.
    pub job_id: Option<String>,
    /// A repeat with the same key returns the first result.
    pub idempotency_key: Option<String>,
}

impl BulkMessage {
    /// Reads the payload.
    pub fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a> {
            #[serde(borrow)]
            receiver_ids: Option<&'a RawValue>,
            #[serde(borrow)]
            message_type: Option<&'a RawValue>,
            #[serde(borrow)]
            content: Option<&'a RawValue>,
            #[serde(borrow)]
            job_id: Option<&'a RawValue>,
            #[serde(borrow)]
            idempotency_key: Option<&'a RawValue>,
        }
        let fields: Fields = fields(payload)?;
        let max = config.max_bulk_recipients;
        let receiver_ids = user_ids(fields.receiver_ids, "receiverIds", max)?;
        let (Some(message_type), Some(content)) =
            (present(fields.message_type), present(fields.content))
        else {
            return Err(EventError::invalid("Missing required fields"));
        };
        let message_type = MessageType::read(message_type)?;
        check_content(message_type, content)?;
        Ok(Self {
            receiver_ids,
            message_type,
            content: content.to_owned(),
            job_id: optional_text(fields.job_id, "jobId", MAX_JOB_ID_CHARS)?,
            idempotency_key: optional_text(
                fields.idempotency_key,
                "idempotencyKey",
                MAX_IDEMPOTENCY_KEY_CHARS,
            )?,
        })
    }

    /// A hash of everything but the key: the same key with another hash is a conflict.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for part in [
            to_json(&self.receiver_ids),
            self.message_type.as_str().to_owned(),
            self.content.get().to_owned(),
            to_json(&self.job_id),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn check_content(message_type: MessageType, content: &RawValue) -> Result<(), EventError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
        #[serde(borrow)]
        file_url: Option<&'a RawValue>,
        #[serde(borrow)]
        file_name: Option<&'a RawValue>,
        #[serde(borrow)]
        file_size: Option<&'a RawValue>,
    }
    if !content.get().starts_with('{') {
        return Err(EventError::invalid("content must be an object"));
    }
    let fields: Fields = fields(content)?;
    match message_type {
        MessageType::Text => check(
            fields.text,
            is_text,
            "content.text must be a non-empty string",
        ),
        MessageType::Image | MessageType::File => {
            check(
                fields.file_url,
                is_text,
                "content.fileUrl must be a non-empty string",
            )?;
            let name = present(fields.file_name);
            check_optional(name, is_text, "content.fileName must be a non-empty string")?;
            let size = present(fields.file_size);
            check_optional(
                size,
                is_size,
                "content.fileSize must be a whole number of bytes",
            )
        }
    }
}

fn check(
    field: Option<&RawValue>,
    is_good: fn(&RawValue) -> bool,
    message: &str,
) -> Result<(), EventError> {
    match field {
        Some(value) if is_good(value) => Ok(()),
        _ => Err(EventError::invalid(message)),
    }
}

fn check_optional(
    field: Option<&RawValue>,
    is_good: fn(&RawValue) -> bool,
    message: &str,
) -> Result<(), EventError> {
    match field {
        None => Ok(()),
        some => check(some, is_good, message),
    }
}

/// A string with something in it. It is looked at, not decoded: a lone surrogate is fine.
fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"') && value.get().len() > 2
}

fn is_size(value: &RawValue) -> bool {
    serde_json::from_str::<u64>(value.get()).is_ok()
}

/// What became of a send: which targets are in the record, and why the others are not.
#[derive(Debug, PartialEq, Eq)]
pub struct Settled {
    /// In the order of the receivers.
    pub stored: Vec<Target>,
    /// Receiver and reason, in the order of the receivers.
    pub refused: Vec<(String, &'static str)>,
}

/// The reply. `delivered` tells of a stored receiver whether one of its devices took the message.
pub fn reply(settled: &Settled, delivered: impl Fn(&str) -> bool) -> Reply {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Sent<'a> {
        receiver_id: &'a str,
        conversation_id: &'a str,
        message_id: &'a str,
        success: bool,
        delivered: bool,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Failed<'a> {
        receiver_id: &'a str,
        error: &'a str,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload<'a> {
        total_sent: usize,
        total_failed: usize,
        results: Vec<Sent<'a>>,
        errors: Vec<Failed<'a>>,
    }
    let results: Vec<Sent> = settled
        .stored
        .iter()
        .map(|target| Sent {
            receiver_id: &target.receiver_id,
            conversation_id: &target.conversation_id,
            message_id: &target.message_id,
            success: true,
            delivered: delivered(&target.receiver_id),
        })
        .collect();
    let errors: Vec<Failed> = settled
        .refused
        .iter()
        .map(|(receiver_id, error)| Failed { receiver_id, error })
        .collect();
    Reply {
        event: REPLY,
        payload: to_json(&Payload {
            total_sent: results.len(),
            total_failed: errors.len(),
            results,
            errors,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
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
        assert_eq!(message.message_type, MessageType::Text);
        assert_eq!(message.content.get(), r#"{"text":"Hi! I'm"}"#);
        assert_eq!(message.job_id.as_deref(), Some("job123"));
        assert_eq!(message.idempotency_key, None);
    }

    #[test]
    fn files_need_a_url() {
        good(r#"{"receiverIds":["a"],"messageType":"image","content":{"fileUrl":"u"}}"#);
        good(
            r#"{"receiverIds":["a"],"messageType":"file","content":{"fileUrl":"u","fileName":"n","fileSize":7}}"#,
        );
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
                "content.fileUrl must be a non-empty string",
            ),
            (
                r#"{"receiverIds":["a"],"messageType":"file","content":{"fileUrl":"u","fileSize":"1"}}"#,
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
        ];
        for (payload, message) in cases {
            assert_eq!(refusal(NAME, payload), message, "{payload}");
        }
        let error = read(NAME, r#"{"receiverIds":["a","b","c","d"]}"#).unwrap_err();
        assert_eq!(error.code, ErrorCode::TooMany);
    }

    #[test]
    fn the_fingerprint_covers_all_but_the_key() {
        let base = good(
            r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"x"},"idempotencyKey":"k"}"#,
        );
        let other_key = good(
            r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"x"},"idempotencyKey":"l"}"#,
        );
        assert_eq!(base.fingerprint(), other_key.fingerprint());
        for other in [
            r#"{"receiverIds":["b"],"messageType":"text","content":{"text":"x"}}"#,
            r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"y"}}"#,
            r#"{"receiverIds":["a"],"messageType":"text","content":{"text":"x"},"jobId":"j"}"#,
        ] {
            assert_ne!(base.fingerprint(), good(other).fingerprint());
        }
    }

    #[test]
    fn reply_is_pinned() {
        let settled = Settled {
            stored: vec![Target {
                receiver_id: "a".into(),
                conversation_id: "k".into(),
                message_id: "m".into(),
            }],
            refused: vec![("b".into(), "Receiver not found")],
        };
        assert_eq!(
            reply(&settled, |_| true).payload,
            r#"{"totalSent":1,"totalFailed":1,"results":[{"receiverId":"a","conversationId":"k","messageId":"m","success":true,"delivered":true}],"errors":[{"receiverId":"b","error":"Receiver not found"}]}"#
        );
    }
}
