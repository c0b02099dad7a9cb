//! `get_push_key {}` → `push_key { publicKey }`, the key with which a browser subscribes to pushes; null if the server
//! sends none.

use serde::Serialize;

use super::{FromEvent, Reply, payload_or_none};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};
use crate::wire::socket_io::Args;

/// The request event.
pub const NAME: &str = "get_push_key";

/// The reply event, sent whether or not an ack is requested.
pub const REPLY: &str = "push_key";

/// Asks for the key.
#[derive(Debug, PartialEq, Eq)]
pub struct PushKeyQuery;

/// The request has no fields.
#[cfg(test)]
#[derive(serde::Deserialize, schemars::JsonSchema)]
pub(crate) struct GetPushKey {}

impl FromEvent for PushKeyQuery {
    fn from_event(_name: &str, args: &Args, _config: &Config) -> Result<Self, EventError> {
        payload_or_none(args).map(|_| Self)
    }
}

/// The key with which browsers subscribe.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct PushKey<'a> {
    /// For `applicationServerKey`, in base64url; null if the server sends no pushes.
    public_key: Option<&'a str>,
}

/// Returns the reply.
pub fn reply(config: &Config) -> Reply {
    let push = config.push.as_ref();
    let public_key = push.map(|push| push.public_key.as_str());
    Reply::event(REPLY, to_json(&PushKey { public_key }))
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{config, read, refusal};
    use super::*;

    #[test]
    fn the_payload_may_be_omitted() {
        for payload in ["", "{}", r#"{"more":1}"#] {
            let request = read(NAME, payload).unwrap();
            assert!(matches!(request, Request::GetPushKey(PushKeyQuery)));
        }
        assert_eq!(refusal(NAME, "7"), "The payload must be an object");
    }

    #[test]
    fn reply_is_pinned() {
        let mut config = config();
        let key = config.push.as_ref().unwrap().public_key.clone();
        let expected = format!(r#"{{"publicKey":"{key}"}}"#);
        assert_eq!(reply(&config).payload, expected);
        config.push = None;
        assert_eq!(reply(&config).payload, r#"{"publicKey":null}"#);
    }
}
