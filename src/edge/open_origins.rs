//! Says so if a deployed Worker lets the pages of any origin connect.
//!
//! `ALLOWED_ORIGINS = "*"` is for local work. Nothing in a Worker's environment tells a deployment from
//! `wrangler dev`, but the host does: Cloudflare routes requests to a deployed Worker by the name of their host,
//! which is never that of a loopback address.

use std::cell::Cell;

use web_sys::Url;
use worker::Env;

use crate::core::config::Config;
use crate::core::origin::{AllowedOrigins, is_local_host};
use crate::platform::{self, log};

/// Returns the warning, if there is a reason for it.
pub fn warning(config: &Config, url: &Url) -> Option<&'static str> {
    let is_open = config.allowed_origins == AllowedOrigins::Any && !is_local_host(&url.hostname());
    is_open.then_some("ALLOWED_ORIGINS is \"*\": the pages of any origin may connect")
}

/// Logs the warning, once per isolate.
pub fn warn_once(env: &Env, url: &Url) {
    thread_local! {
        static IS_SAID: Cell<bool> = const { Cell::new(false) };
    }
    if IS_SAID.get() {
        return;
    }
    let Ok(config) = platform::config(env) else {
        return;
    };
    if let Some(warning) = warning(&config, url) {
        IS_SAID.set(true);
        log::warning("configuration", warning);
    }
}
