//! When a connection needs attention: a ping, or its end.
//!
//! One alarm per object serves all of its sockets, and each setting of it costs a write, so the
//! rhythm is as slow as the promises allow (what it costs: docs/cost.md):
//!
//! - a client gives up when it hears no ping for S = pingInterval + pingTimeout, so pings go out one
//!   period apart, which is S less a quarter of pingTimeout. That quarter is left for a late alarm,
//!   for the way, and for a client that takes its time to answer;
//! - a connection that was not heard for S is a ghost. Nobody has to wake up for that: whoever asks
//!   compares times ([`is_ghost`]). Its socket is closed when the next ping would be due, or, if
//!   somebody watches the user, on time, for which the object wakes up once more per period;
//! - a connection without a CONNECT has no users waiting for it and does not last: it is pinged
//!   every pingInterval and closed on time, as by the reference server.
//!
//! The facts that the verdict rests on stand in the attachment and in the socket's auto-response
//! time, so a lost memory changes nothing.

use super::config::Config;
use super::connection::{Carrier, Connection, Phase};
use super::session::CloseReason;
use super::time::Millis;
use super::token::LEEWAY_MS;

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
                CloseReason::UpgradeFailed,
            );
        }
        _ => Millis::MAX,
    };
    if !connection.session.was_joined() {
        let deadline = connection.opened_at + config.connect_timeout;
        if now >= deadline {
            return Need::Close(CloseReason::ConnectTimeout);
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
            true if may_be_pinged(connection) => Need::Ping,
            // The upgrade that keeps it from being pinged ends before this.
            true => Need::NothingUntil((now + config.upgrade_timeout).min(until)),
            false => Need::NothingUntil(due.min(until)),
        };
    };
    let dead_at = dead_at(pinged_at, heard, config);
    let close_at = match connection.session.was_joined() && !is_watched {
        true => due.max(dead_at),
        false => dead_at,
    };
    match at(close_at, now, CloseReason::PingTimeout) {
        Need::NothingUntil(time) => Need::NothingUntil(time.min(until)),
        close => close,
    }
}

/// Whether the client has vanished without a word: it had its chance to answer a ping, and was not
/// heard for pingInterval + pingTimeout.
pub fn is_ghost(connection: &Connection, heard: Millis, now: Millis, config: &Config) -> bool {
    awaited_since(connection, heard)
        .is_some_and(|pinged_at| now >= dead_at(pinged_at, heard, config))
}

/// Whether to ping this one now because another one is due anyway: then both are due together from
/// here on.
pub fn may_join_ping(connection: &Connection, heard: Millis, now: Millis, config: &Config) -> bool {
    let is_first = connection.pinged_at.is_none();
    may_be_pinged(connection)
        && awaited_since(connection, heard).is_none()
        && now + period(config) / 2 >= ping_due(connection, config)
        // Clients expect the first ping no sooner (Engine.IO protocol v4, "Heartbeat").
        && !(is_first && now < connection.opened_at + config.ping_interval)
}

fn may_be_pinged(connection: &Connection) -> bool {
    matches!(connection.phase, Phase::Open | Phase::Connecting)
}

/// How far apart the pings of a connection are, and so the longest time that an object with live
/// connections sleeps.
pub fn period(config: &Config) -> Millis {
    config.silence() - margin(config)
}

/// What is left of the silence for the ping to arrive and to be answered.
fn margin(config: &Config) -> Millis {
    config.ping_timeout / 4
}

/// The log offset that the connection's client has confirmed: its last pong came after a ping that was
/// sent after every event up to there. Other packets confirm nothing: they may have crossed the ping.
pub fn confirmed_offset(connection: &Connection, ponged_at: Option<Millis>) -> u64 {
    match (connection.pinged_at, ponged_at) {
        (Some(pinged_at), Some(ponged_at)) if ponged_at >= pinged_at => connection.offset_at_ping,
        _ => 0,
    }
}

fn at(deadline: Millis, now: Millis, reason: CloseReason) -> Need {
    if now >= deadline {
        return Need::Close(reason);
    }
    Need::NothingUntil(deadline)
}

fn awaited_since(connection: &Connection, heard: Millis) -> Option<Millis> {
    connection.pinged_at.filter(|pinged_at| heard < *pinged_at)
}

fn ping_due(connection: &Connection, config: &Config) -> Millis {
    let pause = match connection.session.was_joined() {
        true => period(config),
        false => config.ping_interval,
    };
    connection.pinged_at.unwrap_or(connection.opened_at) + pause
}

/// An alarm may be late, and then the ping was, too: the client gets its time to answer all the
/// same.
fn dead_at(pinged_at: Millis, heard: Millis, config: &Config) -> Millis {
    (heard + config.silence()).max(pinged_at + margin(config))
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

    // Defaults: interval 25 s, timeout 20 s, so silence 45 s, margin 5 s, period 40 s.

    #[test]
    fn pings_go_out_as_late_as_they_may() {
        let mut connection = connection();
        assert_eq!(
            check(&connection, 1_000, 40_999),
            Need::NothingUntil(41_000)
        );
        assert_eq!(check(&connection, 1_000, 41_000), Need::Ping);
        connection.pinged_at = Some(41_000);
        // Answered a slow second later: one waking per period, and none in between.
        assert_eq!(
            check(&connection, 42_000, 42_001),
            Need::NothingUntil(81_000)
        );
        assert_eq!(check(&connection, 42_000, 81_000), Need::Ping);
    }

    #[test]
    fn a_ghost_is_one_after_a_silence_and_closed_at_the_next_waking() {
        let mut connection = connection();
        connection.pinged_at = Some(41_000);
        let config = config();
        // Last heard at 20 s; its silence is over before the ping had a chance.
        assert!(!is_ghost(&connection, 20_000, 45_999, &config));
        // Last heard when it connected.
        assert!(!is_ghost(&connection, 1_000, 45_999, &config));
        assert!(is_ghost(&connection, 1_000, 46_000, &config));
        assert_eq!(
            check(&connection, 1_000, 46_000),
            Need::NothingUntil(81_000)
        );
        assert_eq!(
            check(&connection, 1_000, 81_000),
            Need::Close(CloseReason::PingTimeout)
        );
        // It answers after all: it was but slow.
        assert!(!is_ghost(&connection, 47_000, 47_001, &config));
        assert_eq!(check(&connection, 47_000, 81_000), Need::Ping);
    }

    #[test]
    fn the_ghost_of_a_watched_user_is_closed_on_time() {
        let mut connection = connection();
        connection.pinged_at = Some(41_000);
        let check = |now| need(&connection, 1_000, now, true, &config());
        assert_eq!(check(45_999), Need::NothingUntil(46_000));
        assert_eq!(check(46_000), Need::Close(CloseReason::PingTimeout));
    }

    #[test]
    fn a_late_alarm_kills_nobody() {
        let mut connection = connection();
        let config = config();
        connection.pinged_at = Some(41_000);
        // The alarm came a minute late: nothing was asked, so nothing can be missing.
        assert!(!is_ghost(&connection, 41_050, 141_000, &config));
        assert_eq!(check(&connection, 41_050, 141_000), Need::Ping);
        connection.pinged_at = Some(141_000);
        assert!(!is_ghost(&connection, 41_050, 145_999, &config));
        assert!(is_ghost(&connection, 41_050, 146_000, &config));
    }

    #[test]
    fn without_a_connect_the_rhythm_is_the_references() {
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
            Need::Close(CloseReason::PingTimeout)
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
            Need::Close(CloseReason::ConnectTimeout)
        );
    }

    #[test]
    fn an_expired_token_closes_after_its_leeway() {
        let mut connection = connection();
        connection.identity.expires_at = 5_000;
        assert_eq!(check(&connection, 1_000, 5_001), Need::NothingUntil(35_000));
        assert_eq!(
            check(&connection, 1_000, 35_000),
            Need::Close(CloseReason::TokenExpired)
        );
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
            Need::Close(CloseReason::UpgradeFailed)
        );
        // The polling side may have been open for long.
        connection.carrier = Carrier::Gateway;
        connection.phase = Phase::Upgrading;
        assert_eq!(
            check(&connection, 11_000, 11_001),
            Need::NothingUntil(41_000)
        );
        // Its ping waits for the end of the upgrade, and nobody wakes up for it meanwhile.
        assert_eq!(
            check(&connection, 11_000, 41_000),
            Need::NothingUntil(51_000)
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
        assert!(!may_join_ping(&connection, 26_010, 45_999, &config));
        assert!(may_join_ping(&connection, 26_010, 46_000, &config));
    }

    #[test]
    fn a_pong_confirms_what_was_sent_before_its_ping() {
        let mut connection = connection();
        assert_eq!(confirmed_offset(&connection, Some(5_000)), 0);
        connection.pinged_at = Some(26_000);
        connection.offset_at_ping = 9;
        assert_eq!(confirmed_offset(&connection, None), 0);
        assert_eq!(confirmed_offset(&connection, Some(25_999)), 0);
        assert_eq!(confirmed_offset(&connection, Some(26_000)), 9);
    }
}
