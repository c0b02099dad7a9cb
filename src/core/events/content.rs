//! A message's `messageType`, and the `content` that it requires.
//!
//! Content is checked and then passed on as the sender wrote it: unknown fields reach the receiver, too.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{fields, present};
use crate::core::config::Config;
use crate::core::error::{ErrorCode, EventError};
use crate::core::web_url::is_web_url;

/// The type of a message, which determines the fields of `content`.
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
    /// Returns the name that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::File => "file",
        }
    }

    /// Reads the field `messageType`.
    pub fn read(value: &RawValue) -> Result<Self, EventError> {
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

/// The content of a text.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "TextContent"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct TextFields<'a> {
    /// At most MAX_TEXT_CHARS characters.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    text: Option<&'a RawValue>,
}

/// The content of an image or a file.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "FileContent"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileFields<'a> {
    /// Where it is: an https URL, or http on localhost. A message from before this rule may have any text.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    file_url: Option<&'a RawValue>,
    /// What it is called.
    #[serde(borrow)]
    #[cfg_attr(
        test,
        schemars(
            with = "Option<String>",
            length(min = 1),
            skip_serializing_if = "Option::is_none"
        )
    )]
    file_name: Option<&'a RawValue>,
    /// How many bytes it has.
    #[serde(borrow)]
    #[cfg_attr(
        test,
        schemars(with = "Option<u64>", skip_serializing_if = "Option::is_none")
    )]
    file_size: Option<&'a RawValue>,
}

/// The shape of `messageType` and `content`: one says what the other is.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[schemars(tag = "messageType", content = "content", rename_all = "lowercase")]
#[allow(dead_code)]
pub(crate) enum Body {
    /// A text.
    Text(TextFields<'static>),
    /// A picture, wherever it is kept.
    Image(FileFields<'static>),
    /// A file, wherever it is kept.
    File(FileFields<'static>),
}

/// Checks the field `content` of a message of this type.
pub fn check_content(
    message_type: MessageType,
    content: &RawValue,
    config: &Config,
) -> Result<(), EventError> {
    if !content.get().starts_with('{') {
        return Err(EventError::invalid("content must be an object"));
    }
    if content.get().len() > config.max_content_bytes {
        let max = config.max_content_bytes;
        let message = format!("content must not be larger than {max} bytes");
        return Err(EventError::new(ErrorCode::TooMany, message));
    }
    if depth(content.get()) > MAX_DEPTH {
        return Err(EventError::invalid(format!(
            "content must not be nested deeper than {MAX_DEPTH} levels"
        )));
    }
    match message_type {
        MessageType::Text => check_text(&fields(content)?, config),
        MessageType::Image | MessageType::File => check_file(&fields(content)?),
    }
}

/// The maximum nesting depth. Many JSON parsers, SQLite's among them, fail somewhere beyond a thousand
/// levels.
const MAX_DEPTH: usize = 64;

/// Returns the nesting depth of objects and arrays in well-formed JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn check_text(content: &TextFields, config: &Config) -> Result<(), EventError> {
    check(
        content.text,
        is_text,
        "content.text must be a non-empty string",
    )?;
    check_length(content.text, config.max_text_chars)
}

fn check_file(content: &FileFields) -> Result<(), EventError> {
    check(
        content.file_url,
        is_url,
        "content.fileUrl must be an https URL, or http on localhost",
    )?;
    if let name @ Some(_) = present(content.file_name) {
        check(name, is_text, "content.fileName must be a non-empty string")?;
    }
    if let size @ Some(_) = present(content.file_size) {
        let message = "content.fileSize must be a whole number of bytes";
        check(size, is_size, message)?;
    }
    Ok(())
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

/// Checks the text's length. A JSON string has at most one character per byte, so only a long one has to
/// be counted.
fn check_length(text: Option<&RawValue>, max: usize) -> Result<(), EventError> {
    let json = text.map_or("", RawValue::get);
    if json.len().saturating_sub(2) <= max || char_count(json) <= max {
        return Ok(());
    }
    let message = format!("content.text must not be longer than {max} characters");
    Err(EventError::new(ErrorCode::TooMany, message))
}

/// Returns the number of characters in a JSON string. A lone surrogate, which no Rust string can hold,
/// counts as the characters of its escape.
fn char_count(json: &str) -> usize {
    serde_json::from_str::<String>(json).map_or(json.len(), |text| text.chars().count())
}

/// Returns whether the value is a non-empty string. It is not decoded, so a lone surrogate is allowed.
fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"') && value.get().len() > 2
}

/// Returns whether the value is the URL of a file ([`is_web_url`]).
fn is_url(value: &RawValue) -> bool {
    serde_json::from_str::<String>(value.get()).is_ok_and(|url| is_web_url(&url))
}

/// Returns whether the value is a non-negative whole number. In JSON, 7.0 is as whole a number as 7.
fn is_size(value: &RawValue) -> bool {
    let number = serde_json::from_str::<f64>(value.get());
    number.is_ok_and(|number| number >= 0.0 && number.fract() == 0.0)
}
