//! The log: one JSON object per line. It never contains a token, a secret or a message text.

use std::fmt::Display;

use serde::Serialize;

use crate::core::error::to_json;

#[derive(Serialize)]
struct Line<'a> {
    detail: &'a str,
    level: &'a str,
    what: &'a str,
}

/// Returns the value of an outcome; logs the error if it is one. `what` names the operation.
pub fn fault<T>(what: &str, outcome: Result<T, impl Display>) -> Option<T> {
    outcome.inspect_err(|fault| error(what, fault)).ok()
}

/// Logs an internal error. `what` names the operation that failed.
pub fn error(what: &str, detail: &dyn Display) {
    let line = Line {
        detail: &detail.to_string(),
        level: "error",
        what,
    };
    worker::console_error!("{}", to_json(&line));
}
