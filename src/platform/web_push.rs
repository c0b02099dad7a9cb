//! Web Push by the platform's WebCrypto: encrypts pushes, and signs who sends them.

// The bindings' generated code is unsafe; our own is not.
#![allow(unsafe_code)]

use std::cell::RefCell;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use worker::{Error, Result};

use super::now;
use crate::core::cache::Cache;
use crate::core::push::PushSettings;
use crate::core::push::subscription::Subscription;
use crate::core::time::Millis;

#[wasm_bindgen(module = "/src/platform/web_push.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = encrypt)]
    async fn encrypt_text(
        text: &str,
        p256dh: &str,
        auth: &str,
    ) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    async fn vapid(
        audience: &str,
        subject: &str,
        public_key: &str,
        private_key: &str,
        expires: f64,
    ) -> std::result::Result<JsValue, JsValue>;
}

/// How long a token for a push service is valid. The longest that is permitted are 24 hours (RFC 8292, section 2), by
/// the clock of the push service.
const LIFETIME: Millis = 12 * 60 * 60_000;

/// How long such a token is used, so that it does not expire on the way.
const USE: Millis = LIFETIME / 2;

/// For how many push services an isolate keeps tokens.
const MAX_AUDIENCES: usize = 100;

thread_local! {
    /// The values of `Authorization`, by the origin of the push service. A cache.
    static AUTHORIZATIONS: RefCell<Cache<String>> = RefCell::new(Cache::new(MAX_AUDIENCES));
}

/// Encrypts what is pushed to a browser. Fails if the browser's key is not one.
pub async fn encrypt(payload: &str, subscription: &Subscription) -> Result<Vec<u8>> {
    let encrypted = encrypt_text(payload, &subscription.p256dh, &subscription.auth).await;
    // Nothing here depends on what may have changed meanwhile; the caller says what does.
    Ok(Uint8Array::new(&encrypted.map_err(Error::from)?).to_vec())
}

/// Returns the value of `Authorization` for a push service, given its origin. Fails if the keys in the configuration do
/// not belong together.
pub async fn authorization(settings: &PushSettings, audience: &str) -> Result<String> {
    let known = AUTHORIZATIONS.with_borrow(|cache| cache.get(audience, now()));
    if let Some(known) = known {
        return Ok(known);
    }
    let begun = now();
    let signed = vapid(
        audience,
        &settings.subject,
        &settings.public_key,
        &settings.private_key,
        ((begun + LIFETIME) / 1_000) as f64,
    );
    let signed = signed.await.map_err(Error::from)?;
    let value = signed.as_string().unwrap_or_default();
    // Somebody else may have stored one meanwhile, which is as good.
    AUTHORIZATIONS.with_borrow_mut(|cache| cache.insert(audience, value.clone(), begun + USE));
    Ok(value)
}
