//! `block_user` / `unblock_user { userId }` → `user_blocked` / `user_unblocked { userId }`
//!
//! A blocked user cannot send messages to the blocker, is not shown as typing to the blocker, and sees the
//! blocker as offline and never seen.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Reply, RequestPayload, only_user_id};
use crate::core::config::Config;
use crate::core::error::{ErrorCode, EventError, to_json};

/// The request event that blocks a user.
pub const BLOCK: &str = "block_user";
/// The request event that unblocks a user.
pub const UNBLOCK: &str = "unblock_user";

/// The reply to [`BLOCK`], sent whether or not an ack is requested.
pub const BLOCKED: &str = "user_blocked";
/// The reply to [`UNBLOCK`], sent whether or not an ack is requested.
pub const UNBLOCKED: &str = "user_unblocked";

/// The id of the user to block or to unblock.
#[derive(Debug)]
pub struct Blocking<const BLOCKS: bool>(pub String);

impl<const BLOCKS: bool> RequestPayload for Blocking<BLOCKS> {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        only_user_id(payload).map(Self)
    }
}

/// The error for a user who would block more than `max` users.
pub fn too_many(max: usize) -> EventError {
    let message = format!("You must not block more than {max} users");
    EventError::new(ErrorCode::TooMany, message)
}

/// Who was blocked or unblocked.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserBlocked<'a> {
    /// The user.
    user_id: &'a str,
}

/// Returns the reply that confirms a block or its end.
pub fn reply(event: &'static str, user_id: &str) -> Reply {
    Reply::event(event, to_json(&UserBlocked { user_id }))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    #[test]
    fn reads_a_user_id() {
        for name in [BLOCK, UNBLOCK] {
            assert!(matches!(
                read(name, r#"{"userId":"u"}"#),
                Ok(Request::BlockUser(Blocking(id)) | Request::UnblockUser(Blocking(id))) if id == "u"
            ));
            assert!(refusal(name, "{}").starts_with("userId must be a string"));
        }
    }

    #[test]
    fn reply_is_pinned() {
        assert_eq!(reply(BLOCKED, "u").payload, r#"{"userId":"u"}"#);
    }
}
