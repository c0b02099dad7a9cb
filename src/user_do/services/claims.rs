//! Claims notices ([`crate::core::notice`]).
//!
//! Invariant: the id, the payload and the marks are written as one row, before anything is sent. Nothing is awaited, so nobody
//! can read the messages in the middle of a claim.

use worker::Result;

use crate::core::error::{to_json, to_object};
use crate::core::ids::{message_id, send_id};
use crate::core::notice::due::DueNotice;
use crate::core::notice::payload;
use crate::core::notice::pending::{Attempts, Channel, Covered, Pending, WEBHOOK};
use crate::core::store::Notice;
use crate::core::time::{Millis, iso};
use crate::core::webhook::event::WebhookEvent;
use crate::platform::{log, now, random};
use crate::user_do::UserObject;

/// The key of the notice that a user has come or gone.
const PRESENCE: &str = "presence";

/// How many conversations a channel may have marks of, before those are deleted that the log has no messages of.
const MAX_MARKS: usize = 100;

impl UserObject {
    /// Claims what is due; called by the alarm.
    pub(crate) fn claim_notices(&self) -> Result<()> {
        let look = self.look(self.config()?.log_retention)?;
        for (channel, notice) in &look.notices {
            self.claim(*channel, notice)?;
        }
        if !look.notices.is_empty() {
            self.drop_old_marks()?;
        }
        // While a device is connected, the heartbeats look.
        let is_online = self.has_live_socket();
        let next = if is_online {
            look.quiet_until
        } else {
            look.next
        };
        self.next_notice_look.set(next);
        Ok(())
    }

    /// The marks are read by every look. Most users have few, and deleting one costs as much as writing it.
    fn drop_old_marks(&self) -> Result<()> {
        let oldest = now().saturating_sub(self.config()?.log_retention);
        for channel in Channel::ALL {
            if self.store.notice_marks(channel)?.len() > MAX_MARKS {
                let before = message_id(send_id(oldest, [0; 16]), 0);
                self.store.notice_marks_drop(&before)?;
            }
        }
        Ok(())
    }

    fn claim(&self, channel: Channel, notice: &DueNotice) -> Result<()> {
        let key = format!("{}{}", channel.prefix(), notice.conversation_id);
        let mut claimed = self.store.notice(&key)?;
        claimed.notified.clone_from(&notice.newest);
        if notice.event == WebhookEvent::MessageUnread {
            claimed.reminded.clone_from(&notice.newest);
        }
        match channel {
            // The webhook may have taken what is pending, so that stays as it is.
            Channel::Webhook if claimed.pending.is_some() => {
                let grown = self.prepare(channel, notice, claimed.next.as_ref())?;
                claimed.next = grown.or(claimed.next);
            }
            Channel::Webhook => claimed.pending = self.prepare(channel, notice, None)?,
            Channel::Push => {
                let mut newer = self.prepare(channel, notice, None)?;
                if let (Some(newer), Some(older)) = (&mut newer, &claimed.pending) {
                    newer.take_the_place_of(older);
                }
                claimed.pending = newer;
            }
        }
        Ok(self.store.set_notice(&key, &claimed)?)
    }

    /// Returns the notice as it is told, with what an earlier one is about that nobody has been told of yet; `None` if
    /// there is nobody to tell.
    fn prepare(
        &self,
        channel: Channel,
        notice: &DueNotice,
        earlier: Option<&Pending>,
    ) -> Result<Option<Pending>> {
        let now = now();
        let sinks = self.sinks(channel)?;
        let newest = self.store.log_payload(notice.newest_offset)?;
        let Some(newest) = newest.filter(|_| !sinks.is_empty()) else {
            return Ok(None);
        };
        let notice = notice.clone().grown_from(earlier);
        let said = match (channel, &self.config()?.webhook) {
            (Channel::Webhook, Some(webhook)) => {
                payload::body(&notice, &newest, webhook.includes_content, now)
            }
            _ => payload::push(&notice, &newest),
        };
        // A message that cannot be read stays so: it counts as told.
        let Some(payload) = log::fault("notice", said) else {
            return Ok(None);
        };
        let messages = Covered {
            conversation_id: notice.conversation_id,
            count: notice.count,
            newest: notice.newest,
            last_offset: notice.last_offset,
        };
        Ok(Some(Pending {
            messages: Some(messages),
            ..new_pending(notice.event, payload, &sinks, now)
        }))
    }

    /// Returns the names of those who are to be told.
    fn sinks(&self, channel: Channel) -> Result<Vec<String>> {
        if channel == Channel::Webhook {
            return Ok(vec![WEBHOOK.to_owned()]);
        }
        let all = self.store.push_subscriptions()?.into_iter();
        Ok(all.map(|subscription| subscription.endpoint).collect())
    }

    /// Claims a notice that is not about messages and goes to the webhook only, after a pause. It takes the place of one
    /// with the same key.
    pub(crate) fn queue_webhook(
        &self,
        key: &str,
        event: WebhookEvent,
        data: &str,
        pause: Millis,
    ) -> Result<()> {
        if !self.webhook_wants(event)? {
            return Ok(());
        }
        let now = now();
        let body = event.body(now, serde_json::from_str(data)?);
        let mut pending = new_pending(event, body, &[WEBHOOK.to_owned()], now);
        pending.wait_until(now + pause);
        let notice = Notice {
            pending: Some(pending),
            ..Notice::default()
        };
        self.store.set_notice(key, &notice)?;
        self.needs_schedule();
        Ok(())
    }

    /// Tells the webhook that the user has come, who was last seen at `away_since`. Whoever comes back within the grace
    /// period was never away.
    pub(crate) fn on_return(&self, away_since: Option<Millis>) -> Result<()> {
        let now = now();
        let grace = self.config()?.presence_grace;
        if away_since.is_none_or(|at| at + grace < now) {
            return self.queue_presence(WebhookEvent::UserOnline, now, 0);
        }
        let is_told = self.notices_in_flight.borrow().contains(PRESENCE);
        if self.webhook_wants(WebhookEvent::UserOffline)? && !is_told {
            self.store.notice_remove(PRESENCE)?;
        }
        Ok(())
    }

    /// Tells the webhook that the user has gone, unless they come back within the grace period.
    pub(crate) fn on_leaving(&self, last_seen: Millis) -> Result<()> {
        let grace = self.config()?.presence_grace;
        self.queue_presence(WebhookEvent::UserOffline, last_seen, grace)
    }

    fn queue_presence(&self, event: WebhookEvent, last_seen: Millis, pause: Millis) -> Result<()> {
        let data = to_object([
            ("userId", to_json(&self.store.user_state()?.user_id)),
            ("lastSeen", to_json(&iso(last_seen))),
        ]);
        self.queue_webhook(PRESENCE, event, &data, pause)
    }
}

/// Returns a notice that is told now, and not about messages.
fn new_pending(event: WebhookEvent, payload: String, sinks: &[String], now: Millis) -> Pending {
    let due = Attempts {
        failed: 0,
        due_at: Some(now),
    };
    Pending {
        // A UUIDv7: the list of those that were given up is in their order.
        id: send_id(now, random()).to_string(),
        event: event.name().to_owned(),
        claimed_at: now,
        messages: None,
        payload,
        sinks: sinks.iter().map(|sink| (sink.clone(), due)).collect(),
    }
}
