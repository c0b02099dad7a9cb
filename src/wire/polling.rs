//! A polling session: how its GETs and POSTs are answered.
//!
//! Invariant: every packet for the client is handed out once and in order, to one GET or, at the upgrade, to
//! the WebSocket that takes over. A batch may be lost with the connection of its GET, so only the client's
//! next GET confirms it. GETs in the last moment before the client leaves confirm nothing: the client's
//! transport keeps polling while it says goodbye, and drops what it receives. Rules: Engine.IO protocol v4
//! ("HTTP long-polling", "Upgrade"), and the reference server's behaviour.

use std::collections::VecDeque;

use super::close::CROSSING;
use super::engine_io::{Packet, decode_payload, encode_payload};
use super::socket_io::log_offset;
use crate::core::time::Millis;

/// The session's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollingPhase {
    /// No CONNECT has been accepted yet, so the user is not known.
    Lobby,
    /// Packets go to the user's object.
    Routed,
    /// A WebSocket is probing. No GET may stay open, since the client waits for it to end.
    Upgrading,
    /// Closed, or taken over by a WebSocket.
    Closed,
}

/// How to answer a GET.
#[derive(Debug, PartialEq, Eq)]
pub enum GetOutcome {
    /// With this body, at once.
    Body(String),
    /// Not yet: the GET waits for the next packet.
    Wait,
    /// Not yet: no GET may stay open while a WebSocket probes, but only the user's object knows whether this
    /// GET was sent before or after the WebSocket took over. The gateway asks it ([`GatewayControl::Sync`]);
    /// when the reply arrives, [`PollingSession::flush`] ends the GET.
    ///
    /// [`GatewayControl::Sync`]: crate::messages::GatewayControl::Sync
    Sync,
    /// With 400. The session is closed, and the GET that was waiting is answered with `1`.
    Overlap,
    /// With 400: the session does not exist, or has ended.
    Unknown,
}

/// What a POST contains, or how to refuse it.
#[derive(Debug, PartialEq, Eq)]
pub enum PostOutcome {
    /// Packets to handle in order.
    Packets(Vec<Packet>),
    /// 400; the session is closed.
    Invalid,
    /// 413; the session is closed.
    TooLarge,
    /// 400: the session does not exist, or has ended.
    Unknown,
}

/// A client that leaves more bytes than this unfetched is considered gone.
const MAX_QUEUE_BYTES: usize = 8_000_000;

/// The state of one polling session.
#[derive(Debug)]
pub struct PollingSession {
    /// Where the session stands between handshake and end.
    pub phase: PollingPhase,
    /// When the last valid POST arrived.
    pub last_heard: Millis,
    /// When the handshake was answered.
    pub opened_at: Millis,
    /// The deadline of a WebSocket that is probing while the user is still unknown, if there is one.
    pub probed_until: Option<Millis>,
    get_waits: bool,
    /// Whether the client still has to receive the close packet that ends the session.
    owes_close: bool,
    queue: Vec<Packet>,
    queued_bytes: usize,
    /// The last log offset of the latest batch, until a GET confirms it.
    handed_out: Option<u64>,
    /// When GETs arrived that confirmed a batch, and the last log offset of that batch. Keeps those of the
    /// last moment, and the latest one before it.
    arrived: VecDeque<(Millis, u64)>,
    /// When the last GET arrived.
    last_get: Millis,
}

impl PollingSession {
    /// Creates a session whose handshake was answered at `opened_at`.
    pub fn new(opened_at: Millis) -> Self {
        Self {
            phase: PollingPhase::Lobby,
            last_heard: opened_at,
            opened_at,
            probed_until: None,
            get_waits: false,
            owes_close: false,
            queue: Vec::new(),
            queued_bytes: 0,
            handed_out: None,
            arrived: VecDeque::new(),
            last_get: opened_at,
        }
    }

    /// Returns whether no valid POST has arrived for `silence` milliseconds. Clients answer pings by POST.
    pub fn is_silent(&self, now: Millis, silence: Millis) -> bool {
        now >= self.last_heard + silence
    }

    /// Handles a GET.
    pub fn on_get(&mut self, now: Millis) -> GetOutcome {
        self.has_arrived(now);
        if self.phase == PollingPhase::Closed && !self.has_more() {
            return GetOutcome::Unknown;
        }
        if self.get_waits {
            return GetOutcome::Overlap;
        }
        if self.has_more() {
            return GetOutcome::Body(encode_payload(&self.take()));
        }
        if self.is_probed(now) {
            return GetOutcome::Body(encode_payload(&[Packet::Noop]));
        }
        self.get_waits = true;
        match self.phase {
            PollingPhase::Upgrading => GetOutcome::Sync,
            _ => GetOutcome::Wait,
        }
    }

    fn is_probed(&self, now: Millis) -> bool {
        self.probed_until.is_some_and(|until| now < until)
    }

    /// Handles a POST.
    pub fn on_post(&mut self, body: &[u8], now: Millis, max_payload: usize) -> PostOutcome {
        if self.phase == PollingPhase::Closed {
            return PostOutcome::Unknown;
        }
        if body.len() > max_payload {
            return PostOutcome::TooLarge;
        }
        let packets = std::str::from_utf8(body)
            .ok()
            .and_then(|body| decode_payload(body).ok());
        match packets {
            Some(packets) => {
                self.last_heard = now;
                PostOutcome::Packets(packets)
            }
            None => PostOutcome::Invalid,
        }
    }

    /// Queues a packet for the client. Returns false if too much is queued; then the session must be ended.
    #[must_use]
    pub fn push(&mut self, packet: Packet) -> bool {
        self.queued_bytes += match &packet {
            Packet::Binary(bytes) => bytes.len() / 3 * 4,
            Packet::Text(text) => text.len(),
            _ => 1,
        };
        self.queue.push(packet);
        self.queued_bytes <= MAX_QUEUE_BYTES
    }

    /// Returns the body for the waiting GET, if there is one and there is something to send. Call it after
    /// every change.
    pub fn flush(&mut self, now: Millis) -> Option<String> {
        if !self.get_waits {
            return None;
        }
        let packets = match (self.has_more(), self.phase) {
            (true, _) => self.take(),
            (false, PollingPhase::Upgrading | PollingPhase::Closed) => vec![Packet::Noop],
            (false, _) if self.is_probed(now) => vec![Packet::Noop],
            (false, _) => return None,
        };
        self.get_waits = false;
        Some(encode_payload(&packets))
    }

    /// Forgets the waiting GET, which the client has aborted.
    pub fn forget_get(&mut self) {
        self.get_waits = false;
    }

    /// Closes the session. The client can still fetch the queued packets, and then a close packet.
    pub fn leave(&mut self) {
        self.phase = PollingPhase::Closed;
        self.owes_close = true;
    }

    /// Returns whether the client still has something to fetch.
    pub fn has_more(&self) -> bool {
        !self.queue.is_empty() || self.owes_close
    }

    /// Takes what the next GET receives. A close packet is sent alone: the JavaScript client acts on one
    /// before it handles the packets before it in the same payload.
    fn take(&mut self) -> Vec<Packet> {
        if self.queue.is_empty() && std::mem::take(&mut self.owes_close) {
            return vec![Packet::Close];
        }
        let packets = self.drain();
        let offset = |packet: &Packet| match packet {
            Packet::Text(text) => log_offset(text),
            _ => None,
        };
        // Offsets grow, so the last one covers the batch.
        self.handed_out = packets.iter().rev().find_map(offset).or(self.handed_out);
        packets
    }

    /// A GET confirms the previous batch: the client has received it.
    fn has_arrived(&mut self, now: Millis) {
        self.last_get = now;
        let Some(offset) = self.handed_out.take() else {
            return;
        };
        self.arrived.push_back((now, offset));
        let before = now.saturating_sub(CROSSING);
        while self.arrived.get(1).is_some_and(|(at, _)| *at <= before) {
            self.arrived.pop_front();
        }
    }

    /// Returns the log offset up to which a client that says goodbye now has confirmed, unless it was
    /// returned before.
    pub fn confirmed_at_goodbye(&mut self, now: Millis) -> Option<u64> {
        let before = now.saturating_sub(CROSSING);
        let arrived = std::mem::take(&mut self.arrived);
        let confirmed = arrived.iter().rev().find(|(at, _)| *at <= before);
        confirmed.map(|(_, offset)| *offset)
    }

    /// Does the same for a client that disappeared: its goodbye may have been lost.
    pub fn confirmed_at_end(&mut self) -> Option<u64> {
        self.confirmed_at_goodbye(self.last_heard.max(self.last_get))
    }

    /// Takes the packets that no GET has fetched, for a GET or for the WebSocket that takes over.
    pub fn drain(&mut self) -> Vec<Packet> {
        self.queued_bytes = 0;
        std::mem::take(&mut self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Millis = 45_000;

    const MAX_PAYLOAD: usize = 1_000_000;

    fn routed() -> PollingSession {
        let mut session = PollingSession::new(1000);
        session.phase = PollingPhase::Routed;
        session
    }

    fn text(text: &str) -> Packet {
        Packet::Text(text.into())
    }

    #[test]
    fn what_a_client_does_not_fetch_is_bounded() {
        let mut session = PollingSession::new(0);
        let packet = || Packet::Text("x".repeat(MAX_QUEUE_BYTES / 4));
        assert!((0..4).all(|_| session.push(packet())));
        assert!(!session.push(packet()));
        // A client that fetches has room again.
        assert!(matches!(session.on_get(1), GetOutcome::Body(_)));
        assert!(session.push(packet()));
    }

    #[test]
    fn a_get_takes_all_that_is_queued() {
        let mut session = routed();
        assert!(session.push(text("a")));
        assert!(session.push(text("b")));
        assert_eq!(session.on_get(5000), GetOutcome::Body("4a\x1e4b".into()));
        assert_eq!(session.on_get(5000), GetOutcome::Wait);
    }

    #[test]
    fn a_waiting_get_is_answered_by_the_next_packet() {
        let mut session = routed();
        assert_eq!(session.flush(5000), None);
        assert_eq!(session.on_get(5000), GetOutcome::Wait);
        assert_eq!(session.flush(5000), None);
        assert!(session.push(text("a")));
        assert_eq!(session.flush(5000), Some("4a".into()));
        assert_eq!(session.flush(5000), None);
    }

    fn event(offset: &str) -> Packet {
        text(&format!(r#"2["e",{{}},"{offset}"]"#))
    }

    #[test]
    fn a_batch_is_confirmed_by_the_next_get() {
        let mut session = routed();
        assert!(session.push(event("7")));
        assert!(session.push(event("8")));
        assert!(session.push(text(r#"3["no event"]"#)));
        assert!(matches!(session.on_get(5000), GetOutcome::Body(_)));
        assert_eq!(session.on_get(5001), GetOutcome::Wait);
        // A batch for the waiting GET, which no later GET confirms.
        assert!(session.push(event("9")));
        assert!(session.flush(6000).is_some());
        assert_eq!(session.confirmed_at_goodbye(7001), Some(8));
        assert_eq!(session.confirmed_at_goodbye(7001), None);
    }

    #[test]
    fn a_get_that_may_have_been_sent_behind_the_goodbye_confirms_nothing() {
        let mut session = routed();
        for (at, offset) in [(5000, "7"), (6000, "8"), (8000, "9")] {
            assert!(session.push(event(offset)));
            assert!(matches!(session.on_get(at), GetOutcome::Body(_)));
        }
        assert_eq!(session.on_get(8001), GetOutcome::Wait);
        // The GET at 6000 confirms 7, the one at 8000 confirms 8.
        assert_eq!(session.confirmed_at_end(), Some(7));
        assert_eq!(session.confirmed_at_goodbye(60_000), None);
    }

    #[test]
    fn overlapping_gets_are_refused() {
        let mut session = routed();
        assert_eq!(session.on_get(5000), GetOutcome::Wait);
        assert_eq!(session.on_get(5000), GetOutcome::Overlap);
    }

    #[test]
    fn a_get_that_was_given_up_is_no_overlap_and_takes_nothing() {
        let mut session = routed();
        assert_eq!(session.on_get(5000), GetOutcome::Wait);
        session.forget_get();
        assert!(session.push(text("a")));
        assert_eq!(session.flush(5000), None);
        assert_eq!(session.on_get(5000), GetOutcome::Body("4a".into()));
    }

    #[test]
    fn while_upgrading_no_get_waits_for_a_packet() {
        let mut session = routed();
        assert_eq!(session.on_get(5000), GetOutcome::Wait);
        session.phase = PollingPhase::Upgrading;
        assert_eq!(session.flush(5000), Some("6".into()));
        assert_eq!(session.on_get(5000), GetOutcome::Sync);
        assert_eq!(session.flush(5000), Some("6".into()));
        assert!(session.push(text("a")));
        assert_eq!(session.on_get(5000), GetOutcome::Body("4a".into()));
        assert!(session.push(text("b")));
        assert_eq!(session.drain(), [text("b")]);
        session.phase = PollingPhase::Closed;
        assert_eq!(session.on_get(5000), GetOutcome::Unknown);
    }

    #[test]
    fn the_last_words_wait_for_the_next_get() {
        let mut session = routed();
        assert!(session.push(text("1")));
        session.leave();
        assert!(session.has_more());
        assert_eq!(session.on_get(5000), GetOutcome::Body("41".into()));
        // The close packet comes after them, not with them.
        assert_eq!(session.on_get(5000), GetOutcome::Body("1".into()));
        assert_eq!(session.on_get(5000), GetOutcome::Unknown);
        assert!(!session.has_more());
    }

    #[test]
    fn a_probe_in_the_lobby_lets_no_get_wait() {
        let mut session = PollingSession::new(1000);
        assert_eq!(session.on_get(5000), GetOutcome::Wait);
        session.probed_until = Some(5001);
        assert_eq!(session.flush(5000), Some("6".into()));
        assert_eq!(session.on_get(5000), GetOutcome::Body("6".into()));
        // A probe that is not ended expires.
        assert_eq!(session.on_get(5001), GetOutcome::Wait);
    }

    #[test]
    fn a_close_ends_the_waiting_get_with_a_noop() {
        let mut session = routed();
        assert_eq!(session.on_get(5000), GetOutcome::Wait);
        session.phase = PollingPhase::Closed;
        assert_eq!(session.flush(5000), Some("6".into()));
        assert_eq!(session.on_get(5000), GetOutcome::Unknown);
    }

    #[test]
    fn a_post_is_packets_or_the_end() {
        let mut session = routed();
        assert_eq!(
            session.on_post(b"4a\x1e3", 5000, MAX_PAYLOAD),
            PostOutcome::Packets(vec![text("a"), Packet::Pong(String::new())])
        );
        assert_eq!(session.last_heard, 5000);
        for bad in [&b"abc"[..], b"", b"\xff"] {
            assert_eq!(
                session.on_post(bad, 5000, MAX_PAYLOAD),
                PostOutcome::Invalid
            );
        }
        assert_eq!(
            session.on_post(&vec![b'4'; 1_000_001], 5000, MAX_PAYLOAD),
            PostOutcome::TooLarge
        );
        session.phase = PollingPhase::Closed;
        assert_eq!(
            session.on_post(b"4a", 5000, MAX_PAYLOAD),
            PostOutcome::Unknown
        );
    }

    #[test]
    fn silence_ends_a_session() {
        let mut session = routed();
        assert!(!session.is_silent(45_999, SILENCE));
        assert!(session.is_silent(46_000, SILENCE));
        session.on_post(b"3", 40_000, MAX_PAYLOAD);
        assert!(!session.is_silent(46_000, SILENCE));
    }

    #[test]
    fn a_client_that_takes_nothing_is_let_go() {
        let mut session = routed();
        let big = "x".repeat(3_000_000);
        assert!(session.push(text(&big)));
        assert!(session.push(text(&big)));
        assert!(!session.push(text(&big)));
    }
}
