//! How much a client has been sent and not confirmed.
//!
//! The platform buffers what a client does not read, and does not say how much that is (workerd issue 988). So
//! what was sent since the last ping that the client has answered counts: a client that answers a ping has read
//! everything before it ([`super::confirmation`]).
//!
//! Invariant: no more than the configured number of bytes is on its way to one client. A client that leaves more
//! than that unconfirmed gets nothing more and is disconnected; when it returns, it recovers from the log. So
//! that a client that reads in time is not mistaken for a slow one, it is pinged early, when it has been sent a
//! part of that.
//!
//! Only the time of the last pong is known, not how many there were, whatever carries the connection. So if a ping is
//! sent while the one before it is unanswered, the next pong may be the answer to either and counts for the earlier
//! one; from then on each pong counts for one ping earlier, as in [`super::connection::Connection::pinged`].
//!
//! The count is in memory only. If an object loses it, it begins again at zero; but then the object has been idle
//! for ten seconds, and the heartbeat ends a client that does not answer its pings.

/// Which part of the limit may be sent before the next ping.
const PINGED_EVERY: usize = 4;

/// What to do about a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// Nothing: the client keeps up, as far as is known.
    None,
    /// Ping it, if it can be pinged: the pong will show what it has read.
    Ping,
    /// Disconnect it.
    TooSlow,
}

/// What one client has been sent.
#[derive(Debug, Clone, Default)]
pub struct Unconfirmed {
    /// The bytes that were sent before the oldest ping that no pong has certainly answered: the next pong confirms
    /// them.
    before_ping: usize,
    /// The bytes that were sent before each of the pings after that one, and after the ping before it, oldest first.
    before_later_pings: Vec<usize>,
    /// The bytes that were sent since the last ping.
    since_ping: usize,
}

impl Unconfirmed {
    /// Counts a packet.
    pub fn sent(&mut self, bytes: usize) {
        self.since_ping = self.since_ping.saturating_add(bytes);
    }

    /// Records that a ping is sent. `is_answered` is whether a pong has arrived since the ping before it, or this is
    /// the first one.
    pub fn pinged(&mut self, is_answered: bool) {
        let sent = std::mem::take(&mut self.since_ping);
        self.before_later_pings.push(sent);
        if is_answered {
            self.before_ping = self.before_later_pings.remove(0);
        }
    }

    /// Returns what to do, if at most `max` bytes may be unconfirmed. `is_answered` is whether a pong has arrived
    /// since the last ping.
    pub fn lag(&self, is_answered: bool, max: usize) -> Lag {
        if self.bytes(is_answered) > max {
            return Lag::TooSlow;
        }
        if self.since_ping > max / PINGED_EVERY {
            return Lag::Ping;
        }
        Lag::None
    }

    fn bytes(&self, is_answered: bool) -> usize {
        let before = if is_answered { 0 } else { self.before_ping };
        let later = self.before_later_pings.iter();
        later.fold(before.saturating_add(self.since_ping), |sum, bytes| {
            sum.saturating_add(*bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1_000;

    #[test]
    fn a_client_that_answers_may_be_sent_any_amount() {
        let mut client = Unconfirmed::default();
        for _ in 0..100 {
            client.sent(250);
            assert_eq!(client.lag(true, MAX), Lag::None);
            client.sent(1);
            assert_eq!(client.lag(true, MAX), Lag::Ping);
            client.pinged(true);
        }
    }

    #[test]
    fn a_client_that_does_not_answer_may_be_sent_so_much() {
        let mut client = Unconfirmed::default();
        client.sent(600);
        client.pinged(true);
        client.sent(400);
        assert_eq!(client.lag(false, MAX), Lag::Ping);
        client.sent(1);
        assert_eq!(client.lag(false, MAX), Lag::TooSlow);
        // The pong that arrives in the meantime confirms only what was sent before its ping.
        assert_eq!(client.lag(true, MAX), Lag::Ping);
        client.sent(600);
        assert_eq!(client.lag(true, MAX), Lag::TooSlow);
    }

    #[test]
    fn pings_alone_confirm_nothing() {
        let mut client = Unconfirmed::default();
        for ping in 0..4 {
            client.sent(250);
            assert_ne!(client.lag(false, MAX), Lag::TooSlow);
            client.pinged(ping == 0);
        }
        client.sent(1);
        assert_eq!(client.lag(false, MAX), Lag::TooSlow);
    }

    #[test]
    fn a_late_pong_confirms_what_its_own_ping_was_sent_behind() {
        let mut client = Unconfirmed::default();
        client.sent(600);
        client.pinged(true);
        client.sent(300);
        client.pinged(false);
        client.sent(100);
        assert_eq!(client.lag(false, MAX), Lag::None);
        // One pong has arrived. It may be the one to the first ping.
        client.sent(600);
        assert_eq!(client.lag(true, MAX), Lag::Ping);
        client.sent(1);
        assert_eq!(client.lag(true, MAX), Lag::TooSlow);
        // The next one confirms what was sent before the second ping.
        client.pinged(true);
        assert_eq!(client.lag(false, MAX), Lag::TooSlow);
        assert_eq!(client.lag(true, MAX), Lag::None);
        client.sent(299);
        assert_eq!(client.lag(true, MAX), Lag::Ping);
        client.sent(1);
        assert_eq!(client.lag(true, MAX), Lag::TooSlow);
    }

    #[test]
    fn one_packet_may_be_too_much() {
        let mut client = Unconfirmed::default();
        client.sent(usize::MAX);
        client.sent(usize::MAX);
        assert_eq!(client.lag(true, MAX), Lag::TooSlow);
    }
}
