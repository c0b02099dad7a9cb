//! The object's only alarm: heartbeat, deadlines and outbox. `core::heartbeat` explains the schedule.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use futures::pin_mut;
use worker::{Delay, Result};

use crate::core::close::CloseReason;
use crate::core::connection::{Connection, Phase};
use crate::core::heartbeat::{Need, may_join_ping, need};
use crate::core::time::Millis;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;

/// The shortest and the longest time between two heartbeats while an alarm waits for D1 or other objects.
const SHORTEST_BEAT: Millis = 10;
const LONGEST_BEAT: Millis = 60_000;

impl UserObject {
    /// Does what is due. Returns whether all of it could be done; what could not is in the log.
    pub(crate) async fn on_alarm(&self) -> bool {
        // The alarm has fired, so none is set.
        self.alarm_at.set(Some(None));
        let is_settled = log::fault("presence", self.settle_crash()).is_some();
        let has_beaten = self.beat();
        let is_told = log::fault("unread", self.tell_unread()).is_some();
        let work = self.work();
        pin_mut!(work);
        // Usually nothing has to be awaited, and no timer is needed.
        if let Some(is_done) = work.as_mut().now_or_never() {
            return is_settled && has_beaten && is_told && is_done;
        }
        // No alarm fires while this one runs, and D1 and other objects take time, so the heartbeat continues
        // alongside. The timer keeps the object awake no longer than that work does.
        let mut is_all_done = is_settled && has_beaten && is_told;
        loop {
            match select(work.as_mut(), Delay::from(self.until_next_beat())).await {
                Either::Left((is_done, _)) => return is_all_done && is_done,
                Either::Right(_) => is_all_done &= self.beat(),
            }
        }
    }

    /// The work that depends only on time. Returns whether it could be done.
    fn beat(&self) -> bool {
        let sockets = self.sockets_heard();
        let closed = self.close_what_is_over(&sockets);
        // Closing one socket may change another.
        let sockets = if closed > 0 {
            self.sockets_heard()
        } else {
            sockets
        };
        log::fault("heartbeat", self.ping(sockets)).is_some()
    }

    /// The work that calls D1 or other objects. Other events are handled in the meantime. Each part is done even if
    /// another one fails.
    async fn work(&self) -> bool {
        let parts = [
            log::fault("watchers", self.tell_watchers().await).is_some(),
            log::fault("receipts", self.tell_senders().await).is_some(),
            log::fault("outbox", self.retry_outbox().await).is_some(),
            log::fault("add user", self.record_belatedly().await).is_some(),
        ];
        parts.into_iter().all(|is_done| is_done)
    }

    fn until_next_beat(&self) -> Duration {
        let next = self.next_beat(self.is_watched());
        let next = next.ok().flatten().unwrap_or(Millis::MAX);
        let pause = next.saturating_sub(now());
        Duration::from_millis(pause.clamp(SHORTEST_BEAT, LONGEST_BEAT))
    }

    /// Returns how many sockets it has closed.
    fn close_what_is_over(&self, sockets: &[(Socket, Millis)]) -> usize {
        let Ok(config) = self.config() else { return 0 };
        let now = now();
        let is_watched = self.is_watched();
        let reason = |(socket, heard): &(Socket, Millis)| {
            if self.is_interrupted(socket) {
                return Some(CloseReason::Interrupted);
            }
            match need(&socket.connection, *heard, now, is_watched, config) {
                Need::Close(reason) => Some(reason),
                _ => None,
            }
        };
        let over: Vec<_> = sockets
            .iter()
            .filter_map(|one| Some((one.0.clone(), reason(one)?)))
            .collect();
        let closed = over.len();
        for (socket, reason) in over {
            self.close(socket, reason);
        }
        closed
    }

    /// Returns whether the object lost its memory during a CONNECT, which will never be answered.
    fn is_interrupted(&self, socket: &Socket) -> bool {
        let Connection {
            phase, engine_sid, ..
        } = &socket.connection;
        *phase == Phase::Connecting && !self.held.borrow().contains_key(engine_sid)
    }

    /// If a ping is due, sends it together with those that may go out early, and records what earlier pongs
    /// have confirmed.
    fn ping(&self, sockets: Vec<(Socket, Millis)>) -> Result<()> {
        let config = self.config()?;
        let now = now();
        let is_due = |(socket, heard): &(Socket, Millis)| {
            need(&socket.connection, *heard, now, false, config) == Need::Ping
        };
        if !sockets.iter().any(is_due) {
            return Ok(());
        }
        self.store
            .set_confirmed(self.confirmed_on(sockets.iter().map(|(socket, _)| socket))?)?;
        let last_offset = self.store.last_offset()?;
        for (socket, heard) in sockets {
            if may_join_ping(&socket.connection, heard, now, config) {
                self.ping_socket(socket, last_offset)?;
            }
        }
        Ok(())
    }
}
