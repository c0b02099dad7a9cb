//! Whether the user is online, and when they were last seen.
//!
//! The sockets show whether the user is online. `user_state` is written when the user goes online or offline.
//! If the object stops without notice (a deploy, a crash), `user_state` still says online although there is
//! no socket. The alarm left by the previous instance then shows when that instance was last alive, to within
//! one heartbeat, so no heartbeat has to write anything.

use worker::Result;

use crate::core::heartbeat::{is_ghost, longest_sleep};
use crate::core::presence::Presence;
use crate::core::time::Millis;
use crate::messages::PresenceQuery;
use crate::platform::now;
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;

impl UserObject {
    /// Returns the presence that the querying user may see.
    pub(crate) fn presence_for(&self, query: &PresenceQuery) -> Result<Presence> {
        match &query.by {
            Some(by) if !self.may_be_seen_by(by)? => Ok(Presence::default()),
            _ => self.presence(),
        }
    }

    /// Returns whether another user may see that this one is, or was, here. To whoever may not, nothing that the user's
    /// devices do by themselves gives it away: not what they receive or have read, nor that their user is typing.
    pub(crate) fn may_be_seen_by(&self, user_id: &str) -> Result<bool> {
        let is_blocked = self.store.has_blocked(user_id)?;
        Ok(!is_blocked && self.store.shows_presence_to(user_id)?)
    }

    pub(crate) fn presence(&self) -> Result<Presence> {
        self.presence_on(&self.live_sockets())
    }

    /// The same, if the user's live sockets are at hand.
    pub(crate) fn presence_on(&self, live_sockets: &[Socket]) -> Result<Presence> {
        let config = self.config()?;
        let now = now();
        let mut connection_count = 0;
        let mut last_heard: Option<Millis> = None;
        for socket in live_sockets {
            let heard = socket.heard(&self.state);
            last_heard = last_heard.max(Some(heard));
            // A ghost no longer counts, although its socket is only closed when the object next wakes up.
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

    /// Called when the object wakes up. If the previous instance stopped without notice, remembers the alarm
    /// that it left, before that fires. No event is handled until this is done.
    pub(crate) fn look_for_a_crash(&self) {
        // A socket says without a query that nothing has crashed.
        let is_online = || matches!(self.store.user_state(), Ok(state) if state.is_online == 1);
        if self.has_live_socket() || !is_online() {
            return;
        }
        let storage = self.state.storage();
        let left = self.left_alarm.clone();
        // The platform waits for this promise.
        let _blocked = self.state.block_concurrency_while(async move {
            if let Ok(alarm) = storage.get_alarm().await {
                left.set(alarm.and_then(|at| Millis::try_from(at).ok()));
            }
            Ok(())
        });
    }

    /// Returns when the previous instance was last alive, derived from the alarm that it left: an alarm is
    /// set at most `longest_sleep` ahead.
    fn last_trace(&self) -> Option<Millis> {
        let sleep = longest_sleep(self.config().ok()?);
        let trace = self.left_alarm.get()?.saturating_sub(sleep);
        Some(trace.min(now()))
    }

    /// If the user is recorded as online but has no socket, records when they went offline.
    pub(crate) fn settle_crash(&self) -> Result<()> {
        if self.has_live_socket() {
            return Ok(());
        }
        let state = self.store.user_state()?;
        if state.is_online == 0 {
            return Ok(());
        }
        let last_seen = state.last_seen.max(self.last_trace()).unwrap_or_else(now);
        self.store.set_offline(last_seen, state.confirmed)?;
        let due_at = last_seen + self.config()?.presence_grace;
        Ok(self.store.watched_change(false, due_at)?)
    }
}
