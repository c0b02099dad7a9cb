//! A client that gives its GET up has gone: so ends the session.
//!
//! During an upgrade that is for the WebSocket to say. If it takes over, nobody needs the GET; if it
//! fails, its client has to go on polling, and at once.
//!
//! ```text
//!  GET given up while       the session
//!  it waits for a packet    ends
//!  a WebSocket probes       goes on; ends when the probe fails, unless its client comes back
//!  it was answered          goes on: that GET is over, and another one may wait
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

/// How long a client may take to poll again after a probe that failed, with no GET of its waiting. The
/// noop that ended its GET has to reach it, and the next GET us.
const BACK_TO_POLLING: Duration = Duration::from_millis(1_500);

impl PollingGateway {
    /// Waits for the next packet, the upgrade or the end. The sender goes with the session.
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
                // Nobody is there to read it.
                answer(refusal(RequestError::UnknownSession))
            }
        }
    }
}

impl GatewaySession {
    /// The client of the GET that this answers has gone.
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

/// A probe has failed while no GET waited: ends the session unless its client comes back. The session's
/// WebSocket keeps the gateway awake in any case, so the timer costs nothing.
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
