//! The user's event log: delivered events, kept for recovery and for users who were offline.
//!
//! Invariant: the log holds the newest events, none of which is missing, so a client that knows the offset of the last
//! event it received either gets all the later ones or learns that some are gone. Held events move to the end before
//! anybody reads ([`super::new_senders`]).
//!
//! The log is a ring: once it is full, a new event takes the row of the oldest one, because a row that is deleted costs as
//! much as one that is written. Events that are
//! too old stay until their row is needed, and every read that replays events leaves them out.

use serde::Deserialize;

use super::{Database, Result, Store, Table};
use crate::core::recovery::LogBounds;
use crate::core::send_kind::SendKind;
use crate::core::sql::Param;
use crate::core::time::Millis;

/// An event in the log.
#[derive(Debug, Deserialize)]
pub struct LogEntry {
    /// Its position in the log. Clients send it back when they recover.
    pub offset: u64,
    /// The event's name.
    pub event: String,
    /// The payload as JSON.
    pub payload: String,
}

/// The events that a client has missed.
pub struct Missed {
    /// The events, in log order.
    pub events: Vec<LogEntry>,
    /// Whether these are all of them; if not, they are the newest ones.
    pub is_complete: bool,
}

/// An event to append.
pub struct Entry<'a> {
    /// Identifies the event: a repeated delivery is recognized by it.
    pub message_id: &'a str,
    /// The event's name.
    pub event: &'a str,
    /// The payload as JSON.
    pub payload: &'a str,
    /// The Socket.IO session that caused the event and must not receive it.
    pub except_sid: Option<&'a str>,
    /// Whether the event is held until the next connect.
    pub is_held: bool,
    /// Whether the event is a message to the user, and to whom it was sent.
    pub incoming: Option<SendKind>,
}

/// A message whose sender is to be told when a device has received it.
#[derive(Debug, Deserialize)]
pub struct PendingReceipt {
    /// The message's log offset.
    pub offset: u64,
    /// The sender's user id.
    pub sender_id: String,
    /// The payload of the sender's notification, as JSON.
    pub payload: String,
}

/// The ends of the log.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct LogEnds {
    first: u64,
    first_at: Millis,
    last: u64,
}

/// How much of the log is kept.
pub struct Retention {
    /// The maximum number of events.
    pub events: u64,
    /// The maximum age of an event, in milliseconds.
    pub time: Millis,
}

const APPEND: &str = "
INSERT INTO log (offset, message_id, event, payload, created_at, except_sid, held, incoming)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// The same in the row of offset `?9`. A row whose key changes counts as one row written, not as two.
const OVERWRITE: &str = "
UPDATE log SET offset = ?1, message_id = ?2, event = ?3, payload = ?4, created_at = ?5, except_sid = ?6,
  held = ?7, incoming = ?8
WHERE offset = ?9";

/// Returns what the column `incoming` says.
fn incoming(kind: Option<SendKind>) -> u64 {
    match kind {
        None => 0,
        Some(SendKind::Direct) => 1,
        Some(SendKind::Bulk) => 2,
    }
}

impl<D: Database> Store<D> {
    /// Appends an event and returns its offset. If the log is full, or its oldest event too old to be read, the event
    /// takes the oldest one's row. Offsets have no gaps, and they only grow: the newest event always stays. The first
    /// offset is the time in Unix milliseconds, so offsets grow across an erasure, too, and a client from before it
    /// cannot mistake the new log for its own.
    pub fn append(&self, entry: &Entry, now: Millis, keep: &Retention) -> Result<u64> {
        let ends = self.log_ends()?;
        let offset = ends.map_or(now, |ends| ends.last + 1);
        let mut values = vec![
            Param::from(offset),
            entry.message_id.into(),
            entry.event.into(),
            entry.payload.into(),
            Param::from(now),
            entry.except_sid.into(),
            entry.is_held.into(),
            Param::from(incoming(entry.incoming)),
        ];
        if let Some(oldest) = self.oldest_to_go(ends, now, keep)? {
            values.push(Param::from(oldest));
            self.write(Table::Log, OVERWRITE, values)?;
            self.drop_lost_receipts()?;
            return Ok(offset);
        }
        self.write(Table::Log, APPEND, values)?;
        let (first, first_at) = ends.map_or((offset, now), |ends| (ends.first, ends.first_at));
        self.known.log_ends.set(Some(LogEnds {
            first,
            first_at,
            last: offset,
        }));
        Ok(offset)
    }

    /// Returns the offset of the event whose row the next one takes; `None` if there is room for another row.
    fn oldest_to_go(
        &self,
        ends: Option<LogEnds>,
        now: Millis,
        keep: &Retention,
    ) -> Result<Option<u64>> {
        let Some(ends) = ends else { return Ok(None) };
        let first_kept = (ends.last + 1).saturating_sub(keep.events);
        if ends.first < first_kept {
            // The log was allowed to be longer, or has a gap where something was held. Deleting what is too much, once,
            // leaves it full, or makes room for the gap.
            let bindings = vec![Param::from(first_kept)];
            self.write(Table::Log, "DELETE FROM log WHERE offset < ?1", bindings)?;
            return Ok(self.log_ends()?.map(|ends| ends.first));
        }
        let is_full = ends.first == first_kept;
        let is_too_old = ends.first_at < now.saturating_sub(keep.time);
        Ok((is_full || is_too_old).then_some(ends.first))
    }

    /// Drops the receipts of messages that have left the log and that no device has confirmed or may have received.
    fn drop_lost_receipts(&self) -> Result<()> {
        let user = self.user_state()?;
        if user.is_online == 1 || self.next_receipt(0)?.is_none() {
            return Ok(());
        }
        let first = self.log_ends()?.map_or(0, |ends| ends.first);
        self.receipts_drop(user.confirmed + 1, first)
    }

    /// Returns the ends of the log, or `None` if it is empty.
    fn log_ends(&self) -> Result<Option<LogEnds>> {
        self.known.log_ends.get_or(|| {
            let rows = self.read(
                &self.user,
                "SELECT offset AS first, created_at AS first_at, (SELECT max(offset) FROM log) AS last
                 FROM log ORDER BY offset LIMIT 1",
                vec![],
            )?;
            Ok(rows.into_iter().next())
        })
    }

    /// Returns whether the log holds this message. It may be too old to be read otherwise.
    pub fn has_message(&self, message_id: &str) -> Result<bool> {
        let sql = "SELECT 1 AS found FROM log WHERE message_id = ?1 LIMIT 1";
        self.has(&self.user, sql, vec![message_id.into()])
    }

    /// Returns the bounds of the part of the log that is not older than `since`. If the clock was ever set back, the
    /// part is shorter, so that it has no gap.
    pub fn log_bounds(&self, since: Millis) -> Result<Option<LogBounds>> {
        let Some(ends) = self.log_ends()? else {
            return Ok(None);
        };
        let first = if ends.first_at >= since {
            ends.first
        } else {
            // Every entry may be too old: then only a client that missed nothing can recover.
            self.last_offset_at(since.saturating_sub(1))? + 1
        };
        Ok(Some(LogBounds {
            first,
            last: ends.last,
        }))
    }

    /// Returns the log's last offset, or 0 if the log is empty.
    pub fn last_offset(&self) -> Result<u64> {
        Ok(self.log_ends()?.map_or(0, |ends| ends.last))
    }

    /// Returns when the event at this offset was appended, or 0 if the log no longer holds it.
    pub fn time_of(&self, offset: u64) -> Result<Millis> {
        let sql = "SELECT created_at AS number FROM log WHERE offset = ?1";
        let created_at = self.number(&self.user, sql, vec![Param::from(offset)])?;
        Ok(created_at.unwrap_or_default())
    }

    /// Returns the offset of the newest event appended at or before `time`, or 0 if there is none.
    pub fn last_offset_at(&self, time: Millis) -> Result<u64> {
        let sql =
            "SELECT offset AS number FROM log WHERE created_at <= ?1 ORDER BY offset DESC LIMIT 1";
        let offset = self.number(&self.user, sql, vec![Param::from(time)])?;
        Ok(offset.unwrap_or_default())
    }

    /// Returns the events for this session after `offset` that are not older than `since`, in order.
    /// Returns only the newest ones, at most `max_bytes` of payload in total, so that they fit into
    /// memory.
    pub fn events_after(
        &self,
        offset: u64,
        since: Millis,
        sid: &str,
        max_bytes: usize,
    ) -> Result<Missed> {
        let bounds = self.log_bounds(since)?;
        let Some(bounds) = bounds.filter(|bounds| bounds.last > offset) else {
            return Ok(Missed {
                events: Vec::new(),
                is_complete: true,
            });
        };
        let rows = self.rows(
            &self.user,
            "SELECT offset, event, payload FROM log
             WHERE offset >= ?1 AND except_sid IS NOT ?2 AND event <> ''
             ORDER BY offset DESC",
            vec![Param::from(bounds.first.max(offset + 1)), sid.into()],
        )?;
        let mut missed = Missed {
            events: Vec::new(),
            is_complete: true,
        };
        let mut bytes = 0;
        for row in rows.into_iter().flatten() {
            let entry: LogEntry = row?;
            bytes += entry.payload.len();
            if bytes > max_bytes {
                missed.is_complete = false;
                break;
            }
            missed.events.push(entry);
        }
        missed.events.reverse();
        Ok(missed)
    }

    /// Returns the payload of the event with this offset, if the log still has it.
    pub fn log_payload(&self, offset: u64) -> Result<Option<String>> {
        let sql = "SELECT offset, event, payload FROM log WHERE offset = ?1";
        let rows: Vec<LogEntry> = self.read(&self.user, sql, vec![Param::from(offset)])?;
        Ok(rows.into_iter().next().map(|entry| entry.payload))
    }

    /// Blanks a conversation's events. Their offsets stay taken, so that offsets only grow. Also drops the
    /// conversation's receipts and notices: one of its two users is being erased.
    pub fn blank(&self, conversation_id: &str) -> Result<()> {
        self.notices_forget(conversation_id)?;
        self.write(
            Table::Receipts,
            "DELETE FROM receipts WHERE payload ->> 'conversationId' = ?1",
            vec![conversation_id.into()],
        )?;
        self.write(
            Table::Log,
            "UPDATE log SET event = '', payload = '', message_id = '', incoming = 0
             WHERE event <> '' AND json_valid(payload) AND payload ->> 'conversationId' = ?1",
            vec![conversation_id.into()],
        )
    }

    /// Records that a message's sender waits for a receipt. As long as the message is held, its offset is negative here, so
    /// that no device confirms it.
    pub fn receipt_add(&self, receipt: &PendingReceipt, is_held: bool) -> Result<()> {
        self.write(
            Table::Receipts,
            "INSERT OR REPLACE INTO receipts (offset, sender_id, payload)
             VALUES (CASE ?4 WHEN 1 THEN -?1 ELSE ?1 END, ?2, ?3)",
            vec![
                Param::from(receipt.offset),
                receipt.sender_id.as_str().into(),
                receipt.payload.as_str().into(),
                Param::from(is_held),
            ],
        )
    }

    /// Returns the pending receipts up to and including this offset, in order, without those of messages that are held.
    pub fn receipts_up_to(&self, offset: u64) -> Result<Vec<PendingReceipt>> {
        self.read(
            &self.social,
            "SELECT offset, sender_id, payload FROM receipts
             WHERE offset BETWEEN 1 AND ?1 ORDER BY offset",
            vec![Param::from(offset)],
        )
    }

    /// Returns the first offset, from `from` on, that has a pending receipt.
    pub fn next_receipt(&self, from: u64) -> Result<Option<u64>> {
        let first = self.known.first_receipt.get_or(|| self.receipt_from(0))?;
        match first {
            Some(first) if first < from => self.receipt_from(from),
            first => Ok(first),
        }
    }

    fn receipt_from(&self, from: u64) -> Result<Option<u64>> {
        let sql =
            "SELECT offset AS number FROM receipts WHERE offset >= ?1 ORDER BY offset LIMIT 1";
        self.number(&self.social, sql, vec![Param::from(from)])
    }

    /// Drops the receipts from offset `from` up to, but not including, `before`: no device will get these
    /// messages from the log.
    pub fn receipts_drop(&self, from: u64, before: u64) -> Result<()> {
        if self.next_receipt(from)?.is_none_or(|next| next >= before) {
            return Ok(());
        }
        self.write(
            Table::Receipts,
            "DELETE FROM receipts WHERE offset >= ?1 AND offset < ?2",
            vec![Param::from(from), Param::from(before)],
        )
    }

    /// Removes the receipt at this offset: its sender has been told.
    pub fn receipt_remove(&self, offset: u64) -> Result<()> {
        self.write(
            Table::Receipts,
            "DELETE FROM receipts WHERE offset = ?1",
            vec![Param::from(offset)],
        )
    }
}
