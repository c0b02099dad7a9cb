//! `get_unread_total {}` → `unread_total { messages, conversations }`, which is also pushed to the user's devices when it
//! changes.

use serde::Serialize;

use super::{FromEvent, Reply, payload_or_none};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};
use crate::wire::socket_io::Args;

/// The request event.
pub const NAME: &str = "get_unread_total";

/// The reply event, sent whether or not an ack is requested. Also pushed.
pub const UNREAD_TOTAL: &str = "unread_total";

/// Asks how much is unread.
#[derive(Debug, PartialEq, Eq)]
pub struct UnreadQuery;

/// The request has no fields.
#[cfg(test)]
#[derive(serde::Deserialize, schemars::JsonSchema)]
pub(crate) struct GetUnreadTotal {}

impl FromEvent for UnreadQuery {
    fn from_event(_name: &str, args: &Args, _config: &Config) -> Result<Self, EventError> {
        payload_or_none(args).map(|_| Self)
    }
}

/// How much the user has received and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnreadTotal {
    /// How many messages. A conversation counts for at most 1000, as in `unreadCount`.
    pub messages: u64,
    /// In how many conversations.
    pub conversations: u64,
}

/// Returns the reply.
pub fn reply(total: UnreadTotal) -> Reply {
    Reply::event(UNREAD_TOTAL, to_json(&total))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    #[test]
    fn the_payload_may_be_omitted() {
        for payload in ["", "{}", r#"{"more":1}"#] {
            let request = read(NAME, payload).unwrap();
            assert!(matches!(request, Request::GetUnreadTotal(UnreadQuery)));
        }
        assert_eq!(refusal(NAME, "7"), "The payload must be an object");
    }

    #[test]
    fn reply_is_pinned() {
        let total = UnreadTotal {
            messages: 3,
            conversations: 2,
        };
        assert_eq!(reply(total).payload, r#"{"messages":3,"conversations":2}"#);
    }
}
