//! The object's one alarm: heartbeat, deadlines and outbox. See `core::heartbeat` for the rhythm.

use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use worker::{Delay, Result};

use super::UserObject;
use super::socket::Socket;
use crate::core::engine::Packet;
use crate::core::heartbeat::{Need, may_join_ping, need};
use crate::core::time::Millis;
use crate::handler::{Active, Handler};
use crate::platform::{log, now};

/// How long an alarm that waits for others leaves the heartbeat alone, at least and at most.
const SHORTEST_BEAT: Millis = 10;
const LONGEST_BEAT: Millis = 60_000;

/// An alarm that is set for now while another one runs may never come (workerd issue 6866).
const SHORTEST_PAUSE: Millis = 5;

impl UserObject {
    pub(super) async fn on_alarm(&self) {
        // It has fired, so none is set.
        self.alarm_at.set(Some(None));
        self.settle_crash();
        self.beat().await;
        let work = self.work();
        pin_mut!(work);
        // No alarm fires while this one runs, and D1 and other objects take their time: so the heartbeat
        // goes on beside them. The timer pins nothing that they do not pin anyway.
        loop {
            match select(work.as_mut(), Delay::from(self.until_next_beat())).await {
                Either::Left(_) => break,
                Either::Right(_) => self.beat().await,
            }
        }
        self.schedule().await;
    }

    /// What has to do with time alone.
    async fn beat(&self) {
        self.close_what_is_over().await;
        self.give_up_acks().await;
        if let Err(error) = self.ping() {
            log::error("heartbeat", &error);
        }
    }

    /// What asks others. Other events are handled meanwhile.
    async fn work(&self) {
        self.tell_watchers().await;
        self.tell_senders().await;
        self.retry_outbox().await;
        if let Err(error) = self.record_belatedly().await {
            log::error("add user", &error);
        }
    }

    fn until_next_beat(&self) -> Duration {
        let next = self.next_beat(self.is_watched());
        let next = next.ok().flatten().unwrap_or(Millis::MAX);
        let pause = next.saturating_sub(now());
        Duration::from_millis(pause.clamp(SHORTEST_BEAT, LONGEST_BEAT))
    }

    async fn close_what_is_over(&self) {
        let Ok(config) = self.config() else { return };
        let now = now();
        let is_watched = self.is_watched();
        let sockets: Vec<Socket> = self.sockets().collect();
        for socket in sockets {
            let heard = socket.heard(&self.state);
            if let Need::Close(reason) = need(&socket.connection, heard, now, is_watched, config) {
                self.close(socket, reason).await;
            }
        }
    }

    async fn give_up_acks(&self) {
        let sockets: Vec<Socket> = self.sockets().collect();
        for mut socket in sockets {
            let expired = socket.connection.session.expire_acks(now());
            if expired.is_empty() || socket.save().is_err() {
                continue;
            }
            for awaited in expired {
                let Some(socket) = Socket::load(socket.ws.clone()) else {
                    break;
                };
                Active::on_ack(self, socket, awaited, None).await;
            }
        }
    }

    /// Pings what is due, and what may be pinged along with it; writes down what the pongs before
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

    /// Pings a client, behind everything in the log up to `last_offset`.
    pub(super) fn ping_socket(&self, mut socket: Socket, last_offset: u64) -> Result<()> {
        let ponged_at = socket.ponged_at(&self.state);
        socket.connection.pinged(now(), last_offset, ponged_at);
        socket.save()?;
        self.send(&socket, Packet::Ping(String::new()));
        Ok(())
    }

    /// Sets the alarm for the next thing to do, unless it is set for then or earlier. Each setting
    /// costs a write, so an alarm that comes too early is left to come.
    pub(crate) async fn schedule(&self) {
        if let Err(error) = self.try_schedule().await {
            log::error("alarm", &error);
        }
    }

    async fn try_schedule(&self) -> Result<()> {
        let current = match self.alarm_at.get() {
            Some(current) => current,
            // Storage only: no other event is handled meanwhile.
            None => {
                let stored = self.state.storage().get_alarm().await?;
                let stored = stored.and_then(|at| Millis::try_from(at).ok());
                self.alarm_at.set(Some(stored));
                stored
            }
        };
        match (self.next_alarm()?, current) {
            (None, None) => {}
            (None, Some(_)) => {
                self.alarm_at.set(Some(None));
                self.state.storage().delete_alarm().await?;
            }
            (Some(wanted), Some(current)) if current <= wanted => {}
            (Some(wanted), _) => {
                self.alarm_at.set(Some(Some(wanted)));
                let pause = wanted.saturating_sub(now()).max(SHORTEST_PAUSE);
                let pause = Duration::from_millis(pause);
                if let Err(error) = self.state.storage().set_alarm(pause).await {
                    // What is set is not known any more, and is asked the next time.
                    self.alarm_at.set(None);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// When the next connection needs something.
    fn next_beat(&self, is_watched: bool) -> Result<Option<Millis>> {
        let config = self.config()?;
        let now = now();
        let next = self
            .sockets()
            .filter_map(|socket| {
                let heard = socket.heard(&self.state);
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
