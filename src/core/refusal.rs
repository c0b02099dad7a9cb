//! Why a receiver of a send gets no message. The other receivers are not affected.

use thiserror::Error;

use super::error::{ErrorCode, EventError};

/// The reason why no message is stored for a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The receiver is not a known user.
    #[error("Receiver not found")]
    NotFound,
    /// The receiver has blocked the sender.
    #[error("Receiver is not accepting messages from you")]
    Blocked,
    /// The receiver takes no bulk messages, or none of the sender.
    #[error("Receiver does not accept bulk messages")]
    NoBulk,
    /// The receiver is the sender.
    #[error("You cannot send a message to yourself")]
    Oneself,
    /// The receiver's shard did not confirm the message. The others are not affected.
    #[error("The message could not be stored, please try again")]
    Unconfirmed,
}

impl From<Refusal> for EventError {
    /// Returns the error for a request whose only receiver is refused.
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NotFound => ErrorCode::NotFound,
            Refusal::Blocked | Refusal::NoBulk | Refusal::Oneself => ErrorCode::Forbidden,
            Refusal::Unconfirmed => ErrorCode::Unavailable,
        };
        Self::new(code, refusal.to_string())
    }
}
