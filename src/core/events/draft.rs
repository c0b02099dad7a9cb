//! What a message says, whoever it goes to: the fields that all sends have in common.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::content::{MessageType, check_content};
use super::{fields, optional_text, present};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};

const MAX_JOB_ID_CHARS: usize = 128;
const MAX_IDEMPOTENCY_KEY_CHARS: usize = 64;

/// A message before it has receivers.
#[derive(Debug)]
pub struct Draft {
    /// What the message is.
    pub message_type: MessageType,
    /// The content object, checked and otherwise as the sender wrote it.
    pub content: Box<RawValue>,
    /// The job it is about.
    pub job_id: Option<String>,
    /// A repeat with the same key returns the first result.
    pub idempotency_key: Option<String>,
}

/// The fields, raw. Type and content are in the shape of [`super::content::Body`].
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Draft"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fields<'a> {
    #[serde(borrow)]
    #[cfg_attr(test, schemars(skip))]
    message_type: Option<&'a RawValue>,
    #[serde(borrow)]
    #[cfg_attr(test, schemars(skip))]
    content: Option<&'a RawValue>,
    /// The job that it is about.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1, max = 128)))]
    job_id: Option<&'a RawValue>,
    /// A repeat with the same key within 24 hours returns the first result and stores nothing.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1, max = 64)))]
    idempotency_key: Option<&'a RawValue>,
}

impl Draft {
    /// Reads the payload's fields `messageType`, `content`, `jobId` and `idempotencyKey`.
    pub fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError> {
        let fields: Fields = fields(payload)?;
        let (Some(message_type), Some(content)) =
            (present(fields.message_type), present(fields.content))
        else {
            return Err(EventError::invalid("Missing required fields"));
        };
        let message_type = MessageType::read(message_type)?;
        check_content(message_type, content, config)?;
        Ok(Self {
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

    /// A hash of the event, its receivers and everything but the key: the same key with another
    /// hash is a conflict.
    pub fn fingerprint(&self, event: &str, receiver_ids: &[String]) -> String {
        let mut hash = Sha256::new();
        for part in [
            event.to_owned(),
            to_json(&receiver_ids),
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
