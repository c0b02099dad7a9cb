//! Which events a client has provably received, and which may have been lost in transit.
//!
//! Invariant: a log offset counts as confirmed only if there is evidence that everything up to it has
//! arrived at the client. Unconfirmed events are sent again at the next CONNECT, so a message may arrive
//! twice, but none is lost. The evidence:
//!
//! - the pong to a ping that was sent after the event: both directions preserve order, so a client that
//!   answers the ping has read everything before it. Other packets prove nothing: they may have crossed the
//!   event in transit;
//! - over polling, the next GET: the client sends it only after it has received the answer to the last one.
//!   The gateway sees that and tells the user's object ([`crate::messages::GatewayControl::Confirmed`]);
//! - over WebSocket, a clean close, for events sent at least [`CROSSING`] before it. Later events may have
//!   crossed the close;
//! - a recovery: the client gives the offset of the last event that it received.

use super::connection::{Carrier, Connection};
use super::heartbeat::may_be_pinged;
use super::time::Millis;
use crate::wire::close::CROSSING;

/// How long after a ping to look for its pong while a sender waits for a receipt. For most clients one look
/// is enough; the others are for slow clients.
const LOOKS_AFTER: [Millis; 4] = [2_000, 4_000, 8_000, 16_000];

/// Returns the time up to which a clean close at `now` confirms what was sent, or `None` if it confirms
/// nothing.
pub fn by_goodbye(connection: &Connection, now: Millis) -> Option<Millis> {
    let up_to = now.saturating_sub(CROSSING);
    // Only a WebSocket is closed by the client itself; a gateway closes its own socket and reports what its
    // client has confirmed.
    let is_clients_own = connection.carrier == Carrier::WebSocket;
    (is_clients_own && connection.caught_up_at <= up_to).then_some(up_to)
}

/// Returns whether an extra ping may be sent now, so that its pong confirms what was just sent. The pong to
/// the last ping must have arrived, because a late pong would pass for the answer to this ping. For the same
/// reason it must not have arrived in this very millisecond.
pub fn may_ask(connection: &Connection, ponged_at: Option<Millis>, now: Millis) -> bool {
    let is_first = connection.pinged_at.is_none();
    let is_answered = connection.is_answered(ponged_at) && ponged_at < Some(now);
    (is_first || is_answered) && connection.is_live() && may_be_pinged(connection)
}

/// Returns when to look for the client's pong next while a sender waits for a receipt: the pong confirms the
/// message, or allows the ping that will. Returns `None` after the last look; then the heartbeat's next ping
/// decides.
pub fn look_at(connection: &Connection, now: Millis) -> Option<Millis> {
    let pinged_at = connection.pinged_at.filter(|_| connection.is_live())?;
    let mut looks = LOOKS_AFTER.iter().map(|pause| pinged_at + pause);
    looks.find(|at| *at > now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::connection::Phase;
    use crate::core::token::{Identity, Role};

    fn connection() -> Connection {
        let identity = Identity {
            user_id: "u1".into(),
            role: Role::Customer,
            name: None,
            expires_at: 10_000_000,
            issued_at: None,
        };
        let opened_at = 1_000;
        let carrier = Carrier::WebSocket;
        let phase = Phase::Open;
        let mut connection =
            Connection::new("E".into(), carrier, phase, identity, opened_at, opened_at);
        connection.session.join("/", "S");
        connection.caught_up_at = 1_000;
        connection
    }

    #[test]
    fn a_pong_confirms_what_was_sent_before_its_ping() {
        let mut connection = connection();
        assert_eq!(connection.confirmed_by_pong(Some(5_000)), 0);
        connection.pinged(26_000, 9, None);
        assert_eq!(connection.confirmed_by_pong(None), 0);
        assert_eq!(connection.confirmed_by_pong(Some(25_999)), 0);
        assert_eq!(connection.confirmed_by_pong(Some(26_000)), 9);
    }

    #[test]
    fn the_next_ping_takes_nothing_back() {
        let mut connection = connection();
        connection.pinged(26_000, 9, None);
        connection.pinged(51_000, 12, Some(26_050));
        assert_eq!(connection.confirmed_by_pong(Some(26_050)), 9);
        assert_eq!(connection.confirmed_by_pong(Some(51_100)), 12);
    }

    #[test]
    fn a_late_pong_confirms_what_its_own_ping_was_sent_behind() {
        let mut connection = connection();
        connection.pinged(26_000, 5, None);
        // The client was heard by other packets, so the next ping went out anyway.
        connection.pinged(51_000, 9, None);
        assert_eq!(connection.confirmed_by_pong(Some(51_050)), 5);
        // It is unknown whether the pong to the second ping has arrived as well.
        connection.pinged(76_000, 12, Some(51_060));
        assert_eq!(connection.confirmed_by_pong(Some(51_060)), 5);
        assert_eq!(connection.confirmed_by_pong(Some(76_001)), 9);
        connection.pinged(101_000, 15, Some(76_001));
        assert_eq!(connection.confirmed_by_pong(Some(101_001)), 12);
    }

    #[test]
    fn nothing_that_was_sent_before_a_connect_counts_after_it() {
        let mut connection = connection();
        connection.pinged(26_000, 5, None);
        connection.pinged(51_000, 9, None);
        connection.enter("S2", 52_000);
        assert_eq!(connection.confirmed_by_pong(Some(53_000)), 0);
        connection.pinged(76_000, 12, Some(53_000));
        assert_eq!(connection.confirmed_by_pong(Some(76_001)), 0);
        connection.pinged(101_000, 15, Some(76_001));
        assert_eq!(connection.confirmed_by_pong(Some(101_001)), 12);
    }

    #[test]
    fn a_goodbye_confirms_what_cannot_have_crossed_it() {
        let mut connection = connection();
        assert_eq!(by_goodbye(&connection, 9_000), Some(7_000));
        // What was sent at the CONNECT is too recent.
        assert_eq!(by_goodbye(&connection, 2_999), None);
        assert_eq!(by_goodbye(&connection, 3_000), Some(1_000));
        connection.carrier = Carrier::Gateway;
        assert_eq!(by_goodbye(&connection, 9_000), None);
    }

    #[test]
    fn a_ping_out_of_turn_waits_for_the_answer_to_the_last_one() {
        let mut connection = connection();
        assert!(may_ask(&connection, None, 2_000));
        connection.pinged(2_000, 1, None);
        assert!(!may_ask(&connection, None, 2_500));
        assert!(!may_ask(&connection, Some(1_999), 2_500));
        assert!(!may_ask(&connection, Some(2_100), 2_100));
        assert!(may_ask(&connection, Some(2_100), 2_101));
        connection.phase = Phase::Upgrading;
        assert!(!may_ask(&connection, Some(2_100), 2_101));
    }

    #[test]
    fn a_pong_is_looked_for_less_and_less_often() {
        let mut connection = connection();
        assert_eq!(look_at(&connection, 2_000), None);
        connection.pinged(2_000, 5, None);
        let mut looks = vec![2_000];
        while let Some(at) = looks.last().and_then(|now| look_at(&connection, *now)) {
            looks.push(at);
        }
        assert_eq!(looks, [2_000, 4_000, 6_000, 10_000, 18_000]);
        connection.phase = Phase::Closed;
        assert_eq!(look_at(&connection, 2_000), None);
    }
}
