//! `/healthz`: whether the Worker works.
//!
//! Anybody may ask, so without a key the answer costs nothing: whether the configuration is valid, and the
//! version. With the credentials of the HTTP API, every database and an object are asked, too, at most once per
//! HEALTH_CACHE_MS in an isolate, however often a monitor asks.

use std::cell::RefCell;

use serde::Serialize;
use web_sys::Url;
use worker::{Env, Request, Response, Result};

use super::api::authenticate;
use super::{answer, open_origins};
use crate::core::api::is_get;
use crate::core::api::problem::Problem;
use crate::core::config::Config;
use crate::core::error::to_json;
use crate::core::record::webhooks::Gone;
use crate::core::time::{Millis, iso};
use crate::platform::{self, d1, log, now, objects, webhook};

#[derive(Serialize)]
struct Health {
    configuration: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    d1: Option<&'static str>,
    /// The names in RECORD_SHARDS of the databases that do not answer.
    #[serde(rename = "failingShards", skip_serializing_if = "Vec::is_empty")]
    failing_shards: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
    version: &'static str,
}

/// Whether the webhook is switched on. That it is off is the wish of whoever answered 410, so the Worker works as well
/// as before.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookState {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_at: Option<String>,
}

impl WebhookState {
    fn of(gone: Option<Gone>) -> Self {
        Self {
            state: if gone.is_some() { "off" } else { "on" },
            gone_at: gone.map(|gone| iso(gone.gone_at)),
        }
    }
}

/// What a thorough check found.
#[derive(Clone)]
struct Found {
    failing_shards: Vec<String>,
    are_objects_well: bool,
    /// Unknown if the first database does not answer, or there is no webhook.
    webhook: Option<WebhookState>,
}

impl Found {
    fn is_d1_well(&self) -> bool {
        self.failing_shards.is_empty()
    }
}

/// Serves `GET /healthz`. The status is 503 if something fails.
pub async fn serve(request: &Request, env: &Env, url: &Url) -> Result<Response> {
    if !is_get(&request.inner().method()) {
        return answer::problem(&Problem::method_not_allowed(vec!["GET"]));
    }
    let config = log::fault("configuration", platform::config(env));
    let authorization = request.headers().get("Authorization")?;
    let found = match (&config, authorization) {
        (Some(config), Some(header)) => {
            if let Err(error) = authenticate(config, Some(&header)).await {
                return answer::problem(&answer::unauthorized(error));
            }
            Some(check(env, config).await)
        }
        _ => None,
    };
    let is_well = config.is_some()
        && found
            .as_ref()
            .is_none_or(|found| found.is_d1_well() && found.are_objects_well);
    let (failing_shards, webhook) = found
        .clone()
        .map(|found| (found.failing_shards, found.webhook))
        .unwrap_or_default();
    let body = to_json(&Health {
        configuration: word(config.is_some()),
        d1: found.as_ref().map(|found| word(found.is_d1_well())),
        objects: found.as_ref().map(|found| word(found.are_objects_well)),
        failing_shards,
        webhook,
        warning: config.and_then(|config| open_origins::warning(&config, url)),
        version: env!("CARGO_PKG_VERSION"),
    });
    answer::json(if is_well { 200 } else { 503 }, &body)
}

fn word(is_well: bool) -> &'static str {
    if is_well { "ok" } else { "failing" }
}

/// Asks all databases and an object, or answers from memory.
async fn check(env: &Env, config: &Config) -> Found {
    thread_local! {
        static LAST: RefCell<Option<(Millis, Found)>> = const { RefCell::new(None) };
    }
    if let Some((at, found)) = LAST.with_borrow(Clone::clone)
        && now() < at + config.health_cache
    {
        return found;
    }
    // Another request may check at the same time. Both are right.
    let found = Found {
        failing_shards: d1::failing(env, &config.record_shards).await,
        are_objects_well: log::fault("objects", objects::pulse(env).await).is_some(),
        webhook: webhook_state(env, config).await,
    };
    LAST.replace(Some((now(), found.clone())));
    found
}

async fn webhook_state(env: &Env, config: &Config) -> Option<WebhookState> {
    let gone = webhook::gone(env, config.webhook.as_ref()?).await;
    log::fault("webhook", gone).map(WebhookState::of)
}
