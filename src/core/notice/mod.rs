//! Notices: what the webhook and the user's browsers are told of messages that have not been delivered or read.
//!
//! ```text
//!  due       a message has waited for a device, or to be read, for long enough: the log and the read marker say so  (due)
//!  claimed   the notice has an id and a payload, and its messages count as told: one row says both              (pending)
//!  sent      to each sink, beside each other; who does not take it is asked again, with the same id            (attempt)
//!  done      no sink is left to tell, or there is nothing to tell any more: the messages have been read
//! ```
//!
//! The sinks of the two channels, the webhook and the subscribed browsers, do not wait for each other: each channel has its
//! own row for a conversation.
//!
//! Invariant: each sink gets a claimed notice at least once, unless the messages are read first or the sink does not take
//! it for three days. Every attempt has the same id, so a sink that remembers ids acts once. The webhook gets each message
//! in at most one notice as undelivered and one as unread: a notice that it may have taken stays as it is until it has
//! answered, and newer messages gather in the row's `next`. A newer push replaces an older one, as browsers show them.

pub mod attempt;
pub mod due;
pub mod payload;
pub mod pending;
pub mod quiet;
pub mod retry_after;

use self::due::Delays;
use super::time::Millis;
use super::webhook::event::WebhookEvent;

/// When notices are due, and how long they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeLimits {
    /// `NOTIFY_AFTER_MS` [30000]: how long a message waits for a device before its receiver gets a notice.
    pub notify_after: Millis,
    /// `UNREAD_AFTER_MS` [600000]: how long a message may be unread after that before there is a notice of it. 0 means
    /// for ever.
    pub unread_after: Millis,
    /// `NOTICE_RETRY_MS` [5000]: the pause after the first attempt that fails. Each further one is four times as long, up
    /// to six hours, and up to a half longer by chance.
    pub first_retry: Millis,
    /// `NOTICE_GIVE_UP_MS` [259200000]: how long a notice is tried: three days.
    pub give_up_after: Millis,
}

impl NoticeLimits {
    /// Returns how old an unread message is when there is a notice of it; `None` if there is none.
    pub fn remind_after(&self) -> Option<Millis> {
        (self.unread_after > 0).then(|| self.notify_after + self.unread_after)
    }

    /// Returns the delays after which a channel is told that `wants` these events.
    pub fn delays(&self, wants: impl Fn(WebhookEvent) -> bool) -> Delays {
        Delays {
            undelivered: wants(WebhookEvent::MessageUndelivered).then_some(self.notify_after),
            unread: self
                .remind_after()
                .filter(|_| wants(WebhookEvent::MessageUnread)),
        }
    }
}
