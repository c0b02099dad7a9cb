//! `subscribe_push { endpoint, keys: { p256dh, auth } }` → `push_subscribed { endpoint }`, and
//! `unsubscribe_push { endpoint }` → `push_unsubscribed { endpoint }`
//!
//! The payload is what a browser's `PushSubscription.toJSON()` returns. Subscribing again with the same endpoint replaces
//! its keys. It is possible only where Web Push is configured; unsubscribing always is.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Reply, RequestPayload, fields, optional_text, present};
use crate::core::config::Config;
use crate::core::error::{ErrorCode, EventError, to_json};
use crate::core::push::subscription::{
    AUTH_BYTES, MAX_ENDPOINT_CHARS, Subscription, is_public_key, is_secret,
};

/// The request event that subscribes a browser.
pub const SUBSCRIBE: &str = "subscribe_push";
/// The request event that ends a subscription.
pub const UNSUBSCRIBE: &str = "unsubscribe_push";

/// The reply to [`SUBSCRIBE`], sent whether or not an ack is requested.
pub const SUBSCRIBED: &str = "push_subscribed";
/// The reply to [`UNSUBSCRIBE`], sent whether or not an ack is requested.
pub const UNSUBSCRIBED: &str = "push_unsubscribed";

/// The subscription to be stored.
#[derive(Debug)]
pub struct PushSubscription(pub Subscription);

/// The endpoint of the subscription to be deleted.
#[derive(Debug)]
pub struct PushUnsubscription(pub String);

/// A browser's subscription.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscribePush<'a> {
    /// Where pushes go: an https URL of a push service that the server allows.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1, max = 2000)))]
    endpoint: Option<&'a RawValue>,
    /// What pushes are encrypted for.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "PushKeys"))]
    keys: Option<&'a RawValue>,
}

/// What pushes are encrypted for.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct PushKeys<'a> {
    /// The browser's public key: 65 bytes in base64url.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 87, max = 87)))]
    p256dh: Option<&'a RawValue>,
    /// The browser's secret: 16 bytes in base64url.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 22, max = 22)))]
    auth: Option<&'a RawValue>,
}

/// Which subscription to end.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnsubscribePush<'a> {
    /// The subscription's endpoint.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1, max = 2000)))]
    endpoint: Option<&'a RawValue>,
}

impl RequestPayload for PushSubscription {
    fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError> {
        let Some(push) = &config.push else {
            let message = "This server sends no pushes";
            return Err(EventError::new(ErrorCode::Forbidden, message));
        };
        let fields: SubscribePush = fields(payload)?;
        let endpoint = endpoint(fields.endpoint)?;
        if !push.hosts.allow(&endpoint) {
            let message = "endpoint must be the https URL of a push service that is allowed here";
            return Err(EventError::invalid(message));
        }
        let keys: PushKeys = present(fields.keys)
            .and_then(|keys| serde_json::from_str(keys.get()).ok())
            .ok_or_else(|| EventError::invalid("keys must be an object with p256dh and auth"))?;
        let p256dh = key(keys.p256dh, is_public_key)
            .ok_or_else(|| EventError::invalid("keys.p256dh must be 65 bytes in base64url"))?;
        let auth = key(keys.auth, |text| is_secret(text, AUTH_BYTES))
            .ok_or_else(|| EventError::invalid("keys.auth must be 16 bytes in base64url"))?;
        Ok(Self(Subscription {
            endpoint,
            p256dh,
            auth,
        }))
    }
}

impl RequestPayload for PushUnsubscription {
    fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
        let fields: UnsubscribePush = fields(payload)?;
        endpoint(fields.endpoint).map(Self)
    }
}

fn endpoint(field: Option<&RawValue>) -> Result<String, EventError> {
    optional_text(field, "endpoint", MAX_ENDPOINT_CHARS)?.ok_or_else(|| {
        EventError::invalid(format!(
            "endpoint must be a string of 1 to {MAX_ENDPOINT_CHARS} characters"
        ))
    })
}

fn key(field: Option<&RawValue>, is_good: impl Fn(&str) -> bool) -> Option<String> {
    let text: String = serde_json::from_str(field?.get()).ok()?;
    is_good(&text).then_some(text)
}

/// Which subscription was stored or deleted.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct PushEndpoint<'a> {
    /// The subscription's endpoint.
    endpoint: &'a str,
}

/// Returns the reply that confirms a subscription or its end.
pub fn reply(event: &'static str, endpoint: &str) -> Reply {
    Reply::event(event, to_json(&PushEndpoint { endpoint }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{read, refusal};
    use super::super::{Request, testing};
    use super::*;
    use crate::core::push::subscription::tests::{AUTH, P256DH};

    const ENDPOINT: &str = "https://fcm.googleapis.com/fcm/send/abc";

    fn payload(endpoint: &str, keys: Value) -> String {
        json!({ "endpoint": endpoint, "keys": keys, "expirationTime": null }).to_string()
    }

    #[test]
    fn reads_what_a_browser_returns() {
        let keys = json!({ "p256dh": P256DH, "auth": AUTH });
        let request = read(SUBSCRIBE, &payload(ENDPOINT, keys)).unwrap();
        let Request::SubscribePush(PushSubscription(subscription)) = request else {
            panic!("{request:?}");
        };
        assert_eq!(subscription.endpoint, ENDPOINT);
        assert_eq!(
            (subscription.p256dh.as_str(), subscription.auth.as_str()),
            (P256DH, AUTH)
        );
        let request = read(UNSUBSCRIBE, &json!({ "endpoint": "any" }).to_string());
        assert!(matches!(
            request,
            Ok(Request::UnsubscribePush(PushUnsubscription(endpoint))) if endpoint == "any"
        ));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let keys = || json!({ "p256dh": P256DH, "auth": AUTH });
        let check = |payload: String, expected: &str| {
            assert_eq!(refusal(SUBSCRIBE, &payload), expected);
        };
        let not_allowed = "endpoint must be the https URL of a push service that is allowed here";
        for bad in ["x", "https://evil.example/x", "http://fcm.googleapis.com/x"] {
            check(payload(bad, keys()), not_allowed);
        }
        let long = format!("{ENDPOINT}{}", "x".repeat(MAX_ENDPOINT_CHARS));
        let length = "endpoint must be a string of 1 to 2000 characters";
        check(payload(&long, keys()), length);
        check(json!({ "keys": keys() }).to_string(), length);
        assert_eq!(refusal(UNSUBSCRIBE, "{}"), length);
        for bad in [
            json!(null),
            json!("x"),
            json!({ "p256dh": [] , "p256dh2": 1 }),
        ] {
            let error = refusal(SUBSCRIBE, &payload(ENDPOINT, bad));
            assert!(error.starts_with("keys"), "{error}");
        }
        let p256dh = "keys.p256dh must be 65 bytes in base64url";
        check(payload(ENDPOINT, json!({ "auth": AUTH })), p256dh);
        check(
            payload(ENDPOINT, json!({ "p256dh": AUTH, "auth": AUTH })),
            p256dh,
        );
        let auth = "keys.auth must be 16 bytes in base64url";
        check(payload(ENDPOINT, json!({ "p256dh": P256DH })), auth);
        check(
            payload(ENDPOINT, json!({ "p256dh": P256DH, "auth": P256DH })),
            auth,
        );
    }

    #[test]
    fn without_keys_of_the_server_there_is_no_push() {
        let mut config = testing::config();
        config.push = None;
        let payload: Box<RawValue> = serde_json::from_str("{}").unwrap();
        let error = PushSubscription::read(&payload, &config).unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
        let payload: Box<RawValue> = serde_json::from_str(r#"{"endpoint":"any"}"#).unwrap();
        assert!(PushUnsubscription::read(&payload, &config).is_ok());
    }

    #[test]
    fn reply_is_pinned() {
        let payload = reply(SUBSCRIBED, ENDPOINT).payload;
        assert_eq!(payload, format!(r#"{{"endpoint":"{ENDPOINT}"}}"#));
    }
}
