//! What the object may leave to its pacemaker, if it is registered with one ([`crate::core::pacemaker`]).

use worker::Result;

use crate::core::heartbeat::has_missed_call;
use crate::core::pacemaker::pace::{Pace, Registration};
use crate::core::time::Millis;
use crate::messages::{Register, Registered};
use crate::platform::{log, now, objects};
use crate::user_do::UserObject;

impl UserObject {
    /// Returns what may be left to the pacemaker.
    pub(crate) fn pace(&self) -> Result<Option<Pace>> {
        let config = self.config()?;
        if !config.pacemaker.is_on {
            return Ok(None);
        }
        let registration = self.store.registration()?;
        Ok(registration.map(|registration| Pace::new(&registration, config)))
    }

    /// Returns whether the pacemaker has not called when it should have.
    pub(crate) fn has_lost_pace(&self) -> bool {
        let (Ok(config), Ok(Some(pace))) = (self.config(), self.pace()) else {
            return false;
        };
        let now = now();
        self.sockets_heard()
            .iter()
            .any(|(socket, heard)| has_missed_call(&pace, &socket.connection, *heard, now, config))
    }

    /// Forgets a pacemaker that has not called when it should have. Called before a connection ends: without its
    /// attachment, nothing would tell, and the user's next connection would wait for calls as well.
    pub(crate) fn forget_lost_pacemaker(&self) {
        if self.has_lost_pace() {
            log::fault("pacemaker", self.store.forget_registration());
        }
    }

    /// Tells the pacemaker that it need not call any more.
    pub(crate) async fn end_registration(&self, registration: &Registration) -> Result<Registered> {
        let end = Register {
            pacemaker: registration.pacemaker.clone(),
            user_id: self.store.user_state()?.user_id,
            slots: vec![],
        };
        objects::register(&self.env, &end).await
    }

    /// Returns until when the user's connections are known to have lived, if the pacemaker has called everybody who was
    /// due before `kept_until`.
    pub(crate) fn alive_at(
        &self,
        registration: &Registration,
        kept_until: Millis,
    ) -> Result<Millis> {
        let pace = Pace::new(registration, self.config()?);
        Ok(pace.alive_at(kept_until).min(now()))
    }
}
