//! Completes sends: the fan-out to the receivers' objects, and the outbox that finishes it after an
//! interruption.
//!
//! Invariant: a receiver never gets a later message of this sender before an earlier one, see
//! [`crate::core::in_flight`]. Fan-outs run alongside each other, and a receiver of two of them is called for the
//! later one when the earlier one has arrived. Whoever waits for an earlier message that is in the outbox is left to
//! the outbox, which delivers both, in order.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use serde_json::value::RawValue;
use worker::{D1Result, Error, Result};

use crate::core::events::new_message::{self, Letter, Receipt, Target};
use crate::core::ids::created_at;
use crate::core::outbox::{Next, OutboxEntry, Rest, Shown};
use crate::core::record::Sender;
use crate::core::record::send::{StoredMessage, parts, read_back, targets};
use crate::core::region::Region;
use crate::core::send_kind::SendKind;
use crate::core::store::NewEntry;
use crate::core::token::Role;
use crate::messages::Deliver;
use crate::platform::d1::{self, Batch};
use crate::platform::meter::Meter;
use crate::platform::objects::Deliveries;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::flights::Flight;
use crate::user_do::ground::lane::Turn;

/// A send that is committed to D1.
pub(crate) struct CommittedSend {
    pub(crate) entry: OutboxEntry,
    pub(crate) letter: Letter,
    pub(crate) targets: Vec<Target>,
    /// The regions of the receivers' objects, where known.
    pub(crate) regions: HashMap<String, Region>,
    /// Whether some receivers may already have the message.
    pub(crate) is_repeat: bool,
}

/// What the shards show of a send.
#[derive(Default)]
struct ReadBack {
    sender: Option<Sender>,
    stored: Vec<StoredMessage>,
    /// The receivers who have to be looked up again.
    rest: Rest,
}

impl ReadBack {
    /// Adds what a shard has answered.
    fn add(&mut self, results: &[D1Result]) -> Result<Shown> {
        let sender: Option<Sender> = d1::rows(results, 0)?.pop();
        let stored: Vec<StoredMessage> = d1::rows(results, 1)?;
        if stored.is_empty() {
            return Ok(Shown::Nothing);
        }
        self.sender = sender.or(self.sender.take());
        self.stored.extend(stored);
        Ok(Shown::Committed)
    }
}

/// The result of a fan-out.
pub(crate) struct FannedOut {
    delivered: HashSet<String>,
    held: HashSet<String>,
    /// The receivers whose objects have not taken the message.
    pub(crate) failed: HashSet<String>,
}

impl FannedOut {
    /// Returns what is known before any receiver's object has answered.
    fn none(send: &CommittedSend) -> Self {
        let receiver_ids = send.targets.iter().map(|target| target.receiver_id.clone());
        Self {
            delivered: HashSet::new(),
            held: HashSet::new(),
            failed: receiver_ids.collect(),
        }
    }

    /// Returns what the receiver's object has answered when it took the message, as far as it has.
    pub(crate) fn receipt(&self, receiver_id: &str) -> Receipt {
        Receipt {
            delivered: self.delivered.contains(receiver_id),
            held: self.held.contains(receiver_id),
        }
    }

    /// Notes that the receiver's object has taken the message.
    fn arrived(&mut self, receiver_id: &str, receipt: Receipt) {
        self.failed.remove(receiver_id);
        if receipt.delivered {
            self.delivered.insert(receiver_id.to_owned());
        }
        if receipt.held {
            self.held.insert(receiver_id.to_owned());
        }
    }
}

impl UserObject {
    /// Updates the sender's own object: moves the conversations up in the list, and sends a direct message to
    /// the sender's other devices. Has no further effect if the send is run again.
    pub(crate) fn keep_own_copy(&self, caller: &Caller, send: &CommittedSend) -> Result<()> {
        self.store.contacts_add(&send.targets, now())?;
        self.store.conversations_add(&send.targets)?;
        let (SendKind::Direct, Some(target)) = (send.entry.kind, send.targets.first()) else {
            return Ok(());
        };
        if send.is_repeat && self.store.has_message(&target.message_id)? {
            return Ok(());
        }
        self.publish(&NewEntry {
            message_id: &target.message_id,
            event: new_message::NAME,
            payload: &new_message::payload(&send.letter, target),
            except_sid: caller.sid.as_deref(),
            is_held: false,
            incoming: None,
        })?;
        Ok(())
    }

    /// Begins to call the receivers' objects, concurrently. [`Self::complete_fan_out`] waits for them. A send that is
    /// committed later must not begin its fan-out before.
    pub(crate) async fn begin_fan_out(
        &self,
        send: &CommittedSend,
        flight: &Flight<'_>,
    ) -> Result<Rc<Deliveries>> {
        let deliveries = Rc::new(self.prepare_deliveries(send).await?);
        // There is no await from here on, so the outbox stays as it is.
        let receiver_ids = send
            .targets
            .iter()
            .map(|target| target.receiver_id.as_str());
        let open = self.store.outbox_open()?;
        flight.begin(Rc::clone(&deliveries), receiver_ids, &open);
        Ok(deliveries)
    }

    async fn prepare_deliveries(&self, send: &CommittedSend) -> Result<Deliveries> {
        let copy = |target: &Target| Deliver {
            conversation_id: target.conversation_id.clone(),
            message_id: target.message_id.clone(),
            is_repeat: send.is_repeat,
        };
        let copies: Vec<(&str, Deliver)> = send
            .targets
            .iter()
            .map(|target| (target.receiver_id.as_str(), copy(target)))
            .collect();
        let concurrency = self.config()?.fanout_concurrency;
        let (letter, regions) = (&send.letter, &send.regions);
        Deliveries::prepare(&self.env, &copies, letter, regions, concurrency).await
    }

    /// Waits until every receiver's object has answered. A fan-out that could not begin has reached nobody.
    pub(crate) async fn complete_fan_out(
        &self,
        send: &CommittedSend,
        flight: &Flight<'_>,
        deliveries: Option<Rc<Deliveries>>,
        meter: &Meter,
    ) -> FannedOut {
        let mut fanned = FannedOut::none(send);
        let Some(deliveries) = deliveries else {
            return fanned;
        };
        let mut open = send.targets.len();
        while open > 0 {
            // In the meantime other sends may begin, end, and give up copies of this one.
            let Some(answers) = log::fault("fan-out", deliveries.answers().await) else {
                break;
            };
            for (index, receipt) in answers {
                open = open.saturating_sub(1);
                let Some(target) = send.targets.get(index) else {
                    continue;
                };
                let receiver_id = &target.receiver_id;
                let Some(receipt) = receipt else { continue };
                meter.object();
                let receipt = log::fault("deliver", receipt);
                flight.answered(receiver_id, receipt.is_some());
                if let Some(receipt) = receipt {
                    fanned.arrived(receiver_id, receipt);
                }
            }
        }
        fanned
    }

    /// Resumes the unfinished sends that are due, oldest first; called by the alarm. One that fails is tried again
    /// later.
    pub(crate) async fn retry_outbox(&self) -> Result<()> {
        if self.outbox_due()?.is_none_or(|due| due > now()) {
            return Ok(());
        }
        let user_id = self.store.user_state()?.user_id;
        let mut last = None;
        loop {
            // An erasure keeps the turn, and leaves nothing to resume.
            let turn = self.sends.turn().await;
            let Some((entry, next_attempt_at)) = self.store.outbox_next(last)? else {
                return Ok(());
            };
            last = Some(entry.send_id);
            if !entry.is_due(next_attempt_at, now()) {
                continue;
            }
            let Some(flight) = self.flights.claim(entry.send_id) else {
                continue;
            };
            drop(turn);
            let next = match self.resume(&user_id, &entry, &flight).await {
                Ok(next) => next,
                Err(error) => {
                    log::error("outbox", &error);
                    entry.after_unavailable(now())
                }
            };
            self.store.outbox_update(entry.send_id, &next)?;
        }
    }

    /// Waits until no send is in progress. None begins as long as the caller keeps the turn.
    pub(crate) async fn end_of_sends(&self) -> Turn {
        let turn = self.sends.turn().await;
        self.flights.end_of_all().await;
        turn
    }

    /// Reads a send back from D1 and delivers it to the receivers that have not taken it.
    async fn resume(
        &self,
        user_id: &str,
        entry: &OutboxEntry,
        flight: &Flight<'_>,
    ) -> Result<Next> {
        let mut targets = targets(entry.send_id, user_id, &entry.receiver_ids);
        targets.retain(|target| entry.is_open(&target.receiver_id));
        let ReadBack {
            sender,
            stored,
            mut rest,
        } = self.read_back(user_id, entry, &targets).await?;
        let Some(first) = stored.first() else {
            return Ok(entry.after_nothing_found(rest, now()));
        };
        let sender = sender.ok_or_else(|| Error::RustError("the sender has no row".into()))?;
        let letter = Letter {
            is_from_contractor: sender.role == Role::Contractor,
            sender: sender.author(user_id),
            message_type: first.message_type.clone(),
            content: RawValue::from_string(first.content.clone())?,
            job_id: first.job_id.clone(),
            created_at: created_at(entry.send_id),
            wants_receipt: entry.kind == SendKind::Direct,
        };
        let in_record: HashMap<&str, Option<Region>> = stored
            .iter()
            .map(|message| (message.receiver_id.as_str(), message.region))
            .collect();
        targets.retain(|target| in_record.contains_key(target.receiver_id.as_str()));
        let regions = in_record
            .into_iter()
            .filter_map(|(id, region)| Some((id.to_owned(), region?)))
            .collect();
        let send = CommittedSend {
            entry: entry.clone(),
            letter,
            targets,
            regions,
            is_repeat: true,
        };
        let caller = Caller {
            user_id: user_id.to_owned(),
            sid: None,
        };
        self.keep_own_copy(&caller, &send)?;
        let deliveries = self.begin_fan_out(&send, flight).await?;
        let fanned = self
            .complete_fan_out(&send, flight, Some(deliveries), &Meter::default())
            .await;
        rest.pending.extend(fanned.failed);
        Ok(entry.after_fan_out(rest, now()))
    }

    /// Asks the shards of these targets for their messages, all at once. No shard holds up the others.
    async fn read_back(
        &self,
        user_id: &str,
        entry: &OutboxEntry,
        targets: &[Target],
    ) -> Result<ReadBack> {
        let parts = parts(&self.config()?.record_shards, targets);
        let batches: Vec<Batch> = parts
            .iter()
            .map(|(shard, part)| (*shard, read_back(user_id, part)))
            .collect();
        let patience = Duration::from_millis(self.config()?.shard_patience);
        let meter = Meter::default();
        // In the meantime other sends may begin and end, but not this one.
        let answers = d1::batches_within(&self.env, &batches, patience, &meter).await;
        let mut found = ReadBack::default();
        for ((_, part), answer) in parts.iter().zip(answers) {
            let answer = log::fault("outbox", answer);
            let shown = answer.and_then(|results| log::fault("outbox", found.add(&results)));
            let receiver_ids = part.iter().map(|target| target.receiver_id.as_str());
            let shown = shown.unwrap_or(Shown::Unavailable);
            entry.leave(receiver_ids, shown, &mut found.rest, now());
        }
        Ok(found)
    }
}
