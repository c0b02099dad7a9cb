//! Sends the notices that are claimed to the webhook and the push services, each in its own time.
//!
//! Invariant: an answer changes the row of its notice only if it still is the same notice. An attempt whose answer is lost
//! with the object is repeated by the alarm that the platform repeats, with the same id.

use futures::future::join;
use futures::{StreamExt, stream};
use js_sys::Math;
use worker::Result;

use crate::core::notice::attempt::Outcome;
use crate::core::notice::pending::{Channel, Covered, Effect, Pending, WEBHOOK};
use crate::core::preferences::Notices;
use crate::core::time::Millis;
use crate::core::webhook::answer::Attempt;
use crate::core::webhook::event::WebhookEvent;
use crate::platform::{log, now};
use crate::user_do::UserObject;

/// How many notices a channel sends at once, and to how many sinks each: 2 requests to the webhook, and 4 to push services.
/// That is all that the platform makes of one invocation at once, those to D1 included; others wait, while their time runs
/// out.
const AT_ONCE: usize = 2;

/// How many times in one alarm each channel sends so many notices; the next alarm goes on. With more than a few browsers of
/// the user, an alarm may exceed the 50 requests of the free plan.
const ROUNDS: usize = 8;

/// How long a webhook that has not answered is left alone: so many times the pause after a first failure.
const UNANSWERED_FACTOR: Millis = 6;

/// When a webhook that could not be recorded as failed is tried again, in milliseconds.
const RETRY: Millis = 3_600_000;

impl UserObject {
    /// Claims what is due, and sends what is claimed; called by the alarm. Ends when everybody has answered, or has had the
    /// time to.
    pub(crate) async fn send_notices(&self) -> Result<()> {
        self.claim_notices()?;
        let [webhook, push] = Channel::ALL.map(|channel| self.send_due(channel));
        let (webhook, push) = join(webhook, push).await;
        webhook.and(push)
    }

    async fn send_due(&self, channel: Channel) -> Result<()> {
        for _ in 0..ROUNDS {
            if channel == Channel::Webhook && now() < self.webhook_paused_until.get() {
                break;
            }
            let due = self.store.due_notices(channel, now(), AT_ONCE as u64)?;
            if due.is_empty() {
                break;
            }
            self.notices_in_flight
                .borrow_mut()
                .extend(due.iter().cloned());
            let told = stream::iter(&due).map(|key| self.send_notice(channel, key));
            let told: Vec<Result<()>> = told.buffer_unordered(AT_ONCE).collect().await;
            self.notices_in_flight
                .borrow_mut()
                .retain(|key| !due.contains(key));
            // An error makes the platform repeat the alarm, later and later.
            told.into_iter().collect::<Result<()>>()?;
        }
        Ok(())
    }

    async fn send_notice(&self, channel: Channel, key: &str) -> Result<()> {
        if channel == Channel::Webhook {
            // So that nothing is awaited between the last look at what is read and the request.
            self.learn_webhook_state().await;
        }
        let user_id = self.store.user_state()?.user_id;
        let Some(pending) = self.still_to_send(key)? else {
            return Ok(());
        };
        let attempts = self.attempts(&pending).await;
        // Meanwhile the messages may have been read, which the next attempt sees. A newer notice may have taken the place
        // of this one, or the user may have been erased: then there is nothing to record.
        let mut current = self.store.notice(key)?;
        let is_same = |current: &&mut Pending| current.id == pending.id;
        let Some(pending) = current.pending.as_mut().filter(is_same) else {
            return Ok(());
        };
        let failed = self.settle(pending, &attempts)?;
        if pending.sinks.is_empty() {
            current.finish();
        }
        self.store.set_notice(key, &current)?;
        match failed {
            Some((failed, status)) => self.keep_failed(&user_id, failed, status).await,
            None => Ok(()),
        }
    }

    /// Returns what is claimed under this key, unless there is nothing to tell any more, or it has to wait.
    fn still_to_send(&self, key: &str) -> Result<Option<Pending>> {
        let mut notice = self.store.notice(key)?;
        let Some(pending) = &mut notice.pending else {
            return Ok(None);
        };
        if self.is_moot(pending)? {
            notice.finish();
        } else if let Some(end) = self.quiet_until()?.filter(|_| pending.messages.is_some()) {
            pending.wait_until(end);
        } else {
            return Ok(notice.pending);
        }
        self.store.set_notice(key, &notice)?;
        Ok(None)
    }

    /// Returns whether there is nothing to tell any more.
    fn is_moot(&self, pending: &Pending) -> Result<bool> {
        let Some(covered) = &pending.messages else {
            return Ok(false);
        };
        let is_delivered = pending.event == WebhookEvent::MessageUndelivered.name()
            && self.confirmed()? >= covered.last_offset;
        let is_unwanted = self.store.user_state()?.preferences.notices == Notices::None;
        let Covered {
            conversation_id,
            newest,
            ..
        } = covered;
        Ok(is_delivered || is_unwanted || self.store.has_read(conversation_id, newest)?)
    }

    /// Makes one attempt for each sink that is due.
    async fn attempts(&self, pending: &Pending) -> Vec<(String, Attempt)> {
        let sinks: Vec<String> = pending.due_sinks(now()).map(str::to_owned).collect();
        let attempts = stream::iter(sinks).map(async |sink| {
            let attempt = self.attempt(pending, &sink).await;
            (sink, attempt)
        });
        attempts.buffer_unordered(AT_ONCE).collect().await
    }

    async fn attempt(&self, pending: &Pending, sink: &str) -> Attempt {
        if sink == WEBHOOK {
            return self.send_webhook(&pending.id, &pending.payload).await;
        }
        let outcome = match log::fault("push", self.push_to(pending, sink).await) {
            Some(outcome) => outcome,
            None => Outcome::Again { after: None },
        };
        Attempt {
            outcome,
            status: None,
        }
    }

    async fn push_to(&self, pending: &Pending, endpoint: &str) -> Result<Outcome> {
        let subscriptions = self.store.push_subscriptions()?;
        let subscription = subscriptions.iter().find(|one| one.endpoint == endpoint);
        let Some((subscription, covered)) = subscription.zip(pending.messages.as_ref()) else {
            return Ok(Outcome::Gone);
        };
        let topic = &covered.conversation_id;
        Ok(self.send_push(subscription, topic, &pending.payload).await)
    }

    /// Notes what came of the attempts. If the webhook is given up, returns what is kept of the notice, and the status of
    /// the last answer.
    fn settle(
        &self,
        pending: &mut Pending,
        attempts: &[(String, Attempt)],
    ) -> Result<Option<(Pending, Option<u16>)>> {
        let limits = &self.config()?.notices;
        let now = now();
        let mut failed = None;
        for (sink, attempt) in attempts {
            if sink == WEBHOOK && attempt.status.is_none() {
                let pause = UNANSWERED_FACTOR * limits.first_retry;
                self.webhook_paused_until.set(now + pause);
            }
            let effect = pending.settle(sink, attempt.outcome, now, Math::random(), limits);
            if effect == Effect::GivenUp {
                failed = Some((pending.split_failed(now + RETRY), attempt.status));
            }
        }
        Ok(failed)
    }
}
