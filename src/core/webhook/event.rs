//! What a webhook may be told of, and the body that says so:
//!
//! ```json
//! { "type": "message.unread", "timestamp": "2026-01-31T09:00:00.000Z", "data": { } }
//! ```

use serde::Serialize;
use serde_json::value::RawValue;

use crate::core::error::to_json;
use crate::core::time::{Millis, iso};

/// What a webhook may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookEvent {
    /// Messages have reached no device of their receiver.
    MessageUndelivered,
    /// Messages have not been read, whether or not a device has them.
    MessageUnread,
    /// A campaign has ended.
    CampaignFinished,
    /// A user has come online.
    UserOnline,
    /// A user has gone offline.
    UserOffline,
}

impl WebhookEvent {
    /// All of them.
    const ALL: [Self; 5] = [
        Self::MessageUndelivered,
        Self::MessageUnread,
        Self::CampaignFinished,
        Self::UserOnline,
        Self::UserOffline,
    ];

    /// Those that a webhook gets unless `WEBHOOK_EVENTS` says otherwise. Users come and go far more often than anything
    /// else happens.
    pub const DEFAULT: [Self; 3] = [
        Self::MessageUndelivered,
        Self::MessageUnread,
        Self::CampaignFinished,
    ];

    /// Returns its name: the body's `type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MessageUndelivered => "message.undelivered",
            Self::MessageUnread => "message.unread",
            Self::CampaignFinished => "campaign.finished",
            Self::UserOnline => "user.online",
            Self::UserOffline => "user.offline",
        }
    }

    /// Returns the event with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }

    /// Returns the body that tells of it: what happened at this time.
    pub fn body(self, at: Millis, data: &RawValue) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'a str,
            timestamp: String,
            data: &'a RawValue,
        }
        to_json(&Body {
            r#type: self.name(),
            timestamp: iso(at),
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for event in WebhookEvent::ALL {
            assert_eq!(WebhookEvent::named(event.name()), Some(event));
        }
        assert_eq!(WebhookEvent::named("message.read"), None);
    }

    #[test]
    fn a_body_is_pinned() {
        let data = serde_json::from_str(r#"{"userId":"u"}"#).unwrap();
        assert_eq!(
            WebhookEvent::UserOffline.body(1_762_338_600_000, data),
            r#"{"type":"user.offline","timestamp":"2025-11-05T10:30:00.000Z","data":{"userId":"u"}}"#
        );
    }
}
