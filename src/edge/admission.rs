//! Limits how many connections an IP address may open before their users are known, and how many a user, with the
//! platform's rate limiting binding. Its numbers are in wrangler.toml, because the platform wants them there.
//!
//! Invariant: a fault of the limit refuses nobody. If the binding is missing, as in the configuration of an earlier
//! version, or fails, everyone is admitted, and the log says so.

use std::cell::Cell;

use js_sys::Reflect;
use wasm_bindgen::JsCast;
use worker::{Env, Request};

use crate::core::address::limit_key;
use crate::core::token::Identity;
use crate::platform::{js, log};

/// The name of the binding in wrangler.toml.
const BINDING: &str = "HANDSHAKES_PER_ADDRESS";

/// Counts a connection, and returns whether it may be opened: by its user, or by its address if the user is not
/// known. Customers behind one address do not count for each other once they are known.
pub async fn is_admitted(request: &Request, env: &Env, user: Option<&Identity>) -> bool {
    let address = request.headers().get("CF-Connecting-IP").ok().flatten();
    let Some(address) = address.as_deref().and_then(limit_key) else {
        return true;
    };
    let key = user.map_or(address, |user| format!("user {}", user.user_id));
    let binding = Reflect::get(env, &BINDING.into()).unwrap_or_default();
    if binding.is_undefined() {
        report_missing();
        return true;
    }
    let outcome = js::take(binding.unchecked_ref(), &key).await;
    let outcome = outcome.map_err(worker::Error::from);
    log::fault("rate limit", outcome).is_none_or(|admitted| admitted.is_truthy())
}

/// Reports once per isolate that there is no limit.
fn report_missing() {
    thread_local! {
        static IS_REPORTED: Cell<bool> = const { Cell::new(false) };
    }
    if !IS_REPORTED.replace(true) {
        let problem = format!("{BINDING} is not bound: connections are not limited per address");
        log::error("rate limit", &problem);
    }
}
