//! `typing_start` / `typing_stop { conversationId }` → `user_typing { conversationId, userId, isTyping }`
//! to the other participant.
//!
//! Volatile: never stored, and lost if the receiver is not connected. A client discards a `user_typing`
//! after 6 seconds, so that a lost `typing_stop` does no harm; a client whose user keeps typing repeats
//! `typing_start`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{RequestPayload, only_conversation_id};
use crate::core::config::Config;
use crate::core::error::EventError;

/// The request event when the user begins to type.
pub const START: &str = "typing_start";
/// The request event when the user stops typing.
pub const STOP: &str = "typing_stop";

/// The event that the other participant's devices receive.
pub const USER_TYPING: &str = "user_typing";

/// The id of the conversation in which the user begins to type, or stops.
#[derive(Debug)]
pub struct Typing<const IS_TYPING: bool>(pub String);

impl<const IS_TYPING: bool> RequestPayload for Typing<IS_TYPING> {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        only_conversation_id(payload).map(Self)
    }
}

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
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;
    use crate::core::error::to_json;

    #[test]
    fn reads_a_conversation_id() {
        for name in [START, STOP] {
            let request = read(name, r#"{"conversationId":"k"}"#).unwrap();
            assert!(matches!(
                request,
                Request::TypingStart(Typing(id)) | Request::TypingStop(Typing(id)) if id == "k"
            ));
            assert_eq!(
                refusal(name, "{}"),
                "conversationId must be a string of 1 to 64 characters"
            );
        }
    }

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
