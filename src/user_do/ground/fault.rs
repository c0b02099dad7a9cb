//! Faults of ours, logged in detail and told as what they are to the client.

use crate::core::error::EventError;
use crate::platform::log;

/// Logs a fault of ours and tells the client that it was one.
pub(crate) fn ours(what: &'static str) -> impl Fn(worker::Error) -> EventError {
    move |error| {
        log::error(what, &error);
        EventError::internal()
    }
}

/// D1 did not answer a question.
pub(crate) fn unavailable(error: worker::Error) -> EventError {
    log::error("database", &error);
    EventError::try_again()
}
