//! An upgrade before the user is known.
//!
//! Some clients open the WebSocket before they post their CONNECT, and send it there. So a session
//! in the lobby can be taken over by a WebSocket that the Worker relays: what was queued goes with
//! it, and the session ends here.

use worker::{Response, Result};

use futures::channel::oneshot;

use super::{End, PollingGateway, close};
use crate::core::config::Config;
use crate::messages::{Lobby, LobbyStep, Taken};
use crate::platform::now;
use crate::wire::engine_io::encode_payload;
use crate::wire::polling::Phase;

impl PollingGateway {
    pub(super) async fn lobby(&self, lobby: Lobby, config: &Config) -> Result<Response> {
        let sid = &lobby.engine_sid;
        self.enter(sid, lobby.opened_at, lobby.is_noted, &None, config)
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
        if let Some(answered) = self.connecting(sid) {
            // The sender goes with the answer, and with the session.
            let _ = answered.await;
        }
        self.with(sid, |session| match session.polling.phase {
            Phase::Lobby => {
                let queue = session.polling.drain();
                session.end(End::Closed);
                let queue = match queue.is_empty() {
                    true => String::new(),
                    false => encode_payload(&queue),
                };
                Some(match session.own.take() {
                    Some(own) => Taken::Greeted { queue, own },
                    None => Taken::Session(queue),
                })
            }
            Phase::Routed => session.identity.clone().map(Taken::User),
            Phase::Upgrading | Phase::Closed => None,
        })
        .flatten()
    }

    fn connecting(&self, sid: &str) -> Option<oneshot::Receiver<()>> {
        self.with(sid, |session| {
            let is_under_way = match session.polling.phase {
                Phase::Lobby => session.is_linking,
                Phase::Routed => !session.is_answered,
                Phase::Upgrading | Phase::Closed => false,
            };
            if !is_under_way {
                return None;
            }
            let (sender, receiver) = oneshot::channel();
            session.entering.push(sender);
            Some(receiver)
        })
        .flatten()
    }
}
