//! A session whose user is not known yet.
//!
//! The [`Lobby`](crate::core::lobby::Lobby) decides how its packets are handled. Some clients open the
//! WebSocket before they post their CONNECT, and send the CONNECT over it. So a WebSocket that the Worker
//! relays can take over a session in the lobby: the queued packets move with it, and the session ends here.

use futures::channel::oneshot;
use worker::{Response, Result};

use super::{End, GatewaySession, PollingGateway, close};
use crate::core::close::CloseReason;
use crate::core::config::Config;
use crate::core::connection::Carrier;
use crate::core::lobby::{LobbyEffect, Received};
use crate::core::token::signature::SignedToken;
use crate::messages::{LobbyRequest, LobbyStep, Poll, Taken};
use crate::platform::{now, public_keys, telemetry};
use crate::wire::engine_io::{Frame, Packet, encode_payload};
use crate::wire::polling::PollingPhase;

impl PollingGateway {
    /// Carries out what the lobby decides about a packet.
    pub(super) async fn act_in_lobby(&self, poll: &Poll, packet: Packet, config: &Config) {
        let sid = &poll.session.engine_sid;
        let (frame, request) = (packet.into_frame(), poll.own.as_ref());
        let received = self.with(sid, |session| {
            session.lobby.receive(frame, request, config, now())
        });
        let effects = match received {
            Some(Received::Effects(effects)) => effects,
            Some(Received::Unchecked(token, connect)) => {
                self.check(sid, &token, connect, config).await
            }
            None => return,
        };
        for effect in effects {
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
                // The client must still receive the last refusal.
                LobbyEffect::Close(CloseReason::Flooding) => {
                    self.with(sid, GatewaySession::leave);
                }
                // Probes do not arrive over polling.
                LobbyEffect::Close(_)
                | LobbyEffect::AbandonProbe(_)
                | LobbyEffect::Probe
                | LobbyEffect::TakeOver => {
                    close(&self.sessions, sid, End::Lost);
                }
            }
        }
    }

    /// Returns the effects of a CONNECT whose signature the platform checks.
    async fn check(
        &self,
        sid: &str,
        token: &SignedToken,
        connect: Frame,
        config: &Config,
    ) -> Vec<LobbyEffect> {
        // A WebSocket that wants to take the session over waits for the CONNECT.
        self.with(sid, |session| session.is_linking = true);
        let claims = public_keys::check(config, token).await;
        // In the meantime the session may have been closed. The client's next packets are in later POSTs, which
        // it sends when this one is answered.
        let checked = self.with(sid, |session| {
            session.is_linking = false;
            if session.polling.phase != PollingPhase::Lobby {
                return Vec::new();
            }
            let effects = session.lobby.checked(claims, connect, config, now());
            if !matches!(effects.as_slice(), [LobbyEffect::Enter(..)]) {
                session.entering.clear();
            }
            effects
        });
        checked.unwrap_or_default()
    }

    /// Performs one step of a WebSocket's upgrade of a session in the lobby.
    pub(super) async fn lobby(&self, lobby: LobbyRequest, config: &Config) -> Result<Response> {
        let sid = &lobby.session.engine_sid;
        self.enter(&lobby.session, None, config).await?;
        match lobby.step {
            LobbyStep::Probe | LobbyStep::Fail => {
                let is_probe = lobby.step == LobbyStep::Probe;
                self.with(sid, |session| {
                    // The Worker that relays the probe may die without notice.
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
        // A CONNECT in progress is answered first: it decides which user the session belongs to.
        if let Some(Some(answered)) = self.with(sid, GatewaySession::connecting) {
            // Answering drops the sender, and so does ending the session.
            let _ = answered.await;
        }
        self.with(sid, GatewaySession::hand_over).flatten()
    }
}

impl GatewaySession {
    /// Returns a receiver that resolves when the CONNECT in progress is answered, if there is one.
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

    /// Hands the session over to the WebSocket that takes it over.
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
