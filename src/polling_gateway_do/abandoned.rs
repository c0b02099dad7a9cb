//! A client that aborts its GET is gone, so its session ends.
//!
//! During an upgrade the WebSocket decides. If it takes over, the GET is no longer needed; if it fails, the
//! client has to resume polling at once.
//!
//! ```text
//!  GET aborted while        the session
//!  it waits for a packet    ends
//!  a WebSocket probes       continues; ends when the probe fails, unless the client polls again
//!  it was answered          continues: that GET is done, and another one may be waiting
//! ```

use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use wasm_bindgen_futures::spawn_local;
use worker::{Delay, Response, Result};

use super::{Answer, End, GatewaySession, PollingGateway, Sessions, answer, close, refusal};
use crate::platform::abandoned::Abandoned;
use crate::wire::engine_io::RequestError;
use crate::wire::polling::PollingPhase;

/// How long a client without a waiting GET may take to poll again after a failed probe. In that time the noop
/// that ended its GET reaches the client, and the next GET reaches us.
const BACK_TO_POLLING: Duration = Duration::from_millis(1_500);

impl PollingGateway {
    /// Waits for the next packet, the upgrade or the end of the session, which drops the sender.
    pub(super) async fn wait(
        &self,
        sid: &str,
        receiver: oneshot::Receiver<Answer>,
        abandoned: Abandoned,
    ) -> Result<Response> {
        match select(receiver, abandoned).await {
            Either::Left((answered, _)) => {
                answer(answered.unwrap_or_else(|_| refusal(RequestError::UnknownSession)))
            }
            Either::Right((_, receiver)) => {
                self.with(sid, |session| session.give_up(&receiver));
                // The client is gone; nobody reads this response.
                answer(refusal(RequestError::UnknownSession))
            }
        }
    }
}

impl GatewaySession {
    /// The client has aborted the GET that `receiver` belongs to.
    fn give_up(&mut self, receiver: &oneshot::Receiver<Answer>) {
        let waits = self.get.as_ref();
        if !waits.is_some_and(|get| get.is_connected_to(receiver)) {
            return;
        }
        match self.polling.phase {
            PollingPhase::Upgrading => {
                self.get = None;
                self.polling.forget_get();
            }
            PollingPhase::Lobby | PollingPhase::Routed | PollingPhase::Closed => {
                self.end(End::Lost)
            }
        }
    }
}

/// A probe has failed while no GET was waiting: ends the session unless the client polls again. The session's
/// WebSocket keeps the gateway awake anyway, so the timer costs nothing.
pub(super) fn expect_client(session: &mut GatewaySession, sessions: Sessions, sid: String) {
    if session.get.is_some() {
        return;
    }
    session.is_expected = true;
    spawn_local(async move {
        Delay::from(BACK_TO_POLLING).await;
        let is_missing = sessions
            .borrow()
            .get(&sid)
            .is_some_and(|session| session.is_expected);
        if is_missing {
            close(&sessions, &sid, End::Lost);
        }
    });
}
