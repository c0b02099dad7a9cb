//! What a notice says: the body for the webhook, or the content of a push. It is made when the notice is claimed, and stays
//! the same from attempt to attempt.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::due::DueNotice;
use crate::core::error::to_json;
use crate::core::events::new_message::Author;
use crate::core::push::content::{PushContent, excerpt};
use crate::core::time::Millis;

/// What is read from a `new_message` in the log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewMessage {
    message_id: String,
    receiver_id: String,
    sender: Author,
    message_type: String,
    content: Box<RawValue>,
    job_id: Option<String>,
    timestamp: String,
}

/// `data` of `message.undelivered` and `message.unread`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    receiver_id: &'a str,
    conversation_id: &'a str,
    sender: &'a Author,
    count: u64,
    job_id: Option<&'a str>,
    message: Newest<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Newest<'a> {
    message_id: &'a str,
    message_type: &'a str,
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a RawValue>,
}

/// Returns the webhook's body for a notice of the time `now`. `newest` is the payload of its newest message's
/// `new_message`, whose content is told only if `includes_content`.
pub fn body(
    notice: &DueNotice,
    newest: &str,
    includes_content: bool,
    now: Millis,
) -> serde_json::Result<String> {
    let message: NewMessage = serde_json::from_str(newest)?;
    let data = RawValue::from_string(to_json(&Data {
        receiver_id: &message.receiver_id,
        conversation_id: &notice.conversation_id,
        sender: &message.sender,
        count: notice.count,
        job_id: message.job_id.as_deref(),
        message: Newest {
            message_id: &message.message_id,
            message_type: &message.message_type,
            timestamp: &message.timestamp,
            content: includes_content.then_some(&message.content),
        },
    }))?;
    Ok(notice.event.body(now, &data))
}

/// Returns what is pushed.
pub fn push(notice: &DueNotice, newest: &str) -> serde_json::Result<String> {
    let message: NewMessage = serde_json::from_str(newest)?;
    let push = PushContent {
        notice: notice.event.name(),
        conversation_id: &notice.conversation_id,
        sender: &message.sender,
        count: notice.count,
        message_id: &message.message_id,
        message_type: &message.message_type,
        timestamp: &message.timestamp,
        text: excerpt(&message.message_type, &message.content),
    };
    Ok(push.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::webhook::event::WebhookEvent;

    #[test]
    fn what_a_notice_says_is_pinned() {
        let newest = r#"{"messageId":"m","conversationId":"k","senderId":"s","sender":{"id":"s","name":"Sam","avatarUrl":null},"receiverId":"r","messageType":"text","content":{"text":"Hello"},"jobId":"j","timestamp":"2026-01-31T09:00:00.000Z"}"#;
        let notice = DueNotice {
            conversation_id: "k".into(),
            event: WebhookEvent::MessageUndelivered,
            count: 3,
            newest: "m".into(),
            newest_offset: 7,
            last_offset: 7,
        };
        let said = |includes_content| body(&notice, newest, includes_content, 0).unwrap();
        let head = r#"{"type":"message.undelivered","timestamp":"1970-01-01T00:00:00.000Z","data":{"receiverId":"r","conversationId":"k","sender":{"id":"s","name":"Sam","avatarUrl":null},"count":3,"jobId":"j","message":{"messageId":"m","messageType":"text","timestamp":"2026-01-31T09:00:00.000Z""#;
        assert_eq!(said(false), format!("{head}}}}}}}"));
        assert_eq!(
            said(true),
            format!("{head},\"content\":{{\"text\":\"Hello\"}}}}}}}}")
        );
        let pushed = push(&notice, newest).unwrap();
        assert!(pushed.contains(r#""count":3,"messageId":"m""#));
        assert!(body(&notice, "{}", true, 0).is_err());
    }
}
