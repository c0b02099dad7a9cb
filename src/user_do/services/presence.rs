//! Whether the user is online, and when they were last seen.
//!
//! The sockets show whether the user is online. `user_state` is written when the user goes online or offline.
//! If the object stops without notice (a deploy, a crash), `user_state` still says online although there is
//! no socket. The alarm left by the previous instance then shows when that instance was last alive, to within
//! one heartbeat, so no heartbeat has to write anything. The alarm of an object that a pacemaker calls is set far ahead
//! and shows nothing; then the pacemaker says when it last called.

use worker::Result;

use crate::core::heartbeat::{is_ghost, longest_sleep};
use crate::core::presence::Presence;
use crate::core::time::Millis;
use crate::messages::PresenceQuery;
use crate::platform::{alarm, log, now};
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

    /// The same, once it is known since when the user has been offline, if the previous instance stopped without notice.
    pub(crate) async fn presence_once_settled(&self, query: PresenceQuery) -> Result<Presence> {
        if self.has_to_ask_for_the_crash()? {
            log::fault("presence", self.settle_crash().await);
        }
        self.presence_for(&query)
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
            if let Ok(at) = alarm::set_for(&storage).await {
                left.set(at);
            }
            Ok(())
        });
    }

    /// Returns when the previous instance was last alive, derived from the alarm that it left: an alarm is
    /// set at most `longest_sleep` ahead, unless a pacemaker calls.
    fn last_trace(&self) -> Option<Millis> {
        let sleep = longest_sleep(self.config().ok()?);
        let trace = self.left_alarm.get()?.saturating_sub(sleep);
        let is_registered = matches!(self.store.registration(), Ok(Some(_)));
        Some(trace.min(now())).filter(|_| !is_registered)
    }

    /// Returns whether the user is recorded as online but has no socket, because the previous instance has stopped
    /// without notice.
    fn has_crashed(&self) -> Result<bool> {
        Ok(self.store.user_state()?.is_online == 1 && !self.has_live_socket())
    }

    /// Returns whether that is so, and only a pacemaker knows since when.
    pub(crate) fn has_to_ask_for_the_crash(&self) -> Result<bool> {
        Ok(self.store.registration()?.is_some() && self.has_crashed()?)
    }

    /// If the user is recorded as online but has no socket, records when they went offline.
    pub(crate) async fn settle_crash(&self) -> Result<()> {
        if !self.has_crashed()? {
            return Ok(());
        }
        let Some(registration) = self.store.registration()? else {
            return self.settle_crash_at(self.last_trace());
        };
        let ended = log::fault("pacemaker", self.end_registration(&registration).await);
        // Meanwhile the user may have come back, or the pacemaker may have called. If it does not answer, what is stored
        // has to do: the user is offline, and the watchers must not wait.
        let trace = ended.map(|ended| self.alive_at(&registration, ended.kept_until));
        self.settle_crash_at(trace.transpose()?)?;
        Ok(self.store.forget_registration()?)
    }

    /// The same, if the previous instance is known to have been alive at `trace`.
    pub(crate) fn settle_crash_at(&self, trace: Option<Millis>) -> Result<()> {
        if !self.has_crashed()? {
            return Ok(());
        }
        let state = self.store.user_state()?;
        let last_seen = state.last_seen.max(trace).unwrap_or_else(now);
        self.store.set_offline(last_seen, state.confirmed)?;
        log::fault("notices", self.on_leaving(last_seen));
        log::fault("notices", self.look_for_notices());
        let due_at = last_seen + self.config()?.presence_grace;
        Ok(self.store.watched_change(false, due_at)?)
    }
}
