//! What a message says, whoever it goes to: the fields that all sends have in common.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{fields, optional_text, present};
use crate::core::config::Config;
use crate::core::error::{ErrorCode, EventError, to_json};

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

/// The fields, raw.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    message_type: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    job_id: Option<&'a RawValue>,
    #[serde(borrow)]
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

fn check_content(
    message_type: MessageType,
    content: &RawValue,
    config: &Config,
) -> Result<(), EventError> {
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
        MessageType::Text => {
            check(
                fields.text,
                is_text,
                "content.text must be a non-empty string",
            )?;
            check_length(fields.text, config.max_text_chars)
        }
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

/// A JSON string has at most one character per byte, so only a long one has to be counted.
fn check_length(text: Option<&RawValue>, max: usize) -> Result<(), EventError> {
    let json = text.map_or("", RawValue::get);
    if json.len().saturating_sub(2) <= max || char_count(json) <= max {
        return Ok(());
    }
    Err(EventError::new(
        ErrorCode::TooMany,
        format!("content.text must not be longer than {max} characters"),
    ))
}

/// The characters of a JSON string. A lone surrogate, which no Rust string can hold, is counted by
/// its escape.
fn char_count(json: &str) -> usize {
    serde_json::from_str::<String>(json).map_or(json.len(), |text| text.chars().count())
}

/// A string with something in it. It is looked at, not decoded: a lone surrogate is fine.
fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"') && value.get().len() > 2
}

/// To JSON, 7.0 is as whole a number as 7.
fn is_size(value: &RawValue) -> bool {
    let number = serde_json::from_str::<f64>(value.get());
    number.is_ok_and(|number| number >= 0.0 && number.fract() == 0.0)
}
