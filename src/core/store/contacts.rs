//! Whom the user has written to, and what that means to those who watch the user.
//!
//! Invariant: a conversation in which the user has written has `has_written` in its row, or is in a row of
//! [`super::sent`]: a send to many writes no row for each receiver. Rows from before there was such a column do not say
//! it; [`Store::contacts_unknown`] has them looked up in D1.

use serde::Deserialize;

use super::social::Found;
use super::{Database, Result, Store, Table};
use crate::core::error::to_json;
use crate::core::events::new_message::Target;
use crate::core::events::preferences::reply;
use crate::core::ids::conversation_id;
use crate::core::preferences::{Audience, Preferences};
use crate::core::sql::Param;
use crate::core::time::Millis;
use crate::core::watch;

/// Selects a row if the user has written in the conversation `?1`.
const HAS_WRITTEN: &str = "
SELECT 1 AS found FROM conversations WHERE conversation_id = ?1
  AND (has_written = 1 OR EXISTS (SELECT 1 FROM sent WHERE instr(targets, '\"' || ?1 || '\"')))";

impl<D: Database> Store<D> {
    /// Stores the user's preferences. If others may see more or less of the user's presence than before, the watchers
    /// are told at `now`.
    pub fn set_preferences(&self, preferences: &Preferences, now: Millis) -> Result<()> {
        let before = self.user_state()?.preferences.presence;
        self.write(
            Table::UserState,
            "UPDATE user_state SET preferences = ?1",
            vec![reply(preferences).payload.into()],
        )?;
        if preferences.presence == before {
            return Ok(());
        }
        self.write(Table::Watched, watch::TELL_ALL, vec![Param::from(now)])
    }

    /// Returns whether the user's preferences let `user_id` see whether the user is online.
    pub fn shows_presence_to(&self, user_id: &str) -> Result<bool> {
        let state = self.user_state()?;
        if state.user_id == user_id {
            return Ok(true);
        }
        match state.preferences.presence {
            Audience::Everyone => Ok(true),
            Audience::Contacts => self.has_written(&conversation_id(&state.user_id, user_id)),
            Audience::Nobody => Ok(false),
        }
    }

    fn has_written(&self, conversation_id: &str) -> Result<bool> {
        let rows: Vec<Found> = self.read(&self.user, HAS_WRITTEN, vec![conversation_id.into()])?;
        Ok(!rows.is_empty())
    }

    /// Prepares for a send of the user: whoever becomes a contact by it may see the user's presence, if contacts may.
    /// If they watch the user, they are told at `now`.
    pub fn contacts_add(&self, targets: &[Target], now: Millis) -> Result<()> {
        if self.user_state()?.preferences.presence != Audience::Contacts {
            return Ok(());
        }
        for target in targets {
            if !self.has_written(&target.conversation_id)? {
                self.watcher_owe_truth(&target.receiver_id, now)?;
            }
        }
        Ok(())
    }

    /// Returns the newest conversations whose rows do not say that the user has written in them, at most `max`.
    pub fn contacts_unknown(&self, max: u64) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            conversation_id: String,
        }
        let rows: Vec<Row> = self.read(
            &self.user,
            "SELECT conversation_id FROM conversations WHERE has_written = 0
             ORDER BY last_message_id DESC LIMIT ?1",
            vec![Param::from(max)],
        )?;
        Ok(rows.into_iter().map(|row| row.conversation_id).collect())
    }

    /// Records that the user has written in these conversations.
    pub fn contacts_found(&self, conversation_ids: &[String]) -> Result<()> {
        self.write(
            Table::Conversations,
            "UPDATE conversations SET has_written = 1
             WHERE conversation_id IN (SELECT value FROM json_each(?1))",
            vec![to_json(conversation_ids).into()],
        )
    }
}
