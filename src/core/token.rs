//! Authentication of clients by a JWT, signed by HS256 with JWT_SECRET.
//!
//! `sub` is the user id, `exp` is required, and `nbf` is honoured; both times have 30 s of leeway (RFC 7519,
//! section 4.1). `role` and `name` only seed the user's row in D1; after that the database is authoritative.

use std::num::NonZeroUsize;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt_compact::alg::{Hs256, Hs256Key, Hs256Signature};
use jwt_compact::{Algorithm, AlgorithmSignature, UntrustedToken};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use super::ids::{is_user_id, same};
use super::keys::Keys;
use super::numeric_date::{self, DateError};
use super::time::Millis;

/// How far the issuer's clock may differ from ours, in milliseconds.
pub const LEEWAY_MS: Millis = 30_000;

/// A user's role on the marketplace. D1 has it by the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends and receives direct messages. The default.
    Customer,
    /// May also send bulk messages.
    Contractor,
}

/// The user named by a valid token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// `sub`: 1 to 128 characters, none of them a control character.
    pub user_id: String,
    /// The initial role of a new user.
    pub role: Role,
    /// The initial name of a new user, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `exp`, in Unix milliseconds, without the leeway.
    pub expires_at: Millis,
    /// `iat`, in Unix milliseconds. Without it, any revocation withdraws the token ([`super::revocation`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Millis>,
}

/// The result of checking a token. It is passed on in place of the token, which nobody needs after the check.
pub type Verdict = Result<Identity, TokenError>;

/// The reason why a token is not accepted. Every failure that could help a forger has the same message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenError {
    /// There is no token.
    #[error(
        "No token: send one as auth.token, in the URL as ?token=, or in an Authorization header"
    )]
    Missing,
    /// The token is not a JWT, uses another algorithm, has a bad signature, or has malformed claims.
    #[error("The token is not valid")]
    Invalid,
    /// `exp` is missing.
    #[error("The token has no exp claim")]
    NoExpiry,
    /// `nbf` is in the future.
    #[error("The token is not valid yet")]
    NotYetValid,
    /// `exp` or `nbf` is in milliseconds instead of seconds.
    #[error("The token's exp and nbf must be in seconds, not in milliseconds")]
    Milliseconds,
    /// `exp` has passed.
    #[error("The token has expired")]
    Expired,
    /// `sub` is missing or not a user id.
    #[error("The token's sub must be 1 to 128 characters, without control characters")]
    BadSubject,
    /// The token was issued before the user's tokens were revoked ([`super::revocation`]).
    #[error("The token has been revoked")]
    Revoked,
}

impl TokenError {
    /// Returns the `data.code` of the client's `connect_error`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "token_expired",
            Self::Revoked => "token_revoked",
            _ => "unauthorized",
        }
    }
}

/// A token's claims. The times stay raw, because they may be numbers that no type of ours can represent.
#[derive(Debug, Deserialize)]
struct Claims {
    exp: Option<Box<RawValue>>,
    nbf: Option<Box<RawValue>>,
    iat: Option<Box<RawValue>>,
    sub: Option<serde_json::Value>,
    role: Option<serde_json::Value>,
    name: Option<serde_json::Value>,
    scope: Option<serde_json::Value>,
}

/// Checks a client's `token` at time `now`.
pub fn verify<'a>(keys: impl Into<Keys<'a>>, token: &str, now: Millis) -> Verdict {
    let (claims, expires_at) = read(keys.into(), token, now)?;
    identity(&claims, expires_at, now)
}

/// Authenticates a CONNECT at time `now`. Its own token takes precedence; without one, the first of the
/// earlier `requests` that brought a token decides.
pub fn admit<'a, 'v>(
    keys: impl Into<Keys<'a>>,
    token: Option<&str>,
    requests: impl IntoIterator<Item = &'v Verdict>,
    now: Millis,
) -> Verdict {
    if let Some(token) = token {
        return verify(keys, token, now);
    }
    let brings_one = |verdict: &&Verdict| **verdict != Err(TokenError::Missing);
    match requests.into_iter().find(brings_one) {
        // The token was valid when its request arrived, but may have expired since.
        Some(Ok(identity)) if is_over(identity.expires_at, now) => Err(TokenError::Expired),
        Some(verdict) => verdict.clone(),
        None => Err(TokenError::Missing),
    }
}

fn is_over(expires_at: Millis, now: Millis) -> bool {
    now > expires_at + LEEWAY_MS
}

/// The reason why a request to the HTTP API is not authorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ServiceError {
    /// The token or key is missing or invalid.
    #[error("{0}")]
    Unauthorized(TokenError),
    /// The token is valid but lacks the scope `service`, as users' tokens do.
    #[error("The token has no scope \"service\"")]
    NotAService,
}

/// The scope of tokens for the marketplace's own servers.
const SERVICE: &str = "service";

/// Checks the `Authorization` header of a request to the HTTP API: it must contain the `API_KEY`, if one is
/// set, or a token whose `scope` (RFC 8693, section 4.2) includes `service`.
pub fn verify_service<'a>(
    keys: impl Into<Keys<'a>>,
    api_key: Option<&str>,
    header: Option<&str>,
    now: Millis,
) -> Result<(), ServiceError> {
    let token = header
        .and_then(bearer)
        .ok_or(ServiceError::Unauthorized(TokenError::Missing))?;
    if api_key.is_some_and(|key| same(key.as_bytes(), token.as_bytes())) {
        return Ok(());
    }
    let (claims, _) = read(keys.into(), token, now).map_err(ServiceError::Unauthorized)?;
    let mut scopes = text(&claims.scope).unwrap_or_default().split(' ');
    if scopes.any(|one| one == SERVICE) {
        Ok(())
    } else {
        Err(ServiceError::NotAService)
    }
}

/// Returns the credentials of a header `Authorization: Bearer …`. The scheme is case-insensitive (RFC 9110,
/// section 11.1).
fn bearer(header: &str) -> Option<&str> {
    let header = header.trim();
    let (scheme, token) = header
        .split_once(char::is_whitespace)
        .unwrap_or((header, ""));
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then(|| token.trim_start())
}

/// Checks a token's signature and times. Returns its claims and when it expires.
fn read(keys: Keys, token: &str, now: Millis) -> Result<(Claims, Millis), TokenError> {
    let token = bearer(token).unwrap_or(token).trim();
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    let claims = signed_claims(keys, token).ok_or(TokenError::Invalid)?;
    let date = |claim: &RawValue| {
        numeric_date::read(claim, now).map_err(|error| match error {
            DateError::NotANumber => TokenError::Invalid,
            DateError::Milliseconds => TokenError::Milliseconds,
        })
    };
    let expires_at = date(claims.exp.as_ref().ok_or(TokenError::NoExpiry)?)?;
    if is_over(expires_at, now) {
        return Err(TokenError::Expired);
    }
    if let Some(not_before) = &claims.nbf
        && now + LEEWAY_MS < date(not_before)?
    {
        return Err(TokenError::NotYetValid);
    }
    Ok((claims, expires_at))
}

/// Returns the claims of a token that was signed with one of the keys.
fn signed_claims(keys: Keys, token: &str) -> Option<Claims> {
    let untrusted = UntrustedToken::new(token).ok()?;
    let signature = signature(&untrusted)?;
    let (signed, _) = token.rsplit_once('.')?;
    let has_signed = |key: &[u8]| {
        let key = Hs256Key::new(key);
        Hs256
            .verify_signature(&signature, &key, signed.as_bytes())
            .then_some(())
    };
    keys.find(has_signed)?;
    let (_, claims) = signed.split_once('.')?;
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    serde_json::from_str(&claims).ok()
}

/// Returns the signature of a token whose header names our algorithm.
fn signature(token: &UntrustedToken) -> Option<Hs256Signature> {
    let bytes = token.signature_bytes();
    // The library panics on any other length.
    let length = Hs256Signature::LENGTH.map(NonZeroUsize::get);
    if token.algorithm() != Hs256.name() || Some(bytes.len()) != length {
        return None;
    }
    Hs256Signature::try_from_slice(bytes).ok()
}

fn identity(claims: &Claims, expires_at: Millis, now: Millis) -> Result<Identity, TokenError> {
    let user_id = text(&claims.sub)
        .filter(|sub| is_user_id(sub))
        .ok_or(TokenError::BadSubject)?;
    let role = match text(&claims.role) {
        Some("contractor") => Role::Contractor,
        _ => Role::Customer,
    };
    Ok(Identity {
        user_id: user_id.to_owned(),
        role,
        name: text(&claims.name).map(|name| name.chars().take(MAX_NAME_CHARS).collect()),
        expires_at,
        // One that is not a time counts as missing.
        issued_at: claims
            .iat
            .as_ref()
            .and_then(|iat| numeric_date::read(iat, now).ok()),
    })
}

/// A claim of another type counts as missing.
fn text(claim: &Option<serde_json::Value>) -> Option<&str> {
    claim.as_ref()?.as_str()
}

/// A longer `name` claim is truncated: it is stored in the socket's attachment, which is limited to 16 KB.
const MAX_NAME_CHARS: usize = 200;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::core::error::to_json;
    use hmac::{Hmac, Mac};
    use serde_json::json;

    pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    pub(crate) const NOW: Millis = 1_800_000_000_000;
    const NOW_S: u64 = NOW / 1000;

    fn sign_with(secret: &[u8], header: &str, claims: &str) -> String {
        let body = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
        mac.update(body.as_bytes());
        format!(
            "{body}.{}",
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        )
    }

    pub(crate) fn sign(claims: serde_json::Value) -> String {
        sign_with(
            SECRET,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            &claims.to_string(),
        )
    }

    #[test]
    fn a_good_token_names_its_user() {
        let token =
            sign(json!({"sub":"u1","exp":NOW_S + 60,"iat":NOW_S,"role":"contractor","name":"Ann"}));
        let expected = Identity {
            user_id: "u1".into(),
            role: Role::Contractor,
            name: Some("Ann".into()),
            expires_at: NOW + 60_000,
            issued_at: Some(NOW),
        };
        assert_eq!(verify(SECRET, &token, NOW), Ok(expected.clone()));
        assert_eq!(
            verify(SECRET, &format!("Bearer {token}"), NOW),
            Ok(expected)
        );
    }

    #[test]
    fn services_bring_a_scope_or_the_key() {
        let key = "k".repeat(32);
        let check = |token: &str| {
            let header = format!("Bearer {token}");
            verify_service(SECRET, Some(&key), Some(&header), NOW)
        };
        let token = |scope: serde_json::Value| sign(json!({"scope":scope,"exp":NOW_S + 60}));
        assert_eq!(check(&key), Ok(()));
        assert_eq!(check(&token(json!("service"))), Ok(()));
        assert_eq!(check(&token(json!("other service"))), Ok(()));
        for scope in [json!("services"), json!(null), json!(["service"])] {
            assert_eq!(check(&token(scope)), Err(ServiceError::NotAService));
        }
        let unauthorized = |error| Err(ServiceError::Unauthorized(error));
        let expired = sign(json!({"scope":"service","exp":NOW_S - 60}));
        assert_eq!(check(&expired), unauthorized(TokenError::Expired));
        assert_eq!(check(&"k".repeat(31)), unauthorized(TokenError::Invalid));
        let missing = unauthorized(TokenError::Missing);
        assert_eq!(verify_service(SECRET, None, None, NOW), missing);
        assert_eq!(verify_service(SECRET, None, Some(&key), NOW), missing);
        assert_eq!(verify_service(SECRET, None, Some("Bearer "), NOW), missing);
        // If no API_KEY is set, no key is accepted.
        let empty = verify_service(SECRET, None, Some("Bearer x"), NOW);
        assert_eq!(empty, unauthorized(TokenError::Invalid));
    }

    #[test]
    fn the_scheme_is_written_in_any_case() {
        let token = sign(json!({"sub":"u","scope":"service","exp":NOW_S + 60}));
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            for header in [
                format!("{scheme} {token}"),
                format!(" {scheme}   {token} "),
                format!("{scheme}\t{token}"),
            ] {
                assert_eq!(verify(SECRET, &header, NOW).unwrap().user_id, "u");
                assert_eq!(verify_service(SECRET, None, Some(&header), NOW), Ok(()));
            }
            assert_eq!(verify(SECRET, scheme, NOW), Err(TokenError::Missing));
            let missing = Err(ServiceError::Unauthorized(TokenError::Missing));
            assert_eq!(verify_service(SECRET, None, Some(scheme), NOW), missing);
        }
        for header in [format!("Basic {token}"), format!("Bearer{token}")] {
            assert_eq!(verify(SECRET, &header, NOW), Err(TokenError::Invalid));
            let missing = Err(ServiceError::Unauthorized(TokenError::Missing));
            assert_eq!(verify_service(SECRET, None, Some(&header), NOW), missing);
        }
    }

    #[test]
    fn role_defaults_to_customer() {
        for claims in [
            json!({"sub":"u","exp":NOW_S + 9}),
            json!({"sub":"u","exp":NOW_S + 9,"role":"admin"}),
            json!({"sub":"u","exp":NOW_S + 9,"role":7,"name":[]}),
        ] {
            let identity = verify(SECRET, &sign(claims), NOW).unwrap();
            assert_eq!((identity.role, identity.name), (Role::Customer, None));
        }
    }

    #[test]
    fn exp_and_nbf_have_thirty_seconds_of_leeway() {
        let check = |claims| verify(SECRET, &sign(claims), NOW).map(|_| ());
        assert_eq!(check(json!({"sub":"u","exp":NOW_S - 29})), Ok(()));
        assert_eq!(
            check(json!({"sub":"u","exp":NOW_S - 31})),
            Err(TokenError::Expired)
        );
        assert_eq!(
            check(json!({"sub":"u","exp":NOW_S + 60,"nbf":NOW_S + 29})),
            Ok(())
        );
        assert_eq!(
            check(json!({"sub":"u","exp":NOW_S + 60,"nbf":NOW_S + 31})),
            Err(TokenError::NotYetValid)
        );
        assert_eq!(check(json!({"sub":"u"})), Err(TokenError::NoExpiry));
        // Half seconds count, too.
        let half = |offset: f64| json!({"sub":"u","exp":NOW_S as f64 + offset});
        assert_eq!(check(half(-29.5)), Ok(()));
        assert_eq!(check(half(-30.5)), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_may_be_good_for_ever() {
        let expiry = |exp: &str| {
            let claims = format!(r#"{{"sub":"u","exp":{exp},"iat":1e400,"other":1e400}}"#);
            let token = sign_with(SECRET, r#"{"alg":"HS256"}"#, &claims);
            verify(SECRET, &token, NOW).map(|identity| identity.expires_at)
        };
        assert_eq!(expiry("253402300799"), Ok(253_402_300_799_000));
        for far in ["9007199254740991", "18446744073709551615", "1e400"] {
            let expires_at = expiry(far).unwrap();
            // The heartbeat can add the leeway without an overflow.
            assert!(expires_at.checked_add(LEEWAY_MS).is_some());
            assert!(expires_at > 253_402_300_799_000);
        }
        assert_eq!(expiry("-1e400"), Err(TokenError::Expired));
        assert_eq!(expiry("null"), Err(TokenError::NoExpiry));
        assert_eq!(expiry(r#""9007199254740991""#), Err(TokenError::Invalid));
    }

    #[test]
    fn times_in_milliseconds_are_refused_by_name() {
        let check = |claims| verify(SECRET, &sign(claims), NOW).map(|_| ());
        let milliseconds = Err(TokenError::Milliseconds);
        assert_eq!(
            check(json!({"sub":"u","exp":NOW + 3_600_000})),
            milliseconds
        );
        assert_eq!(
            check(json!({"sub":"u","exp":NOW_S + 60,"nbf":NOW})),
            milliseconds
        );
        assert_eq!(
            TokenError::Milliseconds.to_string(),
            "The token's exp and nbf must be in seconds, not in milliseconds"
        );
        // A forged token does not reveal the reason.
        let claims = json!({"sub":"u","exp":NOW}).to_string();
        let forged = sign_with(b"another secret", r#"{"alg":"HS256"}"#, &claims);
        assert_eq!(verify(SECRET, &forged, NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn while_the_key_is_changed_two_of_them_count() {
        let token = sign(json!({"sub":"u","exp":NOW_S + 60}));
        let other: &[u8] = b"another secret, as long as ours..";
        let check = |keys: Keys| verify(keys, &token, NOW).map(|identity| identity.user_id);
        assert_eq!(check(Keys::new(other, Some(SECRET))), Ok("u".to_owned()));
        assert_eq!(check(Keys::new(SECRET, Some(other))), Ok("u".to_owned()));
        assert_eq!(
            check(Keys::new(other, Some(other))),
            Err(TokenError::Invalid)
        );
    }

    #[test]
    fn a_forged_token_is_invalid_and_says_no_more() {
        let claims = json!({"sub":"u","exp":NOW_S + 60}).to_string();
        let good = sign_with(SECRET, r#"{"alg":"HS256"}"#, &claims);
        let (body, _) = good.rsplit_once('.').unwrap();
        let forged = [
            sign_with(
                b"another secret, as long as ours..",
                r#"{"alg":"HS256"}"#,
                &claims,
            ),
            sign_with(SECRET, r#"{"alg":"none"}"#, &claims),
            sign_with(SECRET, r#"{"alg":"HS512"}"#, &claims),
            sign_with(SECRET, r#"{"alg":"RS256"}"#, &claims),
            format!("{body}."),
            body.to_owned(),
            "x".to_owned(),
            "a.b.c".to_owned(),
            sign_with(SECRET, r#"{"alg":"HS256"}"#, "[]"),
            sign_with(SECRET, r#"{"alg":"HS256"}"#, r#"{"sub":"u","exp":"soon"}"#),
        ];
        for token in forged {
            assert_eq!(
                verify(SECRET, &token, NOW),
                Err(TokenError::Invalid),
                "{token}"
            );
        }
        assert_eq!(verify(SECRET, "", NOW), Err(TokenError::Missing));
        assert_eq!(verify(SECRET, "Bearer ", NOW), Err(TokenError::Missing));
    }

    #[test]
    fn sub_is_any_unicode_but_control_characters() {
        let check =
            |sub: serde_json::Value| verify(SECRET, &sign(json!({"sub":sub,"exp":NOW_S + 9})), NOW);
        for good in ["a", "üser/1:ü 字 🙂", &"字".repeat(128)] {
            assert_eq!(check(json!(good)).unwrap().user_id, good);
        }
        for bad in [
            json!(""),
            json!("a\nb"),
            json!("\u{7f}"),
            json!("x".repeat(129)),
            json!(7),
            json!(null),
        ] {
            assert_eq!(check(bad), Err(TokenError::BadSubject));
        }
    }

    #[test]
    fn the_nearest_token_decides() {
        let token = |user: &str| sign(json!({"sub":user,"exp":NOW_S + 60}));
        let verdict = |user: &str| verify(SECRET, &token(user), NOW);
        let admitted = |own: Option<&str>, requests: [Verdict; 2], now| {
            admit(SECRET, own, &requests, now).map(|identity| identity.user_id)
        };
        let missing = || Err(TokenError::Missing);
        let both = || [verdict("near"), verdict("far")];
        assert_eq!(
            admitted(Some(&token("own")), both(), NOW),
            Ok("own".to_owned())
        );
        assert_eq!(admitted(Some("bad"), both(), NOW), Err(TokenError::Invalid));
        assert_eq!(admitted(None, both(), NOW), Ok("near".to_owned()));
        assert_eq!(
            admitted(None, [missing(), verdict("far")], NOW),
            Ok("far".to_owned())
        );
        let bad = [Err(TokenError::Expired), verdict("far")];
        assert_eq!(admitted(None, bad, NOW), Err(TokenError::Expired));
        let none = [missing(), missing()];
        assert_eq!(admitted(None, none, NOW), Err(TokenError::Missing));
        // The token may have expired since its request.
        let (last, over) = (NOW + 90_000, NOW + 90_001);
        assert_eq!(admitted(None, both(), last), Ok("near".to_owned()));
        assert_eq!(admitted(None, both(), over), Err(TokenError::Expired));
    }

    /// Verdicts are passed between the Worker and gateways, which may run different versions.
    #[test]
    fn verdicts_are_pinned() {
        let good: Verdict = Ok(Identity {
            user_id: "u".into(),
            role: Role::Customer,
            name: None,
            expires_at: 7,
            issued_at: Some(5),
        });
        let json = r#"{"Ok":{"userId":"u","role":"customer","expiresAt":7,"issuedAt":5}}"#;
        assert_eq!(to_json(&good), json);
        assert_eq!(serde_json::from_str::<Verdict>(json).unwrap(), good);
        // The previous version has no issuedAt.
        let before = json.replace(r#","issuedAt":5"#, "");
        let before = serde_json::from_str::<Verdict>(&before).unwrap();
        assert_eq!(before.map(|identity| identity.issued_at), Ok(None));
        let errors = [
            (TokenError::Missing, "missing"),
            (TokenError::Invalid, "invalid"),
            (TokenError::NoExpiry, "no_expiry"),
            (TokenError::NotYetValid, "not_yet_valid"),
            (TokenError::Milliseconds, "milliseconds"),
            (TokenError::Expired, "expired"),
            (TokenError::BadSubject, "bad_subject"),
            (TokenError::Revoked, "revoked"),
        ];
        for (error, name) in errors {
            let bad: Verdict = Err(error);
            assert_eq!(to_json(&bad), format!(r#"{{"Err":"{name}"}}"#));
            assert_eq!(
                serde_json::from_str::<Verdict>(&to_json(&bad)).unwrap(),
                bad
            );
        }
    }
}
