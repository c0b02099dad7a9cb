//! Is the user online, and when were they last seen?
//!
//! The sockets themselves say who is online. `user_state` is written when the user comes and goes.
//! If the object went without a word (a deploy, a crash), it still says online while no socket is
//! there; then the alarm that was left behind tells when the object was last alive, to within one
//! heartbeat, and no heartbeat has to write anything down for that.

use worker::Result;

use crate::core::heartbeat::{is_ghost, longest_sleep};
use crate::core::presence::Presence;
use crate::core::time::Millis;
use crate::messages::PresenceQuery;
use crate::platform::{log, now};
use crate::user_do::UserObject;

impl UserObject {
    /// As somebody else sees it.
    pub(crate) fn presence_for(&self, query: &PresenceQuery) -> Result<Presence> {
        match &query.by {
            Some(by) if self.store.has_blocked(by)? => Ok(Presence::default()),
            _ => self.presence(),
        }
    }

    pub(crate) fn presence(&self) -> Result<Presence> {
        let config = self.config()?;
        let now = now();
        let mut connection_count = 0;
        let mut last_heard: Option<Millis> = None;
        for socket in self.live_sockets() {
            let heard = socket.heard(&self.state);
            last_heard = last_heard.max(Some(heard));
            // A ghost counts no more, although its socket is closed only at the next waking.
            if !is_ghost(&socket.connection, heard, now, config) {
                connection_count += 1;
            }
        }
        let state = self.store.user_state()?;
        let stored = if connection_count == 0 && state.is_online == 1 {
            state.last_seen.max(self.last_trace())
        } else {
            state.last_seen
        };
        Ok(Presence {
            connection_count,
            last_seen: stored.max(last_heard),
        })
    }

    /// Called when the object wakes up: if it went without a word, keeps hold of the alarm that was
    /// left behind, before it fires. No event is handled until then.
    pub(crate) fn look_for_a_crash(&self) {
        let is_online = matches!(self.store.user_state(), Ok(state) if state.is_online == 1);
        if !is_online || !self.live_sockets().is_empty() {
            return;
        }
        let storage = self.state.storage();
        let left = self.left_alarm.clone();
        // The promise is the platform's to wait for.
        let _blocked = self.state.block_concurrency_while(async move {
            if let Ok(alarm) = storage.get_alarm().await {
                left.set(alarm.and_then(|at| Millis::try_from(at).ok()));
            }
            Ok(())
        });
    }

    /// When the object was last alive, as the alarm that it left behind tells: an alarm is set at
    /// most one sleep ahead.
    fn last_trace(&self) -> Option<Millis> {
        let sleep = longest_sleep(self.config().ok()?);
        let trace = self.left_alarm.get()?.saturating_sub(sleep);
        Some(trace.min(now()))
    }

    /// The user is said to be online while no socket is there: writes down that they went.
    pub(crate) fn settle_crash(&self) {
        if let Err(error) = self.try_settle_crash() {
            log::error("presence", &error);
        }
    }

    fn try_settle_crash(&self) -> Result<()> {
        let state = self.store.user_state()?;
        if state.is_online == 0 || !self.live_sockets().is_empty() {
            return Ok(());
        }
        let last_seen = state.last_seen.max(self.last_trace()).unwrap_or_else(now);
        self.store.set_offline(last_seen, state.confirmed)?;
        let due_at = last_seen + self.config()?.presence_grace;
        Ok(self.store.watched_change(false, due_at)?)
    }
}
