//! The statements that read and write the record in D1, and what comes back.
//!
//! - [`send`]: a send, whole
//! - [`history`]: conversations, messages, what was read
//! - [`users`]: users, blocks, regions, and the erasure of a user

pub mod history;
pub mod send;
pub mod users;

use serde::Deserialize;

use super::events::new_message::Author;
pub use super::sql::{Param, Statement};
use super::token::Role;

/// A user as the author of messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    /// The role in the database: the one that counts.
    pub role: Role,
    /// The display name.
    pub name: Option<String>,
    /// The picture.
    pub avatar_url: Option<String>,
}

impl Sender {
    /// As messages name them.
    pub fn author(self, user_id: &str) -> Author {
        Author {
            id: user_id.to_owned(),
            name: self.name,
            avatar_url: self.avatar_url,
        }
    }
}

#[cfg(test)]
mod tests;
