//! When there is a notice about the user's messages ([`crate::core::notice`]).
//!
//! Invariant: the log and the read markers say what is due, so nothing is written for a message until its notice is claimed.
//! What makes the object look is an alarm: after a delivery without a device, after the last device has left with something
//! that it had not confirmed, after the preferences have changed, and when something claimed is to be sent. While a device
//! is connected, the heartbeats look from time to time whether something has been unread for too long, and every alarm looks
//! whether they have missed something. If an alarm is lost, the next delivery or disconnect sets another one.

use worker::Result;

use crate::core::notice::due::{DueNotice, Evidence, UnreadMessage, due};
use crate::core::notice::pending::Channel;
use crate::core::notice::quiet::quiet_until;
use crate::core::preferences::Notices;
use crate::core::time::Millis;
use crate::core::webhook::event::WebhookEvent;
use crate::platform::js::minute_of_day;
use crate::platform::now;
use crate::user_do::UserObject;

/// How often a connected user's unread messages are looked at, as a part of `UNREAD_AFTER_MS`.
const LOOKS_PER_WAIT: Millis = 10;

/// What a look has found.
#[derive(Default)]
pub(crate) struct Look {
    /// What is due, and for which channel.
    pub(crate) notices: Vec<(Channel, DueNotice)>,
    /// When to look again.
    pub(crate) next: Option<Millis>,
    /// When the quiet hours end, if something waits for that.
    pub(crate) quiet_until: Option<Millis>,
}

impl Look {
    /// Returns a look that has found something for which it is too early, because of quiet hours until `end`.
    fn until(end: Millis) -> Self {
        Self {
            notices: Vec::new(),
            next: Some(end),
            quiet_until: Some(end),
        }
    }
}

impl UserObject {
    /// Returns whether anybody is told of the user's messages.
    pub(crate) fn tells_of_messages(&self) -> Result<bool> {
        let [webhook, push] = Channel::ALL.map(|channel| self.is_open(channel));
        Ok(webhook? || push?)
    }

    /// Returns whether this channel is told of the user's messages.
    fn is_open(&self, channel: Channel) -> Result<bool> {
        Ok(match channel {
            Channel::Webhook => {
                self.webhook_wants(WebhookEvent::MessageUndelivered)?
                    || self.webhook_wants(WebhookEvent::MessageUnread)?
            }
            Channel::Push => {
                self.config()?.push.is_some() && self.store.subscribed_since()?.is_some()
            }
        })
    }

    /// Returns whether there is a webhook that is told of this.
    pub(crate) fn webhook_wants(&self, event: WebhookEvent) -> Result<bool> {
        let webhook = self.config()?.webhook.as_ref();
        Ok(webhook.is_some_and(|webhook| webhook.wants(event)))
    }

    /// Returns whether a message that comes now may have to wait for a device.
    pub(crate) fn may_need_notice(&self) -> bool {
        !self.has_live_socket() && !matches!(self.tells_of_messages(), Ok(false))
    }

    /// Called after a delivery without a device: the alarm looks when the message has waited for one.
    pub(crate) fn await_device(&self, user_id: &str) -> Result<()> {
        if self.tells_of_messages()? {
            // An object that an alarm has woken may not know its name.
            self.store.know_user(user_id)?;
            self.look_by(now() + self.config()?.notices.notify_after);
        }
        Ok(())
    }

    /// Called when the last device has gone, and when the user wants other notices: the alarm looks when something is due.
    pub(crate) fn look_for_notices(&self) -> Result<()> {
        let look = self.look(self.config()?.log_retention)?;
        if !look.notices.is_empty() {
            self.look_by(now());
        }
        if let Some(at) = look.next {
            self.look_by(at);
        }
        Ok(())
    }

    fn look_by(&self, at: Millis) {
        let earlier = self.next_notice_look.get().filter(|earlier| *earlier <= at);
        self.next_notice_look.set(earlier.or(Some(at)));
        self.needs_schedule();
    }

    /// Called at a heartbeat without an alarm: sets one if something has been unread for too long.
    pub(crate) fn look_for_unread(&self) -> Result<()> {
        let config = self.config()?;
        let Some(remind_after) = config.notices.remind_after() else {
            return Ok(());
        };
        let part = (config.notices.unread_after / LOOKS_PER_WAIT).max(1);
        let now = now();
        if now / part == now.saturating_sub(config.ping_interval) / part {
            return Ok(());
        }
        // What became due before has been found by an earlier look, or will be by the next alarm.
        let look = self.look(remind_after + 3 * (part + config.ping_interval))?;
        if !look.notices.is_empty() {
            self.look_by(now);
        } else if let Some(at) = look.quiet_until {
            self.look_by(at);
        }
        Ok(())
    }

    /// Looks what is due about messages of the last `window`.
    pub(crate) fn look(&self, window: Millis) -> Result<Look> {
        let mut look = Look::default();
        let unread = self.unread_for_notices(window)?;
        if unread.is_empty() {
            return Ok(look);
        }
        let evidence = Evidence {
            confirmed: self.confirmed()?,
            is_online: self.has_live_socket(),
            now: now(),
        };
        for channel in Channel::ALL {
            if !self.is_open(channel)? {
                continue;
            }
            let (notices, next) = self.due_on(channel, &unread, evidence)?;
            look.notices
                .extend(notices.into_iter().map(|notice| (channel, notice)));
            look.next = next.into_iter().chain(look.next).min();
        }
        if look.notices.is_empty() {
            return Ok(look);
        }
        Ok(self.quiet_until()?.map_or(look, Look::until))
    }

    /// Returns the messages of the last `window` of which the user wants notices.
    fn unread_for_notices(&self, window: Millis) -> Result<Vec<UnreadMessage>> {
        let wanted = self.store.user_state()?.preferences.notices;
        if wanted == Notices::None || !self.tells_of_messages()? {
            return Ok(Vec::new());
        }
        let since = now().saturating_sub(window);
        let only_direct = wanted == Notices::Direct;
        Ok(self.store.unread_since(since, only_direct)?)
    }

    fn due_on(
        &self,
        channel: Channel,
        unread: &[UnreadMessage],
        evidence: Evidence,
    ) -> Result<(Vec<DueNotice>, Option<Millis>)> {
        // Browsers are told of what comes after the first of them has subscribed.
        let from = match channel {
            Channel::Webhook => 0,
            Channel::Push => self.store.subscribed_since()?.unwrap_or_default(),
        };
        let first = unread.partition_point(|message| message.created_at < from);
        let config = self.config()?;
        let webhook = config.webhook.as_ref();
        let delays = config.notices.delays(|event| {
            channel == Channel::Push || webhook.is_some_and(|webhook| webhook.wants(event))
        });
        let marks = self.store.notice_marks(channel)?;
        let unread = unread.get(first..).unwrap_or_default();
        Ok(due(unread, &marks, evidence, delays))
    }

    /// Returns when the user's quiet hours end, if they are now.
    pub(crate) fn quiet_until(&self) -> Result<Option<Millis>> {
        let preferences = self.store.user_state()?.preferences;
        let hours = preferences.quiet_hours.as_ref();
        Ok(hours
            .and_then(|hours| quiet_until(hours, now(), |at| minute_of_day(&hours.time_zone, at))))
    }

    /// Returns when the alarm has to look, or to send something. While it does, it sets the next one at its end.
    pub(crate) fn next_notice(&self) -> Result<Option<Millis>> {
        if self.is_sending_notices() {
            return Ok(None);
        }
        // A webhook that does not answer is left alone for a while.
        let webhook = self.store.next_notice(Channel::Webhook)?;
        let webhook = webhook.map(|at| at.max(self.webhook_paused_until.get()));
        let push = self.store.next_notice(Channel::Push)?;
        Ok([webhook, push, self.next_notice_look.get()]
            .into_iter()
            .flatten()
            .min())
    }

    /// Returns whether an alarm is waiting for answers.
    pub(crate) fn is_sending_notices(&self) -> bool {
        !self.notices_in_flight.borrow().is_empty()
    }
}
