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
    worker::console_error!("{}", line("error", what, &detail.to_string()));
}

/// Logs what the operator should change, although everything works.
pub fn warning(what: &str, detail: &str) {
    worker::console_warn!("{}", line("warning", what, detail));
}

fn line(level: &str, what: &str, detail: &str) -> String {
    to_json(&Line {
        detail,
        level,
        what,
    })
}
