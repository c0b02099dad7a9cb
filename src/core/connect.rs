//! Decides a CONNECT: whether there is room, whether a session is resumed, and what the client is sent.
//!
//! Invariant: the decision reads and writes the storage without yielding in between, so a client gets every
//! event either from the log here or live, and none twice. The caller sends the messages in order before
//! anything else is delivered.

use super::config::Config;
use super::connect_refusal::ConnectRefusal;
use super::connection::Connection;
use super::heartbeat::is_ghost;
use super::ids::{pid, sid_of_pid};
use super::recovery::{ConnectAuth, Resumed, resume};
use super::store::{Database, LogEntry, Missed, Result, Store};
use super::time::Millis;
use crate::wire::socket_io::{MAIN, connected, event_text};

/// A CONNECT and everything else that the decision depends on.
pub struct ConnectRequest<'a> {
    /// The user that the token names.
    pub user_id: &'a str,
    /// The fields of the CONNECT's `auth` object.
    pub auth: &'a ConnectAuth,
    /// The Socket.IO session id to use if no session is resumed.
    pub new_sid: String,
    /// The last log offset that any device has confirmed.
    pub confirmed: u64,
    /// The time of the decision.
    pub now: Millis,
}

/// Another live connection of the user.
pub struct Other<'a> {
    /// The connection's attachment.
    pub connection: &'a Connection,
    /// When its client was last heard, by packet or pong.
    pub heard: Millis,
}

/// How another connection of the user affects a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts towards the limit on connections.
    Counts,
    /// Its client has vanished, so it does not count.
    Ghost,
    /// It belongs to the session that the client presents: the client has reconnected, whether or not it
    /// recovers.
    Replaced,
}

/// The outcome of a CONNECT: the client has joined, or is refused.
pub type Decision = std::result::Result<Entered, ConnectRefusal>;

/// A client that has joined.
#[derive(Debug, PartialEq, Eq)]
pub struct Entered {
    /// The Socket.IO session id, new or resumed.
    pub sid: String,
    /// Whether the client resumes an earlier session.
    pub is_resumed: bool,
    /// The reply, followed by the events that the client has missed.
    pub messages: Vec<String>,
    /// Whether the user was already online.
    pub was_online: bool,
}

/// Returns the id of the session that the client proves to be its own by a valid pid.
pub fn shown_sid<'a>(config: &Config, user_id: &str, auth: &'a ConnectAuth) -> Option<&'a str> {
    sid_of_pid(config.keys(), user_id, auth.pid.as_deref()?)
}

/// Returns how `other` affects a connection whose client presents the session `shown_sid`.
pub fn standing(other: &Other, shown_sid: Option<&str>, now: Millis, config: &Config) -> Standing {
    if shown_sid.is_some_and(|sid| other.connection.session.is_in(sid)) {
        return Standing::Replaced;
    }
    if is_ghost(other.connection, other.heard, now, config) {
        return Standing::Ghost;
    }
    Standing::Counts
}

/// Decides a CONNECT whose token is valid.
pub fn decide<D: Database>(
    store: &Store<D>,
    config: &Config,
    asked: ConnectRequest,
    others: &[Other],
) -> Result<Decision> {
    let ConnectRequest {
        user_id, auth, now, ..
    } = asked;
    let shown_sid = shown_sid(config, user_id, auth);
    let counts = |other: &&Other| standing(other, shown_sid, now, config) == Standing::Counts;
    if others.iter().filter(counts).count() >= config.max_connections {
        let refusal = ConnectRefusal::TooManyConnections(config.max_connections);
        return Ok(Err(refusal));
    }
    let was_online = others
        .iter()
        .any(|other| !is_ghost(other.connection, other.heard, now, config));
    let session = match resumed(store, config, &asked)? {
        Some(session) => session,
        None => begun(store, config, &asked, was_online)?,
    };
    Ok(Ok(Entered {
        messages: messages(config, &asked, &session),
        sid: session.sid,
        is_resumed: session.is_resumed,
        was_online,
    }))
}

/// A session that is resumed or begins.
struct Session {
    sid: String,
    is_resumed: bool,
    missed: Vec<LogEntry>,
}

/// Returns the session to resume: the client presents its pid and the offset of the last event that it
/// received, and everything after that can be replayed from the log.
fn resumed<D: Database>(
    store: &Store<D>,
    config: &Config,
    asked: &ConnectRequest,
) -> Result<Option<Session>> {
    let bounds = store.log_bounds(since(config, asked))?;
    let resumed = resume(config.keys(), asked.user_id, asked.auth, bounds);
    let Some(Resumed { sid, after }) = resumed else {
        return Ok(None);
    };
    let missed = missed(store, config, asked, after, &sid)?;
    if !missed.is_complete {
        return Ok(None);
    }
    // The client's offset confirms everything up to it.
    store.set_confirmed(after)?;
    // Before newer status pushes go out: they could not be told apart from those that were lost.
    store.watches_resume(&sid, store.time_of(after)?)?;
    Ok(Some(Session {
        sid,
        is_resumed: true,
        missed: missed.events,
    }))
}

/// Returns a new session with the events that no device has confirmed.
fn begun<D: Database>(
    store: &Store<D>,
    config: &Config,
    asked: &ConnectRequest,
    was_online: bool,
) -> Result<Session> {
    let sid = asked.new_sid.clone();
    let missed = missed(store, config, asked, asked.confirmed, &sid)?.events;
    // Events that are too old or do not fit will not be sent any more, so no receipt will come for them,
    // unless another device that is online already has them.
    if !was_online {
        let first = match missed.first() {
            Some(entry) => entry.offset,
            None => store.last_offset()? + 1,
        };
        store.receipts_drop(asked.confirmed + 1, first)?;
    }
    Ok(Session {
        sid,
        is_resumed: false,
        missed,
    })
}

fn missed<D: Database>(
    store: &Store<D>,
    config: &Config,
    asked: &ConnectRequest,
    after: u64,
    sid: &str,
) -> Result<Missed> {
    store.events_after(after, since(config, asked), sid, config.log_replay_bytes)
}

fn since(config: &Config, asked: &ConnectRequest) -> Millis {
    asked.now.saturating_sub(config.log_retention)
}

/// Returns the reply and the missed events. The reply comes first: a client buffers earlier events without
/// recording their offsets, and would get them again if the connection broke in between.
fn messages(config: &Config, asked: &ConnectRequest, session: &Session) -> Vec<String> {
    // A client considers its session recovered only if it gets its own pid back, whichever key made it.
    let shown = asked.auth.pid.clone().filter(|_| session.is_resumed);
    let pid = shown.unwrap_or_else(|| pid(config.secret(), asked.user_id, &session.sid));
    let reply = connected(MAIN, &session.sid, Some(&pid));
    let missed = session.missed.iter().map(|entry| {
        let offset = format!("\"{}\"", entry.offset);
        event_text(MAIN, &entry.event, &[&entry.payload, &offset])
    });
    [reply].into_iter().chain(missed).collect()
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection as Sqlite;

    use super::*;
    use crate::core::connection::{Carrier, Phase};
    use crate::core::store::testing::store;
    use crate::core::store::{NewEntry, PendingReceipt, Retention};
    use crate::core::token::{Identity, Role};

    /// The first offset of a log is the current time, so offsets begin at 1.
    const NOW: Millis = 1;

    fn config(max_connections: &str) -> Config {
        Config::read(|name| match name {
            "JWT_SECRET" => Some("0123456789".repeat(4)),
            "MAX_CONNECTIONS_PER_USER" => Some(max_connections.to_owned()),
            _ => None,
        })
        .unwrap()
    }

    fn connection(sid: &str) -> Connection {
        let identity = Identity {
            user_id: "u".into(),
            role: Role::Customer,
            name: None,
            expires_at: NOW + 1_000_000,
            issued_at: None,
        };
        let (carrier, phase) = (Carrier::WebSocket, Phase::Open);
        let mut connection = Connection::new(sid.into(), carrier, phase, identity, NOW, NOW);
        connection.session.join("/", sid);
        connection
    }

    /// Returns a store whose log holds the events 1 to 3.
    fn log() -> Store<Sqlite> {
        let store = store();
        store.set_online("u", true, NOW).unwrap();
        let keep = Retention {
            events: 9,
            time: 1_000,
        };
        for id in ["a", "b", "c"] {
            let entry = NewEntry {
                message_id: id,
                event: "e",
                payload: "{}",
                except_sid: None,
                is_held: false,
                incoming: None,
            };
            store.append(&entry, NOW, &keep).unwrap();
        }
        store
    }

    fn decide_for(
        store: &Store<Sqlite>,
        max: &str,
        auth: &ConnectAuth,
        confirmed: u64,
        others: &[(&Connection, Millis)],
    ) -> Decision {
        let asked = ConnectRequest {
            user_id: "u",
            auth,
            new_sid: "NEW".into(),
            confirmed,
            now: NOW + 60_000,
        };
        let others: Vec<Other> = others
            .iter()
            .map(|(connection, heard)| Other {
                connection,
                heard: *heard,
            })
            .collect();
        decide(store, &config(max), asked, &others).unwrap()
    }

    fn entered(outcome: Decision) -> Entered {
        outcome.unwrap()
    }

    fn auth(user_id: &str, sid: &str, offset: Option<u64>) -> ConnectAuth {
        ConnectAuth {
            token: None,
            pid: Some(pid(config("9").secret(), user_id, sid)),
            offset,
        }
    }

    #[test]
    fn a_new_session_gets_what_no_device_has_confirmed() {
        for (confirmed, expected) in [(0, vec![1, 2, 3]), (2, vec![3]), (3, vec![])] {
            let store = log();
            let nothing = ConnectAuth::default();
            let entered = entered(decide_for(&store, "9", &nothing, confirmed, &[]));
            assert_eq!((entered.sid.as_str(), entered.is_resumed), ("NEW", false));
            assert!(!entered.was_online);
            let mut messages = entered.messages.iter();
            assert!(messages.next().unwrap().starts_with("0{\"pid\":"));
            let events: Vec<String> = expected
                .iter()
                .map(|offset| format!(r#"2["e",{{}},"{offset}"]"#))
                .collect();
            assert_eq!(messages.cloned().collect::<Vec<_>>(), events);
        }
    }

    #[test]
    fn a_session_goes_on_exactly_if_the_client_shows_it() {
        let cases = [
            (auth("u", "OLD", Some(2)), Some(1)),
            (auth("u", "OLD", Some(3)), Some(0)),
            (auth("u", "OLD", Some(4)), None),
            (auth("u", "OLD", None), None),
            (auth("somebody", "OLD", Some(2)), None),
            (ConnectAuth::default(), None),
        ];
        for (auth, missed) in cases {
            let store = log();
            let entered = entered(decide_for(&store, "9", &auth, 0, &[]));
            assert_eq!(entered.is_resumed, missed.is_some(), "{auth:?}");
            let Some(missed) = missed else { continue };
            assert_eq!(entered.sid, "OLD");
            assert_eq!(entered.messages.len(), 1 + missed);
            // The client gets its own pid back, and what it has received is confirmed.
            let reply = entered.messages.first().unwrap();
            assert!(reply.contains(auth.pid.as_deref().unwrap()), "{reply}");
            let confirmed = store.user_state().unwrap().confirmed;
            assert_eq!(Some(confirmed), auth.offset);
        }
    }

    #[test]
    fn of_whom_too_much_was_missed_a_new_session_begins_with_the_newest() {
        let store = log();
        let keep = Retention {
            events: 9,
            time: 1_000,
        };
        let large = format!("\"{}\"", "x".repeat(3_000_000));
        for id in ["d", "e"] {
            let entry = NewEntry {
                message_id: id,
                event: "e",
                payload: &large,
                except_sid: None,
                is_held: false,
                incoming: None,
            };
            let offset = store.append(&entry, NOW, &keep).unwrap();
            let receipt = PendingReceipt {
                offset,
                sender_id: "s".into(),
                payload: "{}".into(),
            };
            store.receipt_add(&receipt, false).unwrap();
        }
        let entered = entered(decide_for(&store, "9", &auth("u", "OLD", Some(3)), 3, &[]));
        assert_eq!((entered.sid.as_str(), entered.is_resumed), ("NEW", false));
        assert_eq!(entered.messages.len(), 2);
        assert!(entered.messages.last().unwrap().ends_with(r#","5"]"#));
        // No receipt will be sent for the other one.
        assert_eq!(store.next_receipt(0).unwrap(), Some(5));
    }

    #[test]
    fn who_was_away_for_longer_than_the_log_keeps_joins_and_nobody_waits_for_what_is_gone() {
        let store = log();
        let receipt = PendingReceipt {
            offset: 2,
            sender_id: "s".into(),
            payload: "{}".into(),
        };
        store.receipt_add(&receipt, false).unwrap();
        let nothing = ConnectAuth::default();
        let asked = ConnectRequest {
            user_id: "u",
            auth: &nothing,
            new_sid: "NEW".into(),
            confirmed: 0,
            now: NOW + 10 * config("9").log_retention,
        };
        let entered = entered(decide(&store, &config("9"), asked, &[]).unwrap());
        assert_eq!(entered.messages.len(), 1);
        assert_eq!(store.next_receipt(0).unwrap(), None);
    }

    #[test]
    fn a_second_device_takes_no_receipt_from_what_the_first_one_was_sent() {
        let store = log();
        let receipt = PendingReceipt {
            offset: 2,
            sender_id: "s".into(),
            payload: "{}".into(),
        };
        store.receipt_add(&receipt, false).unwrap();
        // The log drops the message before the first device's pong is seen.
        let keep = Retention {
            events: 1,
            time: 1_000,
        };
        let entry = NewEntry {
            message_id: "d",
            event: "e",
            payload: "{}",
            except_sid: None,
            is_held: false,
            incoming: None,
        };
        store.append(&entry, NOW, &keep).unwrap();
        let here = connection("HERE");
        let others = [(&here, NOW + 50_000)];
        let nothing = ConnectAuth::default();
        let entered = entered(decide_for(&store, "9", &nothing, 0, &others));
        assert_eq!(entered.messages.len(), 2);
        assert_eq!(store.next_receipt(0).unwrap(), Some(2));
    }

    #[test]
    fn room_is_for_who_is_there() {
        let mut silent = connection("SILENT");
        silent.pinged(NOW + 1_000, 0, None);
        let here = connection("HERE");
        let heard = NOW + 50_000;
        let refused = Err(ConnectRefusal::TooManyConnections(1));
        let nothing = ConnectAuth::default();
        let store = log();
        let with = |others: &[(&Connection, Millis)], auth: &ConnectAuth| {
            decide_for(&store, "1", auth, 3, others)
        };
        assert_eq!(with(&[(&here, heard)], &nothing), refused);
        // A vanished connection takes no room and makes nobody online.
        let ghost = entered(with(&[(&silent, NOW)], &nothing));
        assert!(!ghost.was_online);
        // The connection of the session that the client presents takes no room either, even without an offset.
        let back = entered(with(&[(&here, heard)], &auth("u", "HERE", None)));
        assert!(back.was_online && !back.is_resumed);
        // Another user's pid replaces no connection.
        assert_eq!(with(&[(&here, heard)], &auth("x", "HERE", None)), refused);
    }
}
