//! `send_bulk_message`: noted, committed, fanned out, answered.
//!
//! One send of a user at a time: so the messages of one sender reach a receiver in the order in
//! which they were accepted, and a repeat of an idempotency key waits for the first.

use worker::Result;

use super::ours;
use crate::core::error::{ErrorCode, EventError};
use crate::core::events::Reply;
use crate::core::events::send_bulk_message::{BulkMessage, NAME, REPLY, Settled, reply};
use crate::core::ids::send_id;
use crate::core::outbox::{COMMIT_DEADLINE, Entry};
use crate::core::record::{Outcome, Sender, bulk_send, letter, settle, targets};
use crate::core::token::Role;
use crate::platform::{self, d1, log, now};
use crate::user_do::UserObject;
use crate::user_do::fan_out::Send;
use crate::user_do::store::parse_id;

/// What an idempotency key leads to.
enum Earlier {
    /// It is new.
    None,
    /// It was used, and this was the answer.
    Answered(String),
    /// It was used, and the send did not get as far as an answer: it is run again, as it was.
    Unanswered(Entry),
}

impl UserObject {
    pub(super) async fn send_bulk_message(
        &self,
        user_id: &str,
        message: BulkMessage,
    ) -> std::result::Result<Reply, EventError> {
        // Whatever comes in meanwhile waits for its own turn.
        let _turn = self.sends.turn().await;
        let entry = match self.earlier(&message)? {
            Earlier::Answered(payload) => {
                return Ok(Reply {
                    event: REPLY,
                    payload,
                });
            }
            Earlier::Unanswered(entry) => entry,
            Earlier::None => self.note(&message).map_err(ours(NAME))?,
        };
        self.schedule().await;
        self.settle_outbox(user_id, Some(entry.send_id)).await;
        let (sender, settled) = self.commit(user_id, &entry, &message).await?;
        let message_type = message.message_type.as_str();
        let letter = letter(
            entry.send_id,
            user_id,
            sender,
            message_type,
            message.content.clone(),
            message.job_id.clone(),
        );
        let send = Send {
            entry,
            letter,
            targets: settled.stored.clone(),
            // A send that was begun before may have reached some.
            is_repeat: message.idempotency_key.is_some(),
        };
        self.finish(&message, &send, &settled)
            .await
            .map_err(ours(NAME))
    }

    fn earlier(&self, message: &BulkMessage) -> std::result::Result<Earlier, EventError> {
        let Some(key) = &message.idempotency_key else {
            return Ok(Earlier::None);
        };
        let earlier = self.store.outbox_by_key(key, now()).map_err(ours(NAME))?;
        let Some(earlier) = earlier else {
            return Ok(Earlier::None);
        };
        if earlier.fingerprint != message.fingerprint() {
            return Err(EventError::new(
                ErrorCode::IdempotencyConflict,
                "idempotencyKey was used before, for another message",
            ));
        }
        if let Some(result) = earlier.result {
            return Ok(Earlier::Answered(result));
        }
        let send_id = parse_id(&earlier.send_id).map_err(ours(NAME))?;
        let entry = Entry::new(send_id, message.receiver_ids.clone(), now());
        Ok(Earlier::Unanswered(entry))
    }

    /// Notes the send before it is committed: from here on it is finished, whatever happens.
    fn note(&self, message: &BulkMessage) -> Result<Entry> {
        let now = now();
        let send_id = send_id(now, platform::random());
        let entry = Entry::new(send_id, message.receiver_ids.clone(), now);
        self.store.outbox_add(
            &entry,
            message.idempotency_key.as_deref(),
            &message.fingerprint(),
            now + COMMIT_DEADLINE,
        )?;
        Ok(entry)
    }

    /// One round trip to D1, one transaction.
    async fn commit(
        &self,
        user_id: &str,
        entry: &Entry,
        message: &BulkMessage,
    ) -> std::result::Result<(Sender, Settled), EventError> {
        let targets = targets(entry.send_id, user_id, &message.receiver_ids);
        let statements = bulk_send(entry.send_id, user_id, message, &targets);
        let results = match d1::batch(&self.env, &statements).await {
            Ok(results) => results,
            Err(error) => return Err(self.not_committed(entry, &error)),
        };
        let mut senders: Vec<Sender> = d1::rows(&results, 0).map_err(ours(NAME))?;
        let sender = senders
            .pop()
            .filter(|sender| sender.role == Role::Contractor);
        let Some(sender) = sender else {
            self.store
                .outbox_remove(entry.send_id)
                .map_err(ours(NAME))?;
            return Err(EventError::new(
                ErrorCode::Forbidden,
                "Only contractors can send bulk messages",
            ));
        };
        let outcomes: Vec<Outcome> = d1::rows(&results, 3).map_err(ours(NAME))?;
        let settled = settle(user_id, &message.receiver_ids, targets, &outcomes);
        Ok((sender, settled))
    }

    /// D1 did not say that it committed. Should it have done so, the outbox finds out.
    fn not_committed(&self, entry: &Entry, error: &worker::Error) -> EventError {
        log::error(NAME, error);
        let next = entry.after_unavailable(now());
        if let Err(error) = self.store.outbox_update(entry.send_id, &next) {
            log::error(NAME, &error);
        }
        EventError::unavailable()
    }

    async fn finish(&self, message: &BulkMessage, send: &Send, settled: &Settled) -> Result<Reply> {
        let waiting = self.waiting_receivers(send.entry.send_id)?;
        let fanned = self.fan_out(send, &waiting).await;
        let reply = reply(settled, |receiver_id| fanned.took(receiver_id));
        if message.idempotency_key.is_some() {
            self.store
                .outbox_keep_result(send.entry.send_id, &reply.payload)?;
        }
        let next = send.entry.after_fan_out(fanned.failed, now());
        self.store.outbox_update(send.entry.send_id, &next)?;
        self.schedule().await;
        Ok(reply)
    }
}
