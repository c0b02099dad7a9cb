//! Sends, to the end: the fan-out to the receivers' objects, and the outbox that finishes it when
//! something came in between.
//!
//! Invariant: a receiver never gets a later message of this sender before an earlier one. So one
//! who still waits for an earlier one is not called: the outbox brings them both, in order.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, stream};
use serde_json::value::RawValue;
use uuid::Uuid;
use worker::{Error, Result};

use super::UserObject;
use crate::core::error::to_json;
use crate::core::events::new_message::{Letter, Target};
use crate::core::outbox::{Entry, Next};
use crate::core::record::{Sender, StoredMessage, letter, read_back, targets};
use crate::messages::{Deliver, Receipt};
use crate::platform::objects::UserObjects;
use crate::platform::{d1, log, now};

/// A send that is in the record.
pub(super) struct Send {
    pub(super) entry: Entry,
    pub(super) letter: Letter,
    pub(super) targets: Vec<Target>,
    /// Whether some receivers may have it already.
    pub(super) is_repeat: bool,
}

/// What a fan-out has come to.
#[derive(Default)]
pub(super) struct FannedOut {
    delivered: HashSet<String>,
    /// Whose object has not taken the message.
    pub(super) failed: HashSet<String>,
}

impl FannedOut {
    /// Whether one of the receiver's devices took it.
    pub(super) fn took(&self, receiver_id: &str) -> bool {
        self.delivered.contains(receiver_id)
    }
}

impl UserObject {
    /// Calls the receivers' objects, many at once. `waiting` are not called.
    pub(super) async fn fan_out(&self, send: &Send, waiting: &HashSet<String>) -> FannedOut {
        let receipts = match self.call_all(send, waiting).await {
            Ok(receipts) => receipts,
            Err(error) => {
                log::error("fan-out", &error);
                HashMap::new()
            }
        };
        let mut fanned = FannedOut::default();
        for target in &send.targets {
            let receiver_id = target.receiver_id.clone();
            match receipts.get(&target.receiver_id) {
                Some(receipt) if receipt.delivered => {
                    fanned.delivered.insert(receiver_id);
                }
                Some(_) => {}
                None => {
                    fanned.failed.insert(receiver_id);
                }
            }
        }
        fanned
    }

    async fn call_all(
        &self,
        send: &Send,
        waiting: &HashSet<String>,
    ) -> Result<HashMap<String, Receipt>> {
        let objects = UserObjects::for_deliveries(&self.env, &to_json(&send.letter))?;
        let objects = &objects;
        let targets = send
            .targets
            .iter()
            .filter(|target| !waiting.contains(&target.receiver_id));
        let receipts = stream::iter(targets)
            .map(|target| async move {
                let deliver = Deliver {
                    target: target.clone(),
                    is_repeat: send.is_repeat,
                };
                match objects.deliver(&deliver).await {
                    Ok(receipt) => Some((target.receiver_id.clone(), receipt)),
                    Err(error) => {
                        log::error("deliver", &error);
                        None
                    }
                }
            })
            .buffer_unordered(self.config()?.fanout_concurrency)
            .filter_map(|receipt| async { receipt })
            .collect()
            .await;
        Ok(receipts)
    }

    /// Who still waits for an earlier message than this send's.
    pub(super) fn waiting_receivers(&self, send_id: Uuid) -> Result<HashSet<String>> {
        let open = self.store.outbox_open()?;
        Ok(open
            .iter()
            .filter(|(entry, _)| entry.send_id < send_id)
            .flat_map(|(entry, _)| entry.waiting().cloned())
            .collect())
    }

    /// The alarm's part.
    pub(super) async fn retry_outbox(&self) {
        let is_open = match self.store.outbox_due() {
            Ok(due) => due.is_some(),
            Err(error) => return log::error("outbox", &error),
        };
        if !is_open {
            return;
        }
        let user_id = match self.store.user_state() {
            Ok(state) => state.user_id,
            Err(error) => return log::error("outbox", &error),
        };
        // A send that is under way has the turn; once it is ours, nobody is at any of them.
        let _turn = self.sends.turn().await;
        self.settle_outbox(&user_id, None).await;
    }

    /// Takes up what is due, oldest first, except for the send that has the turn.
    pub(super) async fn settle_outbox(&self, user_id: &str, current: Option<Uuid>) {
        let open = match self.store.outbox_open() {
            Ok(open) => open,
            Err(error) => return log::error("outbox", &error),
        };
        for (entry, next_attempt_at) in open {
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
            if let Err(error) = self.store.outbox_update(entry.send_id, &next) {
                log::error("outbox", &error);
            }
        }
    }

    /// Reads a send back from D1 and brings it to those who have not taken it.
    async fn resume(&self, user_id: &str, entry: &Entry) -> Result<Next> {
        let mut targets = targets(entry.send_id, user_id, &entry.receiver_ids);
        if let Some(pending) = &entry.pending {
            targets.retain(|target| pending.contains(&target.receiver_id));
        }
        let results = d1::batch(&self.env, &read_back(user_id, &targets)).await?;
        let stored: Vec<StoredMessage> = d1::rows(&results, 1)?;
        let Some(first) = stored.first() else {
            return Ok(entry.after_nothing_found(now()));
        };
        let sender: Sender = d1::rows(&results, 0)?
            .pop()
            .ok_or_else(|| Error::RustError("the sender has no row".into()))?;
        let letter = letter(
            entry.send_id,
            user_id,
            sender,
            &first.message_type,
            RawValue::from_string(first.content.clone())?,
            first.job_id.clone(),
        );
        let in_record: HashSet<&str> = stored
            .iter()
            .map(|message| message.receiver_id.as_str())
            .collect();
        targets.retain(|target| in_record.contains(target.receiver_id.as_str()));
        let send = Send {
            entry: entry.clone(),
            letter,
            targets,
            is_repeat: true,
        };
        let waiting = self.waiting_receivers(entry.send_id)?;
        let fanned = self.fan_out(&send, &waiting).await;
        Ok(entry.after_fan_out(fanned.failed, now()))
    }
}
