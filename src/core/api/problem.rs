//! Errors as problem details (RFC 9457): `{ type, title, status, detail, code }`.
//!
//! `code` is the stable part, with the same values as in event errors. The type is `about:blank`: the
//! problem has no meaning beyond that of the status (section 4.2.1).

use serde::Serialize;

use crate::core::error::{ErrorCode, EventError, name_of, to_json};
use crate::core::time::Millis;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status code of the response.
    pub status: u16,
    /// The stable, machine-readable error code.
    pub code: String,
    /// What is wrong, for a human reader.
    pub detail: String,
    /// When to try again, in milliseconds from now.
    pub retry_after_ms: Option<Millis>,
    /// With 405: the methods that the path allows.
    pub allow: Vec<&'static str>,
}

impl Problem {
    /// Creates a problem without a retry time or allowed methods.
    pub fn new(status: u16, code: &str, detail: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            detail: detail.to_owned(),
            retry_after_ms: None,
            allow: Vec::new(),
        }
    }

    /// The request is not valid.
    pub fn invalid(detail: &str) -> Self {
        Self::new(400, "invalid_payload", detail)
    }

    /// There is no such path.
    pub fn not_found() -> Self {
        Self::new(404, "not_found", "There is nothing here")
    }

    /// The path does not allow the method. Allows `methods`, plus HEAD if GET is among them.
    pub fn method_not_allowed(methods: Vec<&'static str>) -> Self {
        let with_head = |method| match method {
            "GET" => vec!["GET", "HEAD"],
            other => vec![other],
        };
        Self {
            allow: methods.into_iter().flat_map(with_head).collect(),
            ..Self::new(405, "method_not_allowed", "The path has other methods")
        }
    }

    /// The body is larger than `max` bytes.
    pub fn too_large(max: usize) -> Self {
        let detail = format!("The body must not be larger than {max} bytes");
        Self::new(413, "too_large", &detail)
    }

    /// An internal fault, whose detail went to the log.
    pub fn unavailable() -> Self {
        Self::new(503, "unavailable", "Please try again")
    }

    /// Returns the status's reason phrase (RFC 9110, section 15).
    fn title(&self) -> &'static str {
        match self.status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            409 => "Conflict",
            413 => "Content Too Large",
            429 => "Too Many Requests",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        }
    }

    /// Returns the body: the members of RFC 9457, plus `code` and `retryAfterMs`.
    pub fn body(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            r#type: &'a str,
            title: &'a str,
            status: u16,
            detail: &'a str,
            code: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            retry_after_ms: Option<Millis>,
        }
        to_json(&Body {
            r#type: "about:blank",
            title: self.title(),
            status: self.status,
            detail: &self.detail,
            code: &self.code,
            retry_after_ms: self.retry_after_ms,
        })
    }
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        let status = match error.code {
            ErrorCode::InvalidPayload | ErrorCode::UnknownEvent | ErrorCode::TooMany => 400,
            ErrorCode::Forbidden => 403,
            ErrorCode::NotFound => 404,
            ErrorCode::Conflict | ErrorCode::IdempotencyConflict => 409,
            ErrorCode::RateLimited => 429,
            ErrorCode::TokenExpired => 401,
            ErrorCode::Unavailable => 503,
            ErrorCode::Internal => 500,
        };
        Self {
            retry_after_ms: error.retry_after_ms,
            ..Self::new(status, &name_of(error.code), &error.message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_pinned() {
        assert_eq!(
            Problem::not_found().body(),
            r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"There is nothing here","code":"not_found"}"#
        );
        let limited = Problem::from(EventError::rate_limited("Too many", 1_500));
        assert_eq!(
            limited.body(),
            r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"Too many","code":"rate_limited","retryAfterMs":1500}"#
        );
    }
}
