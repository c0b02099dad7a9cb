//! The ground floor: sockets, storage, what is held, turns. It calls nothing above it.

pub(crate) mod caller;
pub(crate) mod fault;
pub(crate) mod held;
pub(crate) mod lane;
pub(crate) mod socket;
pub(crate) mod sockets;
pub(crate) mod state;
pub(crate) mod storage;
