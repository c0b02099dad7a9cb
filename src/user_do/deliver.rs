//! A message arrives for this user: into the log, and to every live socket.

use worker::{Response, Result};

use super::store::{NewEntry, PendingReceipt, Retention};
use super::{UserObject, bad_message};
use crate::core::engine::Packet;
use crate::core::error::to_json;
use crate::core::events::new_message::{self, Letter, Target};
use crate::core::events::send_message::Delivered;
use crate::core::socket::{MAIN, event_text};
use crate::messages::{Deliver, Receipt};
use crate::platform::now;

impl UserObject {
    pub(super) async fn deliver(&self, deliver: &Deliver, body: &str) -> Result<Response> {
        let Ok(letter) = serde_json::from_str::<Letter>(body) else {
            return bad_message();
        };
        let wants_receipt = letter.wants_receipt;
        let delivered = self.take_letter(deliver, letter)?;
        if wants_receipt {
            // Nothing here depends on what happens meanwhile.
            self.schedule().await;
        }
        Response::from_json(&Receipt { delivered })
    }

    /// Not one await: the log and the sockets cannot come apart. The platform holds what is sent
    /// back until the write is durable. Returns whether a device is there.
    fn take_letter(&self, deliver: &Deliver, letter: Letter) -> Result<bool> {
        let target = &deliver.target;
        let is_online = self.presence()?.is_online();
        if deliver.is_repeat && self.store.has_message(&target.message_id)? {
            return Ok(is_online);
        }
        let offset = self.publish(&NewEntry {
            message_id: &target.message_id,
            event: new_message::NAME,
            payload: &new_message::payload(&letter, target),
            except_sid: None,
        })?;
        self.store.conversations_add(&[Target {
            receiver_id: letter.sender.id.clone(),
            ..target.clone()
        }])?;
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

    /// Appends an event to the log and sends it to every live socket that it is for, with its offset
    /// as the last argument: the offset.
    pub(super) fn publish(&self, entry: &NewEntry) -> Result<u64> {
        let config = self.config()?;
        let keep = Retention {
            events: config.log_max_events,
            time: config.log_retention,
        };
        let offset = self.store.append(entry, now(), &keep)?;
        let text = format!("\"{offset}\"");
        let text = event_text(MAIN, entry.event, &[entry.payload, &text]);
        self.send_to_all(&text, entry.except_sid);
        Ok(offset)
    }

    /// Sends a packet to every live socket but one session's.
    pub(super) fn send_to_all(&self, text: &str, except_sid: Option<&str>) {
        for socket in self.live_sockets() {
            if except_sid.is_none() || socket.connection.session.sid(MAIN) != except_sid {
                self.send(&socket, Packet::Text(text.to_owned()));
            }
        }
    }
}
