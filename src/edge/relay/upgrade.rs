//! A WebSocket that upgrades a polling session before its user is known.
//!
//! ```text
//!  client               here                  gateway
//!    |--- 2probe -------->|--- probe ---------->|    GETs no longer wait
//!    |<-- 3probe ---------|                     |
//!    |--- 5 ------------->|--- take ----------->|    the session ends there
//!    |<-- queue ----------|<-- session ---------|
//!    |--- 40 ------------>|                          and continues like any relayed WebSocket
//! ```
//!
//! If a CONNECT is posted in between, the gateway answers `take` with the user, and the relay performs the
//! upgrade at the user's object on the client's behalf (see `user_do/connect/upgrade.rs`).

use std::ops::ControlFlow::{Break, Continue};

use futures::{Stream, StreamExt};
use worker::{Result, WebSocket};

use super::{Exit, Incoming, Relay, Step, incoming, pass_on};
use crate::core::connection::Phase;
use crate::core::lobby::Lobby;
use crate::core::token::Identity;
use crate::messages::{LobbyRequest, LobbyStep, SessionRef, Taken};
use crate::platform::{close, objects, send};
use crate::wire::close::ProtocolEnd;
use crate::wire::engine_io::{Frame, PROBE, Packet, decode_payload};

impl Relay {
    /// Takes the session over from the gateway, and sends the packets that were queued for polling.
    pub(super) async fn take_over(&self, client: &WebSocket, lobby: &mut Lobby) -> Step {
        let mut response = self.tell_gateway(LobbyStep::Take).await?;
        if response.status_code() != 200 {
            close(client, ProtocolEnd::UpgradeFailed);
            return Ok(Break(Exit::Closed));
        }
        let (queue, own) = match response.json().await? {
            Taken::Session(queue) => (queue, None),
            Taken::Greeted { queue, own } => (queue, Some(own)),
            Taken::User(user) => return Ok(Break(Exit::Upgrade(user))),
        };
        lobby.take_over(own);
        // An empty queue is not a valid payload.
        for packet in decode_payload(&queue).unwrap_or_default() {
            send(client, packet.into_frame())?;
        }
        Ok(Continue(()))
    }

    pub(super) async fn tell_gateway(&self, step: LobbyStep) -> Result<worker::Response> {
        let message = LobbyRequest {
            session: SessionRef::new(self.engine_sid.clone(), &self.sid),
            step,
        };
        objects::call_gateway(&self.env, &self.sid.gateway(), &message).await
    }

    /// Ends the session at the gateway: the client has stopped polling, and its WebSocket was closed.
    async fn give_up(&self) -> Result<()> {
        self.tell_gateway(LobbyStep::End).await.map(|_| ())
    }

    /// The user's object has the session: performs the upgrade there, then relays frames.
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
        // The object answers the probe with a pong, or closes the WebSocket.
        let answered = from_user.next().await;
        if !matches!(answered, Some(Incoming::Frame(Frame::Text(_)))) {
            close(client, ProtocolEnd::UpgradeFailed);
            return self.give_up().await;
        }
        send(&user, Packet::Upgrade.into_frame())?;
        pass_on(client, events, &user, from_user).await;
        Ok(())
    }
}
