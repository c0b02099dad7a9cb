//! The outbox: sends whose fan-out may be unfinished. One row per send, in the sender's object.
//!
//! Invariant: a row is written before the send is committed to D1, and it is settled only when every
//! receiver's object has accepted its message, when D1 shows that the send was never committed, or
//! after [`GIVE_UP_AFTER`]. So a committed send is delivered no matter when the object dies.
//!
//! A send to many is committed in each shard of the record that it touches, and each of them confirms its part or not.
//! So beside the receivers whose objects have not accepted their message, a row has those whose message may not be in
//! the record. These hold up no later message.

use std::collections::HashSet;

use uuid::Uuid;

use super::send_kind::SendKind;
use super::time::Millis;

/// The delay before the first retry; it doubles with each further one.
pub const FIRST_RETRY: Millis = 1_000;

/// The longest delay between two attempts.
pub const LONGEST_RETRY: Millis = 10 * 60_000;

/// If D1 does not show a commit after this time, it will not happen any more: a query takes 30 s at most.
pub const COMMIT_DEADLINE: Millis = 60_000;

/// Retries end after a day: by default the log keeps no event longer, and D1 keeps the message permanently.
pub const GIVE_UP_AFTER: Millis = 24 * 60 * 60_000;

/// A send in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The id of the send, from which the ids of its messages are derived.
    pub send_id: Uuid,
    /// The receivers, in the order that determines their message ids.
    pub receiver_ids: Vec<String>,
    /// The receivers whose objects have not accepted it; `None` until the fan-out has finished once.
    pub pending: Option<HashSet<String>>,
    /// The receivers whose shard has not confirmed its part, if others have. Without `pending`, these are all.
    pub unconfirmed: HashSet<String>,
    /// How many attempts have ended.
    pub attempts: u32,
    /// When the send was accepted, in Unix milliseconds.
    pub created_at: Millis,
    /// Whether it is a direct or a bulk send.
    pub kind: SendKind,
}

/// When a row needs the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The id of the send.
    pub send_id: Uuid,
    /// How many attempts have ended.
    pub attempts: u32,
    /// When to try again, in Unix milliseconds.
    pub next_attempt_at: Millis,
}

impl Due {
    /// Returns when the alarm has to fire, in Unix milliseconds. A send in progress needs it only if the object
    /// stops; one that was interrupted is due at once.
    pub fn at(self, is_in_progress: bool, now: Millis) -> Millis {
        match (is_in_progress, self.attempts) {
            (true, _) if self.next_attempt_at <= now => now + COMMIT_DEADLINE,
            (false, 0) => now,
            _ => self.next_attempt_at,
        }
    }
}

/// The receivers whom an attempt has left without the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    /// Those whose objects have not accepted it.
    pub pending: HashSet<String>,
    /// Those whose shard has neither confirmed nor shown its part.
    pub unconfirmed: HashSet<String>,
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.unconfirmed.is_empty()
    }
}

/// What a shard shows when it is asked for its part of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The shard did not answer.
    Unavailable,
    /// Nothing is stored: the part was not committed, or is on its way, or every receiver was refused.
    Nothing,
    /// The part was committed. Whoever is not among the stored was refused.
    Committed,
}

/// What to do with a row after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing is left to do. A row with an idempotency key is kept, so that a repeat is recognized.
    Done,
    /// The send was never committed, so a repeat is a new send.
    Void,
    /// Try again later.
    Retry {
        /// The receivers that have not got it; `None` if they are not known yet.
        rest: Option<Rest>,
        /// When to try again, in Unix milliseconds.
        at: Millis,
    },
}

impl OutboxEntry {
    /// Returns a send that is about to be committed. If the object dies before it is finished, the next alarm
    /// resumes it; the time of the row's next attempt ensures that an alarm is set.
    pub fn new(send_id: Uuid, receiver_ids: Vec<String>, now: Millis, kind: SendKind) -> Self {
        Self {
            send_id,
            receiver_ids,
            pending: None,
            unconfirmed: HashSet::new(),
            attempts: 0,
            created_at: now,
            kind,
        }
    }

    /// Returns whether the receiver may lack the message, as far as the entry knows.
    pub fn is_open(&self, receiver_id: &str) -> bool {
        let is_pending = |pending: &HashSet<String>| pending.contains(receiver_id);
        self.pending.as_ref().is_none_or(is_pending) || self.unconfirmed.contains(receiver_id)
    }

    /// Adds to `rest` those of a shard's receivers who have to be looked up again.
    pub fn leave<'a>(
        &self,
        receiver_ids: impl Iterator<Item = &'a str>,
        shown: Shown,
        rest: &mut Rest,
        now: Millis,
    ) {
        match shown {
            Shown::Committed => {}
            Shown::Nothing if now >= self.created_at + COMMIT_DEADLINE => {}
            Shown::Nothing => rest.unconfirmed.extend(receiver_ids.map(str::to_owned)),
            Shown::Unavailable => {
                let waiting: HashSet<&str> = self.unreached().map(String::as_str).collect();
                for id in receiver_ids {
                    let left = if waiting.contains(id) {
                        &mut rest.pending
                    } else {
                        &mut rest.unconfirmed
                    };
                    left.insert(id.to_owned());
                }
            }
        }
    }

    /// Returns whether to retry the send now, given that no attempt is running: the retry is due, or the first
    /// attempt was interrupted.
    pub fn is_due(&self, next_attempt_at: Millis, now: Millis) -> bool {
        self.is_interrupted() || next_attempt_at <= now
    }

    /// Returns whether the object stopped in the first attempt, given that none is running.
    fn is_interrupted(&self) -> bool {
        self.attempts == 0
    }

    /// Returns the receivers who may lack this message, so that a later one must not overtake it, given that no
    /// attempt is running. After an interruption this can be anybody. Nobody waits for a send that D1 did not
    /// confirm or does not show.
    pub fn unreached(&self) -> impl Iterator<Item = &String> {
        let everybody =
            (self.pending.is_none() && self.is_interrupted()).then_some(&self.receiver_ids);
        self.pending
            .iter()
            .flatten()
            .chain(everybody.into_iter().flatten())
    }

    /// Returns what to do if no shard shows anything of the send. `rest` are those who have to be looked up again.
    pub fn after_nothing_found(&self, rest: Rest, now: Millis) -> Next {
        match self.pending {
            None if rest.is_empty() => Next::Void,
            None if rest.pending.is_empty() => self.retry(None, now),
            _ => self.after_fan_out(rest, now),
        }
    }

    /// Returns what to do after a fan-out that has left out these receivers.
    pub fn after_fan_out(&self, rest: Rest, now: Millis) -> Next {
        if rest.is_empty() {
            return Next::Done;
        }
        self.retry(Some(rest), now)
    }

    /// Returns what to do if no shard confirmed the commit. The sender is told that the send has failed.
    pub fn after_unconfirmed(&self, now: Millis) -> Next {
        self.retry(None, now)
    }

    /// Returns what to do if an attempt failed.
    pub fn after_unavailable(&self, now: Millis) -> Next {
        let rest = Rest {
            pending: self.unreached().cloned().collect(),
            unconfirmed: self.unconfirmed.clone(),
        };
        self.retry((!rest.is_empty()).then_some(rest), now)
    }

    fn retry(&self, rest: Option<Rest>, now: Millis) -> Next {
        if now >= self.created_at + GIVE_UP_AFTER {
            return Next::Done;
        }
        let pause = FIRST_RETRY
            .saturating_mul(1 << self.attempts.min(20))
            .min(LONGEST_RETRY);
        Next::Retry {
            rest,
            at: now + pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attempts: u32) -> OutboxEntry {
        OutboxEntry {
            send_id: Uuid::nil(),
            receiver_ids: vec!["a".into(), "b".into()],
            pending: None,
            unconfirmed: HashSet::new(),
            attempts,
            created_at: 0,
            kind: SendKind::Bulk,
        }
    }

    fn ids(ids: &[&str]) -> HashSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn rest(pending: &[&str], unconfirmed: &[&str]) -> Rest {
        Rest {
            pending: ids(pending),
            unconfirmed: ids(unconfirmed),
        }
    }

    /// Returns the entry after an attempt that has left these receivers.
    fn left(pending: &[&str], unconfirmed: &[&str]) -> OutboxEntry {
        OutboxEntry {
            pending: Some(ids(pending)),
            unconfirmed: ids(unconfirmed),
            ..entry(1)
        }
    }

    /// Returns the receivers for the next attempt, or `None` if there is none or they are not known.
    fn retried(next: Next) -> Option<Rest> {
        match next {
            Next::Retry { rest, .. } => rest,
            Next::Done | Next::Void => None,
        }
    }

    #[test]
    fn a_send_that_reached_everyone_is_done() {
        assert_eq!(entry(0).after_fan_out(Rest::default(), 5), Next::Done);
    }

    #[test]
    fn retries_back_off_and_end() {
        let at = |attempts, now| match entry(attempts).after_fan_out(rest(&["b"], &[]), now) {
            Next::Retry { at, rest: left } => {
                assert_eq!(left, Some(rest(&["b"], &[])));
                at - now
            }
            Next::Done | Next::Void => 0,
        };
        assert_eq!(at(0, 5), 1_000);
        assert_eq!(at(1, 5), 2_000);
        assert_eq!(at(5, 5), 32_000);
        assert_eq!(at(40, 5), LONGEST_RETRY);
        assert_eq!(at(40, GIVE_UP_AFTER), 0);
    }

    #[test]
    fn whoever_may_lack_the_message_holds_up_later_ones() {
        let unreached = |entry: &OutboxEntry| entry.unreached().cloned().collect::<Vec<_>>();
        assert_eq!(unreached(&entry(0)), ["a", "b"]);
        // D1 did not confirm it, or does not show it.
        assert_eq!(unreached(&entry(1)), [""; 0]);
        let rest = left(&["b"], &["a"]);
        assert_eq!(unreached(&rest), ["b"]);
        // A renewed send may have reached nobody that it now has to.
        assert_eq!(
            unreached(&OutboxEntry {
                attempts: 0,
                ..rest
            }),
            ["b"]
        );
    }

    #[test]
    fn whoever_may_lack_the_message_is_looked_up() {
        let open = |entry: OutboxEntry| ["a", "b", "c"].map(|id| entry.is_open(id));
        assert_eq!(open(entry(1)), [true; 3]);
        assert_eq!(open(left(&["a"], &["b"])), [true, true, false]);
        assert_eq!(open(left(&[], &["b"])), [false, true, false]);
    }

    #[test]
    fn while_d1_does_not_answer_an_interrupted_send_holds_up_later_ones() {
        let both = rest(&["a", "b"], &[]);
        assert_eq!(retried(entry(0).after_unavailable(5)), Some(both));
        assert_eq!(retried(entry(1).after_unavailable(5)), None);
        assert_eq!(retried(entry(0).after_unconfirmed(5)), None);
        let partly = left(&["a"], &["b"]).after_unavailable(5);
        assert_eq!(retried(partly), Some(rest(&["a"], &["b"])));
    }

    #[test]
    fn each_shard_leaves_its_own_receivers() {
        let leave = |entry: &OutboxEntry, shown, now| {
            let mut rest = Rest::default();
            entry.leave(["a", "b"].into_iter(), shown, &mut rest, now);
            rest
        };
        let both_unconfirmed = rest(&[], &["a", "b"]);
        for entry in [entry(0), entry(1), left(&["a"], &["b"])] {
            assert_eq!(leave(&entry, Shown::Committed, 5), Rest::default());
            assert_eq!(leave(&entry, Shown::Nothing, 59_999), both_unconfirmed);
            assert_eq!(leave(&entry, Shown::Nothing, 60_000), Rest::default());
        }
        let unavailable = |entry| leave(&entry, Shown::Unavailable, 60_000);
        assert_eq!(unavailable(entry(0)), rest(&["a", "b"], &[]));
        assert_eq!(unavailable(entry(1)), both_unconfirmed);
        assert_eq!(unavailable(left(&["a"], &["b"])), rest(&["a"], &["b"]));
    }

    #[test]
    fn an_interrupted_send_is_due_at_once_and_one_in_progress_never() {
        let due = |attempts, next_attempt_at| Due {
            send_id: Uuid::nil(),
            attempts,
            next_attempt_at,
        };
        assert_eq!(due(0, 900).at(false, 100), 100);
        assert_eq!(due(1, 900).at(false, 100), 900);
        assert_eq!(due(1, 50).at(false, 100), 50);
        assert_eq!(due(0, 900).at(true, 100), 900);
        assert_eq!(due(0, 50).at(true, 100), 100 + COMMIT_DEADLINE);
        assert_eq!(due(1, 50).at(true, 100), 100 + COMMIT_DEADLINE);
    }

    #[test]
    fn a_commit_may_still_be_on_its_way() {
        let unknown = rest(&[], &["a", "b"]);
        let next = entry(1).after_nothing_found(unknown, 59_999);
        assert!(matches!(next, Next::Retry { rest: None, .. }));
        let next = entry(1).after_nothing_found(Rest::default(), 60_000);
        assert_eq!(next, Next::Void);
        let next = entry(0).after_unconfirmed(60_000);
        assert!(matches!(next, Next::Retry { rest: None, .. }));
    }

    #[test]
    fn what_one_shard_committed_is_not_forgotten_with_another() {
        let partly = left(&[], &["b"]);
        let next = partly.after_nothing_found(rest(&[], &["b"]), 59_999);
        assert_eq!(retried(next), Some(rest(&[], &["b"])));
        // Its key stays, so that a repeat completes the same send.
        let next = partly.after_nothing_found(Rest::default(), 60_000);
        assert_eq!(next, Next::Done);
    }
}
