//! Reads the bodies of API requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::problem::Problem;
use crate::core::config::Config;
use crate::core::error::{named, to_json, to_object};
use crate::core::events::RequestPayload;
use crate::core::events::get_bulk_online_status::BulkStatusQuery;
use crate::core::ids::is_user_id;
use crate::core::record::users::Profile;
use crate::core::region::Region;
use crate::core::web_url::is_web_url;
use crate::core::webhook::failed::is_webhook_id;

const MAX_NAME_CHARS: usize = 200;
const MAX_URL_CHARS: usize = 2_000;

/// The maximum length of `Idempotency-Key`, the same as that of the events' `idempotencyKey`.
const MAX_KEY_CHARS: usize = 64;

/// Reads the body of `PUT /v1/users/{id}`: `{ role?, name?, avatarUrl?, region? }`.
pub fn profile(body: &str) -> Result<Profile, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        #[serde(default, deserialize_with = "given")]
        role: Option<serde_json::Value>,
        #[serde(default, deserialize_with = "given")]
        name: Option<serde_json::Value>,
        #[serde(default, deserialize_with = "given")]
        avatar_url: Option<serde_json::Value>,
        #[serde(default, deserialize_with = "given")]
        region: Option<serde_json::Value>,
    }
    let fields: Fields = object(body)?;
    Ok(Profile {
        role: optional(
            fields.role,
            "role must be \"customer\" or \"contractor\"",
            named,
        )?,
        name: optional(
            fields.name,
            "name must be a string of 1 to 200 characters, without control characters",
            |text| line(text, MAX_NAME_CHARS),
        )?,
        avatar_url: optional(
            fields.avatar_url,
            "avatarUrl must be an https URL, or http on localhost, of at most 2000 characters",
            |text| line(text, MAX_URL_CHARS).filter(|url| is_web_url(url)),
        )?,
        region: optional(
            fields.region,
            "region must be wnam, enam, sam, weur, eeur, apac, oc, afr or me",
            Region::read,
        )?,
    })
}

/// Reads the body of `POST /v1/users/{id}/disconnect`, which may be empty: `{ revoke? }`. Returns whether the
/// user's tokens are to be revoked.
pub fn wants_revocation(body: &str) -> Result<bool, Problem> {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "given")]
        revoke: Option<serde_json::Value>,
    }
    if body.is_empty() {
        return Ok(false);
    }
    let fields: Fields = object(body)?;
    match fields.revoke {
        None => Ok(false),
        Some(value) => value
            .as_bool()
            .ok_or_else(|| Problem::invalid("revoke must be true or false")),
    }
}

/// Reads the body of `POST /v1/webhooks/replay`, which may be empty: `{ ids? }`. Returns the ids, at most `max`.
pub fn webhook_ids(body: &str, max: usize) -> Result<Option<Vec<String>>, Problem> {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "given")]
        ids: Option<serde_json::Value>,
    }
    if body.is_empty() {
        return Ok(None);
    }
    let Some(ids) = object::<Fields>(body)?.ids else {
        return Ok(None);
    };
    let ids: Option<Vec<String>> = serde_json::from_value(ids).ok();
    let are_good = |ids: &Vec<String>| {
        (1..=max).contains(&ids.len()) && ids.iter().all(|id| is_webhook_id(id))
    };
    let detail = format!("ids must be an array of 1 to {max} ids of webhooks");
    let ids = ids.filter(are_good);
    ids.map(Some).ok_or_else(|| Problem::invalid(&detail))
}

/// Reads a field that is present, even if it is null: null does not mean that the field was omitted.
fn given<'de, D: Deserializer<'de>>(field: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(field).map(Some)
}

fn line(text: &str, max: usize) -> Option<String> {
    let fits = !text.is_empty() && text.chars().count() <= max;
    (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn optional<T>(
    field: Option<serde_json::Value>,
    problem: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    match field {
        None => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(read)
            .map(Some)
            .ok_or_else(|| Problem::invalid(problem)),
    }
}

fn object<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, Problem> {
    let is_object = body.trim_start().starts_with('{');
    serde_json::from_str(body)
        .ok()
        .filter(|_| is_object)
        .ok_or_else(|| Problem::invalid("The body must be a JSON object with each field once"))
}

/// Reads the body of `POST /v1/status`: `{ userIds }`.
pub fn status_query(body: &str, config: &Config) -> Result<BulkStatusQuery, Problem> {
    let payload: &RawValue = object(body)?;
    Ok(BulkStatusQuery::read(payload, config)?)
}

/// A send on behalf of a user.
#[derive(Debug)]
pub struct OnBehalf {
    /// The message's author.
    pub sender_id: String,
    /// The event's payload.
    pub payload: Box<RawValue>,
}

/// Reads the body of a send: the event's payload plus `senderId`. The idempotency key may come as a
/// header.
pub fn on_behalf(body: &str, key: Option<&str>) -> Result<OnBehalf, Problem> {
    let mut fields: BTreeMap<String, Box<RawValue>> = object(body)?;
    let sender_id = fields
        .remove("senderId")
        .and_then(|value| serde_json::from_str::<String>(value.get()).ok())
        .filter(|id| is_user_id(id))
        .ok_or_else(|| {
            Problem::invalid(
                "senderId must be a string of 1 to 128 characters, without control characters",
            )
        })?;
    if let Some(key) = key {
        let is_good = (1..=MAX_KEY_CHARS).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_good {
            return Err(Problem::invalid(
                "Idempotency-Key must have 1 to 64 visible ASCII characters",
            ));
        }
        fields.insert("idempotencyKey".to_owned(), raw(to_json(&key))?);
    }
    Ok(OnBehalf {
        sender_id,
        payload: raw(to_json(&fields))?,
    })
}

/// Returns the payload of `add_campaign_receivers` for a body with one receiver's id on each line, as a JSON string
/// (NDJSON). The event checks all of it.
pub fn receivers(campaign_id: &str, part: &str, body: &str) -> String {
    let ids: Vec<&str> = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let part = match part.parse::<u32>() {
        Ok(part) => part.to_string(),
        Err(_) => to_json(part),
    };
    to_object([
        ("campaignId", to_json(campaign_id)),
        ("part", part),
        ("receiverIds", format!("[{}]", ids.join(","))),
    ])
}

/// Converts JSON that a caller or this code wrote.
pub fn raw(json: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(json).map_err(|_| Problem::invalid("The body must be JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::token::Role;

    #[test]
    fn a_profile() {
        let full = r#"{"role":"contractor","name":"Ann","avatarUrl":"https://a.example/u","region":"weur"}"#;
        assert_eq!(
            profile(full),
            Ok(Profile {
                role: Some(Role::Contractor),
                name: Some("Ann".into()),
                avatar_url: Some("https://a.example/u".into()),
                region: Some(Region::Weur),
            })
        );
        assert_eq!(profile("{}"), Ok(Profile::default()));
        for bad in [
            "",
            "[]",
            "[null,null,null,null]",
            r#"{"role":"admin"}"#,
            r#"{"name":""}"#,
            r#"{"name":7}"#,
            r#"{"name":"a\nb"}"#,
            r#"{"avatarUrl":"http://a.example/u"}"#,
            r#"{"avatarUrl":"javascript:alert(1)"}"#,
            r#"{"region":"mars"}"#,
            r#"{"region":null}"#,
            r#"{"role":"customer","role":"customer"}"#,
        ] {
            assert_eq!(profile(bad).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn a_disconnect_may_revoke() {
        for (body, expected) in [
            ("", false),
            ("{}", false),
            (r#"{"revoke":false}"#, false),
            (r#"{"revoke":true,"reason":"stolen"}"#, true),
        ] {
            assert_eq!(wants_revocation(body), Ok(expected), "{body}");
        }
        for bad in [
            " ",
            "true",
            "[true]",
            r#"{"revoke":1}"#,
            r#"{"revoke":null}"#,
        ] {
            assert_eq!(wants_revocation(bad).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn a_replay_may_name_webhooks() {
        for body in ["", "{}"] {
            assert_eq!(webhook_ids(body, 2), Ok(None));
        }
        let both = webhook_ids(r#"{"ids":["a","b"]}"#, 2).unwrap();
        assert_eq!(both, Some(vec!["a".to_owned(), "b".to_owned()]));
        for bad in [
            " ",
            "[]",
            r#"{"ids":null}"#,
            r#"{"ids":"a"}"#,
            r#"{"ids":[]}"#,
            r#"{"ids":[7]}"#,
            r#"{"ids":[""]}"#,
            r#"{"ids":["a","b","c"]}"#,
        ] {
            assert_eq!(webhook_ids(bad, 2).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn receivers_stand_on_lines() {
        let all = receivers("c", "7", "\"a\"\r\n\n \"b\\n\" \n");
        assert_eq!(
            all,
            r#"{"campaignId":"c","part":7,"receiverIds":["a","b\n"]}"#
        );
        assert_eq!(
            receivers("c", "x", ""),
            r#"{"campaignId":"c","part":"x","receiverIds":[]}"#
        );
        assert_eq!(raw(receivers("c", "0", "a")).unwrap_err().status, 400);
    }

    #[test]
    fn a_send_on_behalf() {
        let sent = on_behalf(r#"{"senderId":"a","content":{"n":1e400}}"#, Some("k-1")).unwrap();
        assert_eq!(sent.sender_id, "a");
        assert_eq!(
            sent.payload.get(),
            r#"{"content":{"n":1e400},"idempotencyKey":"k-1"}"#
        );
        for (body, key) in [
            ("{}", None),
            ("7", None),
            (r#"{"senderId":7}"#, None),
            (r#"{"senderId":"a"}"#, Some("")),
            (r#"{"senderId":"a"}"#, Some("ü")),
            (r#"{"senderId":"a"}"#, Some(" x")),
        ] {
            assert_eq!(on_behalf(body, key).unwrap_err().status, 400, "{body}");
        }
        let long = "k".repeat(65);
        assert!(on_behalf(r#"{"senderId":"a"}"#, Some(&long)).is_err());
    }
}
