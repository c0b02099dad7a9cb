//! What the user has received and not read: the ids of these messages, in the rows of the conversation list.
//!
//! Invariant: a row has the ids of its received messages that are newer than the user's read marker, at most the newest
//! [`MAX_UNREAD_COUNT`], where the list that D1 returns stops counting, too. So the total is the sum of the
//! `unreadCount`s, as soon as every message has arrived and every marker is known here. Ids rather than numbers: they
//! tell a message that is delivered again from a new one, also when the log has forgotten it, and say what remains if
//! the marker moves to the middle, without asking D1.
//!
//! A delivery writes the row in any case, and a marker moves with one row. If the answer of D1 to a marker is lost, it is
//! made up for when the device repeats the request, or when a page of the list shows the marker.

use super::{Database, Result, Store, Table};
use crate::core::error::{to_json, to_object};
use crate::core::events::get_conversations::MAX_UNREAD_COUNT;
use crate::core::events::get_unread_total::UnreadTotal;
use crate::core::events::new_message::Target;
use crate::core::sql::Param;

/// Adds a message to its conversation, unless the marker is further: conversation, other participant, message id, the
/// most ids, and the day if the conversation begins with the message of a new sender who is held.
const RECEIVE: &str = "
INSERT INTO conversations (conversation_id, peer_id, last_message_id, unread, held_on)
VALUES (?1, ?2, ?3, json_array(?3), ?5)
ON CONFLICT (conversation_id) DO UPDATE SET
  last_message_id = max(last_message_id, excluded.last_message_id),
  unread = CASE WHEN ?3 <= read_up_to THEN unread ELSE (
    SELECT json_group_array(id) FROM (
      SELECT value AS id FROM json_each(conversations.unread) UNION SELECT ?3 ORDER BY id DESC LIMIT ?4)) END";

/// Moves markers forward. `?1` is an object: the markers by conversation.
const MARK_READ: &str = "
UPDATE conversations SET read_up_to = mark.value, unread = (
  SELECT json_group_array(one.value) FROM json_each(conversations.unread) AS one WHERE one.value > mark.value)
FROM json_each(?1) AS mark
WHERE conversation_id = mark.key AND read_up_to < mark.value";

/// Selects how many messages are unread in each conversation that has any.
macro_rules! unread {
    () => {
        "SELECT json_array_length(unread) AS number FROM conversations WHERE unread <> '[]'"
    };
}

/// The same for those that are keys of `?1`.
const UNREAD_OF: &str = concat!(
    unread!(),
    " AND conversation_id IN (SELECT key FROM json_each(?1))"
);

impl<D: Database> Store<D> {
    /// Adds a message that has arrived, and moves its conversation up in the list. The target's `receiver_id` is the
    /// other participant; if they are a new sender who is held, `held_on` is the day. Has no further effect if it is run
    /// again.
    pub fn message_received(&self, message: &Target, held_on: Option<u64>) -> Result<()> {
        let Target {
            receiver_id,
            conversation_id,
            message_id,
        } = message;
        let ids = [conversation_id, receiver_id, message_id].map(|id| id.as_str().into());
        let mut bindings = Vec::from(ids);
        bindings.extend([Param::from(MAX_UNREAD_COUNT), held_on.into()]);
        let newest = self.known.newest_message.known();
        self.change_unread(&marks(&[(conversation_id, message_id)]), RECEIVE, bindings)?;
        self.known_newest(newest, Some(message_id));
        Ok(())
    }

    /// Notes how far the user has read, by conversation. Markers only move forward. Returns whether less is unread than
    /// before.
    pub fn mark_read(&self, read_up_to: &[(&str, &str)]) -> Result<bool> {
        let before = self.unread_total()?;
        let marks = marks(read_up_to);
        self.change_unread(&marks, MARK_READ, vec![marks.as_str().into()])?;
        Ok(self.unread_total()? != before)
    }

    /// Returns whether the user has read this message.
    pub fn has_read(&self, conversation_id: &str, message_id: &str) -> Result<bool> {
        let sql = "SELECT 1 AS found FROM conversations
                   WHERE conversation_id = ?1 AND read_up_to >= ?2";
        let bindings = vec![conversation_id.into(), message_id.into()];
        self.has(&self.user, sql, bindings)
    }

    /// Returns how much is unread. The first call reads every row.
    pub fn unread_total(&self) -> Result<UnreadTotal> {
        self.known
            .unread_total
            .get_or(|| self.count_unread(unread!(), vec![]))
    }

    /// Changes these conversations. What is known of all of them stays known.
    fn change_unread(&self, marks: &str, sql: &str, bindings: Vec<Param>) -> Result<()> {
        let newest = self.known.newest_message.known();
        let total = self.known.unread_total.known();
        let before = total.map(|_| self.count_unread_of(marks)).transpose()?;
        self.write(Table::Conversations, sql, bindings)?;
        if let Some(newest) = newest {
            self.known.newest_message.set(newest);
        }
        if let (Some(total), Some(before)) = (total, before) {
            let after = self.count_unread_of(marks)?;
            self.known.unread_total.set(UnreadTotal {
                messages: total.messages + after.messages - before.messages,
                conversations: total.conversations + after.conversations - before.conversations,
            });
        }
        Ok(())
    }

    fn count_unread_of(&self, marks: &str) -> Result<UnreadTotal> {
        self.count_unread(UNREAD_OF, vec![marks.into()])
    }

    fn count_unread(&self, sql: &str, bindings: Vec<Param>) -> Result<UnreadTotal> {
        let counts = self.numbers(&self.user, sql, bindings)?;
        Ok(UnreadTotal {
            messages: counts.iter().sum(),
            conversations: counts.len() as u64,
        })
    }
}

/// Returns a JSON object with message ids by conversation.
fn marks(ids: &[(&str, &str)]) -> String {
    to_object(
        ids.iter()
            .map(|(conversation_id, id)| (*conversation_id, to_json(id))),
    )
}

#[cfg(test)]
mod tests {
    use crate::core::store::testing::{send, store};

    #[test]
    fn what_is_stored_is_pinned() {
        let store = store();
        let [one, two, three] = [1, 2, 3].map(|time| send(time, &["u"]).remove(0));
        for message in [&three, &one, &two, &two] {
            store.message_received(message, None).unwrap();
        }
        let marker = one.message_id.as_str();
        assert!(store.mark_read(&[("u", marker)]).unwrap());
        assert!(!store.mark_read(&[("u", marker)]).unwrap());
        let sql = "SELECT unread, read_up_to, last_message_id FROM conversations";
        let stored: (String, String, String) = store
            .database()
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        let unread = format!(r#"["{}","{}"]"#, three.message_id, two.message_id);
        assert_eq!(stored, (unread, one.message_id, three.message_id));
    }
}
