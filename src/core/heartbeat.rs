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
//! An object that is registered with a pacemaker ([`super::pacemaker`]) is called for all of this, and its alarm is set
//! for what the calls do not cover: the first ping of a connection, deadlines, and calls that do not come ([`wake_at`]).
//!
//! A late alarm disconnects nobody: the timeout begins when the ping is sent.
//!
//! The decision depends only on the attachment and on the time of the socket's last auto-response, so it
//! does not change when the object loses its memory.

use super::config::Config;
use super::connection::{Carrier, Connection, Phase};
use super::pacemaker::pace::Pace;
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
    need_beside(None, connection, heard, now, is_watched, config)
}

/// Returns when the object's own alarm has to wake it for `connection`, if ever. `pace` is what it may leave to a
/// pacemaker.
pub fn wake_at(
    pace: Option<&Pace>,
    connection: &Connection,
    heard: Millis,
    now: Millis,
    is_watched: bool,
    config: &Config,
) -> Option<Millis> {
    match need_beside(pace, connection, heard, now, is_watched, config) {
        Need::NothingUntil(Millis::MAX) => None,
        Need::NothingUntil(at) => Some(at),
        Need::Ping | Need::Close(_) => Some(now),
    }
}

/// Returns by when a pacemaker must have called for `connection`, if it is to call and the last ping is answered by then.
pub fn call_deadline(pace: &Pace, connection: &Connection, config: &Config) -> Option<Millis> {
    relies_on_calls(connection).then(|| pace.missed_at(ping_due(connection, config)))
}

/// Returns whether a pacemaker has not called for `connection`: otherwise a ping would have been sent, or a ghost closed.
pub fn has_missed_call(
    pace: &Pace,
    connection: &Connection,
    heard: Millis,
    now: Millis,
    config: &Config,
) -> bool {
    let dead_at = awaited_since(connection, heard).map(|pinged_at| pinged_at + config.ping_timeout);
    let closed_by = pace.missed_at(dead_at.unwrap_or_default());
    call_deadline(pace, connection, config).is_some_and(|at| now >= at.max(closed_by))
}

/// Returns whether `connection` leaves its pings to a pacemaker: not the first one, which clients do not expect
/// early.
fn relies_on_calls(connection: &Connection) -> bool {
    connection.is_live() && connection.pinged_at.is_some() && may_be_pinged(connection)
}

/// Returns what `connection` needs beside the calls of a pacemaker.
fn need_beside(
    pace: Option<&Pace>,
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
    let may_wait = connection.session.was_joined() && !is_watched;
    let pace = pace.filter(|_| relies_on_calls(connection));
    let awaited_since = awaited_since(connection, heard);
    if let Some(pace) = pace
        && (awaited_since.is_none() || (may_wait && now < due))
    {
        return Need::NothingUntil(pace.alarm_at(due, now).min(until));
    }
    let Some(pinged_at) = awaited_since else {
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
    if let Some(pace) = pace.filter(|pace| pace.will_look(dead_at, now)) {
        return Need::NothingUntil(pace.far_out(dead_at).min(until));
    }
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

/// Returns whether to ping this connection together with one whose ping is due, if its own ping is due within `ahead`:
/// from then on both are due at the same time.
pub fn may_join_ping(
    connection: &Connection,
    heard: Millis,
    now: Millis,
    ahead: Millis,
    config: &Config,
) -> bool {
    let is_first = connection.pinged_at.is_none();
    may_be_pinged(connection)
        && awaited_since(connection, heard).is_none()
        && now + ahead >= ping_due(connection, config)
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
    use crate::core::pacemaker::pace::Registration;
    use crate::core::pacemaker::rhythm::Rhythm;
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
        let may_join = |connection: &Connection, heard, now| {
            may_join_ping(connection, heard, now, 12_500, &config)
        };
        assert!(!may_join(&connection, 1_000, 25_999));
        assert!(may_join(&connection, 1_000, 26_000));
        connection.pinged_at = Some(26_000);
        // No ping is sent while the last one is unanswered.
        assert!(!may_join(&connection, 1_000, 60_000));
        assert!(!may_join(&connection, 26_010, 38_499));
        assert!(may_join(&connection, 26_010, 38_500));
    }

    /// What a user counts on who is called at 26 s, 51 s and so on.
    fn pace(has_look: bool) -> Pace {
        let registration = Registration {
            pacemaker: "FRA-0".into(),
            beat: Rhythm::of(&config()).slot(26_000),
            has_look,
        };
        Pace::new(&registration, &config())
    }

    fn wake(
        pace: &Pace,
        connection: &Connection,
        heard: Millis,
        now: Millis,
        is_watched: bool,
    ) -> Option<Millis> {
        wake_at(Some(pace), connection, heard, now, is_watched, &config())
    }

    fn missed(pace: &Pace, connection: &Connection, heard: Millis, now: Millis) -> bool {
        has_missed_call(pace, connection, heard, now, &config())
    }

    #[test]
    fn whoever_is_called_sets_an_alarm_far_out() {
        let mut connection = connection();
        let pace = pace(false);
        // Nobody calls for the first ping.
        assert_eq!(wake(&pace, &connection, 1_000, 1_001, false), Some(26_000));
        connection.pinged_at = Some(26_000);
        let safety = Some(51_000 + 1_200_000);
        for heard in [1_000, 26_100] {
            for now in [26_200, 49_999] {
                assert_eq!(wake(&pace, &connection, heard, now, false), safety);
            }
        }
        // The call is on its way, or does not come: then the object wakes itself when the ping is due.
        let due = Some(51_000);
        assert_eq!(wake(&pace, &connection, 26_100, 50_001, false), due);
        // After a tick it is missed.
        assert_eq!(call_deadline(&pace, &connection, &config()), Some(56_000));
        assert!(!missed(&pace, &connection, 26_100, 55_999));
        assert!(missed(&pace, &connection, 26_100, 56_000));
        assert_eq!(wake(&pace, &connection, 26_100, 56_000, false), due);
        assert_eq!(check(&connection, 26_100, 56_000), Need::Ping);
        // A connection whose ping is due before the next call is on its own this time.
        connection.pinged_at = Some(20_000);
        assert_eq!(
            wake(&pace, &connection, 20_100, 26_200, false),
            Some(45_000)
        );
        connection.pinged_at = Some(26_000);
        // A call would have closed this one.
        assert!(missed(&pace, &connection, 1_000, 56_000));
        assert_eq!(wake(&pace, &connection, 1_000, 56_000, false), Some(56_000));
    }

    #[test]
    fn deadlines_stay_exact() {
        let mut connection = connection();
        connection.pinged_at = Some(26_000);
        connection.identity.expires_at = 60_000;
        assert_eq!(
            wake(&pace(true), &connection, 26_100, 26_200, true),
            Some(90_000)
        );
        connection.session = Default::default();
        let connects_until = Some(46_000);
        assert_eq!(
            wake(&pace(true), &connection, 26_100, 26_200, true),
            connects_until
        );
    }

    #[test]
    fn the_ghost_of_a_watched_user_who_is_called_is_closed_on_time() {
        let mut connection = connection();
        connection.pinged_at = Some(26_050);
        let told = pace(true);
        // The call at 45 s comes before the timeout, and finds the ping unanswered.
        assert_eq!(
            wake(&told, &connection, 1_000, 26_100, true),
            Some(1_246_050)
        );
        assert_eq!(wake(&told, &connection, 1_000, 45_000, true), Some(46_050));
        // Or answered.
        assert_eq!(
            wake(&told, &connection, 26_100, 45_000, true),
            Some(1_251_050)
        );
        // A pacemaker that was not told yet does not look.
        assert_eq!(
            wake(&pace(false), &connection, 1_000, 26_100, true),
            Some(46_050)
        );
        // Nor does one whose last look before the timeout has just been.
        let early = Config {
            ping_timeout: 24_000,
            ..config()
        };
        assert_eq!(
            wake_at(Some(&told), &connection, 1_000, 45_000, true, &early),
            Some(50_050)
        );
    }

    #[test]
    fn nothing_that_a_call_cannot_change_wakes_the_object_again_and_again() {
        let slow = Config {
            ping_timeout: 60_000,
            ..config()
        };
        let mut connection = connection();
        connection.pinged_at = Some(26_000);
        let pace = pace(false);
        for now in (26_000..86_000).step_by(500) {
            let at = wake_at(Some(&pace), &connection, 1_000, now, false, &slow);
            assert!(at > Some(now), "{now}: {at:?}");
        }
        // It is to look in time whether the ping has been answered, and then the next one is due.
        assert_eq!(call_deadline(&pace, &connection, &slow), Some(56_000));
        let missed_when = |heard, now| has_missed_call(&pace, &connection, heard, now, &slow);
        assert!(!missed_when(1_000, 90_999) && missed_when(1_000, 91_000));
        assert!(missed_when(26_100, 56_000));
        // No ping is sent during an upgrade.
        connection.carrier = Carrier::Gateway;
        connection.phase = Phase::Upgrading;
        assert!(wake(&pace, &connection, 26_100, 60_000, false) > Some(60_000));
        assert_eq!(call_deadline(&pace, &connection, &config()), None);
        assert!(!missed(&pace, &connection, 26_100, 99_000));
    }
}
