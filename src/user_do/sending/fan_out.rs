//! Completes sends: the fan-out to the receivers' objects, and the outbox that finishes it after an
//! interruption.
//!
//! Invariant: a receiver never gets a later message of this sender before an earlier one. So the fan-out
//! skips a receiver who is still waiting for an earlier message: the outbox delivers both, in order.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;
use uuid::Uuid;
use worker::{Error, Result};

use crate::core::events::new_message::{self, Letter, Target};
use crate::core::ids::created_at;
use crate::core::outbox::{Next, OutboxEntry};
use crate::core::record::Sender;
use crate::core::record::send::{StoredMessage, read_back, targets};
use crate::core::record::shards::Shard;
use crate::core::region::Region;
use crate::core::send_kind::SendKind;
use crate::core::store::NewEntry;
use crate::messages::{Deliver, Receipt};
use crate::platform::meter::Meter;
use crate::platform::{d1, log, now, objects};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;

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

/// The result of a fan-out.
pub(crate) struct FannedOut {
    delivered: HashSet<String>,
    /// The receivers whose objects have not taken the message.
    pub(crate) failed: HashSet<String>,
}

impl FannedOut {
    /// Returns whether the receiver was online when their object took the message.
    pub(crate) fn took(&self, receiver_id: &str) -> bool {
        self.delivered.contains(receiver_id)
    }
}

impl UserObject {
    /// Updates the sender's own object: moves the conversations up in the list, and sends a direct message to
    /// the sender's other devices. Has no further effect if the send is run again.
    pub(crate) fn keep_own_copy(&self, caller: &Caller, send: &CommittedSend) -> Result<()> {
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
        })?;
        Ok(())
    }

    /// Calls the receivers' objects concurrently, except for those in `waiting`.
    pub(crate) async fn fan_out(
        &self,
        send: &CommittedSend,
        waiting: &HashSet<String>,
        meter: &Meter,
    ) -> FannedOut {
        let copies: Vec<(&str, Deliver)> = send
            .targets
            .iter()
            .filter(|target| !waiting.contains(&target.receiver_id))
            .map(|target| {
                let copy = Deliver {
                    conversation_id: target.conversation_id.clone(),
                    message_id: target.message_id.clone(),
                    is_repeat: send.is_repeat,
                };
                meter.object();
                (target.receiver_id.as_str(), copy)
            })
            .collect();
        let receipts = log::fault("fan-out", self.deliver_copies(send, &copies).await);
        let receiver_ids = send.targets.iter().map(|target| target.receiver_id.clone());
        let mut fanned = FannedOut {
            delivered: HashSet::new(),
            failed: receiver_ids.collect(),
        };
        for ((receiver_id, _), receipt) in copies.iter().zip(receipts.unwrap_or_default()) {
            let Some(receipt) = log::fault("deliver", receipt) else {
                continue;
            };
            fanned.failed.remove(*receiver_id);
            if receipt.delivered {
                fanned.delivered.insert((*receiver_id).to_owned());
            }
        }
        fanned
    }

    async fn deliver_copies(
        &self,
        send: &CommittedSend,
        copies: &[(&str, Deliver)],
    ) -> Result<Vec<Result<Receipt>>> {
        let concurrency = self.config()?.fanout_concurrency;
        let (letter, regions) = (&send.letter, &send.regions);
        objects::deliver_all(&self.env, copies, letter, regions, concurrency).await
    }

    /// Returns the receivers that are waiting for a message of an earlier send than this one.
    pub(crate) fn waiting_receivers(&self, send_id: Uuid) -> Result<HashSet<String>> {
        let open = self.store.outbox_open()?;
        Ok(open
            .iter()
            .filter(|(entry, _)| entry.send_id < send_id)
            .flat_map(|(entry, _)| entry.waiting().cloned())
            .collect())
    }

    /// Resumes the unfinished sends that are due; called by the alarm.
    pub(crate) async fn retry_outbox(&self) -> Result<()> {
        let due = self.store.outbox_due()?;
        // While a send holds the turn, an entry that is not due belongs to it. If none does, the entry may
        // have been left by an earlier instance of the object.
        let is_open = due.is_some_and(|due| due <= now() || !self.sends.is_taken());
        if !is_open {
            return Ok(());
        }
        let user_id = self.store.user_state()?.user_id;
        // Any send in progress holds the turn, so once we have it, nothing else works on the outbox.
        let _turn = self.sends.turn().await;
        self.settle_outbox(&user_id, None).await
    }

    /// Resumes the sends that are due, oldest first, except for `current`. One that fails is tried again later.
    pub(crate) async fn settle_outbox(&self, user_id: &str, current: Option<Uuid>) -> Result<()> {
        for (entry, next_attempt_at) in self.store.outbox_open()? {
            if Some(entry.send_id) == current || !entry.is_due(next_attempt_at, now()) {
                continue;
            }
            let next = match self.resume(user_id, &entry).await {
                Ok(next) => next,
                Err(error) => {
                    log::error("outbox", &error);
                    entry.after_unavailable(now())
                }
            };
            self.store.outbox_update(entry.send_id, &next)?;
        }
        Ok(())
    }

    /// Reads a send back from D1 and delivers it to the receivers that have not taken it.
    async fn resume(&self, user_id: &str, entry: &OutboxEntry) -> Result<Next> {
        let mut targets = targets(entry.send_id, user_id, &entry.receiver_ids);
        if let Some(pending) = &entry.pending {
            targets.retain(|target| pending.contains(&target.receiver_id));
        }
        let results = d1::batch(&self.env, Shard::FIRST, &read_back(user_id, &targets)).await?;
        let stored: Vec<StoredMessage> = d1::rows(&results, 1)?;
        let Some(first) = stored.first() else {
            return Ok(entry.after_nothing_found(now()));
        };
        let sender: Sender = d1::rows(&results, 0)?
            .pop()
            .ok_or_else(|| Error::RustError("the sender has no row".into()))?;
        let letter = Letter {
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
        let waiting = self.waiting_receivers(entry.send_id)?;
        let fanned = self.fan_out(&send, &waiting, &Meter::default()).await;
        Ok(entry.after_fan_out(fanned.failed, now()))
    }
}
