//! The HTTP API for the marketplace's own backend: everything that does not need the platform, that is
//! routes, request bodies and error responses. `openapi.yaml` describes it.

pub mod body;
pub mod problem;

use std::collections::BTreeMap;

use form_urlencoded::parse as parse_query;
use problem::Problem;

use super::error::{to_json, to_object};
use super::events::campaigns::change_campaign::{CANCEL, PAUSE, RESUME, START};
use super::events::{get_conversations, get_unread_total, preferences};
use super::ids::is_user_id;
use super::token::service::Scope;

/// The path prefix of the API.
pub const PREFIX: &str = "/v1/";

/// The path of the health check: `edge/health.rs` says what it tests.
pub const HEALTH: &str = "/healthz";

/// A request's route, by method and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiRoute {
    /// `PUT /v1/users/{id}`
    PutUser(String),
    /// `DELETE /v1/users/{id}`
    DeleteUser(String),
    /// `GET /v1/users/{id}/status`
    Status(String),
    /// `GET /v1/users/{id}/conversations`, `/unread`, `/preferences`, with the name of the event that asks for it.
    OfUser(String, &'static str),
    /// `PUT /v1/users/{id}/preferences`
    PutPreferences(String),
    /// `POST /v1/users/{id}/disconnect`
    Disconnect(String),
    /// `POST /v1/status`
    BulkStatus,
    /// `POST /v1/messages`
    SendMessage,
    /// `POST /v1/messages/bulk`
    SendBulkMessage,
    /// `GET /v1/conversations/{id}/messages`
    Messages(String),
    /// `POST /v1/campaigns`
    CreateCampaign,
    /// `GET /v1/campaigns`
    Campaigns,
    /// `GET /v1/campaigns/{id}`
    Campaign(String),
    /// `PUT /v1/campaigns/{id}/receivers/{part}`
    AddCampaignReceivers(String, String),
    /// `POST /v1/campaigns/{id}/start`, `/pause`, `/resume`, `/cancel`, with the name of the event that does it.
    ChangeCampaign(String, &'static str),
    /// `GET /v1/campaigns/{id}/results`
    CampaignResults(String),
    /// `GET /v1/webhooks/failed`
    FailedWebhooks,
    /// `POST /v1/webhooks/replay`
    ReplayWebhooks,
}

impl ApiRoute {
    /// Returns the route's name for the operator's log, without ids.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PutUser(_) => "PUT /v1/users/{id}",
            Self::DeleteUser(_) => "DELETE /v1/users/{id}",
            Self::Status(_) => "GET /v1/users/{id}/status",
            Self::OfUser(_, get_unread_total::NAME) => "GET /v1/users/{id}/unread",
            Self::OfUser(_, preferences::GET) => "GET /v1/users/{id}/preferences",
            Self::OfUser(..) => "GET /v1/users/{id}/conversations",
            Self::PutPreferences(_) => "PUT /v1/users/{id}/preferences",
            Self::Disconnect(_) => "POST /v1/users/{id}/disconnect",
            Self::BulkStatus => "POST /v1/status",
            Self::SendMessage => "POST /v1/messages",
            Self::SendBulkMessage => "POST /v1/messages/bulk",
            Self::Messages(_) => "GET /v1/conversations/{id}/messages",
            Self::CreateCampaign => "POST /v1/campaigns",
            Self::Campaigns => "GET /v1/campaigns",
            Self::Campaign(_) => "GET /v1/campaigns/{id}",
            Self::AddCampaignReceivers(..) => "PUT /v1/campaigns/{id}/receivers/{part}",
            Self::ChangeCampaign(_, START) => "POST /v1/campaigns/{id}/start",
            Self::ChangeCampaign(_, PAUSE) => "POST /v1/campaigns/{id}/pause",
            Self::ChangeCampaign(_, RESUME) => "POST /v1/campaigns/{id}/resume",
            Self::ChangeCampaign(..) => "POST /v1/campaigns/{id}/cancel",
            Self::CampaignResults(_) => "GET /v1/campaigns/{id}/results",
            Self::FailedWebhooks => "GET /v1/webhooks/failed",
            Self::ReplayWebhooks => "POST /v1/webhooks/replay",
        }
    }

    /// Returns the scope that a service's token needs.
    pub fn scope(&self) -> Scope {
        match self {
            Self::PutUser(_) | Self::PutPreferences(_) => Scope::UsersWrite,
            Self::SendMessage
            | Self::SendBulkMessage
            | Self::CreateCampaign
            | Self::AddCampaignReceivers(..)
            | Self::ChangeCampaign(..) => Scope::MessagesSend,
            Self::Status(_)
            | Self::BulkStatus
            | Self::OfUser(..)
            | Self::Messages(_)
            | Self::Campaigns
            | Self::Campaign(_)
            | Self::CampaignResults(_) => Scope::MessagesRead,
            Self::DeleteUser(_)
            | Self::Disconnect(_)
            | Self::FailedWebhooks
            | Self::ReplayWebhooks => Scope::Admin,
        }
    }

    /// Finds the route of a request. `path` is percent-encoded, as in the URL. HEAD counts as GET; the
    /// platform omits the body.
    pub fn find(method: &str, path: &str) -> Result<Self, Problem> {
        let method = if is_get(method) { "GET" } else { method };
        let segments: Vec<String> = path
            .strip_prefix(PREFIX)
            .unwrap_or_default()
            .split('/')
            .map(decode)
            .collect::<Option<_>>()
            .ok_or_else(Problem::not_found)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let methods: &[(&'static str, Self)] = match segments.as_slice() {
            ["users", id] => &[
                ("PUT", Self::PutUser(user_id(id)?)),
                ("DELETE", Self::DeleteUser(user_id(id)?)),
            ],
            ["users", id, "status"] => &[("GET", Self::Status(user_id(id)?))],
            ["users", id, "conversations"] => {
                &[("GET", Self::OfUser(user_id(id)?, get_conversations::NAME))]
            }
            ["users", id, "unread"] => {
                &[("GET", Self::OfUser(user_id(id)?, get_unread_total::NAME))]
            }
            ["users", id, "preferences"] => &[
                ("GET", Self::OfUser(user_id(id)?, preferences::GET)),
                ("PUT", Self::PutPreferences(user_id(id)?)),
            ],
            ["users", id, "disconnect"] => &[("POST", Self::Disconnect(user_id(id)?))],
            ["status"] => &[("POST", Self::BulkStatus)],
            ["messages"] => &[("POST", Self::SendMessage)],
            ["messages", "bulk"] => &[("POST", Self::SendBulkMessage)],
            ["conversations", id, "messages"] => &[("GET", Self::Messages((*id).to_owned()))],
            ["campaigns"] => &[("POST", Self::CreateCampaign), ("GET", Self::Campaigns)],
            ["campaigns", id] => &[("GET", Self::Campaign((*id).to_owned()))],
            ["campaigns", id, "results"] => &[("GET", Self::CampaignResults((*id).to_owned()))],
            ["campaigns", id, "receivers", part] => &[(
                "PUT",
                Self::AddCampaignReceivers((*id).to_owned(), (*part).to_owned()),
            )],
            ["campaigns", id, change] => {
                let event = match *change {
                    "start" => START,
                    "pause" => PAUSE,
                    "resume" => RESUME,
                    "cancel" => CANCEL,
                    _ => return Err(Problem::not_found()),
                };
                &[("POST", Self::ChangeCampaign((*id).to_owned(), event))]
            }
            ["webhooks", "failed"] => &[("GET", Self::FailedWebhooks)],
            ["webhooks", "replay"] => &[("POST", Self::ReplayWebhooks)],
            _ => return Err(Problem::not_found()),
        };
        let allowed = || methods.iter().map(|(method, _)| *method).collect();
        methods
            .iter()
            .find(|(one, _)| *one == method)
            .map(|(_, route)| route.clone())
            .ok_or_else(|| Problem::method_not_allowed(allowed()))
    }
}

/// Returns whether a request with this method is answered like a GET (RFC 9110, section 9.3.2).
pub fn is_get(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

fn user_id(id: &str) -> Result<String, Problem> {
    if is_user_id(id) {
        Ok(id.to_owned())
    } else {
        Err(Problem::invalid(
            "A user's id has 1 to 128 characters, without control characters",
        ))
    }
}

/// Undoes percent-encoding (RFC 3986, section 2.1). Returns `None` if the result is not UTF-8.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(hex);
        bytes.push(escaped.unwrap_or(*first));
        rest = match escaped {
            Some(_) => tail.get(2..).unwrap_or_default(),
            None => tail,
        };
    }
    String::from_utf8(bytes).ok()
}

fn hex(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_hex = text.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(text, 16).ok().filter(|_| is_hex)
}

/// Returns the user whom a query names as `senderId`.
pub fn sender(query: &str) -> Result<String, Problem> {
    parse_query(query.as_bytes())
        .find(|(key, _)| key == "senderId")
        .map(|(_, id)| id.into_owned())
        .filter(|id| is_user_id(id))
        .ok_or_else(|| Problem::invalid("The query must have a senderId, the id of a contractor"))
}

/// Converts a page's query (`limit`, `cursor`, `before`, `after`) to the event's payload. A `limit` that
/// is not a number stays a string, so the event's error names the field.
pub fn page_payload(query: &str, more: &[(&str, &str)]) -> String {
    let mut fields = BTreeMap::new();
    for (key, value) in parse_query(query.as_bytes()) {
        let number = (key == "limit")
            .then(|| value.parse::<u64>().ok())
            .flatten();
        let value = number.map_or_else(|| to_json(&value), |number| number.to_string());
        fields.insert(key.into_owned(), value);
    }
    for (key, value) in more {
        fields.insert((*key).to_owned(), to_json(value));
    }
    to_object(
        fields
            .iter()
            .map(|(key, value)| (key.as_str(), value.clone())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods() {
        let find = |method, path| ApiRoute::find(method, path).unwrap();
        assert_eq!(
            find("PUT", "/v1/users/%C3%BC%20%2F1"),
            ApiRoute::PutUser("ü /1".into())
        );
        assert_eq!(
            find("DELETE", "/v1/users/a+b"),
            ApiRoute::DeleteUser("a+b".into())
        );
        assert_eq!(
            find("GET", "/v1/users/100%/status"),
            ApiRoute::Status("100%".into())
        );
        assert_eq!(
            find("HEAD", "/v1/users/a/status"),
            ApiRoute::Status("a".into())
        );
        for (path, event) in [
            ("/v1/users/a/unread", get_unread_total::NAME),
            ("/v1/users/a/preferences", preferences::GET),
        ] {
            let route = find("GET", path);
            assert_eq!(route, ApiRoute::OfUser("a".into(), event));
            assert_eq!(route.scope(), Scope::MessagesRead);
        }
        let route = find("PUT", "/v1/users/a/preferences");
        assert_eq!(route, ApiRoute::PutPreferences("a".into()));
        assert_eq!(route.scope(), Scope::UsersWrite);
        assert_eq!(find("POST", "/v1/status"), ApiRoute::BulkStatus);
        assert_eq!(find("POST", "/v1/messages/bulk"), ApiRoute::SendBulkMessage);
        assert_eq!(
            find("GET", "/v1/conversations/k/messages"),
            ApiRoute::Messages("k".into())
        );
    }

    #[test]
    fn campaigns() {
        let find = |method, path| ApiRoute::find(method, path).unwrap();
        assert_eq!(find("POST", "/v1/campaigns"), ApiRoute::CreateCampaign);
        assert_eq!(find("GET", "/v1/campaigns"), ApiRoute::Campaigns);
        for (path, event, name) in [
            (
                "/v1/campaigns/c/start",
                START,
                "POST /v1/campaigns/{id}/start",
            ),
            (
                "/v1/campaigns/c/pause",
                PAUSE,
                "POST /v1/campaigns/{id}/pause",
            ),
            (
                "/v1/campaigns/c/resume",
                RESUME,
                "POST /v1/campaigns/{id}/resume",
            ),
            (
                "/v1/campaigns/c/cancel",
                CANCEL,
                "POST /v1/campaigns/{id}/cancel",
            ),
        ] {
            let route = find("POST", path);
            assert_eq!(route, ApiRoute::ChangeCampaign("c".into(), event));
            assert_eq!(route.name(), name);
            assert_eq!(route.scope(), Scope::MessagesSend);
        }
        assert_eq!(
            find("PUT", "/v1/campaigns/c/receivers/7"),
            ApiRoute::AddCampaignReceivers("c".into(), "7".into())
        );
        assert_eq!(
            ApiRoute::find("POST", "/v1/campaigns/c/stop")
                .unwrap_err()
                .status,
            404
        );
        assert_eq!(sender("limit=7&senderId=a%20b"), Ok("a b".into()));
        assert_eq!(sender("senderId=").unwrap_err().status, 400);
        assert_eq!(sender("").unwrap_err().status, 400);
    }

    #[test]
    fn webhooks() {
        let find = |method, path| ApiRoute::find(method, path).unwrap();
        for (method, path, route) in [
            ("GET", "/v1/webhooks/failed", ApiRoute::FailedWebhooks),
            ("POST", "/v1/webhooks/replay", ApiRoute::ReplayWebhooks),
        ] {
            assert_eq!(find(method, path), route);
            assert_eq!(route.name(), format!("{method} {path}"));
            assert_eq!(route.scope(), Scope::Admin);
        }
    }

    #[test]
    fn what_is_not_there() {
        let status = |method, path| ApiRoute::find(method, path).unwrap_err().status;
        for path in [
            "/v1/",
            "/v1/nothing",
            "/v1/users",
            "/v1/users/a/b",
            "/v1/users/%ff",
        ] {
            assert_eq!(status("GET", path), 404, "{path}");
        }
        assert_eq!(status("GET", "/v1/users//status"), 400);
        assert_eq!(status("GET", "/v1/users/%0A/status"), 400);
        let refused = ApiRoute::find("PATCH", "/v1/users/a").unwrap_err();
        assert_eq!(
            (refused.status, refused.allow),
            (405, vec!["PUT", "DELETE"])
        );
        let refused = ApiRoute::find("PUT", "/v1/users/a/status").unwrap_err();
        assert_eq!((refused.status, refused.allow), (405, vec!["GET", "HEAD"]));
        let refused = ApiRoute::find("HEAD", "/v1/status").unwrap_err();
        assert_eq!((refused.status, refused.allow), (405, vec!["POST"]));
    }

    #[test]
    fn a_page_is_the_events_payload() {
        assert_eq!(page_payload("", &[]), "{}");
        assert_eq!(
            page_payload("limit=7&before=a%20b", &[("conversationId", "k")]),
            r#"{"before":"a b","conversationId":"k","limit":7}"#
        );
        assert_eq!(page_payload("limit=many", &[]), r#"{"limit":"many"}"#);
        assert_eq!(page_payload("limit=-1", &[]), r#"{"limit":"-1"}"#);
    }
}
