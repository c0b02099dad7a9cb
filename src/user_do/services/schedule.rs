//! The object's only alarm, set for whatever is due next.
//!
//! It is set at the end of each entry point, if the work requires it ([`UserObject::needs_schedule`]), and in
//! one more place: a send must set its alarm before it waits for D1 (`sending/send.rs`).

use std::time::Duration;

use worker::Result;

use crate::core::heartbeat::{Need, need};
use crate::core::time::Millis;
use crate::platform::{log, now};
use crate::user_do::UserObject;

/// An alarm that is set for now while another one runs may never fire (workerd issue 6866).
const SHORTEST_PAUSE: Millis = 5;

impl UserObject {
    /// Called at the end of each entry point.
    pub(crate) async fn schedule_if_needed(&self) {
        if self.needs_schedule.get() {
            self.schedule().await;
        }
    }

    /// Sets the alarm for the next thing to do, unless it is already set for then or earlier. Setting or
    /// deleting it costs a write, so an alarm that is too early, or for nothing, is left as it is: it costs
    /// less when it fires, and a client that reconnects needs it.
    pub(crate) async fn schedule(&self) {
        self.needs_schedule.set(false);
        log::fault("alarm", self.try_schedule().await);
    }

    async fn try_schedule(&self) -> Result<()> {
        let current = match self.alarm_at.get() {
            Some(current) => current,
            // Only storage is awaited, so no other event is handled in the meantime.
            None => {
                let stored = self.state.storage().get_alarm().await?;
                let stored = stored.and_then(|at| Millis::try_from(at).ok());
                self.alarm_at.set(Some(stored));
                stored
            }
        };
        match (self.next_alarm()?, current) {
            (None, _) => {}
            (Some(wanted), Some(current)) if current <= wanted => {}
            (Some(wanted), _) => {
                self.alarm_at.set(Some(Some(wanted)));
                let pause = wanted.saturating_sub(now()).max(SHORTEST_PAUSE);
                let pause = Duration::from_millis(pause);
                if let Err(error) = self.state.storage().set_alarm(pause).await {
                    // It is no longer known which alarm is set, so read it next time.
                    self.alarm_at.set(None);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Returns when the next connection needs attention.
    pub(crate) fn next_beat(&self, is_watched: bool) -> Result<Option<Millis>> {
        let config = self.config()?;
        let now = now();
        let next = self
            .sockets_heard()
            .into_iter()
            .filter_map(|(socket, heard)| {
                match need(&socket.connection, heard, now, is_watched, config) {
                    Need::NothingUntil(Millis::MAX) => None,
                    Need::NothingUntil(at) => Some(at),
                    Need::Ping | Need::Close(_) => Some(now),
                }
            })
            .min();
        Ok(next)
    }

    fn next_alarm(&self) -> Result<Option<Millis>> {
        let watched = self.store.watched()?;
        let sockets = self.next_beat(watched.is_some())?;
        let watched = watched.and_then(|watched| watched.due_at);
        let receipts = self.receipts_due()?;
        let outbox = self.store.outbox_due()?;
        let all = [sockets, watched, receipts, outbox];
        Ok(all.into_iter().flatten().min())
    }
}
