//! Commits a send to D1: one batch for each shard of the record that it touches, all at once.
//!
//! Each batch is a transaction, which its shard confirms or not. The receivers of a shard that did not are refused for
//! now; the outbox finds out whether their messages are stored nevertheless, and nobody else waits for that. If no
//! shard has confirmed its part, the send fails as a whole.

use std::collections::HashSet;
use std::time::Duration;

use worker::{D1Result, Result};

use super::fan_out::CommittedSend;
use super::send::{Outcomes, Recorded};
use crate::core::error::EventError;
use crate::core::events::draft::Draft;
use crate::core::events::new_message::{Letter, Target};
use crate::core::ids::created_at;
use crate::core::outbox::OutboxEntry;
use crate::core::record::Sender;
use crate::core::record::send::{RecordedCopy, parts, settle, store};
use crate::core::refusal::Refusal;
use crate::core::send_kind::SendKind;
use crate::core::token::Role;
use crate::platform::d1::{self, Batch};
use crate::platform::meter::Meter;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;

/// What the shards have confirmed.
#[derive(Default)]
struct Confirmed {
    /// The sender, if a shard has let them send.
    sender: Option<Sender>,
    /// Whether every shard has answered that they may not send.
    is_forbidden: bool,
    copies: Vec<RecordedCopy>,
    /// The receivers of all other shards.
    unconfirmed: HashSet<String>,
}

impl UserObject {
    /// Commits the send. Also returns the refused receivers and the reasons.
    pub(super) async fn commit(
        &self,
        caller: &Caller,
        Recorded { entry, targets }: Recorded,
        draft: &Draft,
        meter: &Meter,
    ) -> Outcomes<(CommittedSend, Vec<(String, Refusal)>)> {
        let user_id = &caller.user_id;
        if caller.sid.is_some() && !self.record_belatedly().await? {
            log::error("commit", &"the sender's row could not be added");
            return Err(self.not_committed(&entry).into());
        }
        let confirmed = self
            .store_in_shards(user_id, &entry, &targets, draft, meter)
            .await?;
        let Some(sender) = confirmed.sender else {
            if !confirmed.is_forbidden {
                return Err(self.not_committed(&entry).into());
            }
            self.store.outbox_remove(entry.send_id)?;
            return Err(entry.kind.not_allowed().into());
        };
        let Confirmed {
            copies,
            unconfirmed,
            ..
        } = confirmed;
        let receiver_ids = &entry.receiver_ids;
        let (targets, refused) = settle(user_id, receiver_ids, targets, &copies, &unconfirmed);
        if let (SendKind::Direct, Some((_, refusal))) = (entry.kind, refused.first()) {
            self.store.outbox_remove(entry.send_id)?;
            return Err(EventError::from(*refusal).into());
        }
        let regions = copies
            .into_iter()
            .filter_map(|copy| Some((copy.receiver_id, copy.region?)))
            .collect();
        let send = CommittedSend {
            letter: Letter {
                is_from_contractor: sender.role == Role::Contractor,
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

    /// Runs the batch of each shard. A shard that has the sender in another role than the others counts as one that
    /// did not confirm: it is about to get a copy of their row.
    async fn store_in_shards(
        &self,
        user_id: &str,
        entry: &OutboxEntry,
        targets: &[Target],
        draft: &Draft,
        meter: &Meter,
    ) -> Result<Confirmed> {
        let role = entry.kind.role();
        let may_send = |sender: &Sender| role.is_none_or(|role| sender.role == role);
        let parts = parts(&self.config()?.record_shards, targets);
        let batches: Vec<Batch> = parts
            .iter()
            .map(|(shard, part)| (*shard, store(entry.send_id, user_id, role, draft, part)))
            .collect();
        // Whatever happens in the meantime, the entry is in the outbox.
        let patience = Duration::from_millis(self.config()?.shard_patience);
        let answers = d1::batches_within(&self.env, &batches, patience, meter).await;
        let mut confirmed = Confirmed {
            is_forbidden: true,
            ..Confirmed::default()
        };
        for ((_, part), answer) in parts.iter().zip(answers) {
            let answer = log::fault("commit", answer);
            let read = answer.and_then(|results| log::fault("commit", read(&results)));
            match read {
                Some((Some(sender), copies)) if may_send(&sender) => {
                    confirmed.sender = Some(sender);
                    confirmed.copies.extend(copies);
                    continue;
                }
                Some(_) => {}
                None => confirmed.is_forbidden = false,
            }
            let receiver_ids = part.iter().map(|target| target.receiver_id.clone());
            confirmed.unconfirmed.extend(receiver_ids);
        }
        Ok(confirmed)
    }

    /// No shard confirmed its part. The outbox finds out whether one has stored it nevertheless.
    fn not_committed(&self, entry: &OutboxEntry) -> EventError {
        let next = entry.after_unconfirmed(now());
        log::fault("commit", self.store.outbox_update(entry.send_id, &next));
        EventError::unavailable()
    }
}

fn read(results: &[D1Result]) -> Result<(Option<Sender>, Vec<RecordedCopy>)> {
    Ok((d1::rows(results, 0)?.pop(), d1::rows(results, 3)?))
}
