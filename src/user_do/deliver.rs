//! A message arrives for this user: into the log, and to every live socket.

use worker::{Response, Result};

use super::store::Retention;
use super::{UserObject, bad_message};
use crate::core::engine::Packet;
use crate::core::events::new_message::{self, Letter};
use crate::core::socket::{MAIN, event_text};
use crate::messages::{Deliver, Receipt};
use crate::platform::now;

impl UserObject {
    /// Not one await: the log and the sockets cannot come apart. The platform holds what is sent
    /// back until the write is durable.
    pub(super) fn deliver(&self, deliver: &Deliver, body: &str) -> Result<Response> {
        let Ok(letter) = serde_json::from_str::<Letter>(body) else {
            return bad_message();
        };
        let message_id = &deliver.target.message_id;
        if deliver.is_repeat && self.store.has_message(message_id)? {
            return self.receipt();
        }
        let payload = new_message::payload(&letter, &deliver.target);
        self.publish(message_id, new_message::NAME, &payload)?;
        self.receipt()
    }

    fn receipt(&self) -> Result<Response> {
        let delivered = self.presence()?.is_online();
        Response::from_json(&Receipt { delivered })
    }

    /// Appends an event to the log and sends it to every live socket, with its offset as the last
    /// argument.
    fn publish(&self, message_id: &str, event: &str, payload: &str) -> Result<()> {
        let config = self.config()?;
        let keep = Retention {
            events: config.log_max_events,
            time: config.log_retention,
        };
        let offset = self
            .store
            .append(message_id, event, payload, now(), &keep)?;
        let offset = format!("\"{offset}\"");
        let text = event_text(MAIN, event, &[payload, &offset]);
        for socket in self.live_sockets() {
            self.send(&socket, Packet::Text(text.clone()));
        }
        Ok(())
    }
}
