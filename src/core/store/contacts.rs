//! Whom the user has written to, and what that means to those who watch the user.
//!
//! Invariant: a conversation in which the user has written has `has_written` in its row, or is in a row of
//! [`super::sent`]: a send to many writes no row for each receiver. Rows from before there was such a column do not say
//! it; [`Store::contacts_unknown`] has them looked up in D1.

use super::conversations::Listed;
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
        self.has(&self.user, HAS_WRITTEN, vec![conversation_id.into()])
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
        let rows: Vec<Listed> = self.read(
            &self.user,
            "SELECT conversation_id, last_message_id FROM conversations WHERE has_written = 0
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::store::testing::store;
    use rusqlite::Connection;

    /// Returns a message to or from this user at the time `now`.
    fn message(user_id: &str, now: Millis) -> Target {
        let [mut target] = crate::core::store::testing::send(now, &[user_id])
            .try_into()
            .unwrap();
        target.conversation_id = conversation_id("me", user_id);
        target
    }

    fn user(presence: Audience) -> Store<Connection> {
        let store = store();
        store.know_user("me").unwrap();
        prefer(&store, presence);
        store
    }

    fn prefer(store: &Store<Connection>, presence: Audience) {
        let preferences = Preferences {
            presence,
            ..Preferences::default()
        };
        store.set_preferences(&preferences, 1).unwrap();
    }

    fn sees(store: &Store<Connection>, users: [&str; 3]) -> [bool; 3] {
        users.map(|user_id| store.shows_presence_to(user_id).unwrap())
    }

    #[test]
    fn preferences_are_read_back() {
        let store = user(Audience::Contacts);
        store.set_online("me", true, 2).unwrap();
        let presence = store.user_state().unwrap().preferences.presence;
        assert_eq!(presence, Audience::Contacts);
        let broken = "UPDATE user_state SET preferences = '{\"presence\":7}'";
        store.database().execute_batch(broken).unwrap();
        assert!(Store::new(store.database()).user_state().is_err());
    }

    #[test]
    fn a_contact_is_whom_the_user_has_written_to() {
        let store = user(Audience::Contacts);
        let all = ["a", "b", "c"];
        for user_id in all {
            store.message_received(&message(user_id, 1), None).unwrap();
        }
        assert_eq!(sees(&store, all), [false; 3]);
        // One row of the list, and one for the send to many.
        store.conversations_add(&[message("a", 2)]).unwrap();
        let many = [message("b", 3), message("d", 3)];
        store.conversations_add(&many).unwrap();
        assert_eq!(sees(&store, all), [true, true, false]);
        assert_eq!(sees(&store, ["d", "me", "nobody"]), [true, true, false]);
        // The newest message may be the other's when the send is folded into the list.
        store.message_received(&message("b", 9), None).unwrap();
        store.sent_fold(0).unwrap();
        assert_eq!(sees(&store, all), [true, true, false]);
        // A send that is finished late is older than the other's message.
        store.message_received(&message("c", 9), None).unwrap();
        store.conversations_add(&[message("c", 5)]).unwrap();
        assert_eq!(sees(&store, all), [true; 3]);
        prefer(&store, Audience::Nobody);
        assert_eq!(sees(&store, all), [false; 3]);
    }

    #[test]
    fn a_late_send_to_many_counts_too() {
        let store = user(Audience::Contacts);
        for user_id in ["a", "b"] {
            store.message_received(&message(user_id, 9), None).unwrap();
        }
        let late = [message("a", 5), message("b", 5)];
        store.conversations_add(&late).unwrap();
        assert_eq!(sees(&store, ["a", "b", "c"]), [true, true, false]);
        let newest = store.newest_message().unwrap();
        assert_eq!(newest, Some(message("a", 9).message_id));
    }

    #[test]
    fn what_rows_do_not_say_is_looked_up_newest_first() {
        let store = user(Audience::Contacts);
        for (now, user_id) in [(1, "a"), (2, "b"), (3, "c")] {
            store
                .message_received(&message(user_id, now), None)
                .unwrap();
        }
        store.conversations_add(&[message("b", 4)]).unwrap();
        let id = |user_id| conversation_id("me", user_id);
        assert_eq!(store.contacts_unknown(9).unwrap(), [id("c"), id("a")]);
        assert_eq!(store.contacts_unknown(1).unwrap(), [id("c")]);
        store.contacts_found(&[id("a")]).unwrap();
        assert_eq!(sees(&store, ["a", "b", "c"]), [true, true, false]);
        assert_eq!(store.contacts_unknown(9).unwrap(), [id("c")]);
    }
}
