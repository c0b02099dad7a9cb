//! The content of a message, independent of its receivers: the fields that every send has.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::content::{MessageType, check_content};
use super::{fields, optional_text, present};
use crate::core::campaign::KEY_PREFIX;
use crate::core::canonical::canonical;
use crate::core::config::Config;
use crate::core::error::{EventError, to_json, to_object};

const MAX_JOB_ID_CHARS: usize = 128;
const MAX_IDEMPOTENCY_KEY_CHARS: usize = 64;

/// A message without its receivers.
#[derive(Debug)]
pub struct Draft {
    /// The type, which determines the fields of `content`.
    pub message_type: MessageType,
    /// The content object, validated but otherwise as the sender wrote it.
    pub content: Box<RawValue>,
    /// The job's id, if any.
    pub job_id: Option<String>,
    /// A repeat with the same key returns the first result.
    pub idempotency_key: Option<String>,
}

/// The fields, raw. Type and content are in the shape of [`super::content::Body`].
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Draft"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct DraftFields<'a> {
    #[serde(borrow)]
    #[cfg_attr(test, schemars(skip))]
    message_type: Option<&'a RawValue>,
    #[serde(borrow)]
    #[cfg_attr(test, schemars(skip))]
    content: Option<&'a RawValue>,
    /// The job that it is about.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1, max = 128)))]
    job_id: Option<&'a RawValue>,
    /// A repeat with the same key within 24 hours returns the first result and stores nothing.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1, max = 64)))]
    idempotency_key: Option<&'a RawValue>,
}

impl Draft {
    /// Reads the payload's fields `messageType`, `content`, `jobId` and `idempotencyKey`.
    pub fn read(payload: &RawValue, config: &Config) -> Result<Self, EventError> {
        let fields: DraftFields = fields(payload)?;
        let (Some(message_type), Some(content)) =
            (present(fields.message_type), present(fields.content))
        else {
            return Err(EventError::invalid("Missing required fields"));
        };
        let message_type = MessageType::read(message_type)?;
        check_content(message_type, content, config)?;
        let idempotency_key = optional_text(
            fields.idempotency_key,
            "idempotencyKey",
            MAX_IDEMPOTENCY_KEY_CHARS,
        )?;
        if idempotency_key
            .as_ref()
            .is_some_and(|key| key.starts_with(KEY_PREFIX))
        {
            let message = format!("idempotencyKey must not begin with \"{KEY_PREFIX}\"");
            return Err(EventError::invalid(message));
        }
        Ok(Self {
            message_type,
            content: content.to_owned(),
            job_id: optional_text(fields.job_id, "jobId", MAX_JOB_ID_CHARS)?,
            idempotency_key,
        })
    }

    /// Returns the message, in the shape of a payload.
    pub fn message(&self) -> Result<Box<RawValue>, EventError> {
        let fields = [
            ("messageType", to_json(self.message_type.as_str())),
            ("content", self.content.get().to_owned()),
            ("jobId", to_json(&self.job_id)),
        ];
        RawValue::from_string(to_object(fields)).map_err(|_| EventError::internal())
    }

    /// Returns a hash of the event, its receivers and everything but the key: the same key with another
    /// hash is a conflict. Equal JSON has the same hash however it is written, and receivers count as a
    /// set.
    pub fn fingerprint(&self, event: &str, receiver_ids: &[String]) -> String {
        let mut receiver_ids: Vec<&String> = receiver_ids.iter().collect();
        receiver_ids.sort_unstable();
        receiver_ids.dedup();
        self.hash(event, to_json(&receiver_ids), &canonical(&self.content))
    }

    /// Returns whether a fingerprint belongs to an equal send.
    pub fn has_fingerprint(&self, fingerprint: &str, event: &str, receiver_ids: &[String]) -> bool {
        fingerprint == self.fingerprint(event, receiver_ids)
            || fingerprint == self.verbatim_fingerprint(event, receiver_ids)
    }

    /// Returns the fingerprint as it was stored before JSON was canonicalized (November 2026): a repeat
    /// comes up to a day later, perhaps after a deploy.
    fn verbatim_fingerprint(&self, event: &str, receiver_ids: &[String]) -> String {
        self.hash(event, to_json(&receiver_ids), self.content.get().as_bytes())
    }

    fn hash(&self, event: &str, receiver_ids: String, content: &[u8]) -> String {
        let mut hash = Sha256::new();
        for part in [
            event.as_bytes(),
            receiver_ids.as_bytes(),
            self.message_type.as_str().as_bytes(),
            content,
            to_json(&self.job_id).as_bytes(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;

    const EVENT: &str = "send_bulk_message";

    fn draft(payload: &str) -> Draft {
        Draft::read(
            &serde_json::from_str::<Box<RawValue>>(payload).unwrap(),
            &config(),
        )
        .unwrap()
    }

    fn with_content(content: &str) -> Draft {
        draft(&format!(r#"{{"messageType":"text","content":{content}}}"#))
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn equal_json_has_one_fingerprint() {
        let fingerprint = |content| with_content(content).fingerprint(EVENT, &ids(&["a"]));
        let first = fingerprint(r#"{"text":"a/b","n":1,"more":{"x":[1e400],"y":"\ud800"}}"#);
        for same in [
            r#"{"n":1,"text":"a/b","more":{"x":[1e400],"y":"\ud800"}}"#,
            r#"{ "more": {"y":"\uD800", "x":[ 10e399 ]}, "n":1.0, "text":"a\/b" }"#,
        ] {
            assert_eq!(fingerprint(same), first, "{same}");
        }
        for other in [
            r#"{"text":"a/b","n":2,"more":{"x":[1e400],"y":"\ud800"}}"#,
            r#"{"text":"a/b","n":1,"more":{"x":[1e401],"y":"\ud800"}}"#,
            r#"{"text":"a/b","n":1,"more":{"x":[1e400],"y":"\ud801"}}"#,
            r#"{"text":"a/b","n":1,"more":{"x":[1e400]}}"#,
        ] {
            assert_ne!(fingerprint(other), first, "{other}");
        }
    }

    #[test]
    fn receivers_are_a_set() {
        let draft = with_content(r#"{"text":"x"}"#);
        let fingerprint = |receivers: &[&str]| draft.fingerprint(EVENT, &ids(receivers));
        let first = fingerprint(&["a", "b"]);
        assert_eq!(fingerprint(&["b", "a"]), first);
        assert_eq!(fingerprint(&["b", "a", "b"]), first);
        for other in [
            &["a"][..],
            &["a", "c"],
            &["a", "b", "c"],
            &["a\",\"b"],
            &["ab"],
        ] {
            assert_ne!(fingerprint(other), first, "{other:?}");
        }
    }

    #[test]
    fn everything_but_the_key_counts() {
        let fingerprint = |payload: &str| draft(payload).fingerprint(EVENT, &ids(&["a"]));
        let file = r#"{"messageType":"file","content":{"fileUrl":"https://f.example/u"},"jobId":"j","idempotencyKey":"k"}"#;
        let first = fingerprint(file);
        assert_eq!(fingerprint(&file.replace("\"k\"", "\"other\"")), first);
        for (from, to) in [
            ("\"file\"", "\"image\""),
            ("\"j\"", "\"i\""),
            ("\"j\"", "null"),
        ] {
            assert_ne!(fingerprint(&file.replace(from, to)), first, "{to}");
        }
        assert_ne!(draft(file).fingerprint("send_message", &ids(&["a"])), first);
    }

    /// Both kinds exist in production, stored for a day.
    #[test]
    fn stored_fingerprints_are_pinned() {
        let draft =
            draft(r#"{"messageType":"text","content":{"text":"hi","b":1.0,"a":2},"jobId":"j"}"#);
        let receivers = ids(&["b", "a"]);
        let now = "f4531fe01d230d0d7d6dae99689148f87093e755cfe834ce7db5802f16e1e16e";
        let before = "7ae7012e321d0ad4b7a35688a4f2daf68ca58372f6aee351f38a80411fdbac9e";
        assert_eq!(draft.fingerprint(EVENT, &receivers), now);
        assert_eq!(draft.verbatim_fingerprint(EVENT, &receivers), before);
        for stored in [now, before] {
            assert!(draft.has_fingerprint(stored, EVENT, &receivers));
            assert!(!draft.has_fingerprint(stored, "send_message", &receivers));
            assert!(!draft.has_fingerprint(stored, EVENT, &ids(&["a"])));
        }
        assert!(draft.has_fingerprint(now, EVENT, &ids(&["a", "b"])));
    }
}
