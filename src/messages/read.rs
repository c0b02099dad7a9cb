//! Reads the messages whose JSON is flattened or tagged. What serde derives for these first copies the JSON to
//! a tree, and is ten times as much code.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Notify, Watching};
use crate::core::events::mark_as_read::Read;
use crate::core::presence::Presence;
use crate::core::time::Millis;

impl<'de> Deserialize<'de> for Watching {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            connection_count: usize,
            last_seen: Option<Millis>,
            #[serde(default)]
            version: Option<u64>,
        }
        let fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            presence: Presence {
                connection_count: fields.connection_count,
                last_seen: fields.last_seen,
            },
            version: fields.version,
        })
    }
}

impl<'de> Deserialize<'de> for Notify {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Tagged {
            kind: String,
            what: Box<RawValue>,
        }
        let Tagged { kind, what } = Tagged::deserialize(deserializer)?;
        notify(&kind, what.get()).map_err(D::Error::custom)
    }
}

fn notify(kind: &str, what: &str) -> serde_json::Result<Notify> {
    #[derive(Deserialize)]
    struct Marked {
        read: Read,
        up_to: String,
    }
    #[derive(Deserialize)]
    struct Forgotten {
        conversation_id: String,
    }
    match kind {
        "delivered" => serde_json::from_str(what).map(Notify::Delivered),
        "read" => {
            let Marked { read, up_to } = serde_json::from_str(what)?;
            Ok(Notify::Read { read, up_to })
        }
        "typing" => serde_json::from_str(what).map(Notify::Typing),
        "status" => serde_json::from_str(what).map(Notify::Status),
        "forget" => {
            let Forgotten { conversation_id } = serde_json::from_str(what)?;
            Ok(Notify::Forget { conversation_id })
        }
        _ => Err(serde_json::Error::custom("unknown kind")),
    }
}
