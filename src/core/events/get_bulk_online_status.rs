//! `get_bulk_online_status { userIds }` → `bulk_online_status { [userId]: { isOnline, lastSeen } }`

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Reply, RequestPayload, only_user_ids};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};
use crate::core::presence::Presence;
use crate::core::time::iso;

/// The request event.
pub const NAME: &str = "get_bulk_online_status";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "bulk_online_status";

/// A query for the presence of several users.
#[derive(Debug, PartialEq, Eq)]
pub struct BulkStatusQuery {
    /// The users, each once, in the order of the request.
    pub user_ids: Vec<String>,
}

impl RequestPayload for BulkStatusQuery {
    fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError> {
        let user_ids = only_user_ids(payload, config.max_status_users)?;
        Ok(Self { user_ids })
    }
}

/// Returns a reply with the name `event`: a map in the order of the request.
pub fn reply(event: &'static str, statuses: &[(String, Presence)]) -> Reply {
    Reply::event(event, to_json(&StatusMap(statuses)))
}

/// A user's presence, as others are told it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct OnlineStatus {
    /// Whether a connection of theirs is live.
    is_online: bool,
    /// ISO 8601, UTC; null for a user who was never here.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    last_seen: Option<String>,
}

/// Each user's status under their id.
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "OnlineStatuses")
)]
pub(crate) struct StatusMap<'a>(
    #[cfg_attr(
        test,
        schemars(with = "std::collections::BTreeMap<String, OnlineStatus>")
    )]
    &'a [(String, Presence)],
);

impl Serialize for StatusMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (user_id, presence) in self.0 {
            let status = OnlineStatus {
                is_online: presence.is_online(),
                last_seen: presence.last_seen.map(iso),
            };
            map.serialize_entry(user_id, &status)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    #[test]
    fn repeated_ids_count_once() {
        let payload = r#"{"userIds":["b","a","b","c","a"]}"#;
        let Ok(Request::GetBulkOnlineStatus(query)) = read(NAME, payload) else {
            panic!()
        };
        assert_eq!(query.user_ids, ["b", "a", "c"]);
    }

    #[test]
    fn names_what_is_wrong() {
        for bad in ["{}", r#"{"userIds":[]}"#, r#"{"userIds":"a"}"#] {
            assert_eq!(refusal(NAME, bad), "userIds must be a non-empty array");
        }
        assert!(refusal(NAME, r#"{"userIds":["a",7]}"#).starts_with("userIds[1] must be"));
        assert_eq!(
            refusal(NAME, r#"{"userIds":["a","b","c","d"]}"#),
            "userIds must not name more than 3 users"
        );
    }

    #[test]
    fn reply_is_pinned() {
        let online = Presence {
            connection_count: 1,
            last_seen: Some(1_762_338_600_000),
        };
        let statuses = [
            ("z".to_owned(), online),
            ("a".to_owned(), Presence::default()),
        ];
        assert_eq!(
            reply(REPLY, &statuses).payload,
            r#"{"z":{"isOnline":true,"lastSeen":"2025-11-05T10:30:00.000Z"},"a":{"isOnline":false,"lastSeen":null}}"#
        );
    }
}
