//! Delivers a message to this user: appends it to the log and sends it to every live socket.

use worker::{Error, Result};

use super::UserObject;
use crate::core::error::to_json;
use crate::core::events::new_message::{self, Letter, Target};
use crate::core::events::send_message::Delivered;
use crate::core::store::{NewEntry, PendingReceipt};
use crate::messages::{Deliver, Receipt};

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
            return Ok(Receipt { delivered: false });
        }
        let wants_receipt = letter.wants_receipt;
        let delivered = self.take_letter(&target, copy.is_repeat, letter)?;
        if wants_receipt {
            self.needs_schedule();
        }
        Ok(Receipt { delivered })
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

    /// There is no await here, so the log and the sockets cannot diverge. The platform holds outgoing
    /// messages back until the write is durable. Returns whether the sender may see that the user is online.
    fn take_letter(&self, target: &Target, is_repeat: bool, letter: Letter) -> Result<bool> {
        let live_sockets = self.live_sockets();
        let is_online = self.presence_on(&live_sockets)?.is_online()
            && self.may_be_seen_by(&letter.sender.id)?;
        if is_repeat && self.store.has_message(&target.message_id)? {
            return Ok(is_online);
        }
        let entry = NewEntry {
            message_id: &target.message_id,
            event: new_message::NAME,
            payload: &new_message::payload(&letter, target),
            except_sid: None,
        };
        let offset = self.publish_on(&live_sockets, &entry)?;
        self.store.conversation_hear(&Target {
            receiver_id: letter.sender.id.clone(),
            ..target.clone()
        })?;
        if letter.wants_receipt {
            self.store.receipt_add(&PendingReceipt {
                offset,
                sender_id: letter.sender.id,
                payload: to_json(&Delivered::from(target)),
            })?;
            self.ask_for_receipts()?;
        }
        Ok(is_online)
    }
}
