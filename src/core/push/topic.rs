//! The topic of a push (RFC 8030, section 5.4): a newer push with the same topic replaces one that has not reached the
//! browser yet.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::subscription::Subscription;
use crate::core::ids::mac;

/// How many bytes make 32 characters of base64url, the longest topic.
const BYTES: usize = 24;

/// Returns the topic for what is pushed to this browser about `key`, e.g. a conversation. The browser's secret is in it:
/// otherwise a push service could tell from equal topics who talks to whom.
pub fn topic(subscription: &Subscription, key: &str) -> String {
    let secret = subscription.auth.as_bytes();
    let mac = mac(secret, &[b"push topic", key.as_bytes()]);
    URL_SAFE_NO_PAD.encode(mac.get(..BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::subscription::tests::{AUTH, P256DH};
    use super::*;

    fn subscription(auth: &str) -> Subscription {
        Subscription {
            endpoint: "https://push.example/1".into(),
            p256dh: P256DH.into(),
            auth: auth.into(),
        }
    }

    #[test]
    fn one_for_each_conversation_and_browser() {
        let one = topic(&subscription(AUTH), "c1");
        assert_eq!(one.len(), 32);
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(one.bytes().all(is_base64url), "{one}");
        assert_eq!(topic(&subscription(AUTH), "c1"), one);
        assert_ne!(topic(&subscription(AUTH), "c2"), one);
        assert_ne!(topic(&subscription("AAAAAAAAAAAAAAAAAAAAAA"), "c1"), one);
    }
}
