//! `get_online_status { userId }` → `user_online_status { userId, isOnline, lastSeen, connectionCount }`

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Reply, fields, user_id};
use crate::core::error::{EventError, to_json};
use crate::core::presence::Presence;
use crate::core::time::iso;

/// The request.
pub const NAME: &str = "get_online_status";

/// The reply.
pub const REPLY: &str = "user_online_status";

/// Whose presence is asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Query {
    /// The user.
    pub user_id: String,
}

impl Query {
    /// Reads the payload.
    pub fn read(payload: &RawValue) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a> {
            #[serde(borrow)]
            user_id: Option<&'a RawValue>,
        }
        let fields: Fields = fields(payload)?;
        let user_id = user_id(fields.user_id, "userId")?;
        Ok(Self { user_id })
    }
}

/// The reply.
pub fn reply(user_id: &str, presence: Presence) -> Reply {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload<'a> {
        user_id: &'a str,
        is_online: bool,
        last_seen: Option<String>,
        connection_count: usize,
    }
    Reply::event(
        REPLY,
        to_json(&Payload {
            user_id,
            is_online: presence.is_online(),
            last_seen: presence.last_seen.map(iso),
            connection_count: presence.connection_count,
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    #[test]
    fn reads_a_user_id() {
        let Ok(Request::OnlineStatus(query)) = read(NAME, r#"{"userId":"ü 1","more":1}"#) else {
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
