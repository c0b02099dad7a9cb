//! Connection state recovery from the user's log.
//!
//! A client that reconnects presents the pid that we gave it and the offset of the last event it received.
//! The pid contains a MAC (see [`super::ids::pid`]), so nothing is stored for a client that may never
//! reconnect. The client recovers if every event after its offset is still in the log and they fit into one
//! replay, which [`super::connect`] checks.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ids::sid_of_pid;
use super::keys::Keys;

/// The fields that we read from a CONNECT's `auth` object. A field of the wrong type counts as missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ConnectAuth {
    /// `token`: the client's JWT.
    pub token: Option<String>,
    /// `pid`: the private session id from an earlier CONNECT.
    pub pid: Option<String>,
    /// `offset`: the log offset of the last event that the client received, sent as a string.
    pub offset: Option<u64>,
}

impl ConnectAuth {
    /// Reads an `auth` object; everything is missing if there is none.
    pub fn read(auth: Option<&RawValue>) -> Self {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            token: Option<&'a RawValue>,
            #[serde(borrow)]
            pid: Option<&'a RawValue>,
            #[serde(borrow)]
            offset: Option<&'a RawValue>,
        }
        let Some(raw) = auth.and_then(|auth| serde_json::from_str::<Raw>(auth.get()).ok()) else {
            return Self::default();
        };
        let text = |value: Option<&RawValue>| {
            value.and_then(|value| serde_json::from_str::<String>(value.get()).ok())
        };
        Self {
            token: text(raw.token),
            pid: text(raw.pid),
            offset: text(raw.offset).and_then(|offset| offset.parse().ok()),
        }
    }
}

/// The part of the log that can still be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBounds {
    /// The oldest offset that can be replayed.
    pub first: u64,
    /// The newest offset.
    pub last: u64,
}

/// A session that the client may resume.
#[derive(Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Its Socket.IO session id, which does not change.
    pub sid: String,
    /// The offset of the last event that the client received.
    pub after: u64,
}

/// Returns the session that the client recovers, if its pid is valid for this user and the log still holds
/// every event after its offset.
pub fn resume<'a>(
    keys: impl Into<Keys<'a>>,
    user_id: &str,
    auth: &ConnectAuth,
    bounds: Option<LogBounds>,
) -> Option<Resumed> {
    let (pid, after, bounds) = (auth.pid.as_deref()?, auth.offset?, bounds?);
    let sid = sid_of_pid(keys, user_id, pid)?;
    let replayable = after <= bounds.last && after.saturating_add(1) >= bounds.first;
    replayable.then(|| Resumed {
        sid: sid.to_owned(),
        after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::pid;

    fn auth(json: &str) -> ConnectAuth {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        ConnectAuth::read(Some(&raw))
    }

    #[test]
    fn auth_is_read_leniently() {
        assert_eq!(
            auth(r#"{"token":"t","pid":"p","offset":"7","x":"\ud800"}"#),
            ConnectAuth {
                token: Some("t".into()),
                pid: Some("p".into()),
                offset: Some(7),
            }
        );
        assert_eq!(
            auth(r#"{"token":1,"pid":null,"offset":7}"#),
            ConnectAuth::default()
        );
        assert_eq!(ConnectAuth::read(None), ConnectAuth::default());
    }

    #[test]
    fn a_client_recovers_if_the_log_has_all_it_missed() {
        let bounds = Some(LogBounds { first: 5, last: 9 });
        let try_at = |offset: u64, user: &str, bounds| {
            let auth = ConnectAuth {
                token: None,
                pid: Some(pid(b"k", "u1", "SID")),
                offset: Some(offset),
            };
            resume(b"k", user, &auth, bounds)
        };
        for offset in 4..=9 {
            let resumed = try_at(offset, "u1", bounds).unwrap();
            assert_eq!((resumed.sid.as_str(), resumed.after), ("SID", offset));
        }
        assert_eq!(try_at(3, "u1", bounds), None);
        assert_eq!(try_at(10, "u1", bounds), None);
        assert_eq!(try_at(5, "u2", bounds), None);
        assert_eq!(try_at(5, "u1", None), None);
        assert_eq!(resume(b"k", "u1", &ConnectAuth::default(), bounds), None);
    }
}
