//! The protocols: Engine.IO v4 and Socket.IO v5, as decoders, encoders and state machines.
//!
//! Nothing here knows the product: no configuration (it is passed in as plain numbers), none of our events,
//! no user. A frame goes in, an effect comes out, and the caller carries it out.

pub mod close;
pub mod engine_io;
pub mod polling;
pub mod probe;
#[cfg(test)]
mod properties;
pub mod session;
pub mod socket_io;
