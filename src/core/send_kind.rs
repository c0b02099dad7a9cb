//! The two kinds of sends, and in what they differ.

use super::error::{ErrorCode, EventError};
use super::events::{send_bulk_message, send_message};
use super::token::Role;

/// What kind of send it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendKind {
    /// One message to one user, whose way the sender's devices are told.
    Direct,
    /// One message to many, which only contractors may send.
    Bulk,
}

impl SendKind {
    /// The event that asks for such a send.
    pub fn event(self) -> &'static str {
        match self {
            Self::Direct => send_message::NAME,
            Self::Bulk => send_bulk_message::NAME,
        }
    }

    /// The event that answers it.
    pub fn reply_event(self) -> &'static str {
        match self {
            Self::Direct => send_message::REPLY,
            Self::Bulk => send_bulk_message::REPLY,
        }
    }

    /// The role that its sender must have, if not any.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Direct => None,
            Self::Bulk => Some(Role::Contractor),
        }
    }

    /// What a sender is told who has no row, or not that role.
    pub fn not_allowed(self) -> EventError {
        match self {
            Self::Direct => EventError::new(ErrorCode::NotFound, "Sender not found"),
            Self::Bulk => EventError::new(
                ErrorCode::Forbidden,
                "Only contractors can send bulk messages",
            ),
        }
    }
}
