//! `/healthz`: whether the Worker works.
//!
//! Anybody may ask, so without a key the answer costs nothing: whether the configuration is valid, and the
//! version. With the credentials of the HTTP API, D1 and an object are asked, too, at most once per
//! HEALTH_CACHE_MS in an isolate, however often a monitor asks.

use std::cell::Cell;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
    version: &'static str,
}

/// What a thorough check found.
#[derive(Clone, Copy)]
struct Found {
    is_d1_well: bool,
    are_objects_well: bool,
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
    let is_well =
        config.is_some() && found.is_none_or(|found| found.is_d1_well && found.are_objects_well);
    let body = to_json(&Health {
        configuration: word(config.is_some()),
        d1: found.map(|found| word(found.is_d1_well)),
        objects: found.map(|found| word(found.are_objects_well)),
        warning: config.and_then(|config| open_origins::warning(&config, url)),
        version: env!("CARGO_PKG_VERSION"),
    });
    answer::json(if is_well { 200 } else { 503 }, &body)
}

fn word(is_well: bool) -> &'static str {
    if is_well { "ok" } else { "failing" }
}

/// Asks D1 and an object, or answers from memory.
async fn check(env: &Env, config: &Config) -> Found {
    thread_local! {
        static LAST: Cell<Option<(Millis, Found)>> = const { Cell::new(None) };
    }
    if let Some((at, found)) = LAST.get()
        && now() < at + config.health_cache
    {
        return found;
    }
    // Another request may check at the same time. Both are right.
    let found = Found {
        is_d1_well: log::fault("d1", d1::ping(env).await).is_some(),
        are_objects_well: log::fault("objects", objects::pulse(env).await).is_some(),
    };
    LAST.set(Some((now(), found)));
    found
}
