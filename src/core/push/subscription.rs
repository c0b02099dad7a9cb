//! A browser's subscription to pushes, and what it must look like.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// The longest endpoint, in characters. Those of today's push services have some hundred.
pub const MAX_ENDPOINT_CHARS: usize = 2_000;

/// A subscription, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// The URL to which pushes go. Whoever knows it can disturb the browser, so it is not logged.
    pub endpoint: String,
    /// The browser's public key, in base64url.
    pub p256dh: String,
    /// The secret that the browser shares with us, in base64url.
    pub auth: String,
}

/// Returns whether the text is a public key: an uncompressed point (65 bytes) in base64url. Whether it is on the curve
/// shows when something is encrypted for it.
pub fn is_public_key(text: &str) -> bool {
    matches!(URL_SAFE_NO_PAD.decode(text).as_deref(), Ok([4, point @ ..]) if point.len() == 64)
}

/// Returns whether the text is so many bytes in base64url.
pub fn is_secret(text: &str, bytes: usize) -> bool {
    URL_SAFE_NO_PAD
        .decode(text)
        .is_ok_and(|secret| secret.len() == bytes)
}

/// How many bytes the secret of a subscription has (RFC 8291, section 3.2).
pub const AUTH_BYTES: usize = 16;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The browser's public key of RFC 8291, section 5.
    pub(crate) const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    /// The browser's secret of RFC 8291, section 5.
    pub(crate) const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn keys_are_base64url_of_their_length() {
        assert!(is_public_key(P256DH));
        assert!(is_secret(AUTH, AUTH_BYTES));
        let compressed = format!("A{}", &P256DH[1..]);
        for bad in [
            "",
            AUTH,
            &P256DH[1..],
            &compressed,
            &P256DH.replace('_', "/"),
        ] {
            assert!(!is_public_key(bad), "{bad}");
        }
        for bad in [
            "",
            "BTBZMqHH6r4Tts7J_aSI",
            "BTBZMqHH6r4Tts7J_aSIgg==",
            P256DH,
        ] {
            assert!(!is_secret(bad, AUTH_BYTES), "{bad}");
        }
    }
}
