//! The lowest layer: sockets, storage, held frames and packets, turns, the sends in progress. It calls no other layer of the object.

pub(crate) mod caller;
pub(crate) mod fault;
pub(crate) mod flights;
pub(crate) mod held;
pub(crate) mod lane;
pub(crate) mod permits;
pub(crate) mod socket;
pub(crate) mod sockets;
pub(crate) mod state;
pub(crate) mod storage;
