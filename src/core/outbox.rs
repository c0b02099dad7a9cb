//! The outbox: sends whose fan-out may be unfinished. One row per send, in the sender's object.
//!
//! Invariant: a row is written before the send is committed to D1, and it is settled only when every
//! receiver's object has accepted its message, when D1 shows that the send was never committed, or
//! after [`GIVE_UP_AFTER`]. So a committed send is delivered no matter when the object dies.

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

/// What to do with a row after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing is left to do. A row with an idempotency key is kept, so that a repeat is recognized.
    Done,
    /// The send was never committed, so a repeat is a new send.
    Void,
    /// Try again later.
    Retry {
        /// The receivers that have not accepted it; `None` if they are not known yet.
        pending: Option<HashSet<String>>,
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
            attempts: 0,
            created_at: now,
            kind,
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

    /// Returns what to do if D1 does not show the send.
    pub fn after_nothing_found(&self, now: Millis) -> Next {
        if now >= self.created_at + COMMIT_DEADLINE {
            return Next::Void;
        }
        self.retry(None, now)
    }

    /// Returns what to do after a fan-out in which the `failed` receivers have not accepted their message.
    pub fn after_fan_out(&self, failed: HashSet<String>, now: Millis) -> Next {
        if failed.is_empty() {
            return Next::Done;
        }
        self.retry(Some(failed), now)
    }

    /// Returns what to do if D1 did not confirm the commit. The sender is told that the send has failed.
    pub fn after_unconfirmed(&self, now: Millis) -> Next {
        self.retry(None, now)
    }

    /// Returns what to do if the send could not be read back, because D1 did not answer.
    pub fn after_unavailable(&self, now: Millis) -> Next {
        let unreached: HashSet<String> = self.unreached().cloned().collect();
        self.retry((!unreached.is_empty()).then_some(unreached), now)
    }

    fn retry(&self, pending: Option<HashSet<String>>, now: Millis) -> Next {
        if now >= self.created_at + GIVE_UP_AFTER {
            return Next::Done;
        }
        let pause = FIRST_RETRY
            .saturating_mul(1 << self.attempts.min(20))
            .min(LONGEST_RETRY);
        Next::Retry {
            pending,
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
            attempts,
            created_at: 0,
            kind: SendKind::Bulk,
        }
    }

    fn failed() -> HashSet<String> {
        HashSet::from(["b".to_owned()])
    }

    #[test]
    fn a_send_that_reached_everyone_is_done() {
        assert_eq!(entry(0).after_fan_out(HashSet::new(), 5), Next::Done);
    }

    #[test]
    fn retries_back_off_and_end() {
        let at = |attempts, now| match entry(attempts).after_fan_out(failed(), now) {
            Next::Retry { at, pending } => {
                assert_eq!(pending, Some(failed()));
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
        let rest = OutboxEntry {
            pending: Some(failed()),
            ..entry(1)
        };
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
    fn while_d1_does_not_answer_an_interrupted_send_holds_up_later_ones() {
        let pending = |next| match next {
            Next::Retry { pending, .. } => pending,
            Next::Done | Next::Void => None,
        };
        let both = HashSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(pending(entry(0).after_unavailable(5)), Some(both));
        assert_eq!(pending(entry(1).after_unavailable(5)), None);
        assert_eq!(pending(entry(0).after_unconfirmed(5)), None);
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
        assert!(matches!(
            entry(0).after_nothing_found(59_999),
            Next::Retry { pending: None, .. }
        ));
        assert_eq!(entry(0).after_nothing_found(60_000), Next::Void);
        assert!(matches!(
            entry(0).after_unconfirmed(60_000),
            Next::Retry { pending: None, .. }
        ));
    }
}
