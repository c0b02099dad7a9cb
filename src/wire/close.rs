//! Why a connection ends, as the protocol sees it.

use serde::{Deserialize, Serialize};

/// The age in milliseconds below which a message may have crossed a client's goodbye: longer than messages
/// take on any usable network. Over polling, a GET that arrived less than this before the goodbye may have
/// been sent after it, on another connection.
pub const CROSSING: u64 = 2_000;

/// The protocol's reasons for closing a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolEnd {
    /// The client sent `1`, or closed its WebSocket cleanly.
    ClientClosed,
    /// The transport broke without a clean close.
    TransportLost,
    /// The client sent a frame that it may not send.
    ProtocolError,
    /// The client sent a frame over the size limit.
    TooLarge,
    /// The client did not answer a ping in time.
    PingTimeout,
    /// No CONNECT was accepted before the deadline.
    ConnectTimeout,
    /// The upgrade was not finished in time, violated the protocol, or its session is gone.
    UpgradeFailed,
}

impl ProtocolEnd {
    /// Returns the WebSocket close code and reason (RFC 6455, section 7.4.1). `None` closes without a code,
    /// as the reference server does; clients then see 1005.
    pub fn code(self) -> Option<(u16, &'static str)> {
        match self {
            Self::TooLarge => Some((1009, "frame too large")),
            _ => None,
        }
    }
}
