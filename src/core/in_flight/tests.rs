//! The order at each receiver: by example, and in generated interleavings of sends, answers, faults and crashes.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::core::outbox::{Next, Rest};
use crate::core::send_kind::SendKind;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn copy(send: u128, index: u32) -> CopyId {
    CopyId {
        send_id: id(send),
        index,
    }
}

fn begin(in_flight: &mut InFlight, send: u128, receivers: &[&str]) -> Begun {
    assert!(in_flight.claim(id(send)));
    in_flight.begin(id(send), receivers.iter().copied(), &HashSet::new())
}

fn begun(call: &[u32], leave: &[u32]) -> Begun {
    Begun {
        call: call.to_vec(),
        leave: leave.to_vec(),
    }
}

#[test]
fn a_later_send_waits_only_where_an_earlier_one_has_not_arrived() {
    let mut in_flight = InFlight::default();
    assert_eq!(begin(&mut in_flight, 1, &["a", "b"]), begun(&[0, 1], &[]));
    assert_eq!(begin(&mut in_flight, 2, &["b", "c"]), begun(&[1], &[]));
    assert_eq!(in_flight.answered(id(1), "a", true), []);
    assert_eq!(begin(&mut in_flight, 3, &["a"]), begun(&[0], &[]));
    assert_eq!(
        in_flight.answered(id(1), "b", true),
        [Verdict::Call(copy(2, 0))]
    );
    assert_eq!(in_flight.answered(id(2), "b", true), []);
}

#[test]
fn whoever_waits_behind_a_failure_is_left_to_the_outbox() {
    let mut in_flight = InFlight::default();
    for send in 1..4 {
        begin(&mut in_flight, send, &["a"]);
    }
    assert_eq!(
        in_flight.answered(id(1), "a", false),
        [Verdict::Leave(copy(2, 0)), Verdict::Leave(copy(3, 0))]
    );
    // Even when the first one has ended, the others stand before later ones until they end, too.
    in_flight.end(id(1));
    in_flight.end(id(2));
    assert_eq!(begin(&mut in_flight, 4, &["a"]), begun(&[], &[0]));
    in_flight.end(id(3));
    in_flight.end(id(4));
    assert_eq!(begin(&mut in_flight, 5, &["a"]), begun(&[0], &[]));
}

#[test]
fn an_earlier_send_may_be_resumed_although_a_later_one_was_left() {
    let mut in_flight = InFlight::default();
    in_flight.claim(id(2));
    let waiting = HashSet::from(["a".to_owned()]);
    let left = in_flight.begin(id(2), ["a"].into_iter(), &waiting);
    assert_eq!(left, begun(&[], &[0]));
    assert_eq!(begin(&mut in_flight, 1, &["a"]), begun(&[0], &[]));
}

#[test]
fn what_was_never_answered_has_not_arrived() {
    let mut in_flight = InFlight::default();
    begin(&mut in_flight, 1, &["a"]);
    begin(&mut in_flight, 2, &["a"]);
    assert_eq!(in_flight.end(id(1)), [Verdict::Leave(copy(2, 0))]);
    assert!(!in_flight.claim(id(2)));
    in_flight.end(id(2));
    assert_eq!(in_flight.any(), None);
    assert!(in_flight.queues.is_empty());
}

#[test]
fn the_outbox_stands_for_what_memory_has_lost() {
    let entry = |send, receivers: &[&str]| {
        let receiver_ids = receivers.iter().map(|id| (*id).to_owned()).collect();
        let entry = OutboxEntry::new(id(send), receiver_ids, 0, SendKind::Bulk);
        (entry, 0)
    };
    let open = [entry(1, &["a"]), entry(2, &["b"]), entry(4, &["d"])];
    let mut in_flight = InFlight::default();
    begin(&mut in_flight, 2, &["b"]);
    let expected = HashSet::from(["a".to_owned()]);
    assert_eq!(in_flight.waiting(id(3), &open), expected);
    // It is being read back, and has begun nothing yet.
    in_flight.claim(id(1));
    assert_eq!(in_flight.waiting(id(3), &open), expected);
}

/// Something that happens to a sender's object. Receivers are small numbers, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    /// A send is committed. Its fan-out begins, unless the object stops in between.
    Send(Vec<u8>, bool),
    /// A call is answered.
    Answer(Index, Outcome),
    /// The alarm takes up the next send that is due. Its fan-out begins when it is read back.
    Retry(Index),
    /// D1 has read a send back, or not.
    ReadBack(Index, bool),
    /// The object stops. Each of its calls arrives or does not.
    Crash(Vec<bool>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Arrived,
    Lost,
    /// It has arrived, but the answer is lost.
    Unheard,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Arrived),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::Unheard),
    ];
    let step = prop_oneof![
        4 => (vec(0..4_u8, 1..4), prop::bool::weighted(0.9))
            .prop_map(|(receivers, begins)| Step::Send(receivers, begins)),
        8 => (any::<Index>(), outcome).prop_map(|(call, outcome)| Step::Answer(call, outcome)),
        2 => any::<Index>().prop_map(Step::Retry),
        3 => (any::<Index>(), prop::bool::weighted(0.8))
            .prop_map(|(send, is_there)| Step::ReadBack(send, is_there)),
        1 => vec(any::<bool>(), 8).prop_map(Step::Crash),
    ];
    vec(step, 1..60)
}

/// A fan-out, as the object knows it.
struct FanOut {
    receivers: Vec<String>,
    open: usize,
    failed: HashSet<String>,
}

/// A sender's object, its outbox, and the receivers.
#[derive(Default)]
struct World {
    /// Every send, with its receivers, in the order of acceptance.
    accepted: Vec<(Uuid, Vec<String>)>,
    outbox: BTreeMap<Uuid, OutboxEntry>,
    /// What each receiver has, in order of arrival.
    logs: BTreeMap<String, Vec<Uuid>>,

    // Memory.
    in_flight: InFlight,
    fan_outs: BTreeMap<Uuid, FanOut>,
    calls: Vec<CopyId>,
    reading: Vec<Uuid>,
}

impl World {
    fn send(&mut self, receivers: &[u8], begins: bool) {
        let mut receivers: Vec<String> = receivers.iter().map(u8::to_string).collect();
        receivers.sort();
        receivers.dedup();
        let send_id = id(self.accepted.len() as u128 + 1);
        let entry = OutboxEntry::new(send_id, receivers.clone(), 0, SendKind::Bulk);
        self.accepted.push((send_id, receivers.clone()));
        self.outbox.insert(send_id, entry);
        assert!(self.in_flight.claim(send_id));
        if begins {
            self.begin(send_id, receivers);
        } else {
            self.crash(&[]);
        }
    }

    fn begin(&mut self, send_id: Uuid, receivers: Vec<String>) {
        let open: Vec<_> = self
            .outbox
            .values()
            .map(|entry| (entry.clone(), 0))
            .collect();
        let waiting = self.in_flight.waiting(send_id, &open);
        let ids = receivers.iter().map(String::as_str);
        let begun = self.in_flight.begin(send_id, ids, &waiting);
        let fan_out = FanOut {
            open: receivers.len(),
            failed: receivers.iter().cloned().collect(),
            receivers,
        };
        self.fan_outs.insert(send_id, fan_out);
        let copies = begun.call.into_iter();
        self.calls
            .extend(copies.map(|index| CopyId { send_id, index }));
        for index in begun.leave {
            self.close(CopyId { send_id, index }, false);
        }
    }

    fn receiver(&self, copy: CopyId) -> String {
        self.fan_outs[&copy.send_id].receivers[copy.index as usize].clone()
    }

    fn arrive(&mut self, copy: CopyId) {
        let log = self.logs.entry(self.receiver(copy)).or_default();
        if !log.contains(&copy.send_id) {
            log.push(copy.send_id);
        }
    }

    fn answer(&mut self, call: usize, outcome: Outcome) {
        let copy = self.calls.swap_remove(call);
        if outcome != Outcome::Lost {
            self.arrive(copy);
        }
        let has_arrived = outcome == Outcome::Arrived;
        let receiver = self.receiver(copy);
        let verdicts = self
            .in_flight
            .answered(copy.send_id, &receiver, has_arrived);
        self.close(copy, has_arrived);
        for verdict in verdicts {
            match verdict {
                Verdict::Call(copy) => self.calls.push(copy),
                Verdict::Leave(copy) => self.close(copy, false),
            }
        }
    }

    /// A copy is done with. The last one ends the fan-out.
    fn close(&mut self, copy: CopyId, has_arrived: bool) {
        let receiver = self.receiver(copy);
        let fan_out = self.fan_outs.get_mut(&copy.send_id).unwrap();
        fan_out.open -= 1;
        if has_arrived {
            fan_out.failed.remove(&receiver);
        }
        if fan_out.open == 0 {
            let rest = Rest {
                pending: self.fan_outs.remove(&copy.send_id).unwrap().failed,
                ..Rest::default()
            };
            let next = self.outbox[&copy.send_id].after_fan_out(rest, 0);
            self.end(copy.send_id, next);
        }
    }

    fn end(&mut self, send_id: Uuid, next: Next) {
        match next {
            Next::Done | Next::Void => {
                self.outbox.remove(&send_id);
            }
            Next::Retry { rest, .. } => {
                let entry = self.outbox.get_mut(&send_id).unwrap();
                entry.pending = rest.map(|rest| rest.pending);
                entry.attempts += 1;
            }
        }
        assert_eq!(self.in_flight.end(send_id), []);
    }

    fn retry(&mut self, which: Index) {
        let ids: Vec<Uuid> = self.outbox.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let send_id = *which.get(&ids);
        if self.in_flight.claim(send_id) {
            self.reading.push(send_id);
        }
    }

    fn read_back(&mut self, which: usize, is_there: bool) {
        let send_id = self.reading.swap_remove(which);
        let entry = &self.outbox[&send_id];
        if !is_there {
            let next = entry.after_unavailable(0);
            return self.end(send_id, next);
        }
        let unreached: HashSet<&String> = entry.unreached().collect();
        let mut receivers = entry.receiver_ids.clone();
        receivers.retain(|id| unreached.contains(id));
        self.begin(send_id, receivers);
    }

    fn crash(&mut self, arrive: &[bool]) {
        let calls = std::mem::take(&mut self.calls);
        for (copy, arrives) in calls.into_iter().zip(arrive) {
            if *arrives {
                self.arrive(copy);
            }
        }
        self.in_flight = InFlight::default();
        self.fan_outs.clear();
        self.reading.clear();
    }

    fn carry_out(&mut self, step: &Step) {
        match step {
            Step::Send(receivers, begins) => self.send(receivers, *begins),
            Step::Answer(call, outcome) if !self.calls.is_empty() => {
                self.answer(call.index(self.calls.len()), *outcome);
            }
            Step::ReadBack(which, is_there) if !self.reading.is_empty() => {
                self.read_back(which.index(self.reading.len()), *is_there);
            }
            Step::Retry(which) => self.retry(*which),
            Step::Crash(arrive) => self.crash(arrive),
            Step::Answer(..) | Step::ReadBack(..) => {}
        }
    }

    /// Everything works from now on.
    fn settle(&mut self) {
        for _ in 0..100 {
            while !self.calls.is_empty() {
                self.answer(0, Outcome::Arrived);
            }
            let open: Vec<Uuid> = self.outbox.keys().copied().collect();
            for send_id in open {
                if self.in_flight.claim(send_id) {
                    self.reading.push(send_id);
                }
            }
            while !self.reading.is_empty() {
                self.read_back(0, true);
            }
        }
    }

    /// Every receiver has what was accepted for them: all of it, once, in order. `all` is false in between, when
    /// more may still follow.
    fn check(&self, all: bool) {
        for receiver in (0..4_u8).map(|id| id.to_string()) {
            let is_theirs = |(_, receivers): &&(Uuid, Vec<String>)| receivers.contains(&receiver);
            let accepted = self.accepted.iter().filter(is_theirs).map(|(id, _)| *id);
            let expected: Vec<Uuid> = accepted.collect();
            let log = self.logs.get(&receiver).cloned().unwrap_or_default();
            assert!(expected.starts_with(&log), "{receiver}: {log:?}");
            assert!(!all || log == expected, "{receiver}: {log:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_receiver_gets_what_was_accepted_once_and_in_order(steps in steps()) {
        let mut world = World::default();
        for step in &steps {
            world.carry_out(step);
            world.check(false);
        }
        world.settle();
        world.check(true);
    }
}
