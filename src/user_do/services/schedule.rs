//! The object's only alarm, set for whatever is due next ([`crate::core::alarm`]).
//!
//! It is set at the end of each entry point, if the work requires it ([`UserObject::needs_schedule`]), and in
//! two more places: a send must set its alarm before it waits for D1 (`sending/send.rs`), and a recovery before it
//! waits for its turn to ask about users (`watch.rs`).
//!
//! Invariant: whatever is due has an alarm, or gets one at the object's next event. Only the look for notices
//! (`notices.rs`) waits for the next delivery or disconnect, if its alarm is lost. The platform may lose an alarm, so an
//! instance looks at its first event whether the alarm that it needs is set, and at each event whether it is overdue.

use worker::{Error, Result};

use crate::core::alarm::{self, LEFT_TO_THE_PLATFORM};
use crate::core::heartbeat::{call_deadline, wake_at};
use crate::core::time::Millis;
use crate::platform::{self, log, now};
use crate::user_do::UserObject;

impl UserObject {
    /// Called at the end of each entry point, and before a long wait.
    pub(crate) async fn schedule_if_needed(&self) {
        // While an alarm sends notices, no other fires. That alarm does what becomes due, and sets the next one.
        if self.is_sending_notices() {
            return;
        }
        if self.needs_schedule.get() || self.has_lost_alarm() || self.may_have_missed_call() {
            self.schedule().await;
        }
    }

    /// Returns whether an event whose own work is done without an await has to end with
    /// [`Self::schedule_if_needed`].
    pub(crate) fn may_lack_alarm(&self) -> bool {
        if self.needs_schedule.get() && matches!(self.next_alarm(), Ok(None)) {
            self.needs_schedule.set(false);
        }
        self.needs_schedule.get() || self.has_lost_alarm() || self.may_have_missed_call()
    }

    /// Returns whether a pacemaker may have missed a call. If so, the alarm is set for now, and does its work.
    fn may_have_missed_call(&self) -> bool {
        now() >= self.call_deadline.get()
    }

    fn has_lost_alarm(&self) -> bool {
        let set_for = self.alarm_at.get().flatten();
        set_for.is_some_and(|at| alarm::is_lost(at, now()))
    }

    /// Sets the alarm for the next thing to do, unless it is already set for then or earlier. Setting or
    /// deleting it costs a write, so an alarm that is too early, or for nothing, is left as it is: it costs
    /// less when it fires, and a client that reconnects needs it.
    pub(crate) async fn schedule(&self) {
        log::fault("alarm", self.try_schedule().await);
    }

    async fn try_schedule(&self) -> Result<()> {
        self.needs_schedule.set(false);
        match self.next_alarm()? {
            Some(wanted) => self.set_alarm(wanted).await,
            None => Ok(()),
        }
    }

    /// Sets the next alarm when one has fired. An error, or work that could not be done, is reported to the platform,
    /// which tries this alarm again. If that does not help, the heartbeat must not end with the platform's patience.
    pub(crate) async fn schedule_after_alarm(&self, is_done: bool) -> Result<()> {
        if is_done {
            self.failed_alarms.set(0);
            return self.try_schedule().await;
        }
        let failed = self.failed_alarms.get().saturating_add(1);
        self.failed_alarms.set(failed);
        if failed > LEFT_TO_THE_PLATFORM {
            let next_beat = self.next_beat(self.is_watched())?;
            return self
                .set_alarm(alarm::after_failures(next_beat, now()))
                .await;
        }
        // The platform's next attempt is this object's alarm.
        self.alarm_at.set(Some(Some(now())));
        Err(Error::RustError("an alarm's work has failed".into()))
    }

    async fn set_alarm(&self, wanted: Millis) -> Result<()> {
        let current = match self.alarm_at.get() {
            Some(current) => current,
            // Only storage is awaited, so no other event is handled in the meantime.
            None => platform::alarm::set_for(&self.state.storage()).await?,
        };
        self.alarm_at.set(Some(current));
        let Some(at) = alarm::to_set(wanted, current, now()) else {
            return Ok(());
        };
        if current.is_some_and(|at| alarm::is_lost(at, now())) {
            log::error("alarm", &"it is overdue by seconds, so it is set anew");
        }
        self.alarm_at.set(Some(Some(at)));
        let outcome = platform::alarm::set(&self.state.storage(), at).await;
        if outcome.is_err() {
            // It is no longer known which alarm is set, so read it next time.
            self.alarm_at.set(None);
            self.needs_schedule.set(true);
        }
        outcome
    }

    /// Returns when the object has to wake itself for its next connection.
    pub(crate) fn next_beat(&self, is_watched: bool) -> Result<Option<Millis>> {
        let (config, pace) = (self.config()?, self.pace()?);
        let now = now();
        let sockets = self.sockets_heard();
        let connections = || sockets.iter().map(|(socket, _)| &socket.connection);
        let first = |pace| {
            connections()
                .filter_map(|one| call_deadline(pace, one, config))
                .min()
        };
        let first = pace.as_ref().and_then(first);
        self.call_deadline.set(first.unwrap_or(Millis::MAX));
        let all = sockets.into_iter().filter_map(|(socket, heard)| {
            wake_at(
                pace.as_ref(),
                &socket.connection,
                heard,
                now,
                is_watched,
                config,
            )
        });
        Ok(all.min())
    }

    /// Returns when the alarm has something to do next.
    pub(crate) fn next_alarm(&self) -> Result<Option<Millis>> {
        let watched = self.store.watched()?;
        let sockets = self.next_beat(watched.is_some())?;
        let watched = watched.and_then(|watched| watched.due_at);
        let receipts = self.receipts_due()?;
        let outbox = self.outbox_due()?;
        let unread = self.unread_due()?;
        let notices = self.next_notice()?;
        let all = [sockets, watched, receipts, outbox, unread, notices];
        Ok(all.into_iter().flatten().min())
    }

    /// Returns when the outbox needs the alarm.
    pub(crate) fn outbox_due(&self) -> Result<Option<Millis>> {
        let now = now();
        let due = self.store.outbox_due()?.into_iter();
        let at = due.map(|due| due.at(self.flights.contains(due.send_id), now));
        Ok(at.min())
    }
}
