//! What others are told of the user ([`crate::core::notice`]): up to which messages of each conversation each channel has
//! been told, and the notices that are claimed and not done. A notice that is not about messages has a row only as long as
//! somebody remains to be told.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Database, Result, Store, Table};
use crate::core::error::to_json;
use crate::core::notice::due::{Marks, UnreadMessage};
use crate::core::notice::pending::{Channel, Pending};
use crate::core::sql::Param;
use crate::core::time::Millis;

/// Selects the messages from the place `?1` of the log on that the user has received and not read. `?2` is the greatest
/// `incoming` that counts: 1 for direct messages, 2 for those to many, too. What was held on its day stays without notice.
const UNREAD: &str = "
SELECT offset, message_id, conversation_id, created_at FROM (
  SELECT offset, message_id, created_at,
    CASE WHEN incoming BETWEEN 1 AND ?2 AND held = 0 THEN payload ->> 'conversationId' END AS conversation_id
  FROM log WHERE offset >= ?1
) JOIN conversations USING (conversation_id)
WHERE message_id > read_up_to AND (held_on IS NULL OR has_written = 1 OR created_at / 86400000 > held_on)";

/// Whether a notice is for the channel of pushes.
macro_rules! is_push {
    () => {
        "(notice_key > 'push:' AND notice_key < 'push:~')"
    };
}

/// A row: what is known of the notices of a conversation, or another notice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notice {
    /// Up to which message of its conversation its channel has been told; `""` if it is not about messages.
    pub notified: String,
    /// The same as unread.
    pub reminded: String,
    /// What is claimed and not done.
    pub pending: Option<Pending>,
    /// What is claimed, and told when the other one is done.
    pub next: Option<Pending>,
}

impl Notice {
    /// Ends what is claimed. The next one is due.
    pub fn finish(&mut self) {
        self.pending = self.next.take();
    }
}

impl<D: Database> Store<D> {
    /// Returns the messages since this time that the user has received and not read.
    pub fn unread_since(&self, since: Millis, only_direct: bool) -> Result<Vec<UnreadMessage>> {
        let from = self.last_offset_at(since)? + 1;
        let greatest = if only_direct { 1 } else { 2_u64 };
        let bindings = vec![Param::from(from), Param::from(greatest)];
        self.read(&self.user, UNREAD, bindings)
    }

    /// Returns what a channel has been told of each conversation.
    pub fn notice_marks(&self, channel: Channel) -> Result<BTreeMap<String, Marks>> {
        #[derive(Deserialize)]
        struct Row {
            notice_key: String,
            notified: String,
            reminded: String,
        }
        let sql = "SELECT notice_key, notified, reminded FROM notices
                   WHERE notice_key > ?1 AND notice_key < ?1 || '~'";
        let prefix = channel.prefix();
        let rows: Vec<Row> = self.read(&self.notices, sql, vec![prefix.into()])?;
        let marks = rows.into_iter().map(|row| {
            let conversation_id = row.notice_key.strip_prefix(prefix).unwrap_or_default();
            let marks = Marks {
                notified: row.notified,
                reminded: row.reminded,
            };
            (conversation_id.to_owned(), marks)
        });
        Ok(marks.collect())
    }

    /// Deletes the marks of messages that are older than this one, which the log does not have any more.
    pub fn notice_marks_drop(&self, before: &str) -> Result<()> {
        let sql = "DELETE FROM notices WHERE pending IS NULL AND notified < ?1";
        self.write(Table::Notices, sql, vec![before.into()])
    }

    /// Returns the keys of notices of which this channel is to be told now, at most `max`, those that have waited longest
    /// first.
    pub fn due_notices(&self, channel: Channel, now: Millis, max: u64) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            notice_key: String,
        }
        let sql = concat!(
            "SELECT notice_key FROM notices WHERE due_at <= ?1 AND ",
            is_push!(),
            " = ?2 ORDER BY due_at LIMIT ?3"
        );
        let is_push = channel == Channel::Push;
        let bindings = vec![Param::from(now), is_push.into(), Param::from(max)];
        let rows: Vec<Row> = self.read(&self.notices, sql, bindings)?;
        Ok(rows.into_iter().map(|row| row.notice_key).collect())
    }

    /// Returns when this channel is to be told of a notice next.
    pub fn next_notice(&self, channel: Channel) -> Result<Option<Millis>> {
        #[derive(Deserialize)]
        struct Row {
            is_push: u8,
            due_at: Millis,
        }
        let [webhook, push] = self.known.next_notices.get_or(|| {
            let sql = concat!(
                "SELECT ",
                is_push!(),
                " AS is_push, min(due_at) AS due_at FROM notices WHERE due_at IS NOT NULL GROUP BY is_push"
            );
            let rows: Vec<Row> = self.read(&self.notices, sql, vec![])?;
            let of = |is_push| rows.iter().find(|row| row.is_push == is_push);
            Ok([of(0), of(1)].map(|row| row.map(|row| row.due_at)))
        })?;
        Ok(match channel {
            Channel::Webhook => webhook,
            Channel::Push => push,
        })
    }

    /// Returns the notice with this key.
    pub fn notice(&self, key: &str) -> Result<Notice> {
        #[derive(Deserialize)]
        struct Row {
            notified: String,
            reminded: String,
            pending: Option<String>,
            next: Option<String>,
        }
        let sql = "SELECT notified, reminded, pending, next FROM notices WHERE notice_key = ?1";
        let rows: Vec<Row> = self.read(&self.notices, sql, vec![key.into()])?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(Notice::default());
        };
        let [pending, next] = [row.pending, row.next]
            .map(|json| json.as_deref().map(serde_json::from_str).transpose());
        Ok(Notice {
            notified: row.notified,
            reminded: row.reminded,
            pending: pending?,
            next: next?,
        })
    }

    /// Records a notice. One that is done, and is not about messages, leaves nothing.
    pub fn set_notice(&self, key: &str, notice: &Notice) -> Result<()> {
        let pending = notice.pending.as_ref();
        if pending.is_none() && notice.notified.is_empty() {
            return self.notice_remove(key);
        }
        let due_at = pending.and_then(Pending::due_at);
        self.write(
            Table::Notices,
            "INSERT INTO notices (notice_key, notified, reminded, pending, due_at, next)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (notice_key) DO UPDATE SET notified = excluded.notified,
               reminded = excluded.reminded, pending = excluded.pending, due_at = excluded.due_at,
               next = excluded.next",
            vec![
                key.into(),
                notice.notified.as_str().into(),
                notice.reminded.as_str().into(),
                pending.map(to_json).as_deref().into(),
                due_at.into(),
                notice.next.as_ref().map(to_json).as_deref().into(),
            ],
        )
    }

    /// Removes a notice.
    pub fn notice_remove(&self, key: &str) -> Result<()> {
        let sql = "DELETE FROM notices WHERE notice_key = ?1";
        self.write(Table::Notices, sql, vec![key.into()])
    }

    /// Removes all notices about a conversation, also those that were given up.
    pub(super) fn notices_forget(&self, conversation_id: &str) -> Result<()> {
        let sql = "DELETE FROM notices WHERE notice_key IN ('webhook:' || ?1, 'push:' || ?1)
                   OR pending ->> '$.messages.conversationId' = ?1";
        self.write(Table::Notices, sql, vec![conversation_id.into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::notice::pending::{Attempts, Covered, WEBHOOK};
    use crate::core::send_kind::SendKind;
    use crate::core::store::testing::{send, store};
    use crate::core::store::{NewEntry, Retention};
    use crate::core::time::DAY;
    use rusqlite::Connection;

    const KEEP: Retention = Retention {
        events: 9,
        time: DAY,
    };
    const NOW: Millis = 20_000 * DAY;

    fn pending(id: &str, due_at: Option<Millis>) -> Pending {
        let attempts = Attempts { failed: 0, due_at };
        Pending {
            id: id.into(),
            event: "user.online".into(),
            claimed_at: 1,
            messages: None,
            payload: "{}".into(),
            sinks: [(WEBHOOK.to_owned(), attempts)].into(),
        }
    }

    fn notice(notified: &str, pending: Option<Pending>) -> Notice {
        Notice {
            notified: notified.into(),
            pending,
            ..Notice::default()
        }
    }

    #[test]
    fn who_is_due_longest_comes_first() {
        let store = store();
        let next = || store.next_notice(Channel::Webhook).unwrap();
        assert_eq!(next(), None);
        assert_eq!(store.notice("k").unwrap(), Notice::default());
        for (key, due_at) in [("a", Some(30)), ("b", Some(20)), ("c", None)] {
            let one = notice("m", Some(pending(key, due_at)));
            store.set_notice(key, &one).unwrap();
            assert_eq!(store.notice(key).unwrap(), one);
        }
        assert_eq!(next(), Some(20));
        let due = |now, max| store.due_notices(Channel::Webhook, now, max).unwrap();
        assert_eq!(due(30, 9), ["b", "a"]);
        assert_eq!(due(29, 9), ["b"]);
        assert_eq!(due(30, 1), ["b"]);
        store.set_notice("b", &notice("m", None)).unwrap();
        assert_eq!(next(), Some(30));
    }

    #[test]
    fn channels_do_not_wait_for_each_other() {
        let store = store();
        let told = |due_at| notice("m", Some(pending("i", Some(due_at))));
        for (key, due_at) in [("webhook:k", 1), ("push:k", 2), ("campaign:c", 3)] {
            store.set_notice(key, &told(due_at)).unwrap();
        }
        let due = |channel| store.due_notices(channel, 9, 9).unwrap();
        assert_eq!(due(Channel::Webhook), ["webhook:k", "campaign:c"]);
        assert_eq!(due(Channel::Push), ["push:k"]);
        assert_eq!(store.next_notice(Channel::Webhook).unwrap(), Some(1));
        assert_eq!(store.next_notice(Channel::Push).unwrap(), Some(2));
        let marks = store.notice_marks(Channel::Push).unwrap();
        assert_eq!(marks.keys().collect::<Vec<_>>(), ["k"]);
    }

    #[test]
    fn the_next_one_waits_for_its_turn_and_old_marks_go() {
        let store = store();
        let mut one = notice("m2", Some(pending("i", Some(1))));
        one.next = Some(pending("j", Some(1)));
        store.set_notice("webhook:k", &one).unwrap();
        assert_eq!(store.notice("webhook:k").unwrap(), one);
        store.notice_marks_drop("m9").unwrap();
        one.finish();
        assert_eq!(one.pending, Some(pending("j", Some(1))));
        one.finish();
        store.set_notice("webhook:k", &one).unwrap();
        store.notice_marks_drop("m2").unwrap();
        assert_eq!(store.notice("webhook:k").unwrap().notified, "m2");
        store.notice_marks_drop("m3").unwrap();
        assert_eq!(store.notice("webhook:k").unwrap(), Notice::default());
    }

    #[test]
    fn an_erased_conversation_leaves_no_notice() {
        let store = store();
        let mut about = pending("i", None);
        about.messages = Some(Covered {
            conversation_id: "k".into(),
            count: 1,
            newest: "m".into(),
            last_offset: 1,
        });
        store
            .set_notice("failed:i", &notice("", Some(about)))
            .unwrap();
        store.set_notice("webhook:k", &notice("m", None)).unwrap();
        store.set_notice("webhook:l", &notice("m", None)).unwrap();
        store.blank("k").unwrap();
        let left: Vec<bool> = ["failed:i", "webhook:k", "webhook:l"]
            .map(|key| store.notice(key).unwrap() != Notice::default())
            .into();
        assert_eq!(left, [false, false, true]);
    }

    #[test]
    fn what_is_done_leaves_its_mark_or_nothing() {
        let store = store();
        store.set_notice("presence", &notice("", None)).unwrap();
        let told = notice("", Some(pending("i", Some(1))));
        store.set_notice("presence", &told).unwrap();
        store.set_notice("presence", &notice("", None)).unwrap();
        let rows = "SELECT count(*) FROM notices";
        let count = || -> u64 {
            store
                .database()
                .query_row(rows, [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(count(), 0);
        store.set_notice("k", &notice("m", None)).unwrap();
        assert_eq!(count(), 1);
    }

    /// A message from this user arrives.
    fn receive(store: &Store<Connection>, from: &str, now: Millis, kind: SendKind) -> String {
        let [target] = send(now, &[from]).try_into().unwrap();
        store.message_received(&target, None).unwrap();
        append(store, &target.message_id, from, now, Some(kind));
        target.message_id
    }

    fn append(
        store: &Store<Connection>,
        message_id: &str,
        conversation_id: &str,
        now: Millis,
        incoming: Option<SendKind>,
    ) {
        let entry = NewEntry {
            message_id,
            event: "new_message",
            payload: &format!(r#"{{"conversationId":"{conversation_id}"}}"#),
            except_sid: None,
            is_held: false,
            incoming,
        };
        store.append(&entry, now, &KEEP).unwrap();
    }

    fn unread(store: &Store<Connection>, since: Millis, only_direct: bool) -> Vec<String> {
        let unread = store.unread_since(since, only_direct).unwrap();
        unread.into_iter().map(|one| one.message_id).collect()
    }

    #[test]
    fn what_is_received_and_not_read() {
        let store = store();
        assert_eq!(unread(&store, 0, false), [""; 0]);
        let a = receive(&store, "a", NOW, SendKind::Direct);
        let b = receive(&store, "b", NOW + 1, SendKind::Bulk);
        let c = receive(&store, "a", NOW + 2, SendKind::Direct);
        // What the user has sent from another device, and a receipt.
        append(&store, "own", "a", NOW + 3, None);
        assert_eq!(unread(&store, 0, false), [a.as_str(), &b, &c]);
        assert_eq!(unread(&store, 0, true), [a.as_str(), &c]);
        assert_eq!(unread(&store, NOW, false), [b.as_str(), &c]);
        store.mark_read(&[("a", &a)]).unwrap();
        assert_eq!(unread(&store, 0, false), [b.as_str(), &c]);
        store.blank("b").unwrap();
        assert_eq!(unread(&store, 0, false), [c.as_str()]);
    }

    #[test]
    fn what_is_held_has_no_notice() {
        let store = store();
        let [target] = send(NOW, &["a"]).try_into().unwrap();
        store.message_received(&target, Some(NOW / DAY)).unwrap();
        append(&store, &target.message_id, "a", NOW, Some(SendKind::Bulk));
        assert_eq!(unread(&store, 0, false), [""; 0]);
        // The next day they are known.
        let [target] = send(NOW + DAY, &["a"]).try_into().unwrap();
        store.message_received(&target, None).unwrap();
        append(
            &store,
            &target.message_id,
            "a",
            NOW + DAY,
            Some(SendKind::Bulk),
        );
        assert_eq!(unread(&store, 0, false), [target.message_id.as_str()]);
    }
}
