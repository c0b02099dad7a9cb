//! Calls the users' objects whose pings are due.

use worker::Result;

use super::Pacemaker;
use crate::core::pacemaker::rhythm::Rhythm;
use crate::core::pacemaker::roster::Due;
use crate::messages::{Beat, Beaten};
use crate::platform::{log, now, objects};

impl Pacemaker {
    /// Calls everybody who is due, and takes note of when they want to be called from now on.
    pub(super) async fn call_who_is_due(&self) -> Result<()> {
        let config = self.config()?;
        let (kept_until, now) = (self.kept_until()?, now());
        let rhythm = Rhythm::of(&config);
        let due = self.with_roster(|roster| roster.due(rhythm, kept_until, now))?;
        let beat = Beat {
            pacemaker: self.store.name()?.unwrap_or_default(),
            kept_until,
            is_look: false,
        };
        let look = Beat {
            is_look: true,
            ..beat.clone()
        };
        let concurrency = config.fanout_concurrency;
        let answers = objects::call_for_beats(&self.env, &due, &beat, &look, concurrency).await;
        // Meanwhile, users may have been registered or have changed their slots. If the object stopped before this, its
        // next instance would call everybody again.
        self.kept_until.set(Some(now + 1));
        self.take_note(&due, answers?)
    }

    fn take_note(&self, due: &[Due], answers: Vec<Result<Beaten>>) -> Result<()> {
        let mut unreached = 0;
        for (due, answer) in due.iter().zip(answers) {
            let Ok(Beaten { slots }) = answer else {
                unreached += 1;
                continue;
            };
            // An answer from before a change does not undo it.
            if self.with_roster(|roster| roster.slots(&due.user_id) == due.slots.as_slice())? {
                self.set(&due.user_id, &slots)?;
            }
        }
        if unreached > 0 {
            let problem = format!("{unreached} of {} users could not be reached", due.len());
            log::error("pacemaker", &problem);
        }
        Ok(())
    }
}
