//! What users' objects tell each other, except for messages.

use worker::Result;

use super::UserObject;
use crate::core::error::to_json;
use crate::core::events::mark_as_read::Read;
use crate::core::events::typing::{USER_TYPING, UserTyping};
use crate::messages::{Heard, Notify};
use crate::wire::socket_io::{MAIN, event_text};

impl UserObject {
    /// As with a delivery, there is no await here.
    pub(crate) fn heed(&self, notify: Notify) -> Result<Heard> {
        // It is about what was erased with the user.
        if self.is_erased()? {
            return Ok(Heard { is_wanted: false });
        }
        let is_wanted = match notify {
            Notify::Delivered(delivered) => self.delivered(&delivered)?,
            Notify::Read { read, up_to } => self.read_by_peer(&read, &up_to)?,
            Notify::Typing(typing) => self.typing_of_peer(&typing)?,
            Notify::Status(change) => self.learn_status(&change)?,
            Notify::Forget { conversation_id } => self.forget_conversation(&conversation_id)?,
        };
        Ok(Heard { is_wanted })
    }

    fn read_by_peer(&self, read: &Read, up_to: &str) -> Result<bool> {
        self.publish_read(read, up_to, None).map(|()| true)
    }

    fn typing_of_peer(&self, typing: &UserTyping) -> Result<bool> {
        if self.store.has_blocked(&typing.user_id)? {
            return Ok(false);
        }
        self.send_to_all(&event_text(MAIN, USER_TYPING, &[&to_json(typing)]), None);
        Ok(true)
    }

    fn forget_conversation(&self, conversation_id: &str) -> Result<bool> {
        self.store.conversation_remove(conversation_id)?;
        self.store.blank(conversation_id)?;
        self.show_unread(&self.live_sockets());
        Ok(true)
    }
}
