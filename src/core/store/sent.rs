//! The user's last sends to many, which move conversations up in the list: one row a send, whatever the number of its
//! receivers.
//!
//! A row has the send's conversations as the keys of a JSON object, and as their values the three hexadecimal digits
//! that distinguish the message ids of one send (see [`crate::core::ids`]). Only a first contact is a row of the list
//! at once.
//!
//! The user has written in a conversation if its row says so, or if it is in a row here (see [`super::contacts`]).
//!
//! Invariant: a conversation's newest message is the newest of its `last_message_id` and those in all rows, so it does
//! not matter in which order sends arrive here, or how often. When the rows are too large, the oldest is folded into
//! the list: only conversations for which it still has the newest message are written. So whoever writes to the same
//! users again pays two rows a send, one of them for the deletion of the oldest. In the worst case, which is other
//! receivers with each send, a row of the list per receiver is written later.

use serde::Deserialize;

use super::{Database, Result, Store, Table};
use crate::core::error::to_json;
use crate::core::events::new_message::Target;
use crate::core::sql::Param;

/// The most bytes that the rows together have, where each counts as 1,000 more than its JSON: about 11,000 receivers,
/// and never more than 500 sends. All of them are read for each page of the list.
const MAX_BYTES: u64 = 512_000;

/// The id of a conversation's message in a row of `sent`, whose `targets` are read by `json_each`.
macro_rules! message_id {
    () => {
        "substr(send_id, 1, 15) || value || substr(send_id, 19)"
    };
}

pub(super) use message_id;

/// Adds the conversations that are not in the list. `?1` is the targets as JSON; `r` is the other participant.
pub const ADD_FIRST_CONTACTS: &str = "
INSERT INTO conversations (conversation_id, peer_id, last_message_id, has_written)
SELECT t.value ->> 'c', t.value ->> 'r', t.value ->> 'm', true FROM json_each(?1) AS t WHERE true
ON CONFLICT (conversation_id) DO NOTHING";

/// Adds a send with those targets whose row in the list does not show it: its place, or that the user has written. A
/// repeat may have further receivers.
const ADD_SENT: &str = "
INSERT INTO sent (send_id, targets)
SELECT substr(t.value ->> 'm', 1, 15) || '000' || substr(t.value ->> 'm', 19) AS send_id,
  json_group_object(conversation_id, substr(t.value ->> 'm', 16, 3))
FROM json_each(?1) AS t JOIN conversations ON conversation_id = t.value ->> 'c'
WHERE t.value ->> 'm' > last_message_id OR has_written = 0 GROUP BY 1
ON CONFLICT (send_id) DO UPDATE SET targets = json_patch(targets, excluded.targets)";

/// Selects the oldest send if the rows are too large.
const SURPLUS: &str =
    "SELECT min(send_id) AS send_id FROM sent HAVING sum(length(targets) + 1000) > ?1";

/// Writes to the list what only this send knows: of the others that it has written, a later one tells. `send_id` is that of the row with the greatest message id, as SQLite
/// defines it for a column beside `max`.
const FOLD: &str = concat!(
    "
UPDATE conversations SET
  last_message_id = max(last_message_id, newest.message_id), has_written = 1
FROM (
  SELECT key, send_id, max(",
    message_id!(),
    ") AS message_id
  FROM sent, json_each(targets) GROUP BY key
) AS newest
WHERE newest.send_id = ?1 AND conversation_id = newest.key
  AND (newest.message_id > last_message_id OR has_written = 0)"
);

/// Selects the newest message of all conversations.
pub(super) const NEWEST_MESSAGE: &str = concat!(
    "
SELECT max(message_id) AS newest FROM (
  SELECT max(last_message_id) AS message_id FROM conversations
  UNION ALL
  SELECT max(",
    message_id!(),
    ") FROM sent, json_each(targets)
)"
);

/// Removes a conversation from all sends.
pub(super) const REMOVE_FROM_SENT: &str = r#"
UPDATE sent SET targets = json_remove(targets, '$."' || ?1 || '"')
WHERE json_type(targets, '$."' || ?1 || '"') IS NOT NULL"#;

impl<D: Database> Store<D> {
    /// Adds the first contacts among the targets to the list, and moves the others up in it. Has no further effect if
    /// it is run again.
    pub(super) fn sent_add(&self, targets: &[Target]) -> Result<()> {
        let targets = Param::from(to_json(targets));
        let bindings = vec![targets.clone()];
        self.write(Table::Conversations, ADD_FIRST_CONTACTS, bindings)?;
        self.write(Table::Sent, ADD_SENT, vec![targets])?;
        self.sent_fold(MAX_BYTES)
    }

    /// Removes all sends: the user is being erased, so the order of the list no longer matters. To remove one
    /// conversation after the other from them would take long.
    pub fn sent_clear(&self) -> Result<()> {
        self.write(Table::Sent, "DELETE FROM sent", vec![])
    }

    /// Folds the oldest sends into the list until the others fit.
    pub(super) fn sent_fold(&self, max_bytes: u64) -> Result<()> {
        #[derive(Deserialize)]
        struct Row {
            send_id: String,
        }
        loop {
            let rows: Vec<Row> = self.read(&self.user, SURPLUS, vec![max_bytes.into()])?;
            let Some(Row { send_id }) = rows.into_iter().next() else {
                return Ok(());
            };
            let send_id = Param::from(send_id);
            self.write(Table::Conversations, FOLD, vec![send_id.clone()])?;
            let sql = "DELETE FROM sent WHERE send_id = ?1";
            self.write(Table::Sent, sql, vec![send_id])?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::store::testing::{send, store};
    use rusqlite::Connection;
    use std::ops::Range;

    /// Runs it, and returns how many rows it changed.
    fn rows(store: &Store<Connection>, change: impl FnOnce()) -> u64 {
        let before = store.database().total_changes();
        change();
        store.database().total_changes() - before
    }

    /// Returns a send to these users, whose ids are as long as those of conversations.
    fn bulk(time: u64, range: Range<usize>) -> Vec<Target> {
        let users: Vec<String> = range.map(|id| format!("{id:036}")).collect();
        send(time, &users.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn stored(store: &Store<Connection>) -> Vec<(String, String)> {
        let sql = "SELECT send_id, targets FROM sent ORDER BY send_id";
        let mut statement = store.database().prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(std::result::Result::unwrap).collect()
    }

    #[test]
    fn a_first_contact_is_a_row_and_a_send_to_known_users_one_in_all() {
        let store = store();
        let add =
            |targets: Vec<Target>| rows(&store, || store.conversations_add(&targets).unwrap());
        store.know_user("me").unwrap();
        assert_eq!(add(bulk(1, 0..1_000)), 1_000);
        assert_eq!(add(bulk(2, 0..1_000)), 1);
        assert_eq!(add(bulk(3, 0..1_001)), 2);
        // One target is written to the list.
        assert_eq!(add(bulk(4, 7..8)), 1);
        assert_eq!(
            store.newest_message().unwrap(),
            Some(bulk(4, 7..8)[0].message_id.clone())
        );
    }

    #[test]
    fn a_repeat_adds_what_is_missing_and_nothing_else() {
        let store = store();
        let add = |targets: &[Target]| store.conversations_add(targets).unwrap();
        add(&send(1, &["a", "b", "c"]));
        let again = send(2, &["a", "b", "c"]);
        let is_stored = |targets: &str| {
            let row = (again[0].message_id.clone(), targets.to_owned());
            assert_eq!(stored(&store), [row]);
        };
        add(&again[1..]);
        // Pinned, because objects store it.
        is_stored(r#"{"b":"001","c":"002"}"#);
        for _ in 0..2 {
            add(&again);
            is_stored(r#"{"b":"001","c":"002","a":"000"}"#);
        }
        store.conversation_remove("b").unwrap();
        is_stored(r#"{"c":"002","a":"000"}"#);
    }

    #[test]
    fn a_removed_conversation_is_in_no_send() {
        let store = store();
        (1..4).for_each(|time| store.conversations_add(&bulk(time, 0..3)).unwrap());
        // An id may begin with a digit.
        let id = format!("{:036}", 2);
        let remove = || store.conversation_remove(&id).unwrap();
        assert_eq!(rows(&store, remove), 3, "the list, and two sends");
        assert!(
            stored(&store)
                .iter()
                .all(|(_, targets)| !targets.contains(&id))
        );
        let newest = |time| bulk(time, 0..2).pop().map(|target| target.message_id);
        assert_eq!(store.newest_message().unwrap(), newest(3));
        store.sent_clear().unwrap();
        assert_eq!(store.newest_message().unwrap(), newest(1));
    }

    #[test]
    fn who_writes_to_the_same_users_never_pays_for_each() {
        let store = store();
        let add = |time| {
            rows(&store, || {
                store.conversations_add(&bulk(time, 0..1_000)).unwrap()
            })
        };
        add(1);
        let most = (2..16).map(add).max();
        assert_eq!(most, Some(2), "the send's row, and the oldest is deleted");
        assert!(stored(&store).len() < 12);
    }

    #[test]
    fn who_writes_to_others_each_time_pays_later() {
        let store = store();
        let add = |round: usize, part: usize| {
            let targets = bulk(
                (round * 20 + part) as u64,
                part * 1_000..part * 1_000 + 1_000,
            );
            rows(&store, || store.conversations_add(&targets).unwrap())
        };
        assert!((0..20).all(|part| add(0, part) == 1_000));
        let most = (0..20).map(|part| add(1, part)).max();
        assert_eq!(
            most,
            Some(1_002),
            "the list, the send's row, and the oldest is deleted"
        );
        let page = store.conversation_page(None, 1).unwrap();
        assert_eq!(page[0].conversation_id, format!("{:036}", 19_999));
    }

    #[test]
    fn the_number_of_sends_is_bounded() {
        let store = store();
        (1..700).for_each(|time| store.conversations_add(&bulk(time, 0..2)).unwrap());
        assert!(stored(&store).len() < 500);
    }
}
