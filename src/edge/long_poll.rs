//! A polling GET: it waits at its gateway, and we notice when its client disconnects.
//!
//! ```text
//!  client               here                  gateway
//!    |--- GET ----------->|--- GET ----------->|    waits
//!    |<-- 200, 6 ---------|                    |    after twice POLL_KEEPALIVE_MS, in HTTP/1.1
//!    |<-- - --------------|                    |    every POLL_KEEPALIVE_MS
//!    |<-- \x1e, packets --|<-- packets --------|
//! ```
//!
//! If the client disconnects, the runtime cancels this request and with it the request to the gateway, whose
//! abort signal fires (`polling_gateway_do/abandoned.rs`).

use std::time::Duration;

use futures::future::{Either, LocalBoxFuture, select};
use futures::{FutureExt, Stream, stream};
use worker::{Delay, Env, Error, Response, Result};

use super::answer;
use crate::core::keepalive;
use crate::messages::Poll;
use crate::platform::abandoned::Abandoned;
use crate::platform::objects;

/// The gateway's answer: status and body.
type Answer = LocalBoxFuture<'static, Result<(u16, String)>>;

/// Serves a GET. Without a `pause`, nothing is written to the client before the gateway has answered.
pub async fn serve(
    env: &Env,
    gateway: String,
    poll: Poll,
    pause: Option<Duration>,
    abandoned: Abandoned,
) -> Result<Response> {
    let asked = ask(env.clone(), gateway, poll).boxed_local();
    let answered = async {
        match pause {
            Some(pause) => answer_or_hold(asked, pause).await,
            None => respond(asked.await),
        }
    };
    match select(answered.boxed_local(), abandoned).await {
        Either::Left((response, _)) => response,
        // The client is gone; nobody reads this response.
        Either::Right(_) => Response::empty(),
    }
}

async fn ask(env: Env, gateway: String, poll: Poll) -> Result<(u16, String)> {
    let mut response = objects::poll(&env, &gateway, &poll, None).await?;
    Ok((response.status_code(), response.text().await?))
}

async fn answer_or_hold(asked: Answer, pause: Duration) -> Result<Response> {
    // Most GETs are answered before that, and then have a status of their own.
    match select(asked, Delay::from(pause * 2)).await {
        Either::Left((answered, _)) => respond(answered),
        Either::Right((_, asked)) => answer::held_poll(keep_alive(asked, pause)),
    }
}

fn respond(answered: Result<(u16, String)>) -> Result<Response> {
    match answered {
        Ok((status, body)) => answer::polling(status, &body),
        Err(error) => answer::unavailable("polling gateway", &error),
    }
}

/// What remains to be sent.
enum Rest {
    All(Answer),
    Answer(Answer),
    Nothing,
}

/// The body of a GET that is held open: a noop, keepalive bytes, then the packets.
fn keep_alive(asked: Answer, pause: Duration) -> impl Stream<Item = Result<Vec<u8>>> {
    stream::unfold(Rest::All(asked), move |rest| async move {
        match rest {
            Rest::All(asked) => Some((bytes(keepalive::NOOP), Rest::Answer(asked))),
            Rest::Answer(asked) => Some(match select(asked, Delay::from(pause)).await {
                Either::Left((answered, _)) => (last(answered), Rest::Nothing),
                Either::Right((_, asked)) => (bytes(keepalive::MORE), Rest::Answer(asked)),
            }),
            Rest::Nothing => None,
        }
    })
}

/// The 200 was sent long ago, so any other status can only be reported by breaking the connection off.
fn last(answered: Result<(u16, String)>) -> Result<Vec<u8>> {
    match answered? {
        (200, body) => bytes(&keepalive::ending(&body)),
        (status, body) => Err(Error::RustError(format!("{status} {body}"))),
    }
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    Ok(text.as_bytes().to_vec())
}
