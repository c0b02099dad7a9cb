//! The SQL statements that read and write the record in D1, and the types of their rows.
//!
//! - [`shards`]: which database has what
//! - [`deployment`]: what a database was begun with
//! - [`id`]: ids in D1
//! - [`send`]: a complete send
//! - [`history`]: conversations, messages, read state
//! - [`users`]: users, blocks, regions, and the erasure of a user
//! - [`webhooks`]: the webhook's switch, and the webhooks that were given up

pub mod deployment;
pub mod history;
pub mod id;
pub mod send;
pub mod shards;
pub mod users;
pub mod webhooks;

use serde::Deserialize;

use super::events::new_message::Author;
pub use super::sql::{Param, Statement};
use super::token::Role;

/// A user as the author of messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    /// The role in the database, which takes precedence over the token's.
    pub role: Role,
    /// The display name, if any.
    pub name: Option<String>,
    /// The URL of the user's picture, if any.
    pub avatar_url: Option<String>,
}

impl Sender {
    /// Converts to the author as messages show it.
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
