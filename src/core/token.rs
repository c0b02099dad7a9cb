//! Authentication by a JWT, of users here and of the marketplace's own servers in [`service`].
//!
//! A token is signed by HS256 with JWT_SECRET, which is checked at once, or by RS256, ES256 or EdDSA with a
//! key of the issuer's, which the platform checks: [`signature`]. Its claims are the same in all cases
//! ([`claims`]). `sub` is the user id; the role and `name` only seed the user's row in D1; after that the
//! database is authoritative.
//!
//! Invariant: a user's token never opens the HTTP API, and a service's token is never a user's: the audience
//! tells them apart.

pub mod claims;
pub mod service;
pub mod signature;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::config::Config;
use super::ids::is_user_id;
use super::time::Millis;
use claims::Claims;

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
    /// When the token expires, in Unix milliseconds, without the leeway: at `exp`, or `JWT_MAX_AGE` after
    /// `iat` if that is earlier.
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
    /// `iat` is missing, and `JWT_MAX_AGE` is set.
    #[error("The token has no iat claim")]
    NoIssuedAt,
    /// `iss` is not `JWT_ISSUER`.
    #[error("The token is from another issuer")]
    WrongIssuer,
    /// `aud` does not contain `JWT_AUDIENCE`.
    #[error("The token is for another audience")]
    WrongAudience,
    /// `aud` contains `SERVICE_AUDIENCE`: the token is a service's.
    #[error("The token is for the HTTP API, not for a user")]
    NotAUser,
    /// The issuer does not answer, so nobody can tell whether the token's key is one of its keys.
    #[error("The token cannot be checked at the moment, please try again later")]
    Unavailable,
    /// The token was issued before the user's tokens were revoked ([`super::revocation`]).
    #[error("The token has been revoked")]
    Revoked,
    /// The token is not a JWT, uses another algorithm or an unknown key, has a bad signature, or has malformed
    /// claims. During a deploy, a reason that only the next version knows is read as this one.
    #[error("The token is not valid")]
    #[serde(other)]
    Invalid,
}

impl TokenError {
    /// Returns the `data.code` of the client's `connect_error`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "token_expired",
            Self::Unavailable => "unavailable",
            Self::Revoked => "token_revoked",
            _ => "unauthorized",
        }
    }
}

/// Returns the user whose token has these claims, at time `now`.
pub fn user(claims: &Claims, config: &Config, now: Millis) -> Verdict {
    let expires_at = claims.check(config, now)?;
    if claims.names("aud", &config.service_audience) {
        return Err(TokenError::NotAUser);
    }
    if let Some(audience) = &config.jwt_audience
        && !claims.names("aud", audience)
    {
        return Err(TokenError::WrongAudience);
    }
    let user_id = claims
        .text("sub")
        .filter(|sub| is_user_id(sub))
        .ok_or(TokenError::BadSubject)?;
    let role = match claims.names(&config.jwt_role_claim, "contractor") {
        true => Role::Contractor,
        false => Role::Customer,
    };
    let name = claims.text("name");
    Ok(Identity {
        user_id,
        role,
        name: name.map(|name| name.chars().take(MAX_NAME_CHARS).collect()),
        expires_at,
        // One that is not a time counts as missing.
        issued_at: claims.time("iat", now).ok().flatten(),
    })
}

/// Authenticates a CONNECT without a token of its own at time `now`: the first of the earlier `requests` that
/// brought a token decides.
pub fn inherited<'v>(requests: impl IntoIterator<Item = &'v Verdict>, now: Millis) -> Verdict {
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

/// A longer `name` claim is truncated: it is stored in the socket's attachment, which is limited to 16 KB.
const MAX_NAME_CHARS: usize = 200;

#[cfg(test)]
pub(crate) mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use hmac::{Hmac, Mac};
    use serde_json::json;

    use super::signature::{Opened, SignedToken, open};
    use super::*;
    use crate::core::error::to_json;
    use crate::core::jwks::Algorithm;
    use crate::core::jwks::tests::{ED25519, set};

    pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    pub(crate) const NOW: Millis = 1_800_000_000_000;
    const NOW_S: u64 = NOW / 1000;

    /// Returns a configuration with JWT_SECRET and these variables, which take precedence.
    pub(crate) fn config(vars: &[(&str, &str)]) -> Config {
        let secret = std::str::from_utf8(SECRET).unwrap();
        let all = [vars, &[("JWT_SECRET", secret)]].concat();
        let find = |name: &str| all.iter().find(|(key, _)| *key == name);
        Config::read(|name| find(name).map(|(_, value)| (*value).to_owned())).unwrap()
    }

    fn verify(config: &Config, token: &str, now: Millis) -> Verdict {
        match open(config, token) {
            Opened::Checked(claims) => user(&claims?, config, now),
            Opened::Unchecked(token) => panic!("{token:?}"),
        }
    }

    pub(crate) fn verdict_of(token: &str) -> Verdict {
        verify(&config(&[]), token, NOW)
    }

    pub(crate) fn verdict_with(vars: &[(&str, &str)], claims: serde_json::Value) -> Verdict {
        verify(&config(vars), &sign(claims), NOW)
    }

    /// Returns when the token of these claims expires.
    pub(crate) fn expiry_with(
        vars: &[(&str, &str)],
        claims: serde_json::Value,
    ) -> Result<Millis, TokenError> {
        verdict_with(vars, claims).map(|identity| identity.expires_at)
    }

    /// Returns a token whose signature the platform would have to check.
    pub(crate) fn unchecked(header: &str, claims: serde_json::Value) -> String {
        sign_with(SECRET, header, &claims.to_string())
    }

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
        assert_eq!(verdict_of(&token), Ok(expected.clone()));
        assert_eq!(verdict_of(&format!("Bearer {token}")), Ok(expected));
    }

    #[test]
    fn the_scheme_is_written_in_any_case() {
        let token = sign(json!({"sub":"u","exp":NOW_S + 60}));
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            for header in [
                format!("{scheme} {token}"),
                format!(" {scheme}   {token} "),
                format!("{scheme}\t{token}"),
            ] {
                assert_eq!(verdict_of(&header).unwrap().user_id, "u");
            }
            assert_eq!(verdict_of(scheme), Err(TokenError::Missing));
        }
        for header in [format!("Basic {token}"), format!("Bearer{token}")] {
            assert_eq!(verdict_of(&header), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn role_defaults_to_customer() {
        for claims in [
            json!({"sub":"u","exp":NOW_S + 9}),
            json!({"sub":"u","exp":NOW_S + 9,"role":"admin"}),
            json!({"sub":"u","exp":NOW_S + 9,"role":7,"name":[]}),
        ] {
            let identity = verdict_of(&sign(claims)).unwrap();
            assert_eq!((identity.role, identity.name), (Role::Customer, None));
        }
    }

    #[test]
    fn exp_and_nbf_have_thirty_seconds_of_leeway() {
        let check = |claims| verdict_of(&sign(claims)).map(|_| ());
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
            verdict_of(&token).map(|identity| identity.expires_at)
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
        let check = |claims| verdict_of(&sign(claims)).map(|_| ());
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
        assert_eq!(verdict_of(&forged), Err(TokenError::Invalid));
    }

    #[test]
    fn while_the_key_is_changed_two_of_them_count() {
        let token = sign(json!({"sub":"u","exp":NOW_S + 60}));
        let ours = std::str::from_utf8(SECRET).unwrap();
        let other = "another secret, as long as ours..";
        let check = |current, previous| {
            let vars = [("JWT_SECRET", current), ("JWT_SECRET_PREVIOUS", previous)];
            verify(&config(&vars), &token, NOW).map(|identity| identity.user_id)
        };
        assert_eq!(check(other, ours), Ok("u".to_owned()));
        assert_eq!(check(ours, other), Ok("u".to_owned()));
        assert_eq!(check(other, other), Err(TokenError::Invalid));
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
            assert_eq!(verdict_of(&token), Err(TokenError::Invalid), "{token}");
        }
        assert_eq!(verdict_of(""), Err(TokenError::Missing));
        assert_eq!(verdict_of("Bearer "), Err(TokenError::Missing));
    }

    #[test]
    fn sub_is_any_unicode_but_control_characters() {
        let check = |sub: serde_json::Value| verdict_of(&sign(json!({"sub":sub,"exp":NOW_S + 9})));
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
        let verdict = |user: &str| verdict_of(&sign(json!({"sub":user,"exp":NOW_S + 60})));
        let admitted = |requests: [Verdict; 2], now| {
            inherited(&requests, now).map(|identity| identity.user_id)
        };
        let missing = || Err(TokenError::Missing);
        let both = || [verdict("near"), verdict("far")];
        assert_eq!(admitted(both(), NOW), Ok("near".to_owned()));
        assert_eq!(
            admitted([missing(), verdict("far")], NOW),
            Ok("far".to_owned())
        );
        let bad = [Err(TokenError::Expired), verdict("far")];
        assert_eq!(admitted(bad, NOW), Err(TokenError::Expired));
        assert_eq!(
            admitted([missing(), missing()], NOW),
            Err(TokenError::Missing)
        );
        // The token may have expired since its request.
        let (last, over) = (NOW + 90_000, NOW + 90_001);
        assert_eq!(admitted(both(), last), Ok("near".to_owned()));
        assert_eq!(admitted(both(), over), Err(TokenError::Expired));
    }

    #[test]
    fn the_audience_holds_if_it_is_set() {
        let check = |vars: &[(&str, &str)], aud| {
            verdict_with(vars, json!({"sub":"u","exp":NOW_S + 60,"aud":aud})).map(|_| ())
        };
        let set = [("JWT_AUDIENCE", "market")];
        for good in [json!("market"), json!(["other", "market"])] {
            assert_eq!(check(&set, good), Ok(()));
        }
        for bad in [
            json!("Market"),
            json!(["other"]),
            json!([]),
            json!(7),
            json!(null),
        ] {
            assert_eq!(check(&set, bad.clone()), Err(TokenError::WrongAudience));
            assert_eq!(check(&[], bad), Ok(()));
        }
    }

    #[test]
    fn a_service_is_not_a_user() {
        let check = |vars: &[(&str, &str)], aud| {
            verdict_with(vars, json!({"sub":"u","exp":NOW_S + 60,"aud":aud})).map(|_| ())
        };
        let both = json!(["market", "switchboard"]);
        assert_eq!(check(&[], json!("switchboard")), Err(TokenError::NotAUser));
        let set = [("JWT_AUDIENCE", "market")];
        assert_eq!(check(&set, both.clone()), Err(TokenError::NotAUser));
        assert_eq!(check(&[("SERVICE_AUDIENCE", "backend")], both), Ok(()));
        let backend = check(&[("SERVICE_AUDIENCE", "backend")], json!("backend"));
        assert_eq!(backend, Err(TokenError::NotAUser));
    }

    #[test]
    fn the_role_is_in_the_claim_that_is_configured() {
        let role = |vars: &[(&str, &str)], claims| verdict_with(vars, claims).unwrap().role;
        let name = "https://market.example/roles";
        let set = [("JWT_ROLE_CLAIM", name)];
        for value in [json!("contractor"), json!(["staff", "contractor"])] {
            let claims = json!({"sub":"u","exp":NOW_S + 60,name:value});
            assert_eq!(role(&set, claims.clone()), Role::Contractor);
            assert_eq!(role(&[], claims), Role::Customer);
        }
        let other = json!({"sub":"u","exp":NOW_S + 60,"role":"contractor"});
        assert_eq!(role(&set, other), Role::Customer);
    }

    fn with_a_key() -> Config {
        config(&[("JWKS", &set(&[("a", ED25519)]))])
    }

    #[test]
    fn the_platform_is_asked_about_the_signature_of_a_public_key() {
        for (alg, algorithm) in [
            ("RS256", Algorithm::Rs256),
            ("ES256", Algorithm::Es256),
            ("EdDSA", Algorithm::EdDsa),
        ] {
            let header = format!(r#"{{"alg":"{alg}","kid":"a"}}"#);
            let token = unchecked(&header, json!({"sub":"u","exp":NOW_S + 60}));
            let Opened::Unchecked(asked) = open(&with_a_key(), &format!("Bearer {token}")) else {
                panic!("{alg} was not handed over");
            };
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let expected = SignedToken {
                algorithm,
                key_id: Some("a".to_owned()),
                signed: signed.to_owned(),
                signature: URL_SAFE_NO_PAD.decode(signature).unwrap(),
            };
            assert_eq!(asked, expected);
            let identity = |is_genuine| user(&asked.checked(is_genuine)?, &config(&[]), NOW);
            assert_eq!(identity(true).unwrap().user_id, "u");
            assert_eq!(identity(false), Err(TokenError::Invalid));
            // Without public keys, there is nothing to ask.
            assert_eq!(verdict_of(&token), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn a_header_that_asks_for_anything_else_is_refused_at_once() {
        for header in [
            r#"{"alg":"none","kid":"a"}"#,
            r#"{"alg":"RS512","kid":"a"}"#,
            r#"{"alg":"eddsa","kid":"a"}"#,
            r#"{"kid":"a"}"#,
            r#"{"alg":"EdDSA","kid":7}"#,
            r#"{"alg":"EdDSA","kid":"a","crit":["exp"]}"#,
            r#"{"alg":"EdDSA","kid":"a","crit":null}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","alg":"EdDSA","kid":"a"}"#,
        ] {
            let token = unchecked(header, json!({"sub":"u","exp":NOW_S + 60}));
            let verdict = verify(&with_a_key(), &token, NOW);
            assert_eq!(verdict, Err(TokenError::Invalid), "{header}");
        }
    }

    #[test]
    fn the_secret_is_no_key_of_the_issuer_and_its_keys_are_no_secret() {
        let secret = std::str::from_utf8(SECRET).unwrap();
        let set = set(&[("a", ED25519)]);
        let vars = [("JWKS", set.as_str()), ("API_KEY", secret)];
        let without = Config::read(|name| {
            let found = vars.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let without = without.unwrap();
        // Signed with the API key, which makes the MACs here.
        assert_eq!(without.secret(), SECRET);
        let token = unchecked(
            r#"{"alg":"HS256","kid":"a"}"#,
            json!({"sub":"u","exp":NOW_S + 60}),
        );
        assert_eq!(verify(&without, &token, NOW), Err(TokenError::Invalid));
        assert!(verify(&with_a_key(), &token, NOW).is_ok());
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
            (TokenError::NoIssuedAt, "no_issued_at"),
            (TokenError::WrongIssuer, "wrong_issuer"),
            (TokenError::WrongAudience, "wrong_audience"),
            (TokenError::NotAUser, "not_a_user"),
            (TokenError::Unavailable, "unavailable"),
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
