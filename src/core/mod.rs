//! The pure core: codecs, the session, payloads, tokens, SQL. It imports nothing of the platform,
//! reads no clock and draws no random numbers (both are passed in), so it is tested natively.

pub mod api;
pub mod config;
pub mod connection;
#[cfg(test)]
mod contract;
pub mod engine;
pub mod error;
pub mod events;
pub mod heartbeat;
pub mod ids;
pub mod keepalive;
pub mod keys;
pub mod limits;
pub mod object_schema;
pub mod origin;
pub mod outbox;
pub mod polling;
pub mod presence;
pub mod record;
pub mod recovery;
pub mod region;
pub mod session;
pub mod socket;
pub mod telemetry;
pub mod time;
pub mod token;
