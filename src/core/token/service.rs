//! Authentication of the marketplace's own servers, for the HTTP API.
//!
//! A service's token has `SERVICE_AUDIENCE` in `aud` and the scopes that it may use in `scope` (RFC 8693,
//! section 4.2). Each scope opens its own part of the API and no other. An API key opens all of it.

use serde::Serialize;
use thiserror::Error;

use super::claims::Claims;
use super::{TokenError, bearer};
use crate::core::config::Config;
use crate::core::error::name_of;
use crate::core::ids::same;
use crate::core::time::Millis;

/// A part of the HTTP API. `openapi.yaml` and docs/http-api.md say which requests belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Scope {
    /// Adds and changes users.
    #[serde(rename = "users:write")]
    UsersWrite,
    /// Sends messages on behalf of users.
    #[serde(rename = "messages:send")]
    MessagesSend,
    /// Reads conversations, messages and who is online.
    #[serde(rename = "messages:read")]
    MessagesRead,
    /// Disconnects and erases users.
    #[serde(rename = "admin")]
    Admin,
}

/// The reason why a request to the HTTP API is not authorized.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServiceError {
    /// The token or key is missing or invalid.
    #[error("{0}")]
    Unauthorized(TokenError),
    /// The token is valid but not for services, as users' tokens are.
    #[error("The token's aud is not the one of service tokens")]
    NotAService,
    /// The token lacks this scope, which the request needs.
    #[error("The token's scope does not contain \"{0}\"")]
    OutOfScope(String),
}

impl From<TokenError> for ServiceError {
    fn from(error: TokenError) -> Self {
        Self::Unauthorized(error)
    }
}

/// A service that is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// It has an API key.
    Key,
    /// Its token has these scopes, separated by spaces.
    Token(String),
}

impl Service {
    /// Returns whether the service may use this part of the API.
    pub fn authorize(&self, scope: Scope) -> Result<(), ServiceError> {
        let name = name_of(scope);
        match self {
            Self::Token(scopes) if !scopes.split(' ').any(|one| one == name) => {
                Err(ServiceError::OutOfScope(name))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the credentials in the `Authorization` header of a request to the HTTP API.
pub fn credentials(header: Option<&str>) -> Result<&str, TokenError> {
    let credentials = header.and_then(bearer).filter(|one| !one.is_empty());
    credentials.ok_or(TokenError::Missing)
}

/// Returns whether these credentials are `API_KEY` or `API_KEY_PREVIOUS`.
pub fn is_api_key(config: &Config, credentials: &str) -> bool {
    [&config.api_key, &config.api_key_previous]
        .into_iter()
        .flatten()
        .any(|key| same(key.as_bytes(), credentials.as_bytes()))
}

/// Returns the service whose token has these claims, at time `now`.
pub fn service(claims: &Claims, config: &Config, now: Millis) -> Result<Service, ServiceError> {
    claims.check(config, now)?;
    if !claims.names("aud", &config.service_audience) {
        return Err(ServiceError::NotAService);
    }
    Ok(Service::Token(claims.text("scope").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::signature::{Opened, open};
    use super::super::tests::{NOW, config, sign};
    use super::*;

    const NOW_S: u64 = NOW / 1_000;
    const ALL: [Scope; 4] = [
        Scope::UsersWrite,
        Scope::MessagesSend,
        Scope::MessagesRead,
        Scope::Admin,
    ];

    fn verify(vars: &[(&str, &str)], claims: serde_json::Value) -> Result<Service, ServiceError> {
        let config = config(vars);
        match open(&config, &sign(claims)) {
            Opened::Checked(claims) => service(&claims?, &config, NOW),
            Opened::Unchecked(token) => panic!("{token:?}"),
        }
    }

    #[test]
    fn each_scope_opens_its_own_part() {
        for scope in ALL {
            let claims = json!({"aud":"switchboard","scope":name_of(scope),"exp":NOW_S + 60});
            let service = verify(&[], claims).unwrap();
            let opened: Vec<Scope> = ALL
                .into_iter()
                .filter(|one| service.authorize(*one).is_ok())
                .collect();
            assert_eq!(opened, [scope]);
        }
        let two = "messages:read other users:write";
        let service = verify(
            &[],
            json!({"aud":["x","switchboard"],"scope":two,"exp":NOW_S + 60}),
        );
        let service = service.unwrap();
        let opened = ALL.map(|one| service.authorize(one).is_ok());
        assert_eq!(opened, [true, false, true, false]);
        let refusal = service.authorize(Scope::Admin).unwrap_err();
        let text = "The token's scope does not contain \"admin\"";
        assert_eq!(refusal.to_string(), text);
        for scope in [
            json!("service"),
            json!("users"),
            json!(["admin"]),
            json!(null),
        ] {
            let service = verify(
                &[],
                json!({"aud":"switchboard","scope":scope,"exp":NOW_S + 60}),
            );
            let service = service.unwrap();
            assert!(
                ALL.iter().all(|one| service.authorize(*one).is_err()),
                "{scope}"
            );
        }
        assert!(ALL.iter().all(|one| Service::Key.authorize(*one).is_ok()));
    }

    #[test]
    fn a_user_is_not_a_service() {
        for aud in [json!("market"), json!([]), json!(null)] {
            let claims = json!({"sub":"u","aud":aud,"scope":"admin","exp":NOW_S + 60});
            assert_eq!(verify(&[], claims), Err(ServiceError::NotAService));
        }
        let claims = json!({"aud":"switchboard","scope":"admin","exp":NOW_S + 60});
        let other = verify(&[("SERVICE_AUDIENCE", "backend")], claims.clone());
        assert_eq!(other, Err(ServiceError::NotAService));
        // The audience of users' tokens is theirs alone.
        assert!(verify(&[("JWT_AUDIENCE", "market")], claims).is_ok());
    }

    #[test]
    fn the_rules_for_all_tokens_hold() {
        let refused = |vars: &[(&str, &str)], claims| match verify(vars, claims) {
            Err(ServiceError::Unauthorized(error)) => error,
            other => panic!("{other:?}"),
        };
        let expired = json!({"aud":"switchboard","exp":NOW_S - 60});
        assert_eq!(refused(&[], expired), TokenError::Expired);
        let claims = json!({"aud":"switchboard","exp":NOW_S + 60});
        let issuer = [("JWT_ISSUER", "https://issuer.example")];
        assert_eq!(refused(&issuer, claims.clone()), TokenError::WrongIssuer);
        assert_eq!(
            refused(&[("JWT_MAX_AGE", "60")], claims),
            TokenError::NoIssuedAt
        );
    }

    #[test]
    fn two_keys_count_while_the_key_is_changed() {
        let (new, old) = ("n".repeat(32), "o".repeat(32));
        let both = config(&[("API_KEY", &new), ("API_KEY_PREVIOUS", &old)]);
        assert!(is_api_key(&both, &new) && is_api_key(&both, &old));
        let one = config(&[("API_KEY", &new)]);
        assert!(is_api_key(&one, &new) && !is_api_key(&one, &old));
        assert!(!is_api_key(&one, &new[1..]));
        // If no key is set, none is accepted.
        assert!(!is_api_key(&config(&[]), &new) && !is_api_key(&config(&[]), ""));
    }

    #[test]
    fn the_header_holds_the_credentials() {
        for header in ["Bearer x", "bearer  x", " BEARER\tx "] {
            assert_eq!(
                credentials(Some(header)).map(str::trim),
                Ok("x"),
                "{header}"
            );
        }
        for header in [
            None,
            Some(""),
            Some("x"),
            Some("Bearer"),
            Some("Bearer "),
            Some("Basic x"),
        ] {
            assert_eq!(credentials(header), Err(TokenError::Missing), "{header:?}");
        }
    }
}
