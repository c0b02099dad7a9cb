//! `subscribe_online_status { userIds }` → `online_status_subscribed { [userId]: { isOnline, lastSeen } }`
//! and from then on `user_online_status` whenever one of them goes online or offline;
//! `unsubscribe_online_status { userIds }` → `online_status_unsubscribed { userIds }`

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// Whom a connection watches, and what it was last told of each: `None` if nothing yet. It is
/// stored as JSON, one row per connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watches(BTreeMap<String, Option<bool>>);

impl Watches {
    /// Adds users; those who are there already stay as they are.
    pub fn add(&mut self, user_ids: &[String], max: usize) -> Result<(), EventError> {
        for id in user_ids {
            self.0.entry(id.clone()).or_default();
        }
        if self.0.len() > max {
            return Err(EventError::new(
                ErrorCode::TooMany,
                format!("A connection must not subscribe to more than {max} users"),
            ));
        }
        Ok(())
    }

    /// Removes users.
    pub fn remove(&mut self, user_ids: &[String]) {
        for id in user_ids {
            self.0.remove(id);
        }
    }

    /// The users.
    pub fn user_ids(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Whether this user is watched.
    pub fn watches(&self, user_id: &str) -> bool {
        self.0.contains_key(user_id)
    }

    /// What the connection was last told of a user, if anything.
    pub fn known(&self, user_id: &str) -> Option<bool> {
        self.0.get(user_id).copied().flatten()
    }

    /// Whether nobody is watched.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a user's status down: whether that is news for the connection. The first status is its
    /// reply's to tell, and no news.
    pub fn learn(&mut self, user_id: &str, is_online: bool) -> bool {
        match self.0.get_mut(user_id) {
            None => false,
            Some(known) => known
                .replace(is_online)
                .is_some_and(|before| before != is_online),
        }
    }
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
    fn so_many_and_no_more() {
        let mut watches = Watches::default();
        assert_eq!(watches.add(&ids(&["a", "b"]), 3), Ok(()));
        assert_eq!(watches.add(&ids(&["b", "c"]), 3), Ok(()));
        let error = watches.clone().add(&ids(&["d"]), 3).unwrap_err();
        assert_eq!(error.code, ErrorCode::TooMany);
        watches.remove(&ids(&["a", "nobody"]));
        assert_eq!(watches.add(&ids(&["d"]), 3), Ok(()));
        assert_eq!(watches.user_ids(), ids(&["b", "c", "d"]));
    }

    #[test]
    fn news_is_what_differs_from_what_was_told() {
        let mut watches = Watches::default();
        watches.add(&ids(&["a"]), 3).unwrap();
        assert!(!watches.learn("a", true));
        assert!(!watches.learn("a", true));
        assert!(watches.learn("a", false));
        assert!(!watches.learn("nobody", true));
    }

    #[test]
    fn json_is_pinned() {
        let mut watches = Watches::default();
        watches.add(&ids(&["a", "b"]), 3).unwrap();
        watches.learn("b", true);
        assert_eq!(to_json(&watches), r#"{"a":null,"b":true}"#);
        assert_eq!(unsubscribed(&ids(&["a"])).payload, r#"{"userIds":["a"]}"#);
    }
}
