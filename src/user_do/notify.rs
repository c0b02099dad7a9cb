//! What users' objects tell each other, messages apart.

use worker::{Response, Result};

use super::store::NewEntry;
use super::{UserObject, bad_message};
use crate::core::error::to_json;
use crate::core::events::mark_as_read::{READ, Read};
use crate::core::events::send_message::{DELIVERED, Delivered};
use crate::core::events::typing::{USER_TYPING, UserTyping};
use crate::core::socket::{MAIN, event_text};
use crate::messages::{Heard, Notify};
use crate::platform::{log, objects};

impl UserObject {
    /// Not one await, as with a delivery.
    pub(super) fn heed(&self, body: &str) -> Result<Response> {
        let Ok(notify) = serde_json::from_str::<Notify>(body) else {
            return bad_message();
        };
        let is_wanted = match notify {
            Notify::Delivered(delivered) => self.delivered(&delivered)?,
            Notify::Read { read, up_to } => self.read_by_peer(&read, &up_to)?,
            Notify::Typing(typing) => self.typing_of_peer(&typing)?,
            Notify::Status(change) => self.learn_status(&change)?,
            Notify::Forget { conversation_id } => self.forget_conversation(&conversation_id)?,
        };
        Response::from_json(&Heard { is_wanted })
    }

    /// Tells another user's object; whoever cannot be told finds out when they next look.
    pub(super) async fn tell_peer(&self, peer_id: &str, notify: &Notify) {
        let told: Result<Heard> = objects::post(&self.env, peer_id, Notify::URL, notify).await;
        if let Err(error) = told {
            log::error("notify", &error);
        }
    }

    /// Tells this user's devices that a device took a message of theirs. Once, however often it is
    /// heard: the log knows.
    pub(super) fn delivered(&self, delivered: &Delivered) -> Result<bool> {
        let key = format!("delivered:{}", delivered.message_id);
        if self.store.has_message(&key)? {
            return Ok(true);
        }
        self.publish(&NewEntry {
            message_id: &key,
            event: DELIVERED,
            payload: &to_json(delivered),
            except_sid: None,
        })?;
        Ok(true)
    }

    fn read_by_peer(&self, read: &Read, up_to: &str) -> Result<bool> {
        self.publish_read(read, up_to, None).map(|()| true)
    }

    /// Tells this user's devices that somebody has read.
    pub(super) fn publish_read(
        &self,
        read: &Read,
        up_to: &str,
        except_sid: Option<&str>,
    ) -> Result<()> {
        let key = format!("read:{}:{up_to}:{}", read.conversation_id, read.read_by);
        self.publish(&NewEntry {
            message_id: &key,
            event: READ,
            payload: &to_json(read),
            except_sid,
        })?;
        Ok(())
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
        Ok(true)
    }
}
