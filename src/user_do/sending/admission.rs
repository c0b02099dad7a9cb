//! The limits of a send. They are checked before it is recorded: a send that is refused counts for none of them.

use super::send::{Outcomes, Outgoing};
use crate::core::cost::Cost;
use crate::core::error::EventError;
use crate::core::events::new_message::Target;
use crate::core::limits::Bucket;
use crate::core::quota::SentToday;
use crate::core::send_kind::SendKind;
use crate::core::store::Result;
use crate::platform::now;
use crate::user_do::UserObject;

/// The name of the bucket for [`crate::core::config::Config::bulk_sends`].
const BULK: &str = "bulk";

impl UserObject {
    /// Counts a new send against each limit, or refuses it. A repeat does not count. Returns what it counts for today,
    /// if that is limited.
    pub(super) fn admit_send(
        &self,
        outgoing: &Outgoing,
        targets: &[Target],
    ) -> Outcomes<Option<SentToday>> {
        if !outgoing.is_limited {
            return Ok(None);
        }
        let bulk_sends = self.with_bulk_send(outgoing)?;
        let counted = self.with_send(outgoing, targets)?;
        self.pay_for_send(targets)?;
        if let Some(bucket) = bulk_sends {
            self.store.bucket_set(BULK, bucket)?;
        }
        if let Some((_, sent)) = counted {
            self.store.set_sent_today(sent)?;
        }
        Ok(counted.map(|(send, _)| send))
    }

    /// Counts what a send costs: a batch of D1 for each shard, and a call for each receiver.
    pub(super) fn pay_for_send(&self, targets: &[Target]) -> Outcomes<()> {
        let shards = &self.config()?.record_shards;
        let touched = shards.split(targets, |target| &target.conversation_id);
        self.pay(Cost::of(targets.len(), touched.len().max(1)))
    }

    /// Returns the bucket of bulk sends after this one, if it is one and they are limited.
    fn with_bulk_send(&self, outgoing: &Outgoing) -> Outcomes<Option<Bucket>> {
        let rate = self.config()?.bulk_sends;
        if outgoing.kind == SendKind::Direct || rate.pause_us == 0 {
            return Ok(None);
        }
        let mut bucket = self.store.bucket(BULK)?;
        bucket.take(rate, now()).map_err(|pause| {
            EventError::rate_limited("Too many bulk messages, please wait", pause)
        })?;
        Ok(Some(bucket))
    }

    /// Returns what this send counts for, and what the user has sent today including it, if that is limited.
    fn with_send(
        &self,
        outgoing: &Outgoing,
        targets: &[Target],
    ) -> Outcomes<Option<(SentToday, SentToday)>> {
        let quotas = &self.config()?.quotas;
        if quotas.are_off() {
            return Ok(None);
        }
        let content = outgoing.draft.content.get().len();
        let send = SentToday::of(targets.len(), content, self.begun_by(targets)?);
        let sent = self.store.sent_today()?.add(send, quotas, now())?;
        let send = SentToday {
            day: sent.day,
            ..send
        };
        Ok(Some((send, sent)))
    }

    /// Returns how many conversations begin with a send to these targets.
    fn begun_by(&self, targets: &[Target]) -> Result<usize> {
        match targets {
            [one] => Ok(self.store.peer(&one.conversation_id)?.is_none().into()),
            _ => self.store.count_new(targets),
        }
    }
}
