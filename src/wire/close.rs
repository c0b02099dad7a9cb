//! Ends of a connection that the protocol knows.

use serde::{Deserialize, Serialize};

/// What was sent less than this before a client's goodbye, in milliseconds, may have crossed it: longer than
/// messages take on networks that people call usable. Over polling, a GET that came in less than this before
/// may have been sent behind it, on another connection.
pub const CROSSING: u64 = 2_000;

/// Why a connection ends, as far as the protocol is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolEnd {
    /// The client said `1`, or closed its WebSocket in the regular way.
    ClientClosed,
    /// The transport broke.
    TransportLost,
    /// A frame that no client may send.
    ProtocolError,
    /// A frame over the limit.
    TooLarge,
    /// A ping was not answered within pingTimeout.
    PingTimeout,
    /// No CONNECT in time.
    ConnectTimeout,
    /// An upgrade that was not finished in time, or that nobody waits for any more.
    UpgradeFailed,
}

impl ProtocolEnd {
    /// The WebSocket close code and reason (RFC 6455, section 7.4.1). `None`: a close without a code,
    /// as the reference server closes; a client sees 1005.
    pub fn code(self) -> Option<(u16, &'static str)> {
        match self {
            Self::TooLarge => Some((1009, "frame too large")),
            _ => None,
        }
    }

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::TransportLost => "transport_lost",
            Self::ProtocolError => "protocol_error",
            Self::TooLarge => "too_large",
            Self::PingTimeout => "ping_timeout",
            Self::ConnectTimeout => "connect_timeout",
            Self::UpgradeFailed => "upgrade_failed",
        }
    }
}
