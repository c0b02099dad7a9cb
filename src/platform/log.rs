//! The log: one JSON object per line. What is logged never holds a token, a secret or a message
//! text.

use std::fmt::Display;

use serde_json::json;

/// A fault of ours, with its detail: `what` says what was being done.
pub fn error(what: &str, detail: &dyn Display) {
    let line = json!({ "level": "error", "what": what, "detail": detail.to_string() });
    worker::console_error!("{line}");
}

/// What was done: `what` says it, `figures` is an object.
pub fn info(what: &str, figures: &serde_json::Value) {
    let line = json!({ "level": "info", "what": what, "figures": figures });
    worker::console_log!("{line}");
}
