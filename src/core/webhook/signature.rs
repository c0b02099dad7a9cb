//! The headers of an attempt, with the signature by which the webhook knows that it is ours, as specified by Standard
//! Webhooks: HMAC-SHA-256 over the id, the timestamp and the body, separated by dots.
//!
//! Invariant: while the secret is changed, both sign, so a server that knows either of them accepts every attempt.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Webhook;
use crate::core::ids::hmac;
use crate::core::time::Millis;

/// The names and values of the headers.
pub type Headers = [(&'static str, String); 4];

/// Returns the headers of an attempt that is made at `now`.
pub fn headers(webhook: &Webhook, id: &str, now: Millis, body: &str) -> Headers {
    let timestamp = (now / 1_000).to_string();
    let signed = format!("{id}.{timestamp}.{body}");
    let sign = |secret| format!("v1,{}", STANDARD.encode(hmac(secret, signed.as_bytes())));
    let signatures: Vec<String> = webhook.secrets().map(sign).collect();
    [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signatures.join(" ")),
    ]
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::testing::webhook;
    use super::*;

    /// What the official library signs: tests/webhook-signature.test.ts checks that these are its signatures.
    #[derive(Deserialize)]
    struct Vector {
        id: String,
        timestamp: u64,
        body: String,
        secrets: Vec<String>,
        signatures: Vec<String>,
    }

    #[test]
    fn signatures_are_those_of_the_official_library() {
        let vectors = include_str!("../../../tests/vectors/webhooks.json");
        let vectors: Vec<Vector> = serde_json::from_str(vectors).unwrap();
        assert!(vectors.len() > 3);
        for vector in vectors {
            let previous = vector.secrets.get(1).map(String::as_str);
            let webhook = webhook(&vector.secrets[0], previous);
            let now = vector.timestamp * 1_000 + 999;
            let expected = [
                ("content-type", "application/json".to_owned()),
                ("webhook-id", vector.id.clone()),
                ("webhook-timestamp", vector.timestamp.to_string()),
                ("webhook-signature", vector.signatures.join(" ")),
            ];
            assert_eq!(headers(&webhook, &vector.id, now, &vector.body), expected);
        }
    }
}
