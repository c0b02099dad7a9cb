//! When a connection needs attention: a ping, or its end.
//!
//! One alarm per object serves all of its sockets, and each waking costs a write, so the rhythm is
//! as slow as the promises allow. With S = pingInterval + pingTimeout:
//!
//! - the first ping goes out after pingInterval, each further one S/2 after the one before, and none
//!   before the one before was answered. The client, which waits S, always has a margin of S/2;
//! - a connection that was not heard for S, and had its chance to answer a ping, is dead.
//!
//! So a ping and the verdict on the ping before it fall on the same waking (S/2 + S/2 = S), and the
//! object wakes once per S/2 however many sockets it has. The facts that the verdict rests on stand
//! in the attachment and in the socket's auto-response time, so a lost memory changes nothing.

use super::config::Config;
use super::connection::{Connection, Phase};
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

/// What `connection`, last heard at `heard` by packet or pong, needs at `now`.
pub fn need(connection: &Connection, heard: Millis, now: Millis, config: &Config) -> Need {
    let mut until = match connection.phase {
        Phase::Closed => return Need::NothingUntil(Millis::MAX),
        Phase::Probing | Phase::Upgrading => {
            return at(
                connection.opened_at + config.upgrade_timeout,
                now,
                CloseReason::UpgradeFailed,
            );
        }
        Phase::Open | Phase::Connecting => Millis::MAX,
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

    match awaited_since(connection, heard) {
        Some(pinged_at) => {
            let dead_at = dead_at(pinged_at, heard, config);
            match at(dead_at, now, CloseReason::PingTimeout) {
                Need::NothingUntil(time) => Need::NothingUntil(time.min(until)),
                close => close,
            }
        }
        None if now >= ping_due(connection, config) => Need::Ping,
        None => Need::NothingUntil(ping_due(connection, config).min(until)),
    }
}

/// Whether to ping this one now because another one is due anyway: then both are due together from
/// here on.
pub fn may_join_ping(connection: &Connection, heard: Millis, now: Millis, config: &Config) -> bool {
    matches!(connection.phase, Phase::Open | Phase::Connecting)
        && awaited_since(connection, heard).is_none()
        && now + config.silence() / 4 >= ping_due(connection, config)
}

/// The log offset that the connection's client has confirmed: it answered a ping that was sent
/// after every event up to there.
pub fn confirmed_offset(connection: &Connection, heard: Millis) -> u64 {
    match connection.pinged_at {
        Some(pinged_at) if heard >= pinged_at => connection.offset_at_ping,
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
    match connection.pinged_at {
        None => connection.opened_at + config.ping_interval,
        Some(pinged_at) => pinged_at + config.silence() / 2,
    }
}

/// An alarm may be late, and then the ping was, too: the client gets its time to answer all the
/// same.
fn dead_at(pinged_at: Millis, heard: Millis, config: &Config) -> Millis {
    let grace = config.ping_timeout.min(config.silence() / 2);
    (heard + config.silence()).max(pinged_at + grace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::connection::Carrier;
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
        need(connection, heard, now, &config())
    }

    #[test]
    fn the_first_ping_comes_after_ping_interval() {
        let connection = connection();
        assert_eq!(
            check(&connection, 1_000, 25_999),
            Need::NothingUntil(26_000)
        );
        assert_eq!(check(&connection, 1_000, 26_000), Need::Ping);
    }

    #[test]
    fn one_waking_does_for_the_verdict_and_the_next_ping() {
        let mut connection = connection();
        connection.pinged_at = Some(26_000);
        // Answered at once: the next ping is half the silence later, and no waking comes between.
        assert_eq!(
            check(&connection, 26_050, 26_100),
            Need::NothingUntil(48_500)
        );
        assert_eq!(check(&connection, 26_050, 48_500), Need::Ping);
        // The ping at 48.5 s is not answered: dead one silence after the last word.
        connection.pinged_at = Some(48_500);
        assert_eq!(
            check(&connection, 26_050, 48_501),
            Need::NothingUntil(71_050)
        );
        assert_eq!(
            check(&connection, 26_050, 71_050),
            Need::Close(CloseReason::PingTimeout)
        );
        // Answered a slow second later: alive, and due.
        assert_eq!(check(&connection, 49_500, 71_050), Need::Ping);
    }

    #[test]
    fn a_late_alarm_kills_nobody() {
        let mut connection = connection();
        connection.pinged_at = Some(26_000);
        // The alarm came a minute late: nothing was asked, so nothing can be missing.
        assert_eq!(check(&connection, 26_050, 108_500), Need::Ping);
        connection.pinged_at = Some(108_500);
        assert_eq!(
            check(&connection, 26_050, 108_501),
            Need::NothingUntil(128_500)
        );
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
        assert_eq!(check(&connection, 1_000, 5_001), Need::NothingUntil(26_000));
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
    }

    #[test]
    fn pings_fall_into_step() {
        let mut connection = connection();
        let config = config();
        assert!(!may_join_ping(&connection, 1_000, 10_000, &config));
        assert!(may_join_ping(&connection, 1_000, 20_000, &config));
        connection.pinged_at = Some(20_000);
        // Not while its answer is awaited.
        assert!(!may_join_ping(&connection, 1_000, 42_000, &config));
        assert!(may_join_ping(&connection, 20_010, 42_000, &config));
    }

    #[test]
    fn a_pong_confirms_what_was_sent_before_its_ping() {
        let mut connection = connection();
        assert_eq!(confirmed_offset(&connection, 5_000), 0);
        connection.pinged_at = Some(26_000);
        connection.offset_at_ping = 9;
        assert_eq!(confirmed_offset(&connection, 25_999), 0);
        assert_eq!(confirmed_offset(&connection, 26_000), 9);
    }
}
