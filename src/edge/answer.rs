//! The one place that turns an outcome into an HTTP response. The response is clear to the caller and the log
//! has the details; neither contains what belongs only in the other.

use std::fmt::Display;

use futures::Stream;
use worker::{Headers, Response, ResponseBuilder, Result, WebSocketPair};

use crate::core::api::problem::Problem;
use crate::core::close::CloseReason;
use crate::core::config::ConfigError;
use crate::core::cors;
use crate::core::error::to_json;
use crate::core::token::TokenError;
use crate::core::token::service::ServiceError;
use crate::platform::{close, log};
use crate::wire::engine_io::RequestError;

/// `GET /`
pub fn welcome() -> Result<Response> {
    Response::ok("Switchboard is running. Clients connect with Socket.IO at /socket.io/.\n")
}

/// The path is not served.
pub fn not_found() -> Result<Response> {
    Response::error("Not found\n", 404)
}

/// A variable is missing or invalid. The response names it, so that the operator finds it at once.
pub fn misconfigured(error: &ConfigError) -> Result<Response> {
    log::error("configuration", error);
    let message = to_json(&format!("Configuration error: {error}"));
    json(500, &format!(r#"{{"message":{message}}}"#))
}

/// Engine.IO rejects the request.
pub fn refused(error: RequestError) -> Result<Response> {
    json(400, &error.body())
}

/// The page's origin is not allowed (Engine.IO's error code 4).
pub fn forbidden_origin() -> Result<Response> {
    json(403, r#"{"code":4,"message":"Origin not allowed"}"#)
}

/// The caller's address has opened too many connections whose users are not known. It may retry after the period of
/// the limit.
pub fn too_many_connections() -> Result<Response> {
    let answer = json(429, r#"{"message":"Too many connections, please wait"}"#)?;
    with_headers(answer, vec![("Retry-After", "10".to_owned())])
}

/// A fault on our side. The caller may retry.
pub fn unavailable(what: &str, detail: &dyn Display) -> Result<Response> {
    log::error(what, detail);
    json(503, r#"{"message":"Please try again"}"#)
}

/// Answers a CORS preflight that asks for the `requested` headers.
pub fn preflight(requested: Option<&str>) -> Result<Response> {
    let answer = Response::empty()?.with_status(204);
    with_headers(answer, cors::preflight(requested))
}

/// The streamed response to a poll that is still waiting.
pub fn held_poll(body: impl Stream<Item = Result<Vec<u8>>> + 'static) -> Result<Response> {
    ResponseBuilder::new()
        .with_header("Content-Type", "text/plain; charset=UTF-8")?
        .with_header("Cache-Control", "no-store, no-transform")?
        // A proxy that compressed the body would buffer the keepalive bytes.
        .with_header("Content-Encoding", "identity")?
        .from_stream(body)
}

/// A polling body, the plain `ok` of a POST, or a JSON error.
pub fn polling(status: u16, body: &str) -> Result<Response> {
    if body.starts_with('{') {
        return json(status, body);
    }
    unstored(status, "text/plain; charset=UTF-8", body)
}

/// Accepts a WebSocket and closes it at once: clients handle that better than an HTTP error.
pub fn closed_websocket(reason: impl Into<CloseReason>) -> Result<Response> {
    let pair = WebSocketPair::new()?;
    pair.server.accept()?;
    close(&pair.server, reason);
    Response::from_websocket(pair.client)
}

/// Sets the negotiated subprotocol, if the client requested one and the response is a WebSocket.
pub fn with_subprotocol(response: Response, name: Option<String>) -> Result<Response> {
    match name {
        Some(name) if response.status_code() == 101 => {
            with_headers(response, vec![("Sec-WebSocket-Protocol", name)])
        }
        _ => Ok(response),
    }
}

/// Returns the response with the headers in `more` added.
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

/// An error response of the HTTP API.
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

/// The HTTP API's refusal of a request whose credentials are missing, invalid or for something else.
pub fn unauthorized(error: ServiceError) -> Problem {
    let detail = error.to_string();
    match error {
        ServiceError::Unauthorized(TokenError::Missing) => Problem::new(
            401,
            "unauthorized",
            "The Authorization header must hold \"Bearer\" and a service token or the API key",
        ),
        ServiceError::Unauthorized(TokenError::Unavailable) => Problem::unavailable(),
        ServiceError::Unauthorized(error) => Problem::new(401, error.code(), &detail),
        ServiceError::NotAService | ServiceError::OutOfScope(_) => {
            Problem::new(403, "forbidden", &detail)
        }
    }
}

/// A JSON response that no cache may store.
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
