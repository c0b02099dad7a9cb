//! What came of one attempt to tell a sink of a notice.

use crate::core::time::Millis;

/// What came of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it.
    Taken,
    /// The sink does not have it, or nobody knows. It is to be tried again.
    Again {
        /// Not before this many milliseconds, if the sink named a time.
        after: Option<Millis>,
    },
    /// The sink is no more: the webhook answered 410, the subscription 404 or 410.
    Gone,
    /// The sink does not want this one, whatever is done about it: an answer of 400 or 413 of a push service.
    Refused,
}
