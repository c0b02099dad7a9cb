//! The object's one alarm: heartbeat, deadlines and outbox. See `core::heartbeat` for the rhythm.

use std::time::Duration;

use worker::Result;

use super::UserObject;
use super::socket::Socket;
use crate::core::engine::Packet;
use crate::core::heartbeat::{Need, may_join_ping, need};
use crate::core::time::Millis;
use crate::handler::{Active, Handler};
use crate::platform::{log, now};

impl UserObject {
    pub(super) async fn on_alarm(&self) {
        // It has fired, so none is set.
        self.alarm_at.set(Some(None));
        self.settle_crash();
        self.close_what_is_over().await;
        self.give_up_acks().await;
        if let Err(error) = self.ping() {
            log::error("heartbeat", &error);
        }
        // Other events are handled during both; the rest of this does not depend on them.
        self.tell_watchers().await;
        self.retry_outbox().await;
        self.schedule().await;
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
        for (mut socket, heard) in sockets {
            if may_join_ping(&socket.connection, heard, now, config) {
                socket.connection.pinged_at = Some(now);
                socket.connection.offset_at_ping = last_offset;
                socket.save()?;
                self.send(&socket, Packet::Ping(String::new()));
            }
        }
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
                let pause = Duration::from_millis(wanted.saturating_sub(now()));
                self.state.storage().set_alarm(pause).await?;
            }
        }
        Ok(())
    }

    fn next_alarm(&self) -> Result<Option<Millis>> {
        let config = self.config()?;
        let now = now();
        let watched = self.store.watched()?;
        let sockets = self
            .sockets()
            .filter_map(|socket| {
                let heard = socket.heard(&self.state);
                match need(&socket.connection, heard, now, watched.is_some(), config) {
                    Need::NothingUntil(Millis::MAX) => None,
                    Need::NothingUntil(at) => Some(at),
                    Need::Ping | Need::Close(_) => Some(now),
                }
            })
            .min();
        let watched = watched.and_then(|watched| watched.due_at);
        let outbox = self.store.outbox_due()?;
        Ok([sockets, watched, outbox].into_iter().flatten().min())
    }
}
