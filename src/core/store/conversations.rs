//! Whom the user talks to, and in which order to list them. The conversations themselves are in D1.

use serde::Deserialize;

use super::{Database, Result, Store};
use crate::core::error::to_json;
use crate::core::events::new_message::Target;
use crate::core::sql::Param;
use crate::core::store::schema::{ADD_CONVERSATIONS, CONVERSATION_PAGE};

/// Behind every id there is.
const LAST: &str = "g";

/// A place in the list.
#[derive(Debug, Deserialize)]
pub struct Listed {
    /// Which conversation.
    pub conversation_id: String,
    /// Its newest message.
    pub last_message_id: String,
}

impl<D: Database> Store<D> {
    /// Adds conversations, or moves them up. A target's receiver is the other side here.
    pub fn conversations_add(&self, targets: &[Target]) -> Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        self.write(
            &self.user,
            ADD_CONVERSATIONS,
            vec![to_json(&targets).into()],
        )
    }

    /// The other participant of a conversation of this user's.
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

    /// A page of the list, newest first, behind the conversation whose newest message this was.
    pub fn conversation_page(&self, cursor: Option<&str>, limit: usize) -> Result<Vec<Listed>> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        self.read(
            &self.user,
            CONVERSATION_PAGE,
            vec![cursor.unwrap_or(LAST).into(), Param::from(limit)],
        )
    }

    /// The newest message of any of the user's conversations.
    pub fn newest_message(&self) -> Result<Option<String>> {
        let page = self.conversation_page(None, 1)?;
        Ok(page.into_iter().next().map(|newest| newest.last_message_id))
    }

    /// All of the user's conversations: their ids and the other participants.
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

    /// Takes a conversation off the list.
    pub fn conversation_remove(&self, conversation_id: &str) -> Result<()> {
        self.write(
            &self.user,
            "DELETE FROM conversations WHERE conversation_id = ?1",
            vec![conversation_id.into()],
        )
    }
}
