//! An upgrade before the user is known.
//!
//! Some clients open the WebSocket before they post their CONNECT, and send it there. So a session
//! in the lobby can be taken over by a WebSocket that the Worker relays: what was queued goes with
//! it, and the session ends here.

use worker::{Response, Result};

use super::{End, PollingGateway};
use crate::core::config::Config;
use crate::core::engine::encode_payload;
use crate::core::polling::Phase;
use crate::messages::{Lobby, LobbyStep, Taken};

impl PollingGateway {
    pub(super) async fn lobby(&self, lobby: Lobby, config: &Config) -> Result<Response> {
        let sid = &lobby.engine_sid;
        self.enter(sid, lobby.opened_at, &None, config).await?;
        match lobby.step {
            LobbyStep::Probe | LobbyStep::Fail => {
                self.with(sid, |session| {
                    session.polling.is_probed = lobby.step == LobbyStep::Probe;
                    session.has_probe = lobby.step == LobbyStep::Probe;
                    session.answer_get();
                });
                Response::empty()
            }
            LobbyStep::Take => match self.take(sid) {
                Some(taken) => Response::from_json(&taken),
                None => Response::error("no session", 404),
            },
        }
    }

    fn take(&self, sid: &str) -> Option<Taken> {
        self.with(sid, |session| match session.polling.phase {
            Phase::Lobby => {
                let queue = session.polling.drain();
                session.end(End::Closed);
                Some(Taken::Session(match queue.is_empty() {
                    true => String::new(),
                    false => encode_payload(&queue),
                }))
            }
            Phase::Routed => session.identity.clone().map(Taken::User),
            Phase::Upgrading | Phase::Closed => None,
        })
        .flatten()
    }
}
