//! The webhook: what the marketplace's own server is told of messages, campaigns and presence, as Standard Webhooks
//! (<https://www.standardwebhooks.com>) has it.
//!
//! Invariant: every attempt for the same notice has the same id and the same body, so that the server can tell a repeat
//! from news; only its timestamp and its signature are those of the attempt. Nothing of a secret is ever in a text.

pub mod answer;
pub mod event;
pub mod failed;
pub mod signature;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::time::Millis;
use event::WebhookEvent;

/// How a secret begins.
const SECRET_PREFIX: &str = "whsec_";

/// How many bytes a secret may have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Where the webhook is and what it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `WEBHOOK_URL`: `https:`, or `http:` on this machine, without a user name. It may have a secret in it.
    pub url: String,
    /// `WEBHOOK_SECRET`: signs every attempt.
    pub secret: Vec<u8>,
    /// `WEBHOOK_SECRET_PREVIOUS`: signs every attempt, too, while the secret is changed.
    pub secret_previous: Option<Vec<u8>>,
    /// `WEBHOOK_EVENTS`: what it is told of.
    pub events: Vec<WebhookEvent>,
    /// `WEBHOOK_INCLUDE_CONTENT`: whether it gets the content of messages.
    pub includes_content: bool,
    /// `WEBHOOK_TIMEOUT_MS`: how long it may take to answer.
    pub timeout: Millis,
    /// `WEBHOOK_STATE_CACHE_MS`: how long it is remembered that it is switched on.
    pub state_cache: Millis,
    /// `WEBHOOK_REPLAY_BATCH`: how many failed webhooks one request replays.
    pub replay_batch: usize,
}

impl Webhook {
    /// Returns whether the webhook is told of this.
    pub fn wants(&self, event: WebhookEvent) -> bool {
        self.events.contains(&event)
    }

    /// Returns the secrets that sign, the current one first.
    fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let all = [Some(&self.secret), self.secret_previous.as_ref()];
        all.into_iter().flatten().map(Vec::as_slice)
    }
}

/// Reads a secret: `whsec_` and the base64 of 24 to 64 bytes.
pub fn read_secret(text: &str) -> Option<Vec<u8>> {
    let encoded = text.trim().strip_prefix(SECRET_PREFIX)?;
    let secret = STANDARD.decode(encoded).ok()?;
    SECRET_BYTES.contains(&secret.len()).then_some(secret)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Returns a webhook with these secrets.
    pub fn webhook(secret: &str, secret_previous: Option<&str>) -> Webhook {
        Webhook {
            url: "https://api.example.com/hook".into(),
            secret: read_secret(secret).unwrap(),
            secret_previous: secret_previous.map(|text| read_secret(text).unwrap()),
            events: WebhookEvent::DEFAULT.into(),
            includes_content: false,
            timeout: 10_000,
            state_cache: 30_000,
            replay_batch: 200,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        let encode = |length| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for length in [24, 25, 26, 64] {
            assert_eq!(read_secret(&encode(length)), Some(vec![7; length]));
        }
        for bad in [
            &encode(23),
            &encode(65),
            &encode(24).replace("whsec_", ""),
            &encode(25).replace('=', ""),
            "whsec_",
            "whsec_-___________________________________________",
        ] {
            assert_eq!(read_secret(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_told_of_what_it_names() {
        let webhook = testing::webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None);
        assert!(webhook.wants(WebhookEvent::MessageUnread));
        assert!(!webhook.wants(WebhookEvent::UserOnline));
    }
}
