//! `get_online_status { userId }` → `user_online_status { userId, isOnline, lastSeen, connectionCount }`

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Reply, RequestPayload, only_user_id};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};
use crate::core::presence::Presence;
use crate::core::time::iso;

/// The request event.
pub const NAME: &str = "get_online_status";

/// The reply event, sent whether or not an ack is requested. Also pushed to watchers.
pub const REPLY: &str = "user_online_status";

/// A query for a user's presence.
#[derive(Debug, PartialEq, Eq)]
pub struct StatusQuery {
    /// The user's id.
    pub user_id: String,
}

impl RequestPayload for StatusQuery {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        let user_id = only_user_id(payload)?;
        Ok(Self { user_id })
    }
}

/// A user's presence.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserOnlineStatus<'a> {
    /// The user.
    user_id: &'a str,
    /// Whether a connection of theirs is live.
    is_online: bool,
    /// ISO 8601, UTC; null for a user who was never here.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    last_seen: Option<String>,
    /// How many connections of theirs are live.
    connection_count: usize,
}

/// Returns the status event: the reply to a query, and what watchers are pushed.
pub fn reply(user_id: &str, presence: Presence) -> Reply {
    let status = UserOnlineStatus {
        user_id,
        is_online: presence.is_online(),
        last_seen: presence.last_seen.map(iso),
        connection_count: presence.connection_count,
    };
    Reply::event(REPLY, to_json(&status))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    #[test]
    fn reads_a_user_id() {
        let Ok(Request::GetOnlineStatus(query)) = read(NAME, r#"{"userId":"ü 1","more":1}"#)
        else {
            panic!()
        };
        assert_eq!(query.user_id, "ü 1");
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        let too_long = format!(r#"{{"userId":"{}"}}"#, "x".repeat(129));
        for bad in ["{}", r#"{"userId":7}"#, r#"{"userId":""}"#, &too_long] {
            assert_eq!(
                refusal(NAME, bad),
                "userId must be a string of 1 to 128 characters, without control characters"
            );
        }
    }

    #[test]
    fn reply_is_pinned() {
        let online = Presence {
            connection_count: 2,
            last_seen: Some(1_762_338_600_000),
        };
        assert_eq!(
            reply("user456", online).payload,
            r#"{"userId":"user456","isOnline":true,"lastSeen":"2025-11-05T10:30:00.000Z","connectionCount":2}"#
        );
        assert_eq!(
            reply("u", Presence::default()).payload,
            r#"{"userId":"u","isOnline":false,"lastSeen":null,"connectionCount":0}"#
        );
    }
}
