//! Webhooks that were given up: `GET /v1/webhooks/failed`, and the rows of D1 behind it.
//!
//! The list is newest first: by id, which is a UUIDv7 and so begins with the time of its notice. The cursor is the id of
//! the last item, and holds whatever is replayed in the meantime.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::core::error::{EventError, to_json};
use crate::core::events::{fields, limit, present};
use crate::core::time::{Millis, iso};

/// The most characters of a webhook's id.
pub const MAX_ID_CHARS: usize = 64;

/// Returns whether this can be the id of a webhook: 1 to 64 visible ASCII characters.
pub fn is_webhook_id(text: &str) -> bool {
    (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A request for a page of failed webhooks.
#[derive(Debug, PartialEq, Eq)]
pub struct FailedPage {
    /// The maximum number of items.
    pub limit: usize,
    /// The `nextCursor` of the previous page.
    pub cursor: Option<String>,
}

impl FailedPage {
    /// Reads `{ limit?, cursor? }`.
    pub fn read(payload: &RawValue) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow)]
            limit: Option<&'a RawValue>,
            #[serde(borrow)]
            cursor: Option<&'a RawValue>,
        }
        let read: Fields = fields(payload)?;
        let cursor = present(read.cursor).map(|cursor| {
            serde_json::from_str::<String>(cursor.get())
                .ok()
                .filter(|id| is_webhook_id(id))
                .ok_or_else(|| EventError::invalid("cursor must be the id of a webhook"))
        });
        Ok(Self {
            limit: limit(read.limit)?,
            cursor: cursor.transpose()?,
        })
    }

    /// Returns the page with these rows. If there are more than `limit`, `rows` holds one more than that.
    pub fn reply(&self, rows: &[FailedWebhook]) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Page<'a> {
            items: Vec<Item<'a>>,
            next_cursor: Option<&'a str>,
        }
        let items: Vec<Item> = rows.iter().take(self.limit).map(Item::of).collect();
        let last = items.last().map(|item| item.webhook_id);
        to_json(&Page {
            next_cursor: last.filter(|_| rows.len() > self.limit),
            items,
        })
    }
}

/// A webhook that was given up, as D1 has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedWebhook {
    /// The `webhook-id` of every attempt.
    pub webhook_id: String,
    /// The user whom it is about, whose object has its payload.
    pub user_id: String,
    /// The name of the event.
    pub event: String,
    /// When it was given up.
    pub failed_at: Millis,
    /// The status of the last answer, if the last attempt got one.
    pub last_status: Option<u16>,
}

/// A webhook that was given up, as the API returns it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    webhook_id: &'a str,
    user_id: &'a str,
    event: &'a str,
    failed_at: String,
    last_status: Option<u16>,
}

impl<'a> Item<'a> {
    fn of(row: &'a FailedWebhook) -> Self {
        Self {
            webhook_id: &row.webhook_id,
            user_id: &row.user_id,
            event: &row.event,
            failed_at: iso(row.failed_at),
            last_status: row.last_status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(payload: &str) -> Result<FailedPage, EventError> {
        FailedPage::read(serde_json::from_str(payload).unwrap())
    }

    fn row(webhook_id: &str) -> FailedWebhook {
        FailedWebhook {
            webhook_id: webhook_id.into(),
            user_id: "u".into(),
            event: "message.unread".into(),
            failed_at: 1_762_338_600_000,
            last_status: Some(500),
        }
    }

    #[test]
    fn reads_a_page() {
        let all = page("{}").unwrap();
        assert_eq!((all.limit, all.cursor), (50, None));
        let next = page(r#"{"limit":7,"cursor":"w-1"}"#).unwrap();
        assert_eq!((next.limit, next.cursor.as_deref()), (7, Some("w-1")));
        for bad in ["7", r#""""#, r#""a b""#, r#""ü""#] {
            let error = page(&format!(r#"{{"cursor":{bad}}}"#)).unwrap_err();
            assert_eq!(error.message, "cursor must be the id of a webhook");
        }
        assert!(page(r#"{"limit":101}"#).is_err());
    }

    #[test]
    fn a_page_is_pinned() {
        let one = page(r#"{"limit":1}"#).unwrap();
        let item = r#"{"webhookId":"b","userId":"u","event":"message.unread","failedAt":"2025-11-05T10:30:00.000Z","lastStatus":500}"#;
        assert_eq!(
            one.reply(&[row("b"), row("a")]),
            format!(r#"{{"items":[{item}],"nextCursor":"b"}}"#)
        );
        assert_eq!(
            one.reply(&[row("b")]),
            format!(r#"{{"items":[{item}],"nextCursor":null}}"#)
        );
        assert_eq!(one.reply(&[]), r#"{"items":[],"nextCursor":null}"#);
    }
}
