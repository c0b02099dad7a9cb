//! The outbox's rows: sends that may be unfinished, and the results of sends with idempotency keys.

use std::collections::HashSet;

use serde::Deserialize;
use uuid::Uuid;

use super::{Database, Result, Store, StoreError, Table};
use crate::core::error::to_json;
use crate::core::outbox::{Due, Next, OutboxEntry};
use crate::core::quota::SentToday;
use crate::core::send_kind::SendKind;
use crate::core::sql::Param;
use crate::core::time::{DAY, Millis};

/// How long the result of a send with an idempotency key is kept. That of a campaign's newest chunk is kept for as long as
/// the campaign: it may ask for it again after any time ([`crate::core::campaign`]).
const KEY_RETENTION: Millis = DAY;

/// An earlier send with the same idempotency key.
#[derive(Debug, Deserialize)]
pub struct Keyed {
    /// A UUIDv7, which contains the time of the send.
    pub send_id: String,
    /// The fingerprint of the send's content and receivers.
    pub fingerprint: String,
    /// The reply to the send; `None` if it was never replied to.
    pub result: Option<String>,
    receiver_ids: String,
}

impl Keyed {
    /// Returns the receivers, in the order of the request.
    pub fn receiver_ids(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_str(&self.receiver_ids)?)
    }
}

impl<D: Database> Store<D> {
    /// Adds a send, before it is committed to D1. `counted` is what it counts for today, if that is limited.
    pub fn outbox_add(
        &self,
        entry: &OutboxEntry,
        idempotency_key: Option<&str>,
        fingerprint: &str,
        counted: Option<SentToday>,
        next_attempt_at: Millis,
    ) -> Result<()> {
        self.write(
            Table::Outbox,
            "INSERT INTO outbox
               (send_id, receiver_ids, next_attempt_at, idempotency_key, fingerprint, created_at,
                is_direct, counted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            vec![
                entry.send_id.to_string().into(),
                to_json(&entry.receiver_ids).into(),
                Param::from(next_attempt_at),
                idempotency_key.into(),
                fingerprint.into(),
                Param::from(entry.created_at),
                Param::from(entry.kind == SendKind::Direct),
                counted.map(|counted| to_json(&counted)).into(),
            ],
        )
    }

    /// Returns what the user has sent on the day of the last send.
    pub fn sent_today(&self) -> Result<SentToday> {
        self.known.sent_today.get_or(|| {
            let rows = self.read(
                &self.outbox,
                "SELECT day, messages, bytes, conversations FROM sent_today",
                vec![],
            )?;
            Ok(rows.into_iter().next().unwrap_or_default())
        })
    }

    /// Stores what the user has sent today.
    pub fn set_sent_today(&self, sent: SentToday) -> Result<()> {
        self.write(
            Table::SentToday,
            "REPLACE INTO sent_today (id, day, messages, bytes, conversations)
             VALUES (1, ?1, ?2, ?3, ?4)",
            vec![
                Param::from(sent.day),
                Param::from(sent.messages),
                Param::from(sent.bytes),
                Param::from(sent.conversations),
            ],
        )?;
        self.known.sent_today.set(sent);
        Ok(())
    }

    /// Takes a send out of the count that was never committed: a repeat is going to count as a new one.
    fn give_back(&self, send_id: Uuid) -> Result<()> {
        #[derive(Deserialize)]
        struct Row {
            counted: Option<String>,
        }
        let rows: Vec<Row> = self.read(
            &self.outbox,
            "SELECT counted FROM outbox WHERE send_id = ?1",
            vec![send_id.to_string().into()],
        )?;
        let Some(counted) = rows.into_iter().next().and_then(|row| row.counted) else {
            return Ok(());
        };
        let counted: SentToday = serde_json::from_str(&counted)?;
        match self.sent_today()?.without(counted) {
            Some(sent) => self.set_sent_today(sent),
            None => Ok(()),
        }
    }

    /// Restarts a send that was never replied to, with the full time to commit.
    pub fn outbox_renew(&self, entry: &OutboxEntry, next_attempt_at: Millis) -> Result<()> {
        self.write(
            Table::Outbox,
            "UPDATE outbox SET created_at = ?2, next_attempt_at = ?3, pending = NULL,
               unconfirmed = NULL, attempts = 0
             WHERE send_id = ?1",
            vec![
                entry.send_id.to_string().into(),
                Param::from(entry.created_at),
                Param::from(next_attempt_at),
            ],
        )
    }

    /// Removes a send.
    pub fn outbox_remove(&self, send_id: Uuid) -> Result<()> {
        self.write(
            Table::Outbox,
            "DELETE FROM outbox WHERE send_id = ?1",
            vec![send_id.to_string().into()],
        )
    }

    /// Records the result of an attempt. A finished send is removed unless it has an idempotency key. With
    /// a key it stays: with its result or, if it was never replied to, so that a repeat runs the same send
    /// again.
    pub fn outbox_update(&self, send_id: Uuid, next: &Next) -> Result<()> {
        let id = Param::from(send_id.to_string());
        match next {
            Next::Done => {
                self.write(
                    Table::Outbox,
                    "UPDATE outbox SET next_attempt_at = NULL, pending = NULL, unconfirmed = NULL
                     WHERE send_id = ?1 AND idempotency_key IS NOT NULL",
                    vec![id.clone()],
                )?;
                self.write(
                    Table::Outbox,
                    "DELETE FROM outbox WHERE send_id = ?1 AND idempotency_key IS NULL",
                    vec![id],
                )
            }
            Next::Void => {
                self.give_back(send_id)?;
                self.outbox_remove(send_id)
            }
            Next::Retry { rest, at } => {
                let rest = rest.as_ref();
                let unconfirmed = rest.map(|rest| &rest.unconfirmed);
                let unconfirmed = unconfirmed.filter(|ids| !ids.is_empty());
                self.write(
                    Table::Outbox,
                    "UPDATE outbox SET pending = ?2, unconfirmed = ?3, next_attempt_at = ?4,
                       attempts = attempts + 1
                     WHERE send_id = ?1",
                    vec![
                        id,
                        rest.map(|rest| to_json(&rest.pending)).into(),
                        unconfirmed.map(to_json).into(),
                        Param::from(*at),
                    ],
                )
            }
        }
    }

    /// Stores the reply to a send for its idempotency key.
    pub fn outbox_keep_result(&self, send_id: Uuid, result: &str) -> Result<()> {
        self.write(
            Table::Outbox,
            "UPDATE outbox SET result = ?2 WHERE send_id = ?1",
            vec![send_id.to_string().into(), result.into()],
        )
    }

    /// Returns the unfinished sends, oldest first, each with the time of its next attempt.
    pub fn outbox_open(&self) -> Result<Vec<(OutboxEntry, Millis)>> {
        self.outbox_after(None, u32::MAX)
    }

    /// Returns the oldest unfinished send after this one, with the time of its next attempt.
    pub fn outbox_next(&self, after: Option<Uuid>) -> Result<Option<(OutboxEntry, Millis)>> {
        Ok(self.outbox_after(after, 1)?.pop())
    }

    fn outbox_after(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<(OutboxEntry, Millis)>> {
        #[derive(Deserialize)]
        struct Row {
            send_id: String,
            receiver_ids: String,
            pending: Option<String>,
            unconfirmed: Option<String>,
            attempts: u32,
            next_attempt_at: Millis,
            created_at: Millis,
            is_direct: u8,
        }
        let after = after.map_or_else(String::new, |id| id.to_string());
        let rows: Vec<Row> = self.read(
            &self.outbox,
            "SELECT send_id, receiver_ids, pending, unconfirmed, attempts, next_attempt_at,
               created_at, is_direct
             FROM outbox WHERE next_attempt_at IS NOT NULL AND send_id > ?1
             ORDER BY send_id LIMIT ?2",
            vec![after.into(), Param::from(Millis::from(limit))],
        )?;
        rows.into_iter()
            .map(|row| {
                let ids = |json: Option<String>| {
                    let ids = json.map(|json| serde_json::from_str::<HashSet<String>>(&json));
                    ids.transpose()
                };
                let entry = OutboxEntry {
                    send_id: parse_id(&row.send_id)?,
                    receiver_ids: serde_json::from_str(&row.receiver_ids)?,
                    pending: ids(row.pending)?,
                    unconfirmed: ids(row.unconfirmed)?.unwrap_or_default(),
                    attempts: row.attempts,
                    created_at: row.created_at,
                    kind: if row.is_direct == 1 {
                        SendKind::Direct
                    } else {
                        SendKind::Bulk
                    },
                };
                Ok((entry, row.next_attempt_at))
            })
            .collect()
    }

    /// Returns when the unfinished sends need the alarm.
    pub fn outbox_due(&self) -> Result<Vec<Due>> {
        #[derive(Deserialize)]
        struct Row {
            send_id: String,
            attempts: u32,
            next_attempt_at: Millis,
        }
        let rows: Vec<Row> = self.read(
            &self.outbox,
            "SELECT send_id, attempts, next_attempt_at FROM outbox
             WHERE next_attempt_at IS NOT NULL",
            vec![],
        )?;
        rows.into_iter()
            .map(|row| {
                Ok(Due {
                    send_id: parse_id(&row.send_id)?,
                    attempts: row.attempts,
                    next_attempt_at: row.next_attempt_at,
                })
            })
            .collect()
    }

    /// Removes the finished chunks of a campaign that is gone.
    pub(super) fn outbox_forget_campaign(&self, campaign_id: &str) -> Result<()> {
        self.write(
            Table::Outbox,
            "DELETE FROM outbox WHERE next_attempt_at IS NULL
               AND idempotency_key >= 'campaign:' || ?1 || ':' AND idempotency_key < 'campaign:' || ?1 || ';'",
            vec![campaign_id.into()],
        )
    }

    /// Returns the earlier send with this key, if it has not expired. Deletes expired results.
    pub fn outbox_by_key(&self, key: &str, now: Millis) -> Result<Option<Keyed>> {
        self.write(
            Table::Outbox,
            "DELETE FROM outbox WHERE created_at < ?1 AND next_attempt_at IS NULL
               AND send_id NOT IN (
                 SELECT max(send_id) FROM outbox
                 WHERE idempotency_key >= 'campaign:' AND idempotency_key < 'campaign;'
                 GROUP BY substr(idempotency_key, 1, length('campaign:') + 36))",
            vec![Param::from(now.saturating_sub(KEY_RETENTION))],
        )?;
        self.outbox_keyed(key)
    }

    /// Returns the send with this key, expired or not.
    pub fn outbox_keyed(&self, key: &str) -> Result<Option<Keyed>> {
        let rows = self.read(
            &self.outbox,
            "SELECT send_id, fingerprint, result, receiver_ids FROM outbox
             WHERE idempotency_key = ?1",
            vec![key.into()],
        )?;
        Ok(rows.into_iter().next())
    }
}

/// Parses an id that this code wrote.
pub fn parse_id(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).map_err(|error| StoreError(error.to_string()))
}
