//! `subscribe_online_status { userIds }` → `online_status_subscribed { [userId]: { isOnline, lastSeen } }`,
//! and from then on `user_online_status` whenever one of them goes online or offline;
//! `unsubscribe_online_status { userIds }` → `online_status_unsubscribed { userIds }`

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Reply, RequestPayload, only_user_ids};
use crate::core::config::Config;
use crate::core::error::{ErrorCode, EventError, to_json};

/// The request event that begins watching users.
pub const SUBSCRIBE: &str = "subscribe_online_status";
/// The request event that stops watching users.
pub const UNSUBSCRIBE: &str = "unsubscribe_online_status";

/// The reply to [`SUBSCRIBE`], sent whether or not an ack is requested.
pub const SUBSCRIBED: &str = "online_status_subscribed";
/// The reply to [`UNSUBSCRIBE`], sent whether or not an ack is requested.
pub const UNSUBSCRIBED: &str = "online_status_unsubscribed";

/// The ids of the users to watch, each once.
#[derive(Debug)]
pub struct Subscription(pub Vec<String>);

impl RequestPayload for Subscription {
    fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError> {
        only_user_ids(payload, config.max_subscriptions).map(Self)
    }
}

/// The ids of the users to stop watching, each once.
#[derive(Debug)]
pub struct Unsubscription(pub Vec<String>);

impl RequestPayload for Unsubscription {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        only_user_ids(payload, usize::MAX).map(Self)
    }
}

/// Returns the error for a subscription to more users than a connection may watch.
pub fn too_many(max: usize) -> EventError {
    let message = format!("A connection must not subscribe to more than {max} users");
    EventError::new(ErrorCode::TooMany, message)
}

/// Who is no longer watched.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct OnlineStatusUnsubscribed<'a> {
    /// The users.
    user_ids: &'a [String],
}

/// Returns the reply to [`UNSUBSCRIBE`].
pub fn unsubscribed(user_ids: &[String]) -> Reply {
    let payload = to_json(&OnlineStatusUnsubscribed { user_ids });
    Reply::event(UNSUBSCRIBED, payload)
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
                Ok(Request::Subscribe(Subscription(list)) | Request::Unsubscribe(Unsubscription(list)))
                    if list == ids(&["a", "b"])
            ));
            assert_eq!(refusal(name, "{}"), "userIds must be a non-empty array");
        }
    }

    #[test]
    fn json_is_pinned() {
        assert_eq!(unsubscribed(&ids(&["a"])).payload, r#"{"userIds":["a"]}"#);
    }
}
