//! A session whose user is not known yet.
//!
//! The [`Lobby`](crate::core::lobby::Lobby) decides what its packets lead to. Some clients open the
//! WebSocket before they post their CONNECT, and send it there. So a session in the lobby can be taken over
//! by a WebSocket that the Worker relays: what was queued goes with it, and the session ends here.

use futures::channel::oneshot;
use worker::{Response, Result};

use super::{End, GatewaySession, PollingGateway, close};
use crate::core::close::CloseReason;
use crate::core::config::Config;
use crate::core::connection::Carrier;
use crate::core::lobby::LobbyEffect;
use crate::messages::{self, LobbyStep, Poll, Taken};
use crate::platform::{now, telemetry};
use crate::wire::engine_io::{Packet, encode_payload};
use crate::wire::polling::PollingPhase;

impl PollingGateway {
    /// Carries out what the lobby decides about a packet.
    pub(super) async fn act_in_lobby(&self, poll: &Poll, packet: Packet, config: &Config) {
        let sid = &poll.engine_sid;
        let (frame, request) = (packet.into_frame(), poll.own.as_ref());
        let effects = self.with(sid, |session| {
            session.lobby.receive(frame, request, config, now())
        });
        for effect in effects.unwrap_or_default() {
            match effect {
                LobbyEffect::Send(packet) => {
                    self.with(sid, |session| session.hand_out(packet));
                }
                LobbyEffect::Refused(error) => {
                    telemetry::refused(&self.env, config, Carrier::Gateway, error);
                    self.with(sid, |session| session.resolve_route(None));
                }
                LobbyEffect::Enter(user, connect) => {
                    self.link(sid, user, Some(connect), poll.region).await;
                }
                // The client is still to get the last refusal.
                LobbyEffect::Close(CloseReason::Flooding) => {
                    self.with(sid, GatewaySession::leave);
                }
                // Probes do not come by polling.
                LobbyEffect::Close(_)
                | LobbyEffect::AbandonProbe(_)
                | LobbyEffect::Probe
                | LobbyEffect::TakeOver => {
                    close(&self.sessions, sid, End::Lost);
                }
            }
        }
    }

    /// A step of a WebSocket that asks for a session.
    pub(super) async fn lobby(
        &self,
        lobby: messages::LobbyRequest,
        config: &Config,
    ) -> Result<Response> {
        let sid = &lobby.engine_sid;
        self.enter(sid, lobby.opened_at, lobby.is_noted, config)
            .await?;
        match lobby.step {
            LobbyStep::Probe | LobbyStep::Fail => {
                let is_probe = lobby.step == LobbyStep::Probe;
                self.with(sid, |session| {
                    // The Worker that relays the probe may die without a word.
                    let until = now() + config.upgrade_timeout;
                    session.polling.probed_until = is_probe.then_some(until);
                    session.has_probe = is_probe;
                    session.answer_get();
                });
                Response::empty()
            }
            LobbyStep::Take => match self.take(sid).await {
                Some(taken) => Response::from_json(&taken),
                None => Response::error("no session", 404),
            },
            LobbyStep::End => {
                close(&self.sessions, sid, End::Lost);
                Response::empty()
            }
        }
    }

    async fn take(&self, sid: &str) -> Option<Taken> {
        // A CONNECT that is under way is answered first; it decides whose the session is.
        if let Some(Some(answered)) = self.with(sid, GatewaySession::connecting) {
            // The sender goes with the answer, and with the session.
            let _ = answered.await;
        }
        self.with(sid, GatewaySession::hand_over).flatten()
    }
}

impl GatewaySession {
    /// What tells that the CONNECT is answered, if one is under way.
    fn connecting(&mut self) -> Option<oneshot::Receiver<()>> {
        let is_under_way = match self.polling.phase {
            PollingPhase::Lobby => self.is_linking,
            PollingPhase::Routed => !self.is_answered,
            PollingPhase::Upgrading | PollingPhase::Closed => false,
        };
        is_under_way.then(|| {
            let (sender, receiver) = oneshot::channel();
            self.entering.push(sender);
            receiver
        })
    }

    /// What a WebSocket gets that takes the session over.
    fn hand_over(&mut self) -> Option<Taken> {
        match self.polling.phase {
            PollingPhase::Lobby => {
                let queue = encode_payload(&self.polling.drain());
                self.end(End::Closed);
                Some(match self.lobby.handshake.take() {
                    Some(own) => Taken::Greeted { queue, own },
                    None => Taken::Session(queue),
                })
            }
            PollingPhase::Routed => self.identity.clone().map(Taken::User),
            PollingPhase::Upgrading | PollingPhase::Closed => None,
        }
    }
}
