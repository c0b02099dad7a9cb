//! The one place where an outcome becomes an HTTP answer: clear to the caller, detailed in the log,
//! and never telling one what belongs in the other.

use std::fmt::Display;

use futures::Stream;
use worker::{Headers, Response, ResponseBuilder, Result, WebSocketPair};

use crate::core::api::problem::Problem;
use crate::core::close::CloseReason;
use crate::core::config::ConfigError;
use crate::core::cors;
use crate::core::token::{ServiceError, TokenError};
use crate::platform::{close, log};
use crate::wire::engine_io::RequestError;

/// `GET /`
pub fn welcome() -> Result<Response> {
    Response::ok("Switchboard is running. Clients connect with Socket.IO at /socket.io/.\n")
}

/// No such path.
pub fn not_found() -> Result<Response> {
    Response::error("Not found\n", 404)
}

/// A variable is missing or wrong: the answer names it, so that whoever deployed finds it at once.
pub fn misconfigured(error: &ConfigError) -> Result<Response> {
    log::error("configuration", error);
    let body = serde_json::json!({ "message": format!("Configuration error: {error}") });
    json(500, &body.to_string())
}

/// A request that Engine.IO refuses.
pub fn refused(error: RequestError) -> Result<Response> {
    json(400, &error.body())
}

/// A page of this origin may not connect (Engine.IO's code 4).
pub fn forbidden_origin() -> Result<Response> {
    json(403, r#"{"code":4,"message":"Origin not allowed"}"#)
}

/// A fault of ours. The caller may try again.
pub fn unavailable(what: &str, detail: &dyn Display) -> Result<Response> {
    log::error(what, detail);
    json(503, r#"{"message":"Please try again"}"#)
}

/// A preflight, which asks for these headers.
pub fn preflight(requested: Option<&str>) -> Result<Response> {
    let answer = Response::empty()?.with_status(204);
    with_headers(answer, cors::preflight(requested))
}

/// The answer to a poll that goes on waiting.
pub fn held_poll(body: impl Stream<Item = Result<Vec<u8>>> + 'static) -> Result<Response> {
    ResponseBuilder::new()
        .with_header("Content-Type", "text/plain; charset=UTF-8")?
        .with_header("Cache-Control", "no-store, no-transform")?
        // Whoever compressed it would keep the bytes until there are enough of them.
        .with_header("Content-Encoding", "identity")?
        .from_stream(body)
}

/// A polling body, or the plain `ok` of a POST.
pub fn polling(status: u16, body: &str) -> Result<Response> {
    if body.starts_with('{') {
        return json(status, body);
    }
    unstored(status, "text/plain; charset=UTF-8", body)
}

/// A WebSocket that is accepted and closed at once: clients treat that better than an HTTP error.
pub fn closed_websocket(reason: impl Into<CloseReason>) -> Result<Response> {
    let pair = WebSocketPair::new()?;
    pair.server.accept()?;
    close(&pair.server, reason);
    Response::from_websocket(pair.client)
}

/// Names the subprotocol of a WebSocket, if the client asked for one and the answer is a WebSocket.
pub fn with_subprotocol(response: Response, name: Option<String>) -> Result<Response> {
    match name {
        Some(name) if response.status_code() == 101 => {
            with_headers(response, vec![("Sec-WebSocket-Protocol", name)])
        }
        _ => Ok(response),
    }
}

/// Adds headers.
pub fn with_headers(response: Response, more: cors::Headers) -> Result<Response> {
    if more.is_empty() {
        return Ok(response);
    }
    let headers = Headers::new();
    for (name, value) in response.headers().entries() {
        headers.append(&name, &value)?;
    }
    for (name, value) in more {
        headers.append(name, &value)?;
    }
    Ok(response.with_headers(headers))
}

/// A refusal of the HTTP API.
pub fn problem(problem: &Problem) -> Result<Response> {
    let mut response = ResponseBuilder::new()
        .with_status(problem.status)
        .with_header("Content-Type", "application/problem+json")?;
    if problem.status == 401 {
        response = response.with_header("WWW-Authenticate", "Bearer")?;
    }
    if !problem.allow.is_empty() {
        response = response.with_header("Allow", &problem.allow.join(", "))?;
    }
    if let Some(pause) = problem.retry_after_ms {
        response = response.with_header("Retry-After", &pause.div_ceil(1_000).to_string())?;
    }
    Ok(response.fixed(problem.body().into_bytes()))
}

/// A request to the HTTP API that brings nothing good.
pub fn unauthorized(error: ServiceError) -> Problem {
    let detail = error.to_string();
    match error {
        ServiceError::Unauthorized(TokenError::Missing) => Problem::new(
            401,
            "unauthorized",
            "The Authorization header must hold \"Bearer\" and a service token or the API key",
        ),
        ServiceError::Unauthorized(error) => Problem::new(401, error.code(), &detail),
        ServiceError::NotAService => Problem::new(403, "forbidden", &detail),
    }
}

/// An answer for machines, which no cache may keep.
pub fn json(status: u16, body: &str) -> Result<Response> {
    unstored(status, "application/json", body)
}

fn unstored(status: u16, kind: &str, body: &str) -> Result<Response> {
    Ok(ResponseBuilder::new()
        .with_status(status)
        .with_header("Content-Type", kind)?
        .with_header("Cache-Control", "no-store")?
        .fixed(body.as_bytes().to_vec()))
}
