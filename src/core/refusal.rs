//! Why one receiver of a send gets nothing, which stops nobody else.

use thiserror::Error;

use super::error::{ErrorCode, EventError};

/// Why a receiver's copy is not in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no such user.
    #[error("Receiver not found")]
    NotFound,
    /// The receiver has blocked the sender.
    #[error("Receiver is not accepting messages from you")]
    Blocked,
    /// The receiver is the sender.
    #[error("You cannot send a message to yourself")]
    Oneself,
}

impl From<Refusal> for EventError {
    /// As the error of a whole request, whose only receiver it is.
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NotFound => ErrorCode::NotFound,
            Refusal::Blocked | Refusal::Oneself => ErrorCode::Forbidden,
        };
        Self::new(code, refusal.to_string())
    }
}
