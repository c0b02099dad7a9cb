//! `typing_start` / `typing_stop { conversationId }` →
//! `user_typing { conversationId, userId, isTyping }` to the other side.
//!
//! Volatile: never stored, and lost on whoever is not connected. A client forgets a `user_typing` by
//! itself after 6 seconds, so that a `typing_stop` that never came does no harm; who goes on typing
//! sends `typing_start` again.

use serde::{Deserialize, Serialize};

/// The requests.
pub const START: &str = "typing_start";
/// The requests.
pub const STOP: &str = "typing_stop";

/// What the other side's devices get.
pub const USER_TYPING: &str = "user_typing";

/// The other side began or stopped typing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserTyping {
    /// Where.
    pub conversation_id: String,
    /// Who.
    pub user_id: String,
    /// Whether they have begun, or stopped.
    pub is_typing: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::error::to_json;

    #[test]
    fn wire_json_is_pinned() {
        let typing = UserTyping {
            conversation_id: "k".into(),
            user_id: "u".into(),
            is_typing: true,
        };
        assert_eq!(
            to_json(&typing),
            r#"{"conversationId":"k","userId":"u","isTyping":true}"#
        );
    }
}
