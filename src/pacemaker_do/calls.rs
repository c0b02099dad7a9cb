//! Calls the users' objects whose pings are due.

use worker::Result;

use super::Pacemaker;
use crate::core::pacemaker::rhythm::Rhythm;
use crate::core::pacemaker::roster::Due;
use crate::core::time::Millis;
use crate::messages::{Beat, BeatAnswer};
use crate::platform::{log, objects};

impl Pacemaker {
    /// Calls everybody who is due, and takes note of when they want to be called from now on.
    pub(super) async fn call_who_is_due(&self, now: Millis) -> Result<()> {
        let config = self.config()?;
        let kept_until = self.kept_until.get().unwrap_or_default();
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
        self.take_note(&due, answers?)
    }

    fn take_note(&self, due: &[Due], answers: Vec<Result<BeatAnswer>>) -> Result<()> {
        let mut unreached = 0;
        for (due, answer) in due.iter().zip(answers) {
            let Ok(BeatAnswer { slots }) = answer else {
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
