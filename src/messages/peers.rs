//! What User objects ask and tell each other.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::core::events::mark_as_read::Read;
use crate::core::events::new_message::{Receipt, is_false};
use crate::core::events::send_message::Delivered;
use crate::core::events::typing::UserTyping;
use crate::core::presence::Presence;
use crate::core::watch::StatusReport;

/// Asks a User object whether its user is online. To users whom this user has blocked, the user appears
/// offline and never seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceQuery {
    /// The user who asks; `None` for the marketplace's own backend.
    #[serde(default)]
    pub by: Option<String>,
}

impl Message for PresenceQuery {
    const PATH: &'static str = "/presence";
    type Answer = Presence;
}

/// Subscribes to the user's presence. The watch lasts until the watcher's answer to a [`Notify::Status`]
/// says that it is no longer wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    /// The watcher's user id.
    pub by: String,
    /// Whether D1 has no row for the watched user, as far as the watcher's object knows. Then only the storage
    /// of this one can show that there is such a user.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_stranger: bool,
}

impl Message for Watch {
    const PATH: &'static str = "/watch";
    type Answer = Watching;
}

/// The answer to [`Watch`]: the user's current status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watching {
    /// The presence, as far as the watcher may see it.
    #[serde(flatten)]
    pub presence: Presence,
    /// Its place in the order of the user's changes; `None` if there is no such user, and so no watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Watching {
    /// Converts to what the watcher's side stores.
    pub fn report(&self) -> StatusReport {
        StatusReport::new(self.presence, self.version)
    }
}

/// Delivers a copy of a message to its receiver's object. What all copies of a send have in common
/// ([`crate::core::events::new_message::Letter`]) is attached, and made only once. The receiver is the
/// object's own name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deliver {
    /// The id of the receiver's conversation with the sender.
    pub conversation_id: String,
    /// The message id of the receiver's copy.
    pub message_id: String,
    /// Whether the object may have received it already.
    pub is_repeat: bool,
}

impl Message for Deliver {
    const PATH: &'static str = "/deliver";
    type Answer = Receipt;
}

impl Deliver {
    /// Reads the query that the previous version sends.
    pub fn read(query: &str) -> Option<Self> {
        let find = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        Some(Self {
            conversation_id: find("conversation")?,
            message_id: find("message")?,
            is_repeat: find("repeat")? == "1",
        })
    }
}

/// Notifies a User object of something that concerns its user. A notification may arrive more than once
/// and takes effect once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "what")]
pub enum Notify {
    /// A device has received a message of the user's.
    Delivered(Delivered),
    /// The other participant has read up to a message.
    Read {
        /// The event for the user's devices.
        read: Read,
        /// The id of the last message that is read.
        up_to: String,
    },
    /// The other participant began or stopped typing.
    Typing(UserTyping),
    /// A watched user went online or offline.
    Status(StatusChange),
    /// The other participant was erased, and with them this conversation.
    Forget {
        /// The conversation's id, which is the same on both sides.
        conversation_id: String,
    },
}

impl Message for Notify {
    const PATH: &'static str = "/notify";
    type Answer = Heard;
}

/// A change of a user's presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusChange {
    /// The watched user.
    pub user_id: String,
    /// The presence now.
    pub presence: Presence,
    /// Its place in the order of the user's changes; `None` overrides every version: the previous version writes it
    /// when the user is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl StatusChange {
    /// Converts to what the watcher's side stores.
    pub fn report(&self) -> StatusReport {
        StatusReport::new(self.presence, self.version)
    }
}

/// The answer to [`Notify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heard {
    /// Whether the notification was of any use. `false` in answer to a [`Notify::Status`] ends the watch.
    pub is_wanted: bool,
}
