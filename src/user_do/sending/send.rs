//! A send: recorded in the outbox, committed, fanned out, answered.
//!
//! A user's sends run one at a time. So the messages of one sender reach a receiver in the order in which
//! they were accepted, and a repeated idempotency key waits for the first send.

use std::fmt::Display;

use worker::Result;

use super::fan_out::CommittedSend;
use crate::core::error::{ErrorCode, EventError};
use crate::core::events::draft::Draft;
use crate::core::events::new_message::{Letter, Target};
use crate::core::events::{Reply, send_bulk_message, send_message};
use crate::core::ids::{created_at, send_id};
use crate::core::outbox::{COMMIT_DEADLINE, OutboxEntry};
use crate::core::record::Sender;
use crate::core::record::send::{RecordedCopy, settle, store, targets};
use crate::core::refusal::Refusal;
use crate::core::send_kind::SendKind;
use crate::core::store::parse_id;
use crate::core::telemetry::{Fact, SendFigures};
use crate::core::time::Millis;
use crate::platform::meter::Meter;
use crate::platform::{self, d1, log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;
use crate::user_do::ground::lane::{Bounds, Turn};

/// A send, as requested.
pub(crate) struct Outgoing {
    pub(crate) kind: SendKind,
    pub(crate) receiver_ids: Vec<String>,
    pub(crate) draft: Draft,
}

impl Outgoing {
    /// Identifies the content of the send, to detect a reused idempotency key. Empty without a key.
    fn fingerprint(&self) -> String {
        match self.draft.idempotency_key {
            Some(_) => self
                .draft
                .fingerprint(self.kind.event(), &self.receiver_ids),
            None => String::new(),
        }
    }

    fn has_fingerprint(&self, fingerprint: &str) -> bool {
        self.draft
            .has_fingerprint(fingerprint, self.kind.event(), &self.receiver_ids)
    }
}

/// What is known of an idempotency key.
enum Earlier {
    /// The key is new.
    None,
    /// The key was used, and this was the reply.
    Answered(String),
    /// The key was used, but its send got no reply: it is run again unchanged. A message's id depends on the
    /// receiver's position, which the repeat may have changed, so the entry's receivers count.
    Unanswered(OutboxEntry),
}

/// A send that is in the outbox, with the copies to make of it.
struct Recorded {
    entry: OutboxEntry,
    targets: Vec<Target>,
}

impl Recorded {
    fn new(entry: OutboxEntry, sender_id: &str) -> Self {
        let targets = targets(entry.send_id, sender_id, &entry.receiver_ids);
        Self { entry, targets }
    }
}

pub(super) type Outcomes<T> = std::result::Result<T, Failure>;

/// When to try again if too many sends are waiting: about as long as a few of them take.
const WAITING_PAUSE: Millis = 1_000;

impl UserObject {
    /// Waits for the turn of a send, unless too many are waiting already. A send that a connection has made is refused
    /// if the user's tokens are revoked while it waits.
    pub(crate) async fn send_turn(
        &self,
        caller: &Caller,
        draft: &Draft,
        receiver_ids: &[String],
    ) -> Outcomes<Turn> {
        let config = self.config()?;
        let bounds = Bounds {
            count: config.max_waiting_sends,
            bytes: config.max_waiting_send_bytes,
        };
        let receivers: usize = receiver_ids.iter().map(String::len).sum();
        let bytes = draft.content.get().len() + receivers;
        let revoked_at = self.store.revoked_at()?;
        let turn = self.sends.turn_within(bounds, bytes).await;
        self.unless_erased()?;
        if caller.sid.is_some() && self.store.revoked_at()? != revoked_at {
            return Err(EventError::new(ErrorCode::Forbidden, "The token has been revoked").into());
        }
        let message = "Too many messages are waiting, please wait";
        Ok(turn.ok_or_else(|| EventError::rate_limited(message, WAITING_PAUSE))?)
    }

    /// The caller takes the turn. It is held until the reply, so that later sends wait.
    pub(crate) async fn send_out(
        &self,
        caller: &Caller,
        outgoing: Outgoing,
        _turn: Turn,
    ) -> Outcomes<Reply> {
        let begun = now();
        let recorded = match self.earlier(&outgoing)? {
            Earlier::Answered(payload) => {
                return Ok(Reply::event(outgoing.kind.reply_event(), payload));
            }
            Earlier::Unanswered(entry) => {
                let again = Recorded::new(entry, &caller.user_id);
                self.pay_for_send(&again.targets)?;
                self.store
                    .outbox_renew(&again.entry, now() + COMMIT_DEADLINE)?;
                again
            }
            Earlier::None => self.note(caller, &outgoing)?,
        };
        // The entry and its alarm must be durable before D1 is called: if the object dies in the meantime,
        // the alarm finishes the send.
        self.schedule().await;
        let settled = self
            .settle_outbox(&caller.user_id, Some(recorded.entry.send_id))
            .await;
        log::fault("outbox", settled);
        let meter = Meter::default();
        let draft = &outgoing.draft;
        let (send, refused) = self.commit(caller, recorded, draft, &meter).await?;
        let stored_at = now();
        self.keep_own_copy(caller, &send)?;
        let times = [begun, stored_at];
        Ok(self.finish(draft, &send, &refused, times, &meter).await?)
    }

    fn earlier(&self, outgoing: &Outgoing) -> Outcomes<Earlier> {
        let Some(key) = &outgoing.draft.idempotency_key else {
            return Ok(Earlier::None);
        };
        let Some(earlier) = self.store.outbox_by_key(key, now())? else {
            return Ok(Earlier::None);
        };
        if !outgoing.has_fingerprint(&earlier.fingerprint) {
            let message = "idempotencyKey was used before, for another message";
            return Err(EventError::new(ErrorCode::IdempotencyConflict, message).into());
        }
        if let Some(result) = earlier.result {
            return Ok(Earlier::Answered(result));
        }
        let send_id = parse_id(&earlier.send_id)?;
        let receiver_ids = earlier.receiver_ids()?;
        let entry = OutboxEntry::new(send_id, receiver_ids, now(), outgoing.kind);
        Ok(Earlier::Unanswered(entry))
    }

    /// Counts the send against the limits, and records it in the outbox before it is committed. From here on it
    /// will be finished, whatever happens.
    fn note(&self, caller: &Caller, outgoing: &Outgoing) -> Outcomes<Recorded> {
        let now = now();
        // Clocks differ between machines, but ids must only grow.
        let newest = self.store.newest_message()?;
        let newest = newest.map(|id| parse_id(&id)).transpose()?.map(created_at);
        let time = newest.map_or(now, |newest| now.max(newest + 1));
        let send_id = send_id(time, platform::random());
        let receiver_ids = outgoing.receiver_ids.clone();
        let entry = OutboxEntry::new(send_id, receiver_ids, now, outgoing.kind);
        let recorded = Recorded::new(entry, &caller.user_id);
        let counted = self.admit_send(outgoing, &recorded.targets)?;
        self.store.outbox_add(
            &recorded.entry,
            outgoing.draft.idempotency_key.as_deref(),
            &outgoing.fingerprint(),
            counted,
            now + COMMIT_DEADLINE,
        )?;
        Ok(recorded)
    }

    /// Commits the send to D1: one round trip and one transaction. Also returns the refused receivers and the
    /// reasons.
    async fn commit(
        &self,
        caller: &Caller,
        Recorded { entry, targets }: Recorded,
        draft: &Draft,
        meter: &Meter,
    ) -> Outcomes<(CommittedSend, Vec<(String, Refusal)>)> {
        let user_id = &caller.user_id;
        if caller.sid.is_some() && !self.record_belatedly().await? {
            return Err(self
                .not_committed(&entry, &"the sender's row could not be added")
                .into());
        }
        let role = entry.kind.role();
        let statements = store(entry.send_id, user_id, role, draft, &targets);
        let results = match d1::metered(&self.env, &statements, meter).await {
            Ok(results) => results,
            Err(error) => return Err(self.not_committed(&entry, &error).into()),
        };
        let mut senders: Vec<Sender> = d1::rows(&results, 0)?;
        let may_send = |sender: &Sender| role.is_none_or(|role| sender.role == role);
        let Some(sender) = senders.pop().filter(may_send) else {
            self.store.outbox_remove(entry.send_id)?;
            return Err(entry.kind.not_allowed().into());
        };
        let outcomes: Vec<RecordedCopy> = d1::rows(&results, 3)?;
        let (targets, refused) = settle(user_id, &entry.receiver_ids, targets, &outcomes);
        if let (SendKind::Direct, Some((_, refusal))) = (entry.kind, refused.first()) {
            self.store.outbox_remove(entry.send_id)?;
            return Err(EventError::from(*refusal).into());
        }
        let regions = outcomes
            .into_iter()
            .filter_map(|outcome| Some((outcome.receiver_id, outcome.region?)))
            .collect();
        let send = CommittedSend {
            letter: Letter {
                sender: sender.author(user_id),
                message_type: draft.message_type.as_str().to_owned(),
                content: draft.content.clone(),
                job_id: draft.job_id.clone(),
                created_at: created_at(entry.send_id),
                wants_receipt: entry.kind == SendKind::Direct,
            },
            entry,
            targets,
            regions,
            // The first attempt may have reached some receivers.
            is_repeat: draft.idempotency_key.is_some(),
        };
        Ok((send, refused))
    }

    /// D1 did not confirm the commit. The outbox finds out whether it happened.
    fn not_committed(&self, entry: &OutboxEntry, error: &dyn Display) -> EventError {
        log::error("commit", error);
        let next = entry.after_unavailable(now());
        log::fault("commit", self.store.outbox_update(entry.send_id, &next));
        EventError::unavailable()
    }

    async fn finish(
        &self,
        draft: &Draft,
        send: &CommittedSend,
        refused: &[(String, Refusal)],
        [begun, stored_at]: [Millis; 2],
        meter: &Meter,
    ) -> Result<Reply> {
        let waiting = self.waiting_receivers(send.entry.send_id)?;
        let fanned = self.fan_out(send, &waiting, meter).await;
        let took = |target: &&Target| fanned.took(&target.receiver_id);
        let delivered = send.targets.iter().filter(took).count();
        let reply = match (send.entry.kind, send.targets.first()) {
            (SendKind::Direct, Some(target)) => send_message::reply(target, send.letter.created_at),
            _ => send_bulk_message::reply(&send.targets, refused, |id| fanned.took(id)),
        };
        if draft.idempotency_key.is_some() {
            self.store
                .outbox_keep_result(send.entry.send_id, &reply.payload)?;
        }
        self.fact(
            &send.letter.sender.id,
            &Fact::SendFigures(SendFigures {
                event: send.entry.kind.event(),
                receivers: send.entry.receiver_ids.len(),
                delivered,
                failed: fanned.failed.len(),
                refused: refused.len(),
                commit_ms: stored_at.saturating_sub(begun),
                fan_out_ms: now().saturating_sub(stored_at),
                d1_round_trips: meter.d1_round_trips.get(),
                d1_rows_written: meter.d1_rows_written.get(),
                object_requests: meter.object_requests.get(),
            }),
        );
        let next = send.entry.after_fan_out(fanned.failed, now());
        self.store.outbox_update(send.entry.send_id, &next)?;
        self.needs_schedule();
        Ok(reply)
    }
}
