//! The user's conversation list: the other participant of each conversation, and the list order. The
//! conversations themselves are in D1.
//!
//! The order is that of the newest messages: a conversation's `last_message_id`, or its message in one of the last
//! sends to many (see [`super::sent`]), whichever is newer. So nothing else may read `last_message_id` alone.
//! What of them is unread is in [`super::unread`].

use serde::Deserialize;

use super::sent::{NEWEST_MESSAGE, REMOVE_FROM_SENT};
use super::social::Found;
use super::{Database, Result, Store, Table};
use crate::core::error::to_json;
use crate::core::events::new_message::Target;
use crate::core::sql::Param;
use crate::core::store::schema::{ADD_CONVERSATION, CONVERSATION_PAGE};

/// Sorts after every message id.
const LAST: &str = "g";

/// An entry of the conversation list.
#[derive(Debug, Deserialize)]
pub struct Listed {
    /// The conversation's id.
    pub conversation_id: String,
    /// The id of the conversation's newest message, which determines its place in the list.
    pub last_message_id: String,
}

impl<D: Database> Store<D> {
    /// Adds the conversations of the user's own send to the list, or moves them up. From now on the user has written in
    /// them.
    pub fn conversations_add(&self, targets: &[Target]) -> Result<()> {
        let newest = self.known.newest_message.known();
        let unread = self.known.unread_total.known();
        match targets {
            [] => return Ok(()),
            [one] => self.conversation_add(one, true)?,
            many => self.sent_add(many)?,
        }
        let added = targets.iter().map(|target| &target.message_id).max();
        self.known_newest(newest, added);
        // Nothing was received.
        if let Some(unread) = unread {
            self.known.unread_total.set(unread);
        }
        Ok(())
    }

    /// Keeps what was known of the newest message before these messages were added.
    pub(super) fn known_newest(&self, known: Option<Option<String>>, added: Option<&String>) {
        if let Some(newest) = known {
            self.known.newest_message.set(newest.max(added.cloned()));
        }
    }

    /// Adds a conversation that D1 knows. The target's `receiver_id` is the other participant.
    pub fn conversation_found(&self, target: &Target) -> Result<()> {
        self.conversation_add(target, false)
    }

    fn conversation_add(&self, target: &Target, is_own: bool) -> Result<()> {
        let Target {
            receiver_id,
            conversation_id,
            message_id,
        } = target;
        let ids = [conversation_id, receiver_id, message_id];
        let mut bindings: Vec<Param> = ids.map(|id| id.as_str().into()).into();
        bindings.push(is_own.into());
        self.write(Table::Conversations, ADD_CONVERSATION, bindings)
    }

    /// Returns the other participant of one of the user's conversations.
    pub fn peer(&self, conversation_id: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Row {
            peer_id: String,
        }
        let rows: Vec<Row> = self.read(
            &self.user,
            "SELECT peer_id FROM conversations WHERE conversation_id = ?1",
            vec![conversation_id.into()],
        )?;
        Ok(rows.into_iter().next().map(|row| row.peer_id))
    }

    /// Returns how many of the targets' conversations are not in the list.
    pub fn count_new(&self, targets: &[Target]) -> Result<usize> {
        let new = self.rows::<Found>(
            &self.user,
            "SELECT 1 AS found FROM json_each(?1) AS t WHERE NOT EXISTS (
               SELECT 1 FROM conversations WHERE conversation_id = t.value ->> 'c')",
            vec![to_json(targets).into()],
        )?;
        Ok(new.map_or(targets.len(), Iterator::count))
    }

    /// Returns a page of the list, newest first. Reads every row and sorts them. `cursor` is the newest message id of the
    /// last conversation on the previous page.
    pub fn conversation_page(&self, cursor: Option<&str>, limit: usize) -> Result<Vec<Listed>> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        self.read(
            &self.user,
            CONVERSATION_PAGE,
            vec![cursor.unwrap_or(LAST).into(), Param::from(limit)],
        )
    }

    /// Returns the id of the newest message in any of the user's conversations. The first call reads every row.
    pub fn newest_message(&self) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Row {
            newest: Option<String>,
        }
        self.known.newest_message.get_or(|| {
            let rows: Vec<Row> = self.read(&self.user, NEWEST_MESSAGE, vec![])?;
            Ok(rows.into_iter().next().and_then(|row| row.newest))
        })
    }

    /// Returns `(conversation id, other participant)` for every conversation of the user.
    pub fn conversations_all(&self) -> Result<Vec<(String, String)>> {
        #[derive(Deserialize)]
        struct Row {
            conversation_id: String,
            peer_id: String,
        }
        let rows: Vec<Row> = self.read(
            &self.user,
            "SELECT conversation_id, peer_id FROM conversations",
            vec![],
        )?;
        Ok(rows
            .into_iter()
            .map(|row| (row.conversation_id, row.peer_id))
            .collect())
    }

    /// Removes a conversation from the list.
    pub fn conversation_remove(&self, conversation_id: &str) -> Result<()> {
        self.write(
            Table::Conversations,
            "DELETE FROM conversations WHERE conversation_id = ?1",
            vec![conversation_id.into()],
        )?;
        self.write(Table::Sent, REMOVE_FROM_SENT, vec![conversation_id.into()])
    }
}
