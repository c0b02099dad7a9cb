//! Checks tokens' signatures by the platform's WebCrypto, with the public keys that the configuration names.
//!
//! An issuer's keys are kept per isolate, by the rules of [`crate::core::issuer`]. Many requests and objects
//! share an isolate, but none may await what belongs to another one. So a fetch leaves its result in `ISSUER`,
//! and whoever needs it looks there from time to time.

// The bindings' generated code is unsafe; our own is not.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::time::Duration;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use worker::{Delay, Error};

use super::{log, now};
use crate::core::config::{Config, PublicKeys};
use crate::core::issuer::{Issuer, Lookup};
use crate::core::jwks::PublicKey;
use crate::core::time::Millis;
use crate::core::token::claims::Claims;
use crate::core::token::signature::{Opened, SignedToken, open};
use crate::core::token::{TokenError, Verdict, user};

#[wasm_bindgen(module = "/src/platform/public_keys.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = isGenuine)]
    async fn is_genuine(
        algorithm: &str,
        jwk: &str,
        signed: Uint8Array,
        signature: Uint8Array,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    async fn load(url: &str, timeout_ms: f64, max_bytes: f64) -> Result<JsValue, JsValue>;
}

thread_local! {
    /// The issuer's keys. A cache.
    static ISSUER: RefCell<Issuer> = RefCell::default();
}

/// How often a request looks whether a fetch has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Checks a user's token.
pub async fn verify(config: &Config, token: &str) -> Verdict {
    user(&claims(config, token).await?, config, now())
}

/// Returns the claims of a token whose signature is genuine. Without a public key (HS256) this does not wait.
pub async fn claims(config: &Config, token: &str) -> Result<Claims, TokenError> {
    match open(config, token) {
        Opened::Checked(claims) => claims,
        Opened::Unchecked(token) => check(config, &token).await,
    }
}

/// Checks a token's signature. Waits for the issuer if the key is unknown, up to `JWKS_TIMEOUT_MS`.
pub async fn check(config: &Config, token: &SignedToken) -> Result<Claims, TokenError> {
    let key = key(config, token).await?;
    let checked = is_genuine(
        token.algorithm.name(),
        &key.jwk,
        Uint8Array::from(token.signed.as_bytes()),
        Uint8Array::from(token.signature.as_slice()),
    );
    // Nothing here depends on what may have changed meanwhile; the caller says what does.
    let checked = log::fault("public key", checked.await.map_err(Error::from));
    token.checked(checked.is_some_and(|is_genuine| is_genuine.is_truthy()))
}

async fn key(config: &Config, token: &SignedToken) -> Result<PublicKey, TokenError> {
    let (id, algorithm) = (token.key_id.as_deref(), token.algorithm);
    let url = match &config.public_keys {
        Some(PublicKeys::At(url)) => url,
        Some(PublicKeys::Inline(keys)) => {
            return keys.find(id, algorithm).cloned().ok_or(TokenError::Invalid);
        }
        None => return Err(TokenError::Invalid),
    };
    let find = || ISSUER.with_borrow(|issuer| issuer.find(id, algorithm, config, now()));
    let is_known = matches!(find(), Lookup::Known(_));
    let is_due = |issuer: &mut Issuer| issuer.begin_fetch(is_known, config, now());
    if ISSUER.with_borrow_mut(is_due) {
        spawn_local(fetch(Fetch::new(url, config)));
    }
    loop {
        match find() {
            Lookup::Known(key) => return Ok(key),
            Lookup::Unknown => return Err(TokenError::Invalid),
            Lookup::Unavailable => return Err(TokenError::Unavailable),
            // Other requests may end the fetch, or begin another one, before this one looks again.
            Lookup::Running => Delay::from(LOOK_AGAIN).await,
        }
    }
}

/// A fetch, which outlives the request that began it.
struct Fetch {
    url: String,
    timeout: Millis,
    max_bytes: usize,
    keep: Millis,
}

impl Fetch {
    fn new(url: &str, config: &Config) -> Self {
        Self {
            url: url.to_owned(),
            timeout: config.jwks_timeout,
            max_bytes: config.jwks_max_bytes,
            keep: config.jwks_keep,
        }
    }
}

/// Fetches the issuer's keys and leaves them in `ISSUER`.
async fn fetch(fetch: Fetch) {
    let (timeout, max_bytes) = (fetch.timeout as f64, fetch.max_bytes as f64);
    let loaded = load(&fetch.url, timeout, max_bytes).await;
    let loaded = loaded.map_err(Error::from);
    let text = loaded.map(|text| text.as_string().unwrap_or_default());
    let taken = text.and_then(|text| {
        let answered = |issuer: &mut Issuer| issuer.answered(&text, now());
        let answered = ISSUER.with_borrow_mut(answered);
        answered.map_err(|error| Error::RustError(error.to_string()))
    });
    let Err(error) = taken else { return };
    let until = ISSUER.with_borrow_mut(|issuer| {
        issuer.failed();
        issuer.counts_until(fetch.keep)
    });
    log::error("jwks", &outage(&error, until));
}

/// Says what the issuer's failure means for tokens.
fn outage(error: &Error, counts_until: Option<Millis>) -> String {
    match counts_until.map(|until| until.saturating_sub(now()) / 60_000) {
        Some(minutes) => format!("{error}; the known keys count for {minutes} more minutes"),
        None => format!("{error}; no key is known, so no token of the issuer is accepted"),
    }
}
