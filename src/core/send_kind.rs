//! The two kinds of sends, and how they differ.

use super::error::{ErrorCode, EventError};
use super::events::{send_bulk_message, send_message};
use super::token::Role;

/// Whether a send is direct or bulk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendKind {
    /// One message to one user; the sender's devices receive delivery receipts for it.
    Direct,
    /// One message to many users, which only contractors may send.
    Bulk,
}

impl SendKind {
    /// Returns the name of the event that requests such a send.
    pub fn event(self) -> &'static str {
        match self {
            Self::Direct => send_message::NAME,
            Self::Bulk => send_bulk_message::NAME,
        }
    }

    /// Returns the name of the event that answers it.
    pub fn reply_event(self) -> &'static str {
        match self {
            Self::Direct => send_message::REPLY,
            Self::Bulk => send_bulk_message::REPLY,
        }
    }

    /// Returns the role that the sender must have, or `None` if any role will do.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Direct => None,
            Self::Bulk => Some(Role::Contractor),
        }
    }

    /// Returns the error for a sender who has no row in D1 or lacks the required role.
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
