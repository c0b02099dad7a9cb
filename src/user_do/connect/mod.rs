//! A connection, from the first frame to the last.

mod accept;
pub(crate) mod close;
pub(crate) mod join;
mod refuse;
mod revoked;
mod room;
mod slow;
mod upgrade;
