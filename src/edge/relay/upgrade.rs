//! A WebSocket that upgrades a polling session before its user is known.
//!
//! ```text
//!  client               here                  gateway
//!    |--- 2probe -------->|--- probe ---------->|    no GET waits any longer
//!    |<-- 3probe ---------|                     |
//!    |--- 5 ------------->|--- take ----------->|    the session ends there
//!    |<-- queue ----------|<-- session ---------|
//!    |--- 40 ------------>|                          and goes on as on any relayed WebSocket
//! ```
//!
//! Should a CONNECT be posted in between, the gateway answers `take` with the user, and the upgrade
//! is carried out at the user's object on the client's behalf (see `user_do/upgrade.rs`).

use crate::wire::close::ProtocolEnd;
use std::time::Duration;

use futures::future::{Either, select};
use futures::{Stream, StreamExt};
use worker::{Delay, Result, WebSocket};

use super::{Incoming, Relay, incoming, pass_on};
use crate::core::connection::Phase;
use crate::core::token::Identity;
use crate::messages::{Lobby, LobbyStep, Taken};
use crate::platform::{close, objects, send};
use crate::wire::engine_io::{Frame, PROBE, Packet};
use crate::wire::probe::receive_probing;
use crate::wire::session::{Effect, decode};

impl Relay {
    /// Probe and upgrade, as the client's side sees them: what is taken over, if it comes to that.
    pub(super) async fn take_over(
        &self,
        client: &WebSocket,
        events: &mut (impl Stream<Item = Incoming> + Unpin),
    ) -> Result<Option<Taken>> {
        let mut deadline = Delay::from(Duration::from_millis(self.config.upgrade_timeout));
        loop {
            let effect = match select(events.next(), &mut deadline).await {
                Either::Left((Some(Incoming::Frame(frame)), _)) => {
                    match decode(frame, self.config.max_payload) {
                        Ok(packet) => receive_probing(&packet),
                        Err(reason) => Effect::Close(reason),
                    }
                }
                _ => Effect::Close(ProtocolEnd::UpgradeFailed),
            };
            match effect {
                Effect::Probe => {
                    self.tell_gateway(LobbyStep::Probe).await?;
                    send(client, Packet::Pong(PROBE.to_owned()).into_frame())?;
                }
                Effect::Upgrade => return self.take(client).await,
                Effect::Close(reason) => {
                    close(client, reason);
                    self.tell_gateway(LobbyStep::Fail).await?;
                    return Ok(None);
                }
                _ => {}
            }
        }
    }

    async fn take(&self, client: &WebSocket) -> Result<Option<Taken>> {
        let mut response = self.tell_gateway(LobbyStep::Take).await?;
        if response.status_code() != 200 {
            close(client, ProtocolEnd::UpgradeFailed);
            return Ok(None);
        }
        response.json().await.map(Some)
    }

    async fn tell_gateway(&self, step: LobbyStep) -> Result<worker::Response> {
        let lobby = Lobby {
            engine_sid: self.engine_sid.clone(),
            opened_at: self.sid.opened_at,
            is_noted: self.sid.is_noted,
            step,
        };
        objects::call_gateway(&self.env, &self.sid.gateway(), &lobby).await
    }

    /// The client has left polling and was let go: nobody will poll any more.
    async fn give_up(&self) -> Result<()> {
        self.tell_gateway(LobbyStep::End).await.map(|_| ())
    }

    /// The user's object has the session: upgrades there, then passes frames on.
    pub(super) async fn pass_upgrade_on(
        &self,
        client: &WebSocket,
        events: impl Stream<Item = Incoming>,
        user: Identity,
    ) -> Result<()> {
        let Some(user) = self.open(client, user, Phase::Probing).await else {
            return self.give_up().await;
        };
        let mut from_user = user
            .events()?
            .filter_map(|event| async { incoming(event) })
            .boxed_local();
        send(&user, Packet::Ping(PROBE.to_owned()).into_frame())?;
        // The object answers the probe with a pong, or closes.
        let answered = from_user.next().await;
        if !matches!(answered, Some(Incoming::Frame(Frame::Text(_)))) {
            close(client, ProtocolEnd::UpgradeFailed);
            return self.give_up().await;
        }
        send(&user, Packet::Upgrade.into_frame())?;
        pass_on(client, events, &user, from_user, &self.config).await
    }
}
