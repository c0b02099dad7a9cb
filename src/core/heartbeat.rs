//! When a connection needs attention: a ping, or its end.
//!
//! Invariant: what the handshake announces is what happens. A ping goes out one pingInterval after the
//! last one, and a connection that does not answer within pingTimeout is dead (Engine.IO protocol v4,
//! "Heartbeat"). Clients rest on both: they give up when they hear nothing for longer, and some, such
//! as python-socketio, well before pingInterval + pingTimeout.
//!
//! One alarm per object serves all of its sockets, and each setting of it costs a write
//! (docs/cost.md), so the object wakes up for pings alone where it can:
//!
//! - the pong is looked for when the next ping is due. Nobody has to wake up for a ghost before that:
//!   whoever asks compares times ([`is_ghost`]);
//! - a user who is watched is the exception, because others want to hear in time that they are gone:
//!   the object also wakes up when a ping's time for its answer is over;
//! - so is a connection without a CONNECT, which is closed on time and does not last in any case.
//!
//! An alarm that is late loses nobody: the time for an answer begins when the ping is sent.
//!
//! The facts that the verdict rests on stand in the attachment and in the socket's auto-response
//! time, so a lost memory changes nothing.

use super::config::Config;
use super::connection::{Carrier, Connection, Phase};
use super::time::Millis;
use super::token::LEEWAY_MS;
use crate::core::close::CloseReason;
use crate::wire::close::ProtocolEnd;

/// How many pings may go out behind one whose pong has not come, to a client that is heard otherwise.
const MAX_LATER_PINGS: usize = 8;

/// What a connection needs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing before this time.
    NothingUntil(Millis),
    /// A ping.
    Ping,
    /// Its end.
    Close(CloseReason),
}

/// What `connection`, last heard at `heard` by packet or pong, needs at `now`. Of a user who is
/// watched, others want to hear in time that they are gone: their ghosts are closed on time.
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
    if let Some(deadline) = connection.session.ack_deadline() {
        until = until.min(deadline);
    }

    let due = ping_due(connection, config);
    let Some(pinged_at) = awaited_since(connection, heard) else {
        return match now >= due {
            true if connection.later_pings.len() >= MAX_LATER_PINGS => {
                Need::Close(ProtocolEnd::PingTimeout.into())
            }
            true if may_be_pinged(connection) => Need::Ping,
            // The upgrade that keeps it from being pinged ends before this.
            true => Need::NothingUntil((now + config.upgrade_timeout).min(until)),
            false => Need::NothingUntil(due.min(until)),
        };
    };
    let dead_at = pinged_at + config.ping_timeout;
    let may_wait = connection.session.was_joined() && !is_watched;
    let next_look = match may_wait {
        true if now < due => due,
        _ if now >= dead_at => return Need::Close(ProtocolEnd::PingTimeout.into()),
        // The pong may have come by then, and the next ping be due.
        _ => next_turn(pinged_at, now, config).min(dead_at),
    };
    Need::NothingUntil(next_look.min(until))
}

/// Whether the client has vanished without a word: it was pinged, and was not heard for pingTimeout
/// after that.
pub fn is_ghost(connection: &Connection, heard: Millis, now: Millis, config: &Config) -> bool {
    awaited_since(connection, heard).is_some_and(|pinged_at| now >= pinged_at + config.ping_timeout)
}

/// For how long the client has left a ping unanswered; none if it owes no answer.
pub fn unanswered_for(connection: &Connection, heard: Millis, now: Millis) -> Option<Millis> {
    awaited_since(connection, heard).map(|pinged_at| now.saturating_sub(pinged_at))
}

/// Whether to ping this one now because another one is due anyway: then both are due together from
/// here on.
pub fn may_join_ping(connection: &Connection, heard: Millis, now: Millis, config: &Config) -> bool {
    let is_first = connection.pinged_at.is_none();
    may_be_pinged(connection)
        && awaited_since(connection, heard).is_none()
        && now + config.ping_interval / 2 >= ping_due(connection, config)
        // Clients expect the first ping no sooner (Engine.IO protocol v4, "Heartbeat").
        && !(is_first && now < connection.opened_at + config.ping_interval)
}

/// Whether a ping can go out: not during an upgrade, whose order it would disturb.
pub(super) fn may_be_pinged(connection: &Connection) -> bool {
    matches!(connection.phase, Phase::Open | Phase::Connecting)
}

/// The longest time that an object with live connections sleeps.
pub fn longest_sleep(config: &Config) -> Millis {
    config.ping_interval.max(config.ping_timeout)
}

/// When the next ping would go out if one did every pingInterval.
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

/// Since when a ping of the connection is unanswered.
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
        // One waking per ping, and none in between, whether it is answered yet or not.
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
        // It answers after all: it was but slow.
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
            // None goes out before the answer to the last one, which is looked for once a turn.
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
        // The alarm came a minute late: nothing was asked, so nothing can be missing.
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
        // The polling side may have been open for long.
        connection.carrier = Carrier::Gateway;
        connection.phase = Phase::Upgrading;
        assert_eq!(
            check(&connection, 11_000, 11_001),
            Need::NothingUntil(26_000)
        );
        // Its ping waits for the end of the upgrade, and nobody wakes up for it meanwhile.
        assert_eq!(
            check(&connection, 11_000, 26_000),
            Need::NothingUntil(36_000)
        );
    }

    #[test]
    fn pings_fall_into_step() {
        let mut connection = connection();
        let config = config();
        // The first one not before pingInterval.
        assert!(!may_join_ping(&connection, 1_000, 25_999, &config));
        assert!(may_join_ping(&connection, 1_000, 26_000, &config));
        connection.pinged_at = Some(26_000);
        // Not while its answer is awaited.
        assert!(!may_join_ping(&connection, 1_000, 60_000, &config));
        assert!(!may_join_ping(&connection, 26_010, 38_499, &config));
        assert!(may_join_ping(&connection, 26_010, 38_500, &config));
    }
}
