//! Why a CONNECT is refused: the only place that builds the body of a CONNECT_ERROR.
//!
//! A client does not reconnect by itself after a CONNECT_ERROR, so we send one only where a retry would fail
//! the same way. In all other cases we close the connection, and the client reconnects. docs/events.md has
//! the table of both.

use serde::Serialize;
use thiserror::Error;

use super::error::to_json;
use super::limits::Rate;
use super::token::TokenError;
use crate::wire::socket_io::{MAIN, connect_error};

/// The reason why a CONNECT is refused; its text is the `message` that the client receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConnectRefusal {
    /// The token is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The user already has this many connections.
    #[error("You must not have more than {0} connections")]
    TooManyConnections(usize),
    /// The WebSocket was routed to another user's object by a token in the URL or a header. Reconnecting
    /// would lead there again, so a close would cause an endless loop.
    #[error(
        "This connection is another user's: send the same user's token in auth and in the URL or header, or in auth alone"
    )]
    OtherUser,
    /// The CONNECT is larger than a frame may be; the limit is in bytes.
    #[error("A packet must not have more than {0} bytes")]
    TooLarge(usize),
    /// The CONNECT has failed on our side more often than [`FAULTS`] allows.
    #[error("You could not be connected because of a fault on our side, please try again later")]
    Unavailable,
}

/// How often a user's CONNECT may fail on our side and be answered with just a close, after which the client
/// reconnects by itself. If it fails more often, a retry is likely to fail as well.
pub const FAULTS: Rate = Rate {
    burst: 3,
    pause_us: 20_000_000,
};

impl ConnectRefusal {
    /// Returns the `data.code` of the client's `connect_error`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Token(error) => error.code(),
            Self::TooManyConnections(_) => "too_many",
            Self::OtherUser => "other_user",
            Self::TooLarge(_) => "too_large",
            Self::Unavailable => "unavailable",
        }
    }

    /// Returns the CONNECT_ERROR packet, with `{ message, data: { code } }` (Socket.IO protocol v5,
    /// "Connection to a namespace").
    pub fn packet(self) -> String {
        #[derive(Serialize)]
        struct Data {
            code: &'static str,
        }
        #[derive(Serialize)]
        struct Body {
            message: String,
            data: Data,
        }
        let body = Body {
            message: self.to_string(),
            data: Data { code: self.code() },
        };
        connect_error(MAIN, &to_json(&body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::limits::Bucket;

    #[test]
    fn wire_json_is_pinned() {
        let packets = [
            (
                ConnectRefusal::from(TokenError::Expired),
                r#"4{"message":"The token has expired","data":{"code":"token_expired"}}"#,
            ),
            (
                ConnectRefusal::from(TokenError::Invalid),
                r#"4{"message":"The token is not valid","data":{"code":"unauthorized"}}"#,
            ),
            (
                ConnectRefusal::TooManyConnections(20),
                r#"4{"message":"You must not have more than 20 connections","data":{"code":"too_many"}}"#,
            ),
            (
                ConnectRefusal::OtherUser,
                r#"4{"message":"This connection is another user's: send the same user's token in auth and in the URL or header, or in auth alone","data":{"code":"other_user"}}"#,
            ),
        ];
        for (refusal, packet) in packets {
            assert_eq!(refusal.packet(), packet);
        }
    }

    #[test]
    fn some_faults_are_left_to_the_client() {
        let mut faults = Bucket::default();
        let told: Vec<bool> = (0..5)
            .map(|_| faults.take(FAULTS, 1_000).is_err())
            .collect();
        assert_eq!(told, [false, false, false, true, true]);
        assert_eq!(faults.take(FAULTS, 21_000), Ok(()));
    }
}
