//! The log: one JSON object per line. What is logged never holds a token, a secret or a message
//! text.

use std::fmt::Display;

use serde_json::json;

/// A fault of ours, with its detail: `what` says what was being done.
pub fn error(what: &str, detail: &dyn Display) {
    let line = json!({ "level": "error", "what": what, "detail": detail.to_string() });
    worker::console_error!("{line}");
}
