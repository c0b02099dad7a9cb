//! What User objects ask and tell each other.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::core::events::mark_as_read::Read;
use crate::core::events::send_message::Delivered;
use crate::core::events::typing::UserTyping;
use crate::core::presence::Presence;
use crate::core::watch::StatusReport;

/// Asks a User object whether its user is online. Whoever was blocked by the user sees them as offline and
/// never seen. It is asked so often that a body, which is a stream, would be felt: it stands in the header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceQuery {
    /// Who asks; nobody in particular if it is the marketplace's own backend.
    #[serde(default)]
    pub by: Option<String>,
}

impl PresenceQuery {
    /// Where the version before asks. It knows the asker from the query only: asked there in the header, it
    /// would tell those who are blocked.
    pub const PATH_BEFORE: &'static str = "/presence";
}

impl Message for PresenceQuery {
    const PATH: &'static str = "/status";
    type Answer = Presence;
}

/// Asks to be told when the user goes online or offline. It holds until the watcher answers a
/// [`Notify::Status`] that it is not wanted any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Who watches.
    pub by: String,
}

impl Message for Watch {
    const PATH: &'static str = "/watch";
    type Answer = Watching;
}

/// The answer to [`Watch`]: what the user is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watching {
    /// What whoever asked may know of it.
    #[serde(flatten)]
    pub presence: Presence,
    /// Its place in the order of the user's changes; none if it is not for the watcher to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Watching {
    /// As the watcher's side keeps it.
    pub fn statement(&self) -> StatusReport {
        StatusReport {
            is_online: self.presence.is_online(),
            version: self.version,
        }
    }
}

/// Brings a message to a receiver's object. What all copies of a send have in common is the body
/// ([`crate::core::events::new_message::Letter`]), made once; the query says which copy it is. Whose it is,
/// the object knows by its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliver {
    /// The receiver's conversation with the sender.
    pub conversation_id: String,
    /// The receiver's copy.
    pub message_id: String,
    /// Whether the object may have it already.
    pub is_repeat: bool,
}

impl Message for Deliver {
    const PATH: &'static str = "/deliver";
    type Answer = Receipt;
}

impl Deliver {
    /// Where this copy goes.
    pub fn url(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("conversation", &self.conversation_id)
            .append_pair("message", &self.message_id)
            .append_pair("repeat", if self.is_repeat { "1" } else { "0" })
            .finish();
        format!("{}?{query}", super::url::<Self>())
    }

    /// Reads the query. The version before names the receiver there, too.
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

/// The answer to [`Deliver`]: the message is in the receiver's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whether a device was there to take it.
    pub delivered: bool,
}

/// Tells a User object what concerns its user. Each may come more than once, and counts once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "what")]
pub enum Notify {
    /// A device took a message of the user's.
    Delivered(Delivered),
    /// The other side has read up to a message.
    Read {
        /// What their devices are told.
        read: Read,
        /// The message up to which it is read.
        up_to: String,
    },
    /// The other side is typing, or stopped.
    Typing(UserTyping),
    /// A user who is watched went online or offline.
    Status(StatusChange),
    /// The other side was erased, and this conversation with them.
    Forget {
        /// The conversation has the same id on both sides.
        conversation_id: String,
    },
}

impl Message for Notify {
    const PATH: &'static str = "/notify";
    type Answer = Heard;
}

/// A user's presence has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusChange {
    /// The user who is watched.
    pub user_id: String,
    /// What it is now.
    pub presence: Presence,
    /// Its place in the order of the user's changes; none if it overrules them: the user has blocked the
    /// watcher, or is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl StatusChange {
    /// As the watcher's side keeps it.
    pub fn statement(&self) -> StatusReport {
        StatusReport {
            is_online: self.presence.is_online(),
            version: self.version,
        }
    }
}

/// The answer to [`Notify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heard {
    /// Whether there was any use in telling; false to a [`Notify::Status`] ends the watch.
    pub is_wanted: bool,
}
