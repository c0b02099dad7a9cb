//! The protocols: Engine.IO v4 and Socket.IO v5, as decoders, encoders and state machines.
//!
//! Nothing here knows the product: no configuration (plain numbers come in), no event of ours, no user. A
//! frame comes in, an effect comes out; whoever calls carries it out.

pub mod close;
pub mod engine_io;
pub mod polling;
pub mod probe;
#[cfg(test)]
mod properties;
pub mod session;
pub mod socket_io;
