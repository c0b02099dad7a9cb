//! The pure core: configuration, tokens, payloads, decisions, SQL. It imports nothing from the platform,
//! reads no clock and draws no random numbers (both are passed in), so its tests run natively.

pub mod address;
pub mod api;
pub mod canonical;
pub mod close;
pub mod config;
pub mod confirmation;
pub mod connect;
pub mod connect_refusal;
pub mod connection;
#[cfg(test)]
mod contract;
pub mod cors;
pub mod error;
pub mod events;
pub mod heartbeat;
pub mod ids;
pub mod keepalive;
pub mod keys;
pub mod limits;
pub mod lobby;
pub mod numeric_date;
pub mod origin;
pub mod outbox;
pub mod presence;
pub mod record;
pub mod recovery;
pub mod refusal;
pub mod region;
pub mod send_kind;
pub mod sql;
pub mod store;
pub mod subprotocol;
pub mod telemetry;
pub mod time;
pub mod token;
pub mod user_ids;
pub mod watch;
