//! Requests to servers outside: the operator's webhook and push services.
//!
//! Invariant: whatever the server does, an attempt ends within its timeout, goes nowhere else, and leaves nothing
//! behind: a redirect is an answer like any other, and the body of an answer is not read.

// The bindings' generated code is unsafe; our own is not.
#![allow(unsafe_code)]

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use crate::core::error::to_json;
use crate::core::time::Millis;

#[wasm_bindgen(module = "/src/platform/outbound.js")]
extern "C" {
    /// What `post` resolves to.
    type Posted;

    #[wasm_bindgen(method, getter)]
    fn status(this: &Posted) -> u16;

    #[wasm_bindgen(method, getter, js_name = retryAfter)]
    fn retry_after(this: &Posted) -> Option<String>;

    #[wasm_bindgen(catch, js_name = post)]
    async fn post_bytes(
        url: &str,
        headers: &str,
        body: Uint8Array,
        timeout_ms: f64,
    ) -> Result<JsValue, JsValue>;
}

/// What is kept of a server's answer.
pub struct Answer {
    /// The HTTP status, also one of a redirect.
    pub status: u16,
    /// The `Retry-After` header as it came: seconds or an HTTP date (RFC 9110, section 10.2.3).
    pub retry_after: Option<String>,
}

/// Sends one POST. Returns `None` if there is no answer: a network error, or nothing within `timeout`. The error is
/// not logged here, because it may name the URL, which may be a secret.
pub async fn post(
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Millis,
) -> Option<Answer> {
    let headers = to_json(headers);
    let posted = post_bytes(url, &headers, Uint8Array::from(body), timeout as f64);
    // Nothing here depends on what may have changed meanwhile; the caller says what does.
    let posted: Posted = posted.await.ok()?.unchecked_into();
    Some(Answer {
        status: posted.status(),
        retry_after: posted.retry_after(),
    })
}
