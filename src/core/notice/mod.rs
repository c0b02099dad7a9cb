//! Notices: what is told to the outside of a user who is away.

pub mod attempt;
pub mod retry_after;
