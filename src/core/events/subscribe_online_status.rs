//! `subscribe_online_status { userIds }` → `online_status_subscribed { [userId]: { isOnline, lastSeen } }`
//! and from then on `user_online_status` whenever one of them goes online or offline;
//! `unsubscribe_online_status { userIds }` → `online_status_unsubscribed { userIds }`

use serde::Serialize;

use super::Reply;
use crate::core::error::{ErrorCode, EventError, to_json};

/// The request.
pub const SUBSCRIBE: &str = "subscribe_online_status";
/// The request.
pub const UNSUBSCRIBE: &str = "unsubscribe_online_status";

/// The reply.
pub const SUBSCRIBED: &str = "online_status_subscribed";
/// The reply.
pub const UNSUBSCRIBED: &str = "online_status_unsubscribed";

/// The refusal of a subscription to more users than a connection may watch.
pub fn too_many(max: usize) -> EventError {
    EventError::new(
        ErrorCode::TooMany,
        format!("A connection must not subscribe to more than {max} users"),
    )
}

/// Who is no longer watched.
#[derive(Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "OnlineStatusUnsubscribed")
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payload<'a> {
    /// The users.
    user_ids: &'a [String],
}

/// The reply to [`UNSUBSCRIBE`].
pub fn unsubscribed(user_ids: &[String]) -> Reply {
    Reply::event(UNSUBSCRIBED, to_json(&Payload { user_ids }))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn reads_user_ids() {
        for name in [SUBSCRIBE, UNSUBSCRIBE] {
            assert!(matches!(
                read(name, r#"{"userIds":["a","b","a"]}"#),
                Ok(Request::Subscribe(list) | Request::Unsubscribe(list)) if list == ids(&["a", "b"])
            ));
            assert_eq!(refusal(name, "{}"), "userIds must be a non-empty array");
        }
    }

    #[test]
    fn json_is_pinned() {
        assert_eq!(unsubscribed(&ids(&["a"])).payload, r#"{"userIds":["a"]}"#);
    }
}
