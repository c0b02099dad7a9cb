//! Receipts: a message's sender hears when a device of the receiver has it.
//!
//! Invariant: `message_delivered` is told only of what a device has confirmed (`core::confirmation`), once
//! a message, and sooner or later of each. A receipt is a row from the delivery on, whether a device is
//! there or not, and goes when its sender has heard: so a device that leaves, a crash or a sender who
//! cannot be reached lose none.
//!
//! ```text
//!  sender's object        this object                  its devices
//!    |--- Deliver -------->|--- message, ping ---------->|
//!    |                     |<-- pong (the platform) -----|    wakes nobody
//!    |                     |   ... the alarm looks, 2 s later
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

/// When a sender who could not be reached is tried again.
const RETRY: Millis = 30_000;

impl UserObject {
    /// Pings the devices that were sent what a sender waits to hear of, if they may be asked now; whoever
    /// may not is asked by the next alarm.
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

    /// The first offset of which a sender waits to hear and that no device has confirmed.
    fn awaited_receipt(&self) -> Result<Option<u64>> {
        if self.store.next_receipt(0)?.is_none() {
            return Ok(None);
        }
        Ok(self.store.next_receipt(self.confirmed()? + 1)?)
    }

    /// When to look for confirmations, or to tell senders.
    pub(crate) fn receipts_due(&self) -> Result<Option<Millis>> {
        let Some(first) = self.store.next_receipt(0)? else {
            return Ok(None);
        };
        let confirmed = self.confirmed()?;
        if first <= confirmed {
            let receipts = self.store.receipts_up_to(confirmed)?;
            let retries = receipts.iter().map(|receipt| self.retry_at(receipt));
            return Ok(retries.min().map(|at| at.max(now())));
        }
        let looks = self.live_sockets();
        let looks = looks
            .iter()
            .filter_map(|socket| look_at(&socket.connection, now()));
        Ok(looks.min())
    }

    /// The alarm's part: tells the senders of what was confirmed, and asks on.
    pub(crate) async fn tell_senders(&self) {
        if let Err(error) = self.try_tell_senders().await {
            log::error("receipts", &error);
        }
        if let Err(error) = self.ask_for_receipts() {
            log::error("receipts", &error);
        }
    }

    async fn try_tell_senders(&self) -> Result<()> {
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
        Ok(())
    }

    /// When the sender of this one may be told. One who cannot be reached delays nobody else.
    fn retry_at(&self, receipt: &PendingReceipt) -> Millis {
        let unreached = self.unreached_senders.borrow();
        unreached.get(&receipt.sender_id).copied().unwrap_or(0)
    }

    /// A repeat, if this is interrupted, is heard once: the sender's log knows. Whoever is blocked is not
    /// to see that the user was here.
    async fn tell_sender(&self, receipt: &PendingReceipt) -> Result<()> {
        if !self.store.has_blocked(&receipt.sender_id)? {
            let notify = Notify::Delivered(serde_json::from_str(&receipt.payload)?);
            objects::call(&self.env, &receipt.sender_id, &notify).await?;
        }
        Ok(self.store.receipt_remove(receipt.offset)?)
    }

    /// A polling client's next GET has confirmed its events up to this offset.
    pub(crate) fn confirmed_by_poll(&self, offset: u64) {
        let confirmed = self
            .store
            .last_offset()
            .and_then(|last| self.store.set_confirmed(offset.min(last)));
        if let Err(error) = confirmed {
            log::error("receipts", &error);
        }
        self.needs_schedule();
    }
}
