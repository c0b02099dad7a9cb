//! Delivers a message to this user: appends it to the log and sends it to every live socket.

use worker::{Error, Result};

use super::UserObject;
use crate::core::error::to_json;
use crate::core::events::new_message::{self, Letter, Receipt, Target};
use crate::core::events::send_message::Delivered;
use crate::core::store::{NewEntry, PendingReceipt};
use crate::messages::Deliver;
use crate::platform::now;

impl UserObject {
    /// The receiver is the object's name.
    pub(crate) fn deliver(&self, copy: Deliver, letter: Letter) -> Result<Receipt> {
        let target = Target {
            receiver_id: self.own_id()?,
            conversation_id: copy.conversation_id,
            message_id: copy.message_id,
        };
        // It was sent to the user who had this id before, and may have waited in the sender's outbox.
        if self.store.erased_at()? >= Some(letter.created_at) {
            return Ok(Receipt::default());
        }
        let wants_receipt = letter.wants_receipt;
        let receipt = self.take_letter(&target, copy.is_repeat, letter)?;
        if wants_receipt {
            self.needs_schedule();
        }
        Ok(receipt)
    }

    /// Returns the user's id: the object's name, which the platform may not know in an object that an alarm
    /// has woken, or what storage says.
    fn own_id(&self) -> Result<String> {
        if let Some(name) = self.own_id.get() {
            return Ok(name.clone());
        }
        if let Some(name) = self.state.id().name() {
            return Ok(self.own_id.get_or_init(|| name).clone());
        }
        let stored = self.store.user_state()?.user_id;
        if stored.is_empty() {
            return Err(Error::RustError("the object has no name".into()));
        }
        Ok(stored)
    }

    /// There is no await here, so the log and the sockets cannot diverge, and the count of new senders is exact. The
    /// platform holds outgoing messages back until the write is durable.
    fn take_letter(&self, target: &Target, is_repeat: bool, letter: Letter) -> Result<Receipt> {
        let mut live_sockets = self.live_sockets();
        let is_online = self.presence_on(&live_sockets)?.is_online();
        let sender_id = &letter.sender.id;
        let held_on = self.held_on(target, &letter)?;
        let held = held_on.is_some();
        let receipt = Receipt {
            delivered: is_online && !held && self.may_be_seen_by(sender_id)?,
            held,
        };
        // Also for a repeat: the instance that took the message may have stopped before it set the alarm.
        if live_sockets.is_empty() && !held {
            self.await_device(&target.receiver_id)?;
        }
        if is_repeat && self.store.has_message(&target.message_id)? {
            return Ok(receipt);
        }
        // Without a device that must not get it, the next connect delivers it like any other message.
        let is_kept_back = held && !live_sockets.is_empty();
        if is_kept_back {
            live_sockets.clear();
        }
        let entry = NewEntry {
            message_id: &target.message_id,
            event: new_message::NAME,
            payload: &new_message::payload(&letter, target),
            except_sid: None,
            is_held: is_kept_back,
            incoming: Some(letter.kind()),
        };
        let offset = self.publish_on(&live_sockets, &entry)?;
        let from = Target {
            receiver_id: sender_id.clone(),
            ..target.clone()
        };
        self.store.message_received(&from, held_on)?;
        self.show_unread(&live_sockets);
        if letter.wants_receipt {
            let pending = PendingReceipt {
                offset,
                sender_id: letter.sender.id,
                payload: to_json(&Delivered::from(target)),
            };
            self.store.receipt_add(&pending, is_kept_back)?;
            self.ask_for_receipts()?;
        }
        Ok(receipt)
    }

    /// Returns the day if the message of a new sender is held. Only contractors' messages are.
    fn held_on(&self, target: &Target, letter: &Letter) -> Result<Option<u64>> {
        let max = self.config()?.max_new_senders;
        if !letter.is_from_contractor || max == u64::MAX {
            return Ok(None);
        }
        let conversation_id = &target.conversation_id;
        Ok(self.store.held_on(conversation_id, max, now())?)
    }
}
