//! Contractors who write to the user for the first time. MAX_NEW_SENDERS_PER_DAY of them reach the user's devices on a
//! day (UTC); the others are held.
//!
//! A message that is held is in the log, and on no device that was connected when it came. The next connect releases it:
//! it moves to the end of the log, as if it came only now. So whoever connects gets it with what else they have missed,
//! and a device that was there all the time gets it live, with an offset that is later than what it has. Nothing that a
//! device has confirmed before counts for it.
//!
//! A sender is held for the day of their first message, unless the user writes to them. That does not depend on whether
//! the user is here, so the sender does not learn it.
//!
//! Invariant: the count and the conversation are written together with the message, without an await, so however many
//! send at the same moment, the limit is exact. Counting costs a row for a first contact, and nothing for any other
//! message.

use serde::Deserialize;

use super::{Database, LogEntry, PendingReceipt, Result, Store, Table};
use crate::core::error::to_json;
use crate::core::events::send_message::Delivered;
use crate::core::sql::Param;
use crate::core::time::{DAY, Millis};

/// The new senders of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct NewSenders {
    day: u64,
    /// How many were not held.
    senders: u64,
    /// The last day on which some were.
    held_on: Option<u64>,
}

/// Selects what is held and not too old.
const HELD: &str = "
SELECT offset, event, payload, held FROM log
WHERE held IS NOT NULL AND event <> '' AND created_at >= ?1 ORDER BY offset";

impl<D: Database> Store<D> {
    /// Counts a contractor who sends a message in this conversation, if it is their first, of whom at most `max` a day are
    /// not held. Returns the day if the message is held.
    pub fn held_on(&self, conversation_id: &str, max: u64, now: Millis) -> Result<Option<u64>> {
        #[derive(Deserialize)]
        struct Row {
            has_written: u8,
            held_on: Option<u64>,
        }
        let day = now / DAY;
        let rows: Vec<Row> = self.read(
            &self.user,
            "SELECT has_written, held_on FROM conversations WHERE conversation_id = ?1",
            vec![conversation_id.into()],
        )?;
        let is_held = match rows.first() {
            Some(known) => known.has_written == 0 && known.held_on == Some(day),
            None => self.add_new_sender(day, max)?,
        };
        Ok(is_held.then_some(day))
    }

    /// Returns whether the new sender is held.
    fn add_new_sender(&self, day: u64, max: u64) -> Result<bool> {
        let before = self.new_senders()?;
        let senders = if before.day == day { before.senders } else { 0 };
        let is_held = senders >= max;
        if is_held && before.held_on == Some(day) {
            return Ok(true);
        }
        let held_on = if is_held { Some(day) } else { before.held_on };
        self.write(
            Table::NewSenders,
            "INSERT INTO new_senders (id, day, senders, held_on) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET
               day = excluded.day, senders = excluded.senders, held_on = excluded.held_on",
            vec![
                Param::from(day),
                Param::from(senders + u64::from(!is_held)),
                held_on.into(),
            ],
        )?;
        Ok(is_held)
    }

    pub(super) fn new_senders(&self) -> Result<NewSenders> {
        self.known.new_senders.get_or(|| {
            let sql = "SELECT day, senders, held_on FROM new_senders";
            let rows = self.read(&self.user, sql, vec![])?;
            Ok(rows.into_iter().next().unwrap_or_default())
        })
    }

    /// Moves what is held to the end of the log, in its order, unless it is older than `time`. Whoever waits for a receipt
    /// waits for it at the new offset. Returns the events.
    pub fn release_held(&self, now: Millis, time: Millis) -> Result<Vec<LogEntry>> {
        #[derive(Deserialize)]
        struct Row {
            offset: u64,
            event: String,
            payload: String,
            held: String,
        }
        let is_recent = |day: u64| (day + 1) * DAY + time >= now;
        // The log is read through only if that day is recent.
        if !self.new_senders()?.held_on.is_some_and(is_recent) {
            return Ok(Vec::new());
        }
        let since = Param::from(now.saturating_sub(time));
        let rows: Vec<Row> = self.read(&self.user, HELD, vec![since])?;
        let mut released = Vec::new();
        for row in rows {
            let offset = self.last_offset()? + 1;
            self.write(
                Table::Log,
                "UPDATE log SET offset = ?1, created_at = ?2, held = NULL WHERE offset = ?3",
                vec![
                    Param::from(offset),
                    Param::from(now),
                    Param::from(row.offset),
                ],
            )?;
            if !row.held.is_empty() {
                let delivered: Delivered = serde_json::from_str(&row.payload)?;
                self.receipt_add(&PendingReceipt {
                    offset,
                    sender_id: row.held,
                    payload: to_json(&delivered),
                })?;
            }
            released.push(LogEntry {
                offset,
                event: row.event,
                payload: row.payload,
            });
        }
        Ok(released)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::events::new_message::Target;
    use crate::core::store::testing::{send, store};
    use crate::core::store::{NewEntry, Retention};
    use rusqlite::Connection;

    const NOW: Millis = 20_000 * DAY;
    const TIME: Millis = DAY;

    fn keep(events: u64) -> Retention {
        Retention { events, time: TIME }
    }

    /// A message of a contractor arrives, with a receipt to send. Returns whether it is held, and how many rows it took to
    /// find out.
    fn hear(store: &Store<Connection>, from: &str, max: u64, now: Millis) -> (bool, u64) {
        let before = store.database().total_changes();
        let held_on = store.held_on(from, max, now).unwrap();
        let rows = store.database().total_changes() - before;
        let [target]: [Target; 1] = send(now, &[from]).try_into().unwrap();
        store.conversation_hear(&target, held_on).unwrap();
        let payload = format!(
            r#"{{"messageId":"{}","conversationId":"{from}","receiverId":"me","content":{{"n":1e400}}}}"#,
            target.message_id
        );
        let entry = NewEntry {
            message_id: &target.message_id,
            event: "new_message",
            payload: &payload,
            except_sid: None,
            held: held_on.map(|_| from),
        };
        store.append(&entry, now, &keep(6)).unwrap();
        (held_on.is_some(), rows)
    }

    #[test]
    fn so_many_a_day_and_no_more() {
        let store = store();
        let hear = |from, now| hear(&store, from, 2, now);
        assert_eq!(hear("a", NOW), (false, 1));
        assert_eq!(hear("a", NOW), (false, 0), "known");
        assert_eq!(hear("b", NOW), (false, 1));
        assert_eq!(hear("c", NOW), (true, 1));
        assert_eq!(hear("d", NOW), (true, 0), "it is known that some are held");
        assert_eq!(hear("c", NOW + DAY - 1), (true, 0), "for the day");
        assert_eq!(hear("a", NOW), (false, 0));
        // Whoever is known the next day is not new.
        assert_eq!(hear("c", NOW + DAY), (false, 0));
        assert_eq!(hear("e", NOW + DAY), (false, 1));
        // Whom the user has written to is not held.
        store.conversations_add(&send(NOW, &["d"])).unwrap();
        assert_eq!(hear("d", NOW), (false, 0));
        store.conversations_add(&send(NOW, &["f"])).unwrap();
        assert_eq!(hear("f", NOW), (false, 0));
    }

    #[test]
    fn the_count_survives_an_eviction() {
        let store = store();
        assert!(!hear(&store, "a", 1, NOW).0);
        let Store { database, .. } = store;
        let store = Store::new(database);
        assert!(hear(&store, "b", 1, NOW).0);
        let later = 2 * DAY;
        assert!(
            store
                .release_held(NOW + later + DAY, TIME)
                .unwrap()
                .is_empty()
        );
        assert_eq!(store.release_held(NOW + 1, TIME).unwrap().len(), 1);
    }

    fn offsets(store: &Store<Connection>, after: u64) -> Vec<u64> {
        let missed = store.events_after(after, 0, "S", 9_999).unwrap();
        missed.events.iter().map(|event| event.offset).collect()
    }

    #[test]
    fn what_is_held_moves_behind_what_a_device_has() {
        let store = store();
        for from in ["a", "b", "c", "a"] {
            hear(&store, from, 1, NOW);
        }
        // A device has confirmed all it was sent: the first and the last message.
        let last = store.last_offset().unwrap();
        store.know_user("me").unwrap();
        store.set_confirmed(last).unwrap();
        assert_eq!(store.next_receipt(0).unwrap(), None);
        let released = store.release_held(NOW + 5, TIME).unwrap();
        let moved: Vec<u64> = released.iter().map(|event| event.offset).collect();
        assert_eq!(moved, [last + 1, last + 2]);
        assert!(released[0].payload.contains(r#""conversationId":"b""#));
        assert_eq!(offsets(&store, last), moved);
        // The receipts are due when a device has confirmed the messages there.
        let receipts = store.receipts_up_to(last + 1).unwrap();
        assert_eq!((receipts.len(), &*receipts[0].sender_id), (1, "b"));
        assert!(receipts[0].payload.starts_with(r#"{"messageId":""#));
        assert_eq!(store.next_receipt(last + 2).unwrap(), Some(last + 2));
        assert_eq!(store.time_of(last + 1).unwrap(), NOW + 5);
        assert!(store.release_held(NOW + 6, TIME).unwrap().is_empty());
    }

    #[test]
    fn a_log_with_a_gap_keeps_its_length() {
        let store = store();
        for from in ["a", "b", "a", "a", "a", "a"] {
            hear(&store, from, 1, NOW);
        }
        store.release_held(NOW, TIME).unwrap();
        for _ in 0..9 {
            hear(&store, "a", 1, NOW);
            let last = store.last_offset().unwrap();
            let bounds = store.log_bounds(0).unwrap().unwrap();
            assert_eq!(bounds.last, last);
            let kept = offsets(&store, 0);
            assert!((5..=6).contains(&kept.len()), "{kept:?}");
            assert!(bounds.last - bounds.first < 6, "{kept:?}");
        }
        assert_eq!(offsets(&store, 0).len(), 6);
    }
}
