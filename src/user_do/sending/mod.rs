//! Sends: noted, committed, fanned out, answered, and finished whatever comes in between.

mod fan_out;
pub(crate) mod send;
