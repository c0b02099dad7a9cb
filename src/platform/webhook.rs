//! The webhook: one attempt to tell it of something, and whether it is switched off.
//!
//! A webhook that answers 410 is off for everybody, until a replay or another URL switches it on: a row in the first
//! database says so. An isolate remembers for a while that it is on, but never that it is off, so that nothing is given
//! up after it has been switched on again.

use std::cell::Cell;

use worker::Env;

use super::d1::{self, Answer};
use super::{log, now, outbound};
use crate::core::notice::attempt::Outcome;
use crate::core::record::shards::Shard;
use crate::core::record::webhooks::{Gone, find_gone, switch_off};
use crate::core::time::Millis;
use crate::core::webhook::Webhook;
use crate::core::webhook::answer::Attempt;
use crate::core::webhook::signature::headers;

thread_local! {
    /// Until when the webhook counts as switched on. A cache: its URL is the same for the whole isolate.
    static ON_UNTIL: Cell<Millis> = const { Cell::new(0) };
}

/// Makes one attempt. If the webhook is off, that is an answer of 410 without a request.
pub async fn attempt(env: &Env, webhook: &Webhook, id: &str, body: &str) -> Attempt {
    if is_off(env, webhook).await {
        return Attempt::OFF;
    }
    let headers = headers(webhook, id, now(), body);
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let answer = outbound::post(&webhook.url, &headers, body.as_bytes(), webhook.timeout).await;
    // The webhook may have been switched off or on meanwhile. Its own answer is newer than either.
    let Some(answer) = answer else {
        return Attempt::UNANSWERED;
    };
    let attempt = Attempt::answered(answer.status, answer.retry_after.as_deref(), now());
    if attempt.outcome == Outcome::Gone {
        end(env, webhook).await;
    }
    attempt
}

/// Reads since when the webhook has been off, if it is.
pub async fn gone(env: &Env, webhook: &Webhook) -> Answer<Option<Gone>> {
    let gone = d1::query(env, Shard::FIRST, find_gone(&webhook.url)).await?;
    Ok(gone.into_iter().next())
}

/// Returns whether the webhook is off. That it is on is known for a while, without asking. If the database does not answer, it counts as on: a webhook that is off answers 410.
pub async fn is_off(env: &Env, webhook: &Webhook) -> bool {
    if now() < ON_UNTIL.get() {
        return false;
    }
    // Other attempts may ask at the same time, and get the same answer.
    let gone = log::fault("webhook", gone(env, webhook).await).flatten();
    if gone.is_none() {
        ON_UNTIL.set(now() + webhook.state_cache);
    }
    gone.is_some()
}

/// Switches the webhook off, because it has answered 410. If the database does not answer, the next attempt does it.
async fn end(env: &Env, webhook: &Webhook) {
    ON_UNTIL.set(0);
    let why =
        "it answered 410 and is switched off: what is due fails until POST /v1/webhooks/replay";
    log::error("webhook", &why);
    let off = switch_off(&webhook.url, now());
    log::fault("webhook", d1::batch(env, Shard::FIRST, &[off]).await);
}
