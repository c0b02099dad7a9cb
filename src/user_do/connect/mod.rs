//! A connection, from its first frame to its last.

mod accept;
pub(crate) mod close;
pub(crate) mod join;
mod refuse;
mod room;
mod upgrade;
