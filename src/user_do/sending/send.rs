//! A send: recorded in the outbox, committed, fanned out, answered.
//!
//! A user's sends are committed one at a time, so their ids grow in the order in which they are accepted. Each send's
//! turn ends when it is committed and its fan-out has begun, so none waits for the fan-out of another: the order at each
//! receiver is the business of [`crate::core::in_flight`]. A repeated idempotency key waits for the first send.

use std::collections::HashSet;

use uuid::Uuid;
use worker::{Error, Result};

use super::fan_out::{CommittedSend, FannedOut};
use crate::core::error::{ErrorCode, EventError};
use crate::core::events::draft::Draft;
use crate::core::events::new_message::Target;
use crate::core::events::{Reply, send_bulk_message, send_message};
use crate::core::ids::{created_at, send_id};
use crate::core::outbox::{COMMIT_DEADLINE, OutboxEntry, Rest};
use crate::core::record::send::targets;
use crate::core::refusal::Refusal;
use crate::core::send_kind::SendKind;
use crate::core::store::parse_id;
use crate::core::telemetry::{Fact, SendFigures};
use crate::core::time::Millis;
use crate::platform::meter::Meter;
use crate::platform::{self, log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;
use crate::user_do::ground::lane::Turn;
use crate::user_do::ground::permits::{Load, Permit};
use crate::wire::socket_io::{MAIN, event_text};

/// A send, as requested.
pub(crate) struct Outgoing {
    pub(crate) kind: SendKind,
    pub(crate) receiver_ids: Vec<String>,
    pub(crate) draft: Draft,
    /// Whether the limits of sends apply. A chunk of a campaign has those of campaigns instead.
    pub(crate) is_limited: bool,
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
    /// The key was used, and its send is in progress.
    InProgress(Uuid),
    /// The key was used, but its send got no reply: it is run again unchanged. A message's id depends on the
    /// receiver's position, which the repeat may have changed, so the entry's receivers count.
    Unanswered(OutboxEntry),
}

/// A send that is in the outbox, with the copies to make of it.
pub(super) struct Recorded {
    pub(super) entry: OutboxEntry,
    pub(super) targets: Vec<Target>,
}

impl Recorded {
    fn new(entry: OutboxEntry, sender_id: &str) -> Self {
        let targets = targets(entry.send_id, sender_id, &entry.receiver_ids);
        Self { entry, targets }
    }
}

pub(super) type Outcomes<T> = std::result::Result<T, Failure>;

/// When to try again if too many sends are in progress: about as long as a few of them take.
const WAITING_PAUSE: Millis = 1_000;

/// What a send holds in memory for each receiver until it is answered, besides the receiver's id: about the size of
/// its ids and its call, in bytes.
const BYTES_PER_RECEIVER: usize = 256;

/// The turn of a send, and what it needs to wait for another one.
pub(crate) struct SendTurn {
    turn: Turn,
    _permit: Permit,
    /// When the user's tokens had been revoked before the send began to wait.
    revoked_at: Option<Millis>,
}

impl UserObject {
    /// Waits for the turn of a send, unless too many are in progress already. A send that a connection has made is
    /// refused if the user's tokens are revoked while it waits.
    pub(crate) async fn send_turn(
        &self,
        caller: &Caller,
        draft: &Draft,
        receiver_ids: &[String],
    ) -> Outcomes<SendTurn> {
        let config = self.config()?;
        let max = Load {
            count: config.max_waiting_sends,
            bytes: config.max_waiting_send_bytes,
        };
        let receivers = receiver_ids.iter().map(|id| id.len() + BYTES_PER_RECEIVER);
        let bytes = draft.content.get().len() + receivers.sum::<usize>();
        let Some(permit) = self.send_permits.take(bytes, max) else {
            let message = "Too many messages are waiting, please wait";
            return Err(EventError::rate_limited(message, WAITING_PAUSE).into());
        };
        let revoked_at = self.store.revoked_at()?;
        Ok(SendTurn {
            turn: self.turn_unless_revoked(caller, revoked_at).await?,
            _permit: permit,
            revoked_at,
        })
    }

    async fn turn_unless_revoked(
        &self,
        caller: &Caller,
        revoked_at: Option<Millis>,
    ) -> Outcomes<Turn> {
        let turn = self.sends.turn().await;
        self.unless_erased()?;
        if caller.sid.is_some() && self.store.revoked_at()? != revoked_at {
            return Err(EventError::new(ErrorCode::Forbidden, "The token has been revoked").into());
        }
        Ok(turn)
    }

    /// The caller takes the turn. It ends when the fan-out has begun, which it may not do before that of a send that
    /// was accepted earlier.
    pub(crate) async fn send_out(
        &self,
        caller: &Caller,
        outgoing: Outgoing,
        mut held: SendTurn,
    ) -> Outcomes<Reply> {
        let begun = now();
        let recorded = loop {
            match self.earlier(&outgoing)? {
                Earlier::Answered(payload) => {
                    return Ok(Reply::event(outgoing.kind.reply_event(), payload));
                }
                Earlier::InProgress(send_id) => {
                    drop(held.turn);
                    self.flights.end_of(send_id).await;
                    held.turn = self.turn_unless_revoked(caller, held.revoked_at).await?;
                }
                Earlier::Unanswered(entry) => {
                    break self.renew(caller, entry, outgoing.is_limited)?;
                }
                Earlier::None => break self.note(caller, &outgoing)?,
            }
        };
        let Some(flight) = self.flights.claim(recorded.entry.send_id) else {
            return Err(Error::from("the send is in progress").into());
        };
        // The entry and its alarm must be durable before D1 is called: if the object dies in the meantime,
        // the alarm finishes the send.
        self.schedule().await;
        let meter = Meter::default();
        let draft = &outgoing.draft;
        let (send, refused) = self.commit(caller, recorded, draft, &meter).await?;
        let stored_at = now();
        self.keep_own_copy(caller, &send)?;
        let deliveries = log::fault("fan-out", self.begin_fan_out(&send, &flight).await);
        drop(held.turn);
        let fanned = self
            .complete_fan_out(&send, &flight, deliveries, &meter)
            .await;
        let times = [begun, stored_at];
        let reply = self.finish(draft, &send, &refused, fanned, times, &meter)?;
        // A chunk of a campaign shows as the campaign's progress.
        if outgoing.kind == SendKind::Bulk && outgoing.is_limited {
            let text = event_text(MAIN, send_bulk_message::REPLY, &[&reply.payload]);
            self.send_to_all(&text, caller.sid.as_deref());
        }
        Ok(reply)
    }

    /// Runs a send again that was never replied to.
    fn renew(&self, caller: &Caller, entry: OutboxEntry, is_limited: bool) -> Outcomes<Recorded> {
        let again = Recorded::new(entry, &caller.user_id);
        if is_limited {
            self.pay_for_send(&again.targets)?;
        }
        self.store
            .outbox_renew(&again.entry, now() + COMMIT_DEADLINE)?;
        Ok(again)
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
        if self.flights.contains(send_id) {
            return Ok(Earlier::InProgress(send_id));
        }
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

    /// Settles the outbox row after the fan-out. Returns the reply.
    fn finish(
        &self,
        draft: &Draft,
        send: &CommittedSend,
        refused: &[(String, Refusal)],
        fanned: FannedOut,
        [begun, stored_at]: [Millis; 2],
        meter: &Meter,
    ) -> Result<Reply> {
        let took = |target: &&Target| fanned.receipt(&target.receiver_id).delivered;
        let delivered = send.targets.iter().filter(took).count();
        let reply = match (send.entry.kind, send.targets.first()) {
            (SendKind::Direct, Some(target)) => {
                let held = fanned.receipt(&target.receiver_id).held;
                send_message::reply(target, send.letter.created_at, held)
            }
            _ => send_bulk_message::reply(&send.targets, refused, |id| fanned.receipt(id)),
        };
        let unconfirmed: HashSet<String> = refused
            .iter()
            .filter(|(_, refusal)| *refusal == Refusal::Unconfirmed)
            .map(|(receiver_id, _)| receiver_id.clone())
            .collect();
        // Without a result, a repeat runs the send again, which completes it.
        if draft.idempotency_key.is_some() && unconfirmed.is_empty() {
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
        let rest = Rest {
            pending: fanned.failed,
            unconfirmed,
        };
        let next = send.entry.after_fan_out(rest, now());
        self.store.outbox_update(send.entry.send_id, &next)?;
        self.needs_schedule();
        Ok(reply)
    }
}
