//! The claims of a token whose signature is genuine, and the rules for those that users' and services' tokens
//! have in common.
//!
//! `exp` is required, `nbf` is honoured, and `JWT_ISSUER` and `JWT_MAX_AGE` hold if they are set. The times have
//! 30 s of leeway (RFC 7519, section 4.1).

use serde_json::value::RawValue;

use super::{LEEWAY_MS, TokenError, is_over};
use crate::core::config::Config;
use crate::core::members::Members;
use crate::core::numeric_date::{self, DateError};
use crate::core::time::Millis;

/// The claims of a token whose signature is genuine.
#[derive(Debug, Clone)]
pub struct Claims(Members);

impl Claims {
    /// Reads the claims. Only [`super::signature`] does so, once the signature is checked.
    pub(super) fn read(json: &str) -> Option<Self> {
        Members::read(json).map(Self)
    }

    /// Returns a claim that is a string.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.text(name)
    }

    /// Returns whether a claim is this string, or an array of strings that contains it (RFC 7519,
    /// section 4.1.3).
    pub(super) fn names(&self, name: &str, value: &str) -> bool {
        self.0.names(name, value)
    }

    /// Checks the issuer and the times. Returns when the token expires, without the leeway.
    pub(super) fn check(&self, config: &Config, now: Millis) -> Result<Millis, TokenError> {
        let expires_at = self.time("exp", now)?.ok_or(TokenError::NoExpiry)?;
        let ends_at = match config.jwt_max_age {
            Some(max_age) => expires_at.min(self.issued_at(now)? + max_age),
            None => expires_at,
        };
        if is_over(ends_at, now) {
            return Err(TokenError::Expired);
        }
        if let Some(not_before) = self.time("nbf", now)?
            && now + LEEWAY_MS < not_before
        {
            return Err(TokenError::NotYetValid);
        }
        match &config.jwt_issuer {
            Some(issuer) if self.text("iss").as_ref() != Some(issuer) => {
                Err(TokenError::WrongIssuer)
            }
            _ => Ok(ends_at),
        }
    }

    /// Returns `iat`. One in the future would make the token younger than it is.
    fn issued_at(&self, now: Millis) -> Result<Millis, TokenError> {
        match self.time("iat", now)? {
            Some(issued_at) if issued_at > now + LEEWAY_MS => Err(TokenError::NotYetValid),
            issued_at => issued_at.ok_or(TokenError::NoIssuedAt),
        }
    }

    /// Returns a claim that is a time, in Unix milliseconds.
    pub(super) fn time(&self, name: &str, now: Millis) -> Result<Option<Millis>, TokenError> {
        let read = |claim: &RawValue| numeric_date::read(claim, now);
        let read = self.0.json(name).map(read).transpose();
        read.map_err(|error| match error {
            DateError::NotANumber => TokenError::Invalid,
            DateError::Milliseconds => TokenError::Milliseconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{NOW, config, expiry_with, verdict_with};
    use super::*;

    const NOW_S: u64 = NOW / 1_000;

    #[test]
    fn the_issuer_holds_if_it_is_set() {
        let check = |vars: &[(&str, &str)], iss| {
            verdict_with(vars, json!({"sub":"u","exp":NOW_S + 60,"iss":iss})).map(|_| ())
        };
        let set = [("JWT_ISSUER", "https://issuer.example/")];
        assert_eq!(check(&set, json!("https://issuer.example/")), Ok(()));
        for other in [
            json!("https://issuer.example"),
            json!(null),
            json!(["https://issuer.example/"]),
        ] {
            assert_eq!(check(&set, other.clone()), Err(TokenError::WrongIssuer));
            assert_eq!(check(&[], other), Ok(()));
        }
    }

    #[test]
    fn a_token_may_be_no_older_than_the_maximum() {
        let expires = |claims| expiry_with(&[("JWT_MAX_AGE", "3600")], claims);
        let day = NOW_S + 86_400;
        // The age ends the token, and its connections, before its exp does.
        let expected = Ok((NOW_S - 60 + 3_600) * 1_000);
        assert_eq!(
            expires(json!({"sub":"u","exp":day,"iat":NOW_S - 60})),
            expected
        );
        let soon = json!({"sub":"u","exp":NOW_S + 60,"iat":NOW_S});
        assert_eq!(expires(soon), Ok(NOW + 60_000));
        for (iat, expected) in [
            (json!(NOW_S - 3_629), Ok(())),
            (json!(NOW_S - 3_631), Err(TokenError::Expired)),
            (json!(NOW_S + 29), Ok(())),
            (json!(NOW_S + 31), Err(TokenError::NotYetValid)),
            (json!(NOW), Err(TokenError::Milliseconds)),
            (json!("now"), Err(TokenError::Invalid)),
            (json!(null), Err(TokenError::NoIssuedAt)),
        ] {
            let claims = json!({"sub":"u","exp":day,"iat":iat});
            assert_eq!(expires(claims).map(|_| ()), expected, "{iat}");
        }
        assert_eq!(
            expires(json!({"sub":"u","exp":day})),
            Err(TokenError::NoIssuedAt)
        );
        assert_eq!(config(&[]).jwt_max_age, None);
    }
}
