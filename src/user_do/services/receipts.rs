//! Receipts: a message's sender is told when a device of the receiver has it.
//!
//! Invariant: `message_delivered` is only sent for what a device has confirmed (`core::confirmation`), once
//! per message, and eventually for every such message. A receipt is stored with the delivery, whether a
//! device is connected or not, and deleted when its sender has been notified. So none is lost when a device
//! disconnects, the object crashes or a sender cannot be reached.
//!
//! ```text
//!  sender's object        this object                  its devices
//!    |--- Deliver -------->|--- message, ping ---------->|
//!    |                     |<-- pong (the platform) -----|    does not wake the object
//!    |                     |   ... the alarm checks, 2 s later
//!    |<-- Delivered -------|
//! ```

use futures::{StreamExt, stream};
use worker::Result;

use crate::core::confirmation::{look_at, may_ask};
use crate::core::store::PendingReceipt;
use crate::core::time::Millis;
use crate::messages::Notify;
use crate::platform::{log, now, objects};
use crate::user_do::UserObject;

/// The pause before a sender that could not be reached is tried again.
const RETRY: Millis = 30_000;

impl UserObject {
    /// If receipts are pending, pings the devices that may be pinged now. The next alarm pings the others.
    pub(crate) fn ask_for_receipts(&self) -> Result<()> {
        if self.awaited_receipt()?.is_none() {
            return Ok(());
        }
        let last_offset = self.store.last_offset()?;
        for socket in self.live_sockets() {
            if may_ask(&socket.connection, socket.ponged_at(&self.state), now()) {
                self.ping_socket(socket, last_offset)?;
            }
        }
        Ok(())
    }

    /// Returns the first log offset with a pending receipt that no device has confirmed.
    fn awaited_receipt(&self) -> Result<Option<u64>> {
        if self.store.next_receipt(0)?.is_none() {
            return Ok(None);
        }
        Ok(self.store.next_receipt(self.confirmed()? + 1)?)
    }

    /// Returns when to check for confirmations or notify senders.
    pub(crate) fn receipts_due(&self) -> Result<Option<Millis>> {
        let Some(first) = self.store.next_receipt(0)? else {
            return Ok(None);
        };
        let confirmed = self.confirmed()?;
        if first > confirmed {
            return Ok(self.next_look());
        }
        let receipts = self.store.receipts_up_to(confirmed)?;
        let retries = receipts.iter().map(|receipt| self.retry_at(receipt));
        let retry = retries.min().map(|at| at.max(now()));
        let is_awaited = self.store.next_receipt(confirmed + 1)?.is_some();
        let look = is_awaited.then(|| self.next_look()).flatten();
        Ok(retry.into_iter().chain(look).min())
    }

    /// Returns when to look for a confirmation that a sender is waiting for.
    fn next_look(&self) -> Option<Millis> {
        let sockets = self.live_sockets().into_iter();
        sockets
            .filter_map(|socket| look_at(&socket.connection, now()))
            .min()
    }

    /// Notifies the senders of confirmed messages, and pings for the others; called by the alarm.
    pub(crate) async fn tell_senders(&self) -> Result<()> {
        if self.store.next_receipt(0)?.is_none() {
            return Ok(());
        }
        let receipts = self.store.receipts_up_to(self.confirmed()?)?;
        let due = receipts
            .iter()
            .filter(|receipt| self.retry_at(receipt) <= now());
        let told: Vec<(&PendingReceipt, Result<()>)> = stream::iter(due)
            .map(|receipt| async move { (receipt, self.tell_sender(receipt).await) })
            .buffer_unordered(self.config()?.fanout_concurrency)
            .collect()
            .await;
        let mut unreached = self.unreached_senders.borrow_mut();
        unreached.retain(|_, retry_at| *retry_at > now());
        for (receipt, outcome) in told {
            if let Err(error) = outcome {
                log::error("receipts", &error);
                unreached.insert(receipt.sender_id.clone(), now() + RETRY);
            }
        }
        drop(unreached);
        self.ask_for_receipts()
    }

    /// Returns when the receipt's sender may be notified. A sender that cannot be reached delays no others.
    fn retry_at(&self, receipt: &PendingReceipt) -> Millis {
        let unreached = self.unreached_senders.borrow();
        unreached.get(&receipt.sender_id).copied().unwrap_or(0)
    }

    /// If this is interrupted, the repeat has no effect, since the sender's log knows the receipt. A sender who must not
    /// see that the user was here is not told.
    async fn tell_sender(&self, receipt: &PendingReceipt) -> Result<()> {
        if self.may_be_seen_by(&receipt.sender_id)? {
            let notify = Notify::Delivered(serde_json::from_str(&receipt.payload)?);
            objects::call(&self.env, &receipt.sender_id, &notify).await?;
        }
        Ok(self.store.receipt_remove(receipt.offset)?)
    }

    /// A polling client's GETs have confirmed its events up to this offset.
    pub(crate) fn confirmed_by_poll(&self, offset: u64) {
        let confirmed = self
            .store
            .last_offset()
            .and_then(|last| self.store.set_confirmed(offset.min(last)));
        log::fault("receipts", confirmed);
        self.needs_schedule();
    }
}
