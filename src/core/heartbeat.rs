//! When a connection needs a ping, and when it must be closed.
//!
//! Invariant: the server keeps to what the handshake announces. It sends a ping one pingInterval after the
//! last one, and a connection that does not answer within pingTimeout is dead (Engine.IO protocol v4,
//! "Heartbeat"). Clients rely on both: they disconnect after a longer silence, and some, such as
//! python-socketio, well before pingInterval + pingTimeout.
//!
//! One alarm per object serves all of its sockets, and every time it is set costs a write
//! (docs/cost.md), so where possible the object wakes up only to send pings:
//!
//! - it looks for the pong when the next ping is due. It need not wake up earlier for a ghost (a dead
//!   connection that is still open): code that needs to know compares times ([`is_ghost`]);
//! - if the user is watched, the object also wakes up when a ping times out, because the watchers need
//!   to learn in time that the user is gone;
//! - a connection without a CONNECT is also closed on time; it is short-lived in any case.
//!
//! A late alarm disconnects nobody: the timeout begins when the ping is sent.
//!
//! The decision depends only on the attachment and on the time of the socket's last auto-response, so it
//! does not change when the object loses its memory.

use super::config::Config;
use super::connection::{Carrier, Connection, Phase};
use super::time::Millis;
use super::token::LEEWAY_MS;
use crate::core::close::CloseReason;
use crate::wire::close::ProtocolEnd;

/// How many times, over its lifetime, a connection that sends other packets may be pinged before the pong to its
/// last ping has arrived.
const MAX_LATER_PINGS: usize = 8;

/// What the heartbeat has to do about a connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Do nothing before this time.
    NothingUntil(Millis),
    /// Send a ping.
    Ping,
    /// Close the connection.
    Close(CloseReason),
}

/// Returns what `connection`, last heard at `heard` by packet or pong, needs at `now`. If the user is
/// watched, a ghost is closed as soon as its ping times out, so that the watchers learn of it in time.
pub fn need(
    connection: &Connection,
    heard: Millis,
    now: Millis,
    is_watched: bool,
    config: &Config,
) -> Need {
    let mut until = match connection.phase {
        Phase::Closed => return Need::NothingUntil(Millis::MAX),
        Phase::Probing | Phase::Upgrading if connection.carrier == Carrier::WebSocket => {
            return at(
                connection.opened_at + config.upgrade_timeout,
                now,
                ProtocolEnd::UpgradeFailed.into(),
            );
        }
        _ => Millis::MAX,
    };
    if !connection.session.was_joined() {
        let deadline = connection.opened_at + config.connect_timeout;
        if now >= deadline {
            return Need::Close(ProtocolEnd::ConnectTimeout.into());
        }
        until = deadline;
    }
    let expiry = connection.identity.expires_at + LEEWAY_MS;
    if now >= expiry {
        return Need::Close(CloseReason::TokenExpired);
    }
    until = until.min(expiry);

    let due = ping_due(connection, config);
    let Some(pinged_at) = awaited_since(connection, heard) else {
        if now < due {
            return Need::NothingUntil(due.min(until));
        }
        if connection.later_pings.len() >= MAX_LATER_PINGS {
            return Need::Close(ProtocolEnd::PingTimeout.into());
        }
        if may_be_pinged(connection) {
            return Need::Ping;
        }
        // The upgrade that blocks the ping ends before then.
        return Need::NothingUntil((now + config.upgrade_timeout).min(until));
    };
    let dead_at = pinged_at + config.ping_timeout;
    let may_wait = connection.session.was_joined() && !is_watched;
    if may_wait && now < due {
        return Need::NothingUntil(due.min(until));
    }
    if now >= dead_at {
        return Need::Close(ProtocolEnd::PingTimeout.into());
    }
    // By the next turn the pong may have arrived, and then the next ping is due.
    let next_look = next_turn(pinged_at, now, config).min(dead_at);
    Need::NothingUntil(next_look.min(until))
}

/// Returns whether the client has vanished without a close: it was not heard within pingTimeout after a
/// ping.
pub fn is_ghost(connection: &Connection, heard: Millis, now: Millis, config: &Config) -> bool {
    awaited_since(connection, heard).is_some_and(|pinged_at| now >= pinged_at + config.ping_timeout)
}

/// Returns how long the client has left a ping unanswered, or `None` if no answer is due.
pub fn unanswered_for(connection: &Connection, heard: Millis, now: Millis) -> Option<Millis> {
    awaited_since(connection, heard).map(|pinged_at| now.saturating_sub(pinged_at))
}

/// Returns whether to ping this connection early, together with one whose ping is due: from then on both
/// are due at the same time.
pub fn may_join_ping(connection: &Connection, heard: Millis, now: Millis, config: &Config) -> bool {
    let is_first = connection.pinged_at.is_none();
    may_be_pinged(connection)
        && awaited_since(connection, heard).is_none()
        && now + config.ping_interval / 2 >= ping_due(connection, config)
        // Clients do not expect the first ping earlier (Engine.IO protocol v4, "Heartbeat").
        && !(is_first && now < connection.opened_at + config.ping_interval)
}

/// Returns whether a ping may be sent: not during an upgrade, where it would arrive out of order.
pub(super) fn may_be_pinged(connection: &Connection) -> bool {
    matches!(connection.phase, Phase::Open | Phase::Connecting)
}

/// Returns the longest time for which an object with live connections sleeps.
pub fn longest_sleep(config: &Config) -> Millis {
    config.ping_interval.max(config.ping_timeout)
}

/// Returns when the next ping would be sent if one were sent every pingInterval.
fn next_turn(pinged_at: Millis, now: Millis, config: &Config) -> Millis {
    let interval = config.ping_interval.max(1);
    let turns = now.saturating_sub(pinged_at) / interval + 1;
    pinged_at.saturating_add(turns.saturating_mul(interval))
}

fn at(deadline: Millis, now: Millis, reason: CloseReason) -> Need {
    if now >= deadline {
        return Need::Close(reason);
    }
    Need::NothingUntil(deadline)
}

/// Returns when the last ping was sent if it is unanswered.
fn awaited_since(connection: &Connection, heard: Millis) -> Option<Millis> {
    connection.pinged_at.filter(|pinged_at| heard < *pinged_at)
}

fn ping_due(connection: &Connection, config: &Config) -> Millis {
    connection.pinged_at.unwrap_or(connection.opened_at) + config.ping_interval
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::token::{Identity, Role};

    fn config() -> Config {
        Config::read(|name| (name == "JWT_SECRET").then(|| "0123456789".repeat(4))).unwrap()
    }

    fn connection() -> Connection {
        let identity = Identity {
            user_id: "u1".into(),
            role: Role::Customer,
            name: None,
            expires_at: 10_000_000,
            issued_at: None,
        };
        let mut connection = Connection::new(
            "E".into(),
            Carrier::WebSocket,
            Phase::Open,
            identity,
            1_000,
            1_000,
        );
        connection.session.join("/", "S");
        connection
    }

    fn check(connection: &Connection, heard: Millis, now: Millis) -> Need {
        need(connection, heard, now, false, &config())
    }

    #[test]
    fn a_ping_goes_out_every_ping_interval() {
        let mut connection = connection();
        let before = Need::NothingUntil(26_000);
        assert_eq!(check(&connection, 1_000, 25_999), before);
        assert_eq!(check(&connection, 1_000, 26_000), Need::Ping);
        connection.pinged_at = Some(26_000);
        // The object wakes up once per ping and not in between, whether or not the ping is answered yet.
        let next = Need::NothingUntil(51_000);
        assert_eq!(check(&connection, 1_000, 26_001), next);
        assert_eq!(check(&connection, 27_000, 27_001), next);
        assert_eq!(check(&connection, 27_000, 51_000), Need::Ping);
    }

    #[test]
    fn a_ghost_is_one_after_ping_timeout_and_closed_at_the_next_waking() {
        let mut connection = connection();
        connection.pinged_at = Some(26_000);
        let config = config();
        assert!(!is_ghost(&connection, 1_000, 45_999, &config));
        assert!(is_ghost(&connection, 1_000, 46_000, &config));
        let next = Need::NothingUntil(51_000);
        assert_eq!(check(&connection, 1_000, 46_000), next);
        let end = Need::Close(ProtocolEnd::PingTimeout.into());
        assert_eq!(check(&connection, 1_000, 51_000), end);
        // The client answers after all: it was just slow.
        assert!(!is_ghost(&connection, 47_000, 47_001, &config));
        assert_eq!(check(&connection, 47_000, 51_000), Need::Ping);
    }

    #[test]
    fn a_client_may_take_ping_timeout_to_answer() {
        let mut connection = connection();
        connection.pinged_at = Some(26_000);
        let slow = 26_000 + 12_000;
        for is_watched in [false, true] {
            let need = need(&connection, slow, slow, is_watched, &config());
            assert_eq!(need, Need::NothingUntil(51_000));
        }
    }

    #[test]
    fn the_ghost_of_a_watched_user_is_closed_on_time() {
        let mut connection = connection();
        connection.pinged_at = Some(26_000);
        let check = |now| need(&connection, 1_000, now, true, &config());
        assert_eq!(check(45_999), Need::NothingUntil(46_000));
        assert_eq!(check(46_000), Need::Close(ProtocolEnd::PingTimeout.into()));
    }

    #[test]
    fn a_timeout_longer_than_the_interval_delays_no_ping() {
        let config = Config {
            ping_interval: 10_000,
            ping_timeout: 60_000,
            ..config()
        };
        let mut connection = connection();
        connection.pinged_at = Some(11_000);
        for is_watched in [false, true] {
            let check = |heard, now| need(&connection, heard, now, is_watched, &config);
            // The object wakes up when the next ping is due, and sends it if the last one was answered.
            assert_eq!(check(1_000, 11_001), Need::NothingUntil(21_000));
            assert_eq!(check(12_000, 21_000), Need::Ping);
            // No ping is sent before the last one is answered; the object looks once per interval.
            assert_eq!(check(1_000, 21_000), Need::NothingUntil(31_000));
            assert_eq!(check(1_000, 30_999), Need::NothingUntil(31_000));
            assert_eq!(check(23_000, 31_000), Need::Ping);
            assert_eq!(check(1_000, 61_000), Need::NothingUntil(71_000));
            let end = Need::Close(ProtocolEnd::PingTimeout.into());
            assert_eq!(check(1_000, 71_000), end);
        }
    }

    #[test]
    fn a_late_alarm_kills_nobody() {
        let mut connection = connection();
        let config = config();
        connection.pinged_at = Some(26_000);
        // The alarm was a minute late: no ping was sent, so no answer is missing.
        assert!(!is_ghost(&connection, 26_050, 111_000, &config));
        assert_eq!(check(&connection, 26_050, 111_000), Need::Ping);
        connection.pinged_at = Some(111_000);
        assert!(!is_ghost(&connection, 26_050, 130_999, &config));
        assert!(is_ghost(&connection, 26_050, 131_000, &config));
    }

    #[test]
    fn a_client_that_talks_and_answers_no_ping_ends_some_time() {
        let mut connection = connection();
        let mut now = 26_000;
        for _ in 0..=MAX_LATER_PINGS {
            assert_eq!(check(&connection, now - 1, now), Need::Ping);
            connection.pinged(now, 0, None);
            now += 25_000;
        }
        let end = Need::Close(ProtocolEnd::PingTimeout.into());
        assert_eq!(check(&connection, now - 1, now), end);
    }

    #[test]
    fn without_a_connect_silence_is_closed_on_time() {
        let mut connection = connection();
        connection.session = Default::default();
        assert_eq!(check(&connection, 1_000, 26_000), Need::Ping);
        connection.pinged_at = Some(26_000);
        let slow = Config {
            connect_timeout: 600_000,
            ..config()
        };
        assert_eq!(
            need(&connection, 1_000, 26_001, false, &slow),
            Need::NothingUntil(46_000)
        );
        assert_eq!(
            need(&connection, 1_000, 46_000, false, &slow),
            Need::Close(ProtocolEnd::PingTimeout.into())
        );
        assert_eq!(need(&connection, 26_050, 51_000, false, &slow), Need::Ping);
    }

    #[test]
    fn no_connect_in_time_closes() {
        let mut connection = connection();
        connection.session = Default::default();
        connection.pinged_at = Some(26_000);
        assert_eq!(
            check(&connection, 26_050, 45_999),
            Need::NothingUntil(46_000)
        );
        assert_eq!(
            check(&connection, 26_050, 46_000),
            Need::Close(ProtocolEnd::ConnectTimeout.into())
        );
    }

    #[test]
    fn an_expired_token_closes_after_its_leeway() {
        let mut connection = connection();
        connection.identity.expires_at = 5_000;
        connection.pinged_at = Some(26_000);
        let leeway_ends = Need::NothingUntil(35_000);
        assert_eq!(check(&connection, 26_100, 26_200), leeway_ends);
        let end = Need::Close(CloseReason::TokenExpired);
        assert_eq!(check(&connection, 26_100, 35_000), end);
    }

    #[test]
    fn an_upgrade_has_its_own_deadline() {
        let mut connection = connection();
        connection.phase = Phase::Probing;
        assert_eq!(
            check(&connection, 1_000, 10_999),
            Need::NothingUntil(11_000)
        );
        assert_eq!(
            check(&connection, 1_000, 11_000),
            Need::Close(ProtocolEnd::UpgradeFailed.into())
        );
        // The polling connection may have been open for a long time.
        connection.carrier = Carrier::Gateway;
        connection.phase = Phase::Upgrading;
        assert_eq!(
            check(&connection, 11_000, 11_001),
            Need::NothingUntil(26_000)
        );
        // The ping waits for the end of the upgrade, and the object does not wake up for it before.
        assert_eq!(
            check(&connection, 11_000, 26_000),
            Need::NothingUntil(36_000)
        );
    }

    #[test]
    fn pings_fall_into_step() {
        let mut connection = connection();
        let config = config();
        // The first ping is not sent before pingInterval.
        assert!(!may_join_ping(&connection, 1_000, 25_999, &config));
        assert!(may_join_ping(&connection, 1_000, 26_000, &config));
        connection.pinged_at = Some(26_000);
        // No ping is sent while the last one is unanswered.
        assert!(!may_join_ping(&connection, 1_000, 60_000, &config));
        assert!(!may_join_ping(&connection, 26_010, 38_499, &config));
        assert!(may_join_ping(&connection, 26_010, 38_500, &config));
    }
}
