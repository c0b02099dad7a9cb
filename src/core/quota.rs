//! How much a user may send in a day.
//!
//! Invariant: the sends that are accepted on one day (UTC) stay within each quota, whatever happens to the
//! object's memory: the count is written together with the outbox row of the send. What a send is going to cost
//! counts: every receiver, whether or not there is such a user, and every conversation that the sender's object
//! does not know. A send that is refused by a quota does not count, nor does a repeat, nor one that D1 turns out not to
//! have taken.

use serde::{Deserialize, Serialize};

use super::error::{ErrorCode, EventError};
use super::time::{DAY, Millis};

/// What one user may send in a day. `u64::MAX` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// `MAX_MESSAGES_PER_DAY`: messages, one for each receiver.
    pub messages: u64,
    /// `MAX_MESSAGE_BYTES_PER_DAY`: bytes of `content`, for each receiver.
    pub bytes: u64,
    /// `MAX_NEW_CONVERSATIONS_PER_DAY`: conversations that begin.
    pub conversations: u64,
}

impl Quotas {
    /// Returns whether there is no limit.
    pub fn are_off(&self) -> bool {
        self.messages == u64::MAX && self.bytes == u64::MAX && self.conversations == u64::MAX
    }
}

/// What a user has sent on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentToday {
    /// The day, as the number of days since the Unix epoch (UTC).
    pub day: u64,
    /// The number of messages.
    pub messages: u64,
    /// The bytes of their contents.
    pub bytes: u64,
    /// The number of conversations that began.
    pub conversations: u64,
}

impl SentToday {
    /// Returns what a send counts for.
    pub fn of(messages: usize, content_bytes: usize, conversations: usize) -> Self {
        let messages = messages as u64;
        Self {
            day: 0,
            messages,
            bytes: messages.saturating_mul(content_bytes as u64),
            conversations: conversations as u64,
        }
    }

    /// Returns what is left without this send, unless another day has begun since.
    pub fn without(self, send: Self) -> Option<Self> {
        (self.day == send.day).then(|| Self {
            day: self.day,
            messages: self.messages.saturating_sub(send.messages),
            bytes: self.bytes.saturating_sub(send.bytes),
            conversations: self.conversations.saturating_sub(send.conversations),
        })
    }

    /// Adds a send at `now`, or refuses it until the next day, or for good if it alone exceeds a quota.
    pub fn add(self, send: Self, quotas: &Quotas, now: Millis) -> Result<Self, EventError> {
        let day = now / DAY;
        let before = if self.day == day {
            self
        } else {
            Self::default()
        };
        let after = Self {
            day,
            messages: before.messages.saturating_add(send.messages),
            bytes: before.bytes.saturating_add(send.bytes),
            conversations: before.conversations.saturating_add(send.conversations),
        };
        let Some(what) = after.exceeds(quotas) else {
            return Ok(after);
        };
        if send.exceeds(quotas).is_some() {
            let message = format!("This is more {what} than you may send in a day");
            return Err(EventError::new(ErrorCode::TooMany, message));
        }
        let message = format!("Too many {what} today, please wait until tomorrow (UTC)");
        Err(EventError::rate_limited(message, (day + 1) * DAY - now))
    }

    /// Returns what exceeds its quota, if anything does.
    fn exceeds(&self, quotas: &Quotas) -> Option<&'static str> {
        if self.messages > quotas.messages {
            return Some("messages");
        }
        if self.bytes > quotas.bytes {
            return Some("bytes");
        }
        (self.conversations > quotas.conversations).then_some("new conversations")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour before midnight.
    const NOW: Millis = 20_000 * DAY + 23 * 60 * 60_000;
    const QUOTAS: Quotas = Quotas {
        messages: 10,
        bytes: 1_000,
        conversations: 3,
    };

    fn add(sent: SentToday, send: SentToday, now: Millis) -> Result<SentToday, EventError> {
        sent.add(send, &QUOTAS, now)
    }

    #[test]
    fn each_quota_holds_until_midnight() {
        for (send, times, what) in [
            (SentToday::of(1, 0, 0), 10, "messages"),
            (SentToday::of(1, 250, 0), 4, "bytes"),
            (SentToday::of(1, 0, 1), 3, "new conversations"),
        ] {
            let mut sent = SentToday::default();
            for _ in 0..times {
                sent = add(sent, send, NOW).unwrap();
            }
            let message = format!("Too many {what} today, please wait until tomorrow (UTC)");
            let hour = 60 * 60_000;
            let expected = EventError::rate_limited(message, hour);
            assert_eq!(add(sent, send, NOW), Err(expected));
            assert!(add(sent, send, NOW + hour - 1).is_err());
            let next = add(sent, send, NOW + hour).unwrap();
            assert_eq!((next.day, next.messages), (20_001, 1));
        }
    }

    #[test]
    fn what_was_not_sent_after_all_is_taken_out_of_its_day() {
        let kept = add(SentToday::default(), SentToday::of(1, 10, 1), NOW).unwrap();
        let send = SentToday::of(4, 20, 2);
        let both = add(kept, send, NOW).unwrap();
        let counted = SentToday {
            day: both.day,
            ..send
        };
        assert_eq!(both.without(counted), Some(kept));
        let tomorrow = add(both, SentToday::of(1, 10, 0), NOW + DAY).unwrap();
        assert_eq!(tomorrow.without(counted), None);
    }

    #[test]
    fn a_copy_counts_for_each_receiver() {
        let sent = add(SentToday::default(), SentToday::of(4, 250, 2), NOW).unwrap();
        let expected = SentToday {
            day: 20_000,
            messages: 4,
            bytes: 1_000,
            conversations: 2,
        };
        assert_eq!(sent, expected);
        assert!(add(sent, SentToday::of(1, 1, 0), NOW).is_err());
        assert_eq!(add(sent, SentToday::of(1, 0, 0), NOW).unwrap().messages, 5);
    }

    #[test]
    fn waiting_does_not_help_a_send_that_alone_exceeds_a_quota() {
        let error = add(SentToday::default(), SentToday::of(11, 0, 0), NOW).unwrap_err();
        assert_eq!(
            (error.code, error.retry_after_ms),
            (ErrorCode::TooMany, None)
        );
        let error = add(SentToday::default(), SentToday::of(2, 501, 0), NOW).unwrap_err();
        assert_eq!(
            error.message,
            "This is more bytes than you may send in a day"
        );
    }
}
