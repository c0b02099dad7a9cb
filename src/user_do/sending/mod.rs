//! Sends: recorded in the outbox, committed, fanned out, answered, and finished even if interrupted.

mod admission;
mod commit;
mod fan_out;
pub(crate) mod send;
