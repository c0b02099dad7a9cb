//! Contractors who write to the user for the first time. MAX_NEW_SENDERS_PER_DAY of them reach the user's devices on a
//! day (UTC); the others are held.
//!
//! A message that is held is in the log, and on no device that was connected when it came. The next connect releases it:
//! it moves to the end of the log, as if it came only now. So whoever connects gets it with what else they have missed,
//! and a device that was there all the time gets it live, with an offset that is later than what it has. Nothing that a
//! device has confirmed before counts for it: until then, its receipt has no offset that a device could confirm.
//!
//! A sender is held for the day of their first message, unless the user writes to them. That does not depend on whether
//! the user is here, so the sender does not learn it.
//!
//! Invariant: the count and the conversation are written together with the message, without an await, so however many
//! send at the same moment, the limit is exact. Counting costs a row for a first contact, and nothing for any other
//! message.

use super::{Database, LogEntry, Result, Store, Table};
use crate::core::sql::Param;
use crate::core::time::{DAY, Millis};

/// Selects a row if the conversation `?1` has begun before, and its other participant is not held on the day `?2`.
const IS_KNOWN: &str = "
SELECT 1 AS found FROM conversations
WHERE conversation_id = ?1 AND (has_written = 1 OR held_on IS NOT ?2)";

/// Counts a new sender on the day `?1`. Beyond the `?2` who are not held, only the first one is counted: from then on,
/// `held_on` says that some are.
const COUNT: &str = "
INSERT INTO new_senders (id, day, senders) VALUES (1, ?1, 1)
ON CONFLICT (id) DO UPDATE SET
  day = ?1,
  senders = CASE day WHEN ?1 THEN senders + 1 ELSE 1 END,
  held_on = CASE WHEN day = ?1 AND senders >= ?2 THEN ?1 ELSE held_on END
WHERE day <> ?1 OR senders < ?2 OR held_on IS NOT ?1";

/// Selects the places at which events that are held since `?2` will stand, behind each other.
macro_rules! moved {
    () => {
        "(
  SELECT offset AS held_offset, ?1 + row_number() OVER (ORDER BY offset) AS place
  FROM log WHERE held = 1 AND created_at >= ?2
) AS moved"
    };
}

/// Moves the receipts that are to follow the events to their places behind the offset `?1`.
const MOVE_RECEIPTS: &str = concat!(
    "
UPDATE receipts SET offset = place FROM ",
    moved!(),
    " WHERE offset = -held_offset"
);

/// Moves the events that are held since `?2` behind the offset `?1`, as if they came at `?3`.
const MOVE: &str = concat!(
    "
UPDATE log SET offset = place, created_at = ?3, held = 0, incoming = 0 FROM ",
    moved!(),
    " WHERE offset = held_offset"
);

impl<D: Database> Store<D> {
    /// Counts a contractor who sends a message in this conversation, if it is their first, of whom at most `max` a day are
    /// not held. Returns the day if the message is held.
    pub fn held_on(&self, conversation_id: &str, max: u64, now: Millis) -> Result<Option<u64>> {
        let day = now / DAY;
        if self.has(
            &self.user,
            IS_KNOWN,
            vec![conversation_id.into(), Param::from(day)],
        )? {
            return Ok(None);
        }
        // Whoever is in the list nevertheless has been held before on this day.
        if self.peer(conversation_id)?.is_none() {
            let bindings = vec![Param::from(day), Param::from(max)];
            self.write(Table::NewSenders, COUNT, bindings)?;
            let is_full = "SELECT 1 AS found FROM new_senders WHERE senders > ?1";
            if !self.has(&self.user, is_full, vec![Param::from(max)])? {
                return Ok(None);
            }
        }
        Ok(Some(day))
    }

    /// Moves what is held to the end of the log, in its order, unless it is older than `time`. Whoever waits for a receipt
    /// waits for it at the new offset. Returns the events.
    pub fn release_held(&self, now: Millis, time: Millis) -> Result<Vec<LogEntry>> {
        let since = now.saturating_sub(time);
        // The log is read through only if something may be held that is recent enough.
        let may_hold = "SELECT 1 AS found FROM new_senders WHERE held_on >= ?1";
        if !self.has(&self.user, may_hold, vec![Param::from(since / DAY)])? {
            return Ok(Vec::new());
        }
        let last = self.last_offset()?;
        let mut bindings = vec![Param::from(last), Param::from(since)];
        self.write(Table::Receipts, MOVE_RECEIPTS, bindings.clone())?;
        // What is left belongs to events that the log no longer has, or that are too old.
        let lost = "DELETE FROM receipts WHERE offset < 0";
        self.write(Table::Receipts, lost, vec![])?;
        bindings.push(Param::from(now));
        self.write(Table::Log, MOVE, bindings)?;
        Ok(self.events_after(last, since, "", usize::MAX)?.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::events::new_message::Target;
    use crate::core::store::testing::{send, store};
    use crate::core::store::{NewEntry, PendingReceipt, Retention};
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
        store.message_received(&target, held_on).unwrap();
        let payload = format!(r#"{{"conversationId":"{from}"}}"#);
        let entry = NewEntry {
            message_id: &target.message_id,
            event: "new_message",
            payload: &payload,
            except_sid: None,
            is_held: held_on.is_some(),
            incoming: None,
        };
        let offset = store.append(&entry, now, &keep(6)).unwrap();
        store
            .receipt_add(
                &PendingReceipt {
                    offset,
                    sender_id: from.into(),
                    payload: "{}".into(),
                },
                held_on.is_some(),
            )
            .unwrap();
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
    fn a_limit_that_is_lowered_counts_at_once() {
        let store = store();
        for from in ["a", "b", "c"] {
            assert!(!hear(&store, from, 9, NOW).0);
        }
        assert_eq!(hear(&store, "d", 2, NOW), (true, 1));
        assert_eq!(hear(&store, "e", 2, NOW), (true, 0));
        assert_eq!(store.release_held(NOW + 1, TIME).unwrap().len(), 2);
        assert!(!hear(&store, "f", 9, NOW).0);
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
        let awaited = |store: &Store<Connection>| -> Vec<String> {
            let receipts = store.receipts_up_to(u64::MAX >> 12).unwrap();
            receipts
                .into_iter()
                .map(|receipt| receipt.sender_id)
                .collect()
        };
        assert_eq!(awaited(&store), ["a", "a"]);
        store.receipt_remove(last).unwrap();
        store.receipt_remove(last - 3).unwrap();
        // Nobody has to be asked for what is held.
        assert_eq!(store.next_receipt(0).unwrap(), None);
        let released = store.release_held(NOW + 5, TIME).unwrap();
        let moved: Vec<u64> = released.iter().map(|event| event.offset).collect();
        assert_eq!(moved, [last + 1, last + 2]);
        assert!(released[0].payload.contains(r#""conversationId":"b""#));
        assert_eq!(offsets(&store, last), moved);
        // The receipts are due when a device has confirmed the messages there.
        assert_eq!(awaited(&store), ["b", "c"]);
        assert_eq!(store.next_receipt(0).unwrap(), Some(last + 1));
        assert_eq!(store.next_receipt(last + 2).unwrap(), Some(last + 2));
        assert_eq!(store.time_of(last + 1).unwrap(), NOW + 5);
        assert!(store.release_held(NOW + 6, TIME).unwrap().is_empty());
    }

    #[test]
    fn a_message_that_leaves_the_log_while_it_is_held_leaves_no_receipt() {
        let store = store();
        hear(&store, "a", 1, NOW);
        hear(&store, "lost", 1, NOW);
        (0..6).for_each(|_| _ = hear(&store, "a", 1, NOW));
        hear(&store, "kept", 1, NOW);
        let held = |store: &Store<Connection>| {
            let sql = "SELECT count(*) FROM receipts WHERE offset < 0";
            let count = store
                .database()
                .query_row(sql, [], |row| row.get::<_, u64>(0));
            count.unwrap()
        };
        assert_eq!(held(&store), 2);
        assert_eq!(store.release_held(NOW, TIME).unwrap().len(), 1);
        assert_eq!(held(&store), 0);
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
