//! Whether the webhook is switched off, and the webhooks that were given up. All of it is in the first shard.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Param, Statement};
use crate::core::error::to_json;
use crate::core::time::Millis;
use crate::core::webhook::failed::{FailedPage, FailedWebhook};

/// Returns what the record knows a URL by.
fn hash(url: &str) -> Param {
    Param::Text(URL_SAFE_NO_PAD.encode(Sha256::digest(url)))
}

/// Reads since when the webhook at this URL has been switched off: [`Gone`] rows, none or one.
pub fn find_gone(url: &str) -> Statement {
    Statement {
        sql: "SELECT gone_at AS goneAt FROM webhook_endpoint WHERE url_hash = ?1",
        params: vec![hash(url)],
    }
}

/// A webhook that is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gone {
    /// Since when it has been.
    pub gone_at: Millis,
}

/// Switches the webhook at this URL off. If it is off already, its time stays.
pub fn switch_off(url: &str, now: Millis) -> Statement {
    Statement {
        sql: "INSERT INTO webhook_endpoint (url_hash, gone_at) VALUES (?1, ?2)
              ON CONFLICT (url_hash) DO NOTHING",
        params: vec![hash(url), Param::Integer(now)],
    }
}

/// Switches the webhook at this URL on again.
pub fn switch_on(url: &str) -> Statement {
    Statement {
        sql: "DELETE FROM webhook_endpoint WHERE url_hash = ?1",
        params: vec![hash(url)],
    }
}

/// Remembers a webhook that was given up. One that was replayed and has failed again gets the new time and status.
pub fn add_failed(failed: &FailedWebhook) -> Statement {
    Statement {
        sql: "INSERT INTO failed_webhooks (webhook_id, user_id, event, failed_at, last_status)
              VALUES (?1, ?2, ?3, ?4, ?5)
              ON CONFLICT (webhook_id) DO UPDATE SET
                failed_at = excluded.failed_at, last_status = excluded.last_status",
        params: vec![
            Param::from(failed.webhook_id.as_str()),
            Param::from(failed.user_id.as_str()),
            Param::from(failed.event.as_str()),
            Param::Integer(failed.failed_at),
            Param::from(failed.last_status.map(u64::from)),
        ],
    }
}

/// Reads a page of the webhooks that were given up, and one more if there are more: [`FailedWebhook`] rows, newest
/// first.
pub fn failed(page: &FailedPage) -> Statement {
    Statement {
        sql: "SELECT webhook_id AS webhookId, user_id AS userId, event, failed_at AS failedAt,
                last_status AS lastStatus
              FROM failed_webhooks WHERE ?1 IS NULL OR webhook_id < ?1
              ORDER BY webhook_id DESC LIMIT ?2",
        params: vec![
            Param::from(page.cursor.as_deref()),
            Param::Integer(page.limit as u64 + 1),
        ],
    }
}

/// Reads the webhooks to replay: those of these ids that were given up, or else all of them; the oldest `limit`. The rows
/// are of type [`Replay`].
pub fn to_replay(ids: Option<&[String]>, limit: usize) -> Statement {
    Statement {
        sql: "SELECT webhook_id AS webhookId, user_id AS userId, failed_at AS failedAt
              FROM failed_webhooks
              WHERE ?1 IS NULL OR webhook_id IN (SELECT value FROM json_each(?1))
              ORDER BY webhook_id LIMIT ?2",
        params: vec![Param::from(ids.map(to_json)), Param::Integer(limit as u64)],
    }
}

/// A webhook to replay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Its id.
    pub webhook_id: String,
    /// The user whose object has it.
    pub user_id: String,
    /// When it was given up.
    pub failed_at: Millis,
}

/// Forgets webhooks whose objects have answered, and reads how many are left: the second statement returns one [`Left`]
/// row. One that has failed again by now stays: its `failed_at` is another one.
pub fn forget(those: &[&Replay]) -> [Statement; 2] {
    let keys: Vec<(&str, Millis)> = those
        .iter()
        .map(|replay| (replay.webhook_id.as_str(), replay.failed_at))
        .collect();
    [
        Statement {
            sql: "DELETE FROM failed_webhooks WHERE (webhook_id, failed_at) IN
                  (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
            params: vec![Param::Text(to_json(&keys))],
        },
        Statement {
            sql: "SELECT count(*) AS remaining FROM failed_webhooks",
            params: Vec::new(),
        },
    ]
}

/// How many webhooks that were given up are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Left {
    /// The number.
    pub remaining: u64,
}
