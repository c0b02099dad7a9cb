//! What User objects ask and tell each other, messages apart.

use serde::{Deserialize, Serialize};

use super::query_field;
use crate::core::events::mark_as_read::Read;
use crate::core::events::send_message::Delivered;
use crate::core::events::typing::UserTyping;
use crate::core::presence::Presence;
use crate::core::watch::Statement;

/// Asks a User object whether its user is online: `GET /presence[?by=<user id>]`. Answered by
/// [`Presence`]. Whoever was blocked by the user sees them as offline and never seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresenceQuery {
    /// Who asks; nobody in particular if it is the marketplace's own backend.
    pub by: Option<String>,
}

impl PresenceQuery {
    /// The path.
    pub const PATH: &'static str = "/presence";

    /// The URL.
    pub fn url(&self) -> String {
        match &self.by {
            Some(by) => by_url(Self::PATH, by),
            None => format!("https://object{}", Self::PATH),
        }
    }

    /// Reads the URL's query.
    pub fn read(query: &str) -> Self {
        Self {
            by: query_field(query, "by"),
        }
    }
}

/// Asks to be told when the user goes online or offline: `GET /watch?by=<user id>`. Answered by
/// [`Watching`]. It holds until the watcher answers a [`Notify::Status`] that it is not
/// wanted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Who watches.
    pub by: String,
}

impl Watch {
    /// The path.
    pub const PATH: &'static str = "/watch";

    /// The URL.
    pub fn url(&self) -> String {
        by_url(Self::PATH, &self.by)
    }

    /// Reads the URL's query.
    pub fn read(query: &str) -> Option<Self> {
        query_field(query, "by").map(|by| Self { by })
    }
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
    pub fn statement(&self) -> Statement {
        Statement {
            is_online: self.presence.is_online(),
            version: self.version,
        }
    }
}

fn by_url(path: &str, by: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("by", by)
        .finish();
    format!("https://object{path}?{query}")
}

/// Tells a User object what concerns its user: `POST /notify`, with this as JSON. Answered by
/// [`Heard`]. Each may come more than once, and counts once.
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
        /// Which.
        conversation_id: String,
    },
}

impl Notify {
    /// The path.
    pub const PATH: &'static str = "/notify";

    /// The URL.
    pub const URL: &'static str = "https://object/notify";
}

/// A user's presence has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusChange {
    /// Whose.
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
    pub fn statement(&self) -> Statement {
        Statement {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_read_back() {
        for by in [None, Some("ü &=?#/1".to_owned())] {
            let query = PresenceQuery { by };
            let url = query.url();
            let (_, text) = url.split_once('?').unwrap_or((&url, ""));
            assert_eq!(PresenceQuery::read(text), query);
        }
        let watch = Watch { by: "ü &=".into() };
        let url = watch.url();
        assert_eq!(Watch::read(url.split_once('?').unwrap().1), Some(watch));
        assert_eq!(Watch::read(""), None);
    }

    #[test]
    fn watching_is_a_presence_with_a_version() {
        let presence = Presence {
            connection_count: 1,
            last_seen: Some(7),
        };
        let json = r#"{"connectionCount":1,"lastSeen":7,"version":3}"#;
        let version = Some(3);
        let watching = Watching { presence, version };
        assert_eq!(serde_json::to_string(&watching).unwrap(), json);
        // Objects of the version before read it as a presence, and answer one.
        assert_eq!(serde_json::from_str::<Presence>(json).unwrap(), presence);
        let old = r#"{"connectionCount":1,"lastSeen":7}"#;
        let version = None;
        let watching = Watching { presence, version };
        assert_eq!(serde_json::from_str::<Watching>(old).unwrap(), watching);
    }

    #[test]
    fn notifications_read_back() {
        use crate::core::events::mark_as_read::What;
        let read = Read {
            conversation_id: "k".into(),
            what: What::UpTo("m".into()),
            read_by: "u".into(),
        };
        let all = [
            Notify::Read {
                read,
                up_to: "m".into(),
            },
            Notify::Status(StatusChange {
                user_id: "u".into(),
                presence: Presence::default(),
                version: Some(3),
            }),
            Notify::Forget {
                conversation_id: "k".into(),
            },
        ];
        // Objects of the version before read, and write, it without a version.
        let StatusChange { version, .. } =
            serde_json::from_str(r#"{"userId":"u","presence":{"connectionCount":1,"lastSeen":7}}"#)
                .unwrap();
        assert_eq!(version, None);
        for notify in all {
            let json = serde_json::to_string(&notify).unwrap();
            assert_eq!(serde_json::from_str::<Notify>(&json).unwrap(), notify);
        }
    }
}
