//! Why a CONNECT is refused: the one place where the body of a CONNECT_ERROR is made.

use serde::Serialize;
use thiserror::Error;

use super::error::to_json;
use super::token::TokenError;
use crate::wire::socket_io::connect_error;

/// Why a CONNECT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConnectRefusal {
    /// Its token is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The user has this many connections already.
    #[error("You must not have more than {0} connections")]
    TooManyConnections(usize),
    /// The WebSocket ends in the object of another user, whose token came in the URL or a header. Coming
    /// again would lead there again, so closing it would be an endless loop.
    #[error(
        "The token in auth is of another user than the one in the URL or header: bring the same user's in both"
    )]
    OtherUser,
}

impl ConnectRefusal {
    /// `data.code` of the client's `connect_error`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Token(error) => error.code(),
            Self::TooManyConnections(_) => "too_many",
            Self::OtherUser => "other_user",
        }
    }

    /// The CONNECT_ERROR, with `{ message, data: { code } }` (Socket.IO protocol v5, "Connection to a
    /// namespace").
    pub fn packet(self, namespace: &str) -> String {
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
        connect_error(namespace, &to_json(&body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                r#"4{"message":"The token in auth is of another user than the one in the URL or header: bring the same user's in both","data":{"code":"other_user"}}"#,
            ),
        ];
        for (refusal, packet) in packets {
            assert_eq!(refusal.packet("/"), packet);
        }
    }
}
