//! Switchboard: presence, conversations and bulk messages for real Socket.IO clients, on Cloudflare's edge.
//!
//! The modules follow the path of a request:
//!
//! ```text
//! edge (Worker)  ->  polling_gateway_do  ->  user_do (one object per user)  ->  D1
//!       \________________________________/          ^
//!                                                   |
//!                                              campaign_do (one object per campaign),
//!                                              pacemaker_do (wakes the objects of connected users)
//! ```
//!
//! - [`core`]: every decision that does not need the platform. No `worker` import; native tests.
//! - [`wire`]: the protocols, Engine.IO and Socket.IO, which know nothing of the product.
//! - [`messages`]: the typed messages between the Worker and the objects.
//! - `edge`: the stateless Worker: origins, tokens, routing, the relay.
//! - `polling_gateway_do`: polling sessions until they upgrade.
//! - `handler`: handles a connection's events; either the product or the conformance fixture.
//! - `user_do`: a user's live connections, last-seen time and event log.
//! - `campaign_do`: a campaign's receivers and results, and how it is fed to its sender's object in chunks.
//! - `pacemaker_do`: calls the objects of connected users when their pings are due.
//! - `platform`: what the `worker` crate lacks, and the calls between objects.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]
// The fixture does not use the product's events.
#![cfg_attr(feature = "conformance", allow(dead_code))]

pub mod core;
pub mod messages;
pub mod wire;

#[cfg(target_arch = "wasm32")]
mod campaign_do;
#[cfg(target_arch = "wasm32")]
mod edge;
#[cfg(target_arch = "wasm32")]
mod handler;
#[cfg(target_arch = "wasm32")]
mod pacemaker_do;
#[cfg(target_arch = "wasm32")]
mod platform;
#[cfg(target_arch = "wasm32")]
mod polling_gateway_do;
#[cfg(target_arch = "wasm32")]
mod user_do;
