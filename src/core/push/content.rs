//! What a push contains: what a service worker needs to show a notification.
//!
//! Invariant: a push has at most 3 KB. Push services take 4 KB of encrypted data (RFC 8030, section 7.2), and some of
//! them less.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::core::error::to_json;
use crate::core::events::new_message::Author;

/// The longest push in bytes, before it is encrypted.
const MAX_BYTES: usize = 3 * 1024;

/// How many characters of a text are pushed.
const EXCERPT_CHARS: usize = 200;

/// What is pushed: `{ type, conversationId, sender: { id, name, avatarUrl }, count, messageId, messageType, timestamp,
/// text? }`. The message is the newest of those that the notice is about.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushContent<'a> {
    /// `message.undelivered` or `message.unread`.
    #[serde(rename = "type")]
    pub notice: &'a str,
    /// The conversation.
    pub conversation_id: &'a str,
    /// Who wrote the message.
    pub sender: &'a Author,
    /// How many messages of the conversation the notice is about.
    pub count: u64,
    /// The message.
    pub message_id: &'a str,
    /// `text`, `image` or `file`.
    pub message_type: &'a str,
    /// When the message was accepted: ISO 8601, UTC.
    pub timestamp: &'a str,
    /// The beginning of a text ([`excerpt`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl PushContent<'_> {
    /// Returns the JSON. If it is too long, it is without the picture, and then also without the name and the text.
    pub fn to_json(&self) -> String {
        let full = to_json(self);
        if full.len() <= MAX_BYTES {
            return full;
        }
        let sender = &Author {
            avatar_url: None,
            ..self.sender.clone()
        };
        let shorter = to_json(&PushContent {
            sender,
            ..self.clone()
        });
        if shorter.len() <= MAX_BYTES {
            return shorter;
        }
        let sender = &Author {
            name: None,
            ..sender.clone()
        };
        to_json(&PushContent {
            sender,
            text: None,
            ..self.clone()
        })
    }
}

/// Returns the beginning of a text message; `None` for other messages. `content` is that of `new_message`.
pub fn excerpt(message_type: &str, content: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Content {
        text: String,
    }
    if message_type != "text" {
        return None;
    }
    let content: Content = serde_json::from_str(content.get()).ok()?;
    Some(content.text.chars().take(EXCERPT_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(name: &str, avatar_url: &str) -> Author {
        Author {
            id: "contractor1".into(),
            name: Some(name.into()),
            avatar_url: Some(avatar_url.into()),
        }
    }

    fn push(sender: &Author, text: Option<String>) -> String {
        PushContent {
            notice: "message.undelivered",
            conversation_id: "c",
            sender,
            count: 2,
            message_id: "m",
            message_type: "text",
            timestamp: "2025-11-05T10:30:00.000Z",
            text,
        }
        .to_json()
    }

    #[test]
    fn a_push_is_pinned() {
        let sender = author("Ann", "https://a.example/u");
        assert_eq!(
            push(&sender, Some("Hi!".into())),
            r#"{"type":"message.undelivered","conversationId":"c","sender":{"id":"contractor1","name":"Ann","avatarUrl":"https://a.example/u"},"count":2,"messageId":"m","messageType":"text","timestamp":"2025-11-05T10:30:00.000Z","text":"Hi!"}"#
        );
        assert!(!push(&sender, None).contains("text\":\"Hi"));
    }

    #[test]
    fn a_push_is_never_too_long() {
        let text = Some("😀".repeat(EXCERPT_CHARS));
        let long_url = format!("https://a.example/{}", "u".repeat(1_982));
        let full = push(&author("Ann", &long_url), Some("Hi!".into()));
        assert!(full.contains(&long_url));
        let without_picture = push(&author(&"😀".repeat(200), &long_url), text.clone());
        assert!(without_picture.contains("😀\",\"avatarUrl\":null"));
        assert!(without_picture.contains("\"text\":\"😀"));
        let bare = push(&author(&"\u{1}".repeat(500), &long_url), text);
        assert!(bare.contains(r#""name":null,"avatarUrl":null"#));
        assert!(!bare.contains("😀"));
        for one in [full, without_picture, bare] {
            assert!(one.len() <= MAX_BYTES);
        }
    }

    #[test]
    fn an_excerpt_is_the_beginning_of_a_text() {
        let of = |message_type: &str, content: &str| {
            let content: Box<RawValue> = serde_json::from_str(content).unwrap();
            excerpt(message_type, &content)
        };
        let long = "ü".repeat(EXCERPT_CHARS + 1);
        let beginning = "ü".repeat(EXCERPT_CHARS);
        assert_eq!(of("text", r#"{"text":"Hi!","more":1}"#), Some("Hi!".into()));
        assert_eq!(
            of("text", &format!(r#"{{"text":"{long}"}}"#)),
            Some(beginning)
        );
        assert_eq!(of("text", "{}"), None);
        assert_eq!(
            of("image", r#"{"text":"Hi!","fileUrl":"https://a.example"}"#),
            None
        );
    }
}
