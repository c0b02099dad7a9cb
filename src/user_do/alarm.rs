//! The object's only alarm: heartbeat, deadlines and outbox. `core::heartbeat` explains the schedule.

use std::time::Duration;

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
    pub(crate) async fn on_alarm(&self) {
        // The alarm has fired, so none is set.
        self.alarm_at.set(Some(None));
        self.settle_crash();
        self.beat();
        let work = self.work();
        pin_mut!(work);
        // No alarm fires while this one runs, and D1 and other objects take time, so the heartbeat continues
        // alongside. The timer keeps the object awake no longer than that work does.
        loop {
            match select(work.as_mut(), Delay::from(self.until_next_beat())).await {
                Either::Left(_) => break,
                Either::Right(_) => self.beat(),
            }
        }
    }

    /// The work that depends only on time.
    fn beat(&self) {
        self.close_what_is_over();
        log::fault("heartbeat", self.ping());
    }

    /// The work that calls D1 or other objects. Other events are handled in the meantime.
    async fn work(&self) {
        self.tell_watchers().await;
        self.tell_senders().await;
        self.retry_outbox().await;
        log::fault("add user", self.record_belatedly().await);
    }

    fn until_next_beat(&self) -> Duration {
        let next = self.next_beat(self.is_watched());
        let next = next.ok().flatten().unwrap_or(Millis::MAX);
        let pause = next.saturating_sub(now());
        Duration::from_millis(pause.clamp(SHORTEST_BEAT, LONGEST_BEAT))
    }

    fn close_what_is_over(&self) {
        let Ok(config) = self.config() else { return };
        let now = now();
        let is_watched = self.is_watched();
        let sockets: Vec<Socket> = self.sockets().collect();
        for socket in sockets {
            if self.is_interrupted(&socket) {
                self.close(socket, CloseReason::Interrupted);
                continue;
            }
            let heard = socket.heard(&self.state);
            if let Need::Close(reason) = need(&socket.connection, heard, now, is_watched, config) {
                self.close(socket, reason);
            }
        }
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
    fn ping(&self) -> Result<()> {
        let config = self.config()?;
        let now = now();
        let sockets: Vec<(Socket, Millis)> = self
            .sockets()
            .map(|socket| {
                let heard = socket.heard(&self.state);
                (socket, heard)
            })
            .collect();
        let is_due = |(socket, heard): &(Socket, Millis)| {
            need(&socket.connection, *heard, now, false, config) == Need::Ping
        };
        if !sockets.iter().any(is_due) {
            return Ok(());
        }
        let confirmed = self.confirmed()?;
        if confirmed > self.store.user_state()?.confirmed {
            self.store.set_confirmed(confirmed)?;
        }
        let last_offset = self.store.last_offset()?;
        for (socket, heard) in sockets {
            if may_join_ping(&socket.connection, heard, now, config) {
                self.ping_socket(socket, last_offset)?;
            }
        }
        Ok(())
    }
}
