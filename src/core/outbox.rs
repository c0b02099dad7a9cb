//! The outbox: sends whose fan-out may not be finished. One row per send, in the sender's object.
//!
//! Invariant: a row is written before the send is committed to D1, and goes only when every
//! receiver's object has taken its message, when D1 shows that the send was never committed, or
//! after [`GIVE_UP_AFTER`]. So whatever was committed is delivered, whenever the object dies.

use std::collections::HashSet;

use uuid::Uuid;

use super::send_kind::SendKind;
use super::time::Millis;

/// The first retry comes this long after the failure, each further one twice as late.
pub const FIRST_RETRY: Millis = 1_000;

/// The longest pause between two tries.
pub const LONGEST_RETRY: Millis = 10 * 60_000;

/// A commit that D1 does not show by now will not happen any more: a query runs for 30 s at most.
pub const COMMIT_DEADLINE: Millis = 60_000;

/// After a day we stop trying: the log keeps no event longer, and D1 has the message for good.
pub const GIVE_UP_AFTER: Millis = 24 * 60 * 60_000;

/// One send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The send's id; its messages' ids follow from it.
    pub send_id: Uuid,
    /// Whom it was addressed to, in order.
    pub receiver_ids: Vec<String>,
    /// Who has not taken it yet; unknown before the fan-out was through once.
    pub pending: Option<HashSet<String>>,
    /// How often the fan-out was tried.
    pub attempts: u32,
    /// When the send was accepted.
    pub created_at: Millis,
    /// What kind of send it is.
    pub kind: SendKind,
}

/// What to do with a row after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing is left to do for it. If it has an idempotency key, it is remembered for that.
    Done,
    /// It was never committed: a repeat is a send of its own.
    Void,
    /// Try these again at that time. `None`: it is not known yet who they are.
    Retry {
        /// Who has not taken it.
        pending: Option<HashSet<String>>,
        /// In Unix milliseconds.
        at: Millis,
    },
}

impl OutboxEntry {
    /// A send that is about to be committed. Should the object die now, the first alarm after that
    /// takes it up; the time given here makes sure that there is one.
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

    /// Whether to try it now, if nobody is at it: its turn has come, or whoever began it is gone.
    pub fn is_due(&self, next_attempt_at: Millis, now: Millis) -> bool {
        self.attempts == 0 || next_attempt_at <= now
    }

    /// Who waits for this message, so that a later one must not overtake it. A send of which D1
    /// shows nothing keeps nobody waiting.
    pub fn waiting(&self) -> impl Iterator<Item = &String> {
        self.pending.iter().flatten()
    }

    /// D1 shows nothing of the send.
    pub fn after_nothing_found(&self, now: Millis) -> Next {
        if now >= self.created_at + COMMIT_DEADLINE {
            return Next::Void;
        }
        self.retry(None, now)
    }

    /// The fan-out was through, and these have not taken their message.
    pub fn after_fan_out(&self, failed: HashSet<String>, now: Millis) -> Next {
        if failed.is_empty() {
            return Next::Done;
        }
        self.retry(Some(failed), now)
    }

    /// D1 could not be asked.
    pub fn after_unavailable(&self, now: Millis) -> Next {
        self.retry(self.pending.clone(), now)
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
    fn a_commit_may_still_be_on_its_way() {
        assert!(matches!(
            entry(0).after_nothing_found(59_999),
            Next::Retry { pending: None, .. }
        ));
        assert_eq!(entry(0).after_nothing_found(60_000), Next::Void);
        assert!(matches!(
            entry(0).after_unavailable(60_000),
            Next::Retry { pending: None, .. }
        ));
    }
}
