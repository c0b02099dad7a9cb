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
use crate::core::time::Millis;
use crate::platform::{self, d1, log, now, objects};

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
    warning: Option<&'static str>,
    version: &'static str,
}

/// What a thorough check found.
#[derive(Clone)]
struct Found {
    failing_shards: Vec<String>,
    are_objects_well: bool,
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
    let body = to_json(&Health {
        configuration: word(config.is_some()),
        d1: found.as_ref().map(|found| word(found.is_d1_well())),
        objects: found.as_ref().map(|found| word(found.are_objects_well)),
        failing_shards: found.map(|found| found.failing_shards).unwrap_or_default(),
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
    };
    LAST.replace(Some((now(), found.clone())));
    found
}
